"""What `at` and `every` of a stored world are to call: methods of named objects."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import plain
from .broker import Broker
from .device import Device
from .errors import SnapshotError
from .fleet import Fleet
from .partitions import Partition

if TYPE_CHECKING:
    from .timeline import _Barrier
    from .world import World


def timers_of(world: World) -> list[dict[str, Any]]:
    """What a world's `at` and `every` are going to call.

    Raises:
        SnapshotError: One calls what is only code.
    """
    return [
        _timer(world, at, number, barrier)
        for at, number, barrier in sorted(world._timeline._barriers)
        if not barrier.cancelled
    ]


def put_back(world: World, timers: Sequence[dict[str, Any]]) -> None:
    """They are going to call the same of this world, in the same order."""
    for told in timers:
        call = _callback(world, told["call"])
        world._timeline.put_back(told["at"], told["number"], call, told["period"])


def _timer(world: World, at: int, number: int, barrier: _Barrier) -> dict[str, Any]:
    return {
        "at": at,
        "number": number,
        "period": barrier.period,
        "call": _call(world, barrier.callback),
    }


def _call(world: World, callback: Callable[..., object]) -> Any:
    call, arguments, keywords = callback, (), {}
    if isinstance(callback, functools.partial):
        call, arguments, keywords = callback.func, callback.args, callback.keywords
    owner = _owner(world, getattr(call, "__self__", None))
    if owner is None:
        raise SnapshotError(
            f"{_named(call)} is to be called, and code cannot be stored: give `at` and `every` "
            "methods of brokers, fleets, devices and partitions (broker.restart, or "
            "functools.partial(broker.restart, down='60s'))"
        )
    try:
        return [owner, call.__name__, plain.encode(arguments), plain.encode(dict(keywords))]
    except plain.NotPlain as error:
        raise SnapshotError(f"{_named(call)} is to be called with {error}") from None


def _owner(world: World, owner: object) -> list[Any] | None:
    if isinstance(owner, Broker) and owner._world is world:
        return ["broker", owner.name]
    if isinstance(owner, Fleet) and owner._world is world:
        return ["fleet", owner.name]
    if isinstance(owner, Device) and owner._unit.crew.world is world:
        return ["device", owner._unit.crew.fleet.name, owner.index]
    if isinstance(owner, Partition) and owner._world is world:
        return ["partition", [list(pair) for pair in owner._pairs], owner._healed]
    return None


def _named(call: object) -> str:
    code = getattr(call, "__code__", None)
    name = getattr(call, "__qualname__", repr(call))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name


def _callback(world: World, call: Sequence[Any]) -> Callable[[], object]:
    (kind, *which), name, arguments, keywords = call
    owner: Any
    if kind == "broker":
        owner = world.brokers[which[0]]
    elif kind == "fleet":
        owner = world.fleets[which[0]]
    elif kind == "device":
        owner = world.devices[which[0]][which[1]]
    elif kind == "partition":
        owner = Partition.__new__(Partition)
        owner._world, owner._healed = world, which[1]
        owner._pairs = [tuple(pair) for pair in which[0]]
    else:
        raise ValueError(f"timers of a {kind!r}")
    if name.startswith("_"):
        raise ValueError(f"{name!r} is to be called")
    method: Callable[[], object] = getattr(owner, name)
    args, kwargs = plain.decode(arguments), plain.decode(keywords)
    return functools.partial(method, *args, **kwargs) if args or kwargs else method
