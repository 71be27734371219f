"""Worlds that are stored, restored and forked.

The core stores what it holds; the notes that go with it are what Python knows besides: links as
they were described, what `at` and `every` are to call, devices whose behaviour is Python.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import _core, plain
from .broker import Broker
from .device import Device
from .device.freezing import busy_devices, freeze, thaw, thawed_crew
from .errors import ConfigError, MqttwinError, SnapshotError
from .fleet import Fleet
from .link_parts import Shared
from .partitions import Partition
from .timeline import _Barrier

if TYPE_CHECKING:
    from .device.crew import Crew
    from .world import World

Replay = Callable[["World"], object]


# --- storing --------------------------------------------------------------------------------------


def save(world: World, path: str | os.PathLike[str], *, replay: bool) -> None:
    """`World.snapshot`."""
    where = _path(path)
    if not isinstance(replay, bool):
        raise ConfigError(f"must be True or False, not {replay!r}", key="replay")
    world._changing()
    try:
        if replay:
            _core.World(world.seed, **world._options).save_snapshot(where, _packed(_promise(world)))
        else:
            world._core.save_snapshot(where, _packed(notes_of(world)))
    except _core.SnapshotError as error:
        raise SnapshotError(str(error)) from None


def fork(world: World) -> World:
    """`World.fork`."""
    world._changing()
    stored = world._core.take_snapshot(_packed(notes_of(world)))
    classes = [crew.device_class for crew in world._crews]
    return _restored(type(world), stored, classes)


def notes_of(world: World) -> dict[str, Any]:
    """What Python knows of a world.

    Raises:
        SnapshotError: There is something that runs, or that is only code.
    """
    if world._crews:
        _settle(world)
    _refuse(world)
    media = dict(world._media)

    def medium(value: Any) -> Any:
        return {"is": "medium", "of": media[value]} if isinstance(value, Shared) else None

    def described(value: Any) -> Any:
        return plain.encode(value, medium)

    return {
        "options": dict(world._options),
        "parameters": _parameters(world),
        "media": [plain.encode(shared) for shared in media],
        "brokers": [[b.name, b.hostname, _text(b.users)] for b in world.brokers.values()],
        "fleets": [
            {
                "name": fleet.name,
                "link": described(fleet.link),
                "tls": described(fleet.tls),
                "websocket": described(fleet.websocket),
                "filters": fleet._filters,
                "subscriptions": [list(wanted) for wanted in fleet._subscriptions],
            }
            for fleet in world.fleets.values()
        ],
        "apart": [[*pair, count] for pair, count in world._apart.items() if count],
        "timers": [_timer(world, *waiting) for waiting in sorted(world._timeline._barriers)],
        "crews": [freeze(crew) for crew in world._crews],
    }


def _settle(world: World) -> None:
    """What was done to devices between two runs reaches their code."""
    core = world._core
    while not core.run(core.now, 1000):
        pass


def _refuse(world: World) -> None:
    why = world._core.not_archivable()
    if world._timeline.aio is not None:
        why = "hosts run firmware over simulated sockets"
    busy = list(itertools.islice(busy_devices(world._crews), 4))
    if busy:
        more = ", ..." if len(busy) > 3 else ""
        why = f"coroutines cannot be stored: {', '.join(busy[:3])}{more}"
    if why:
        raise SnapshotError(
            f"{why}; snapshot(path, replay=True) stores how far the world has come instead, and "
            "restore(path, replay=function) repeats it"
        )


def _parameters(world: World) -> dict[str, Any]:
    """For reports: what cannot be stored is there as text."""
    out = {}
    for name, value in world.parameters.items():
        try:
            out[name] = plain.encode(value)
        except plain.NotPlain:
            out[name] = repr(value)
    return out


def _text(users: object) -> str | None:
    return None if users is None else os.fspath(users)  # type: ignore[call-overload]


def _packed(notes: dict[str, Any]) -> bytes:
    return json.dumps(notes, separators=(",", ":")).encode()


def _promise(world: World) -> dict[str, Any]:
    """Instead of its state: what a repetition has to come to."""
    return {
        "options": dict(world._options),
        "parameters": _parameters(world),
        "replay": {"at": world._core.now, "digest": world._core.digest()},
    }


# --- what `at` and `every` call -------------------------------------------------------------------


def _timer(world: World, at: int, number: int, barrier: _Barrier) -> dict[str, Any] | None:
    if barrier.cancelled:
        return None
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


# --- restoring ------------------------------------------------------------------------------------


def load(
    cls: type[World],
    path: str | os.PathLike[str],
    devices: Iterable[type[Device]],
    replay: Replay | None,
) -> World:
    """`World.restore`."""
    classes = _classes(devices)
    if replay is not None and not callable(replay):
        raise ConfigError(f"{replay!r} cannot be called", key="replay")
    try:
        stored = _core.Snapshot(_path(path))
    except _core.SnapshotError as error:
        raise SnapshotError(str(error)) from None
    try:
        promise = json.loads(stored.notes).get("replay")
        if promise is None:
            if replay is not None:
                raise ConfigError(
                    "is for snapshots that hold no state; this one does", key="replay"
                )
            return _restored(cls, stored, classes)
        return _replayed(cls, stored, promise, replay)
    except SnapshotError as error:
        raise SnapshotError(f"{os.fspath(path)}: {error}") from None


def _path(path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"must be that of a file, not {path!r}", key="path")
    return os.fspath(path)


def _classes(devices: object) -> list[type[Device]]:
    found: list[Any] = list(devices) if isinstance(devices, Iterable) else [devices]
    for one in found:
        if not isinstance(one, type) or not issubclass(one, Device):
            raise ConfigError(f"{one!r} is no subclass of mqttwin.Device", key="devices")
    return found


def _restored(cls: type[World], stored: _core.Snapshot, classes: Sequence[type[Device]]) -> World:
    try:
        return _built(cls, stored, json.loads(stored.notes), {c.__name__: c for c in classes})
    except (ValueError, TypeError, LookupError, AttributeError, _core.SnapshotError) as error:
        if isinstance(error, MqttwinError):
            raise
        raise SnapshotError(str(error)) from None


def _built(
    cls: type[World],
    stored: _core.Snapshot,
    notes: dict[str, Any],
    classes: dict[str, type[Device]],
) -> World:
    world = cls.__new__(cls)
    crews: list[Crew] = [thawed_crew(world, told, classes) for told in notes["crews"]]
    scripts = [
        (told["name"], crew.script) for told, crew in zip(notes["crews"], crews, strict=True)
    ]
    core = stored.restore(scripts)
    world._begin(stored.seed, notes["options"], core)
    world.parameters = {name: plain.decode(value) for name, value in notes["parameters"].items()}
    media = [plain.decode(told) for told in notes["media"]]
    world._media = {shared: number for number, shared in enumerate(media)}

    def medium(kind: str, of: Any) -> Any:
        if kind != "medium":
            raise ValueError(f"{kind!r} is unknown")
        return media[of]

    def described(value: Any) -> Any:
        return plain.decode(value, medium)

    for number, (name, hostname, users) in enumerate(notes["brokers"]):
        world.brokers[name] = Broker(world, name, number, hostname=hostname)
        world.brokers[name].users = users
    for number, told in enumerate(notes["fleets"]):
        spec = core.fleet_spec(number)
        fleet = Fleet(
            world,
            spec,
            number,
            core.population(number, world.seed),
            described(told["link"]),
            tls=described(told["tls"]),
            websocket=described(told["websocket"]),
            simulated=True,
        )
        fleet._publishes = core.publish_specs(number)
        fleet._filters = list(told["filters"])
        fleet._subscriptions = [tuple(wanted) for wanted in told["subscriptions"]]
        world.fleets[told["name"]] = fleet
    for fleet_number, broker_number, count in notes["apart"]:
        world._apart[fleet_number, broker_number] = count
    for crew, told in zip(crews, notes["crews"], strict=True):
        thaw(world, crew, told)
    for told in notes["timers"]:
        if told is not None:
            world._timeline.put_back(
                told["at"], told["number"], _callback(world, told["call"]), told["period"]
            )
    return world


def _replayed(
    cls: type[World], stored: _core.Snapshot, promise: dict[str, Any], replay: Replay | None
) -> World:
    if replay is None:
        raise SnapshotError(
            "holds no state, but how far a world had come: restore(path, replay=function) repeats "
            "it with the function that has described it"
        )
    notes = json.loads(stored.notes)
    world = cls.__new__(cls)
    world._begin(stored.seed, notes["options"], _core.World(stored.seed, **notes["options"]))
    world.parameters = {name: plain.decode(value) for name, value in notes["parameters"].items()}
    replay(world)
    at, digest = int(promise["at"]), str(promise["digest"])
    if world._core.now > at:
        raise SnapshotError(
            f"the function has run the world to {world.now:.9g} s, past {at / 1e9:.9g} s where it "
            "was stored"
        )
    world.run(f"{at - world._core.now}ns")
    if world._core.digest() != digest:
        raise SnapshotError(
            f"repeating it up to {at / 1e9:.9g} s came to the digest {world._core.digest()}, not "
            f"{digest}: the function describes another world"
        )
    return world
