"""Devices whose code is Python, stored between two turns.

A coroutine cannot be stored. What can is a device that waits in handlers and periodic functions:
its memory (`Device.state`), its parts, its alarms, and what it has asked of its client.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from heapq import heapify
from typing import TYPE_CHECKING, Any

from .. import _core, plain
from ..client_errors import ClientTimeout, ConnectError, DisconnectedError
from ..errors import SnapshotError
from .adding import Devices
from .api import Device
from .crew import Crew, Kind
from .periodic import Every
from .randomness import DeviceRandom
from .sensors import BoundSensor
from .storage import Storage
from .tasks import NEVER, Alarm, Waiter
from .unit import Unit

if TYPE_CHECKING:
    from ..world import World

_COUNTS = (
    "on",
    "boots",
    "crashes",
    "overflowed",
    "failed",
    "failed_before",
    "actions",
    "plain_publishes",
)
_FLAGS = ("connected", "session_present", "wanted", "goodbye")
_ERRORS = {cls.__name__: cls for cls in (ConnectError, DisconnectedError, ClientTimeout)}


def busy_devices(crews: Iterable[Crew]) -> Iterator[str]:
    """Those with a coroutine under way, and its name."""
    for crew in crews:
        for unit in crew.units:
            for task in unit.scheduler.tasks:
                yield f"{crew.device_class.__name__} {unit.client_id!r} is in {task.name}()"


# --- storing --------------------------------------------------------------------------------------


def freeze(crew: Crew) -> dict[str, Any]:
    """The devices of one `World.add`.

    Raises:
        SnapshotError: One remembers what cannot be stored.
    """
    return {
        "name": crew.fleet.name,
        "class": crew.device_class.__name__,
        "parameters": _plain(crew.parameters, f"the parameters of {crew.fleet.name!r}"),
        "on_crash": crew.on_crash,
        "reboot_time": crew.reboot_time,
        "plain_turns": crew.plain_turns,
        "warned": crew.warned,
        "sensors": {name: plain.encode(core.state()) for name, core in crew.sensors.items()},
        "units": [_frozen(unit) for unit in crew.units],
    }


def _plain(value: Any, what: str) -> Any:
    try:
        return plain.encode(value)
    except plain.NotPlain as error:
        raise SnapshotError(f"{what} hold {error}, which cannot be stored") from None


def _frozen(unit: Unit) -> dict[str, Any]:
    scheduler = unit.scheduler
    who = f"{unit.crew.device_class.__name__} {unit.client_id!r}"
    number_of = {
        id(getattr(target.call, "__self__", None)): number
        for _, number, target in scheduler.alarms
        if isinstance(target, Alarm)
    }

    def periodic(value: Any) -> Any:
        if isinstance(value, Every):
            return {"is": "every", "of": number_of.get(id(value))}
        return None

    try:
        memory = plain.encode(_memory_of(unit.device).state(unit.device), periodic)
    except plain.NotPlain as error:
        raise SnapshotError(
            f"{who} remembers {error}, which cannot be stored: give {type(unit.device).__name__} "
            "methods state() and restore(state)"
        ) from None
    return {
        "memory": memory,
        "counts": {name: getattr(unit, name) for name in (*_COUNTS, *_FLAGS)},
        "waits": [unit.connecting is not None, unit.disconnecting is not None],
        "lost": None if unit.lost is None else _error(unit.lost()),
        "publishes": [[n, topic, qos] for n, (_, topic, qos) in unit.publishes.items()],
        "lists": [[n, filters, more] for n, (_, filters, more) in unit.lists.items()],
        "inbox": plain.encode(unit.inbox),
        "said": plain.encode(unit.said),
        "parts": {name: _part(part) for name, part in unit.parts.items() if name != "log"},
        "new": scheduler.first is not None,
        "rate": scheduler.rate,
        "armed": scheduler.armed,
        "number": scheduler.number,
        "alarms": [
            told
            for entry in sorted(scheduler.alarms, key=lambda entry: entry[:2])
            if (told := _alarm(unit, who, *entry)) is not None
        ],
    }


def _memory_of(device: Device) -> type[Device]:
    """Whose `state` and `restore` count: those of its class, if it has both."""
    own = type(device)
    both = all(
        callable(method := getattr(own, name)) and method is not getattr(Device, name)
        for name in ("state", "restore")
    )
    return own if both else Device


def _error(error: Any) -> list[Any]:
    more = {"reason_code": getattr(error, "reason_code", None)}
    more["properties"] = plain.encode(getattr(error, "properties", {}))
    return [type(error).__name__, str(error), more]


def _part(part: Any) -> list[Any]:
    if isinstance(part, Storage):
        return ["storage", part.limit, part.writes, plain.encode(part._frozen)]
    if isinstance(part, DeviceRandom):
        return ["random", part._stream.position]
    if isinstance(part, _core.Stream):
        return ["stream", part.position]
    if isinstance(part, BoundSensor):
        return ["sensor", part.readings, plain.encode(part._stuck)]
    return ["clock", part._true, part._shown, part._drift]


def _alarm(unit: Unit, who: str, instant: int, number: int, target: Any) -> list[Any] | None:
    call: Any = target.call if isinstance(target, Alarm) else None
    if call is None:
        return None  # cancelled
    arguments: tuple[Any, ...] = ()
    if isinstance(call, functools.partial):
        call, arguments = call.func, call.args
    owner = getattr(call, "__self__", None)
    name = getattr(call, "__name__", "")
    if isinstance(owner, Every):
        return [instant, number, "every", _every(unit, who, owner)]
    if isinstance(owner, Waiter):
        return None  # the time limit of what nobody awaits
    if owner is unit and name == "give_up":
        return [instant, number, "give_up", arguments[1]]
    if owner is unit:
        return [instant, number, name, list(arguments)]
    return [instant, number, "soon", None]


def _every(unit: Unit, who: str, every: Every) -> dict[str, Any]:
    function = every._function
    if getattr(function, "__self__", None) is not unit.device:
        name = getattr(function, "__qualname__", repr(function))
        raise SnapshotError(
            f"{who} does {name} periodically, which is none of its methods and cannot be stored"
        )
    return {
        "function": function.__name__,
        "arguments": _plain(every._arguments, f"the arguments of {function.__name__}"),
        "period": every._period,
        "due": every._due,
        "count": every.count,
        "skipped": every.skipped,
        "seen": list(every._seen),
    }


# --- restoring ------------------------------------------------------------------------------------


def thawed_crew(world: World, told: dict[str, Any], device_class: type[Device]) -> Crew:
    """The crew, before there is a world for it."""
    crew = Crew(
        world,
        device_class,
        Kind(device_class, Device),
        plain.decode(told["parameters"]),
        on_crash=told["on_crash"],
        reboot_time=told["reboot_time"],
    )
    crew.plain_turns, crew.warned = told["plain_turns"], told["warned"]
    return crew


def thaw(world: World, crew: Crew, told: dict[str, Any]) -> None:
    """The devices are what they were."""
    crew.man(world.fleets[told["name"]])
    for name, state in told["sensors"].items():
        getattr(type(crew.units[0].device), name)._core_of(crew).restore(plain.decode(state))
    for unit, frozen in zip(crew.units, told["units"], strict=True):
        _thaw(unit, frozen)
    world._crews.append(crew)
    world.devices[crew.fleet.name] = Devices(crew, [unit.device for unit in crew.units])


def _thaw(unit: Unit, told: dict[str, Any]) -> None:
    for name, value in told["counts"].items():
        if name not in (*_COUNTS, *_FLAGS):
            raise ValueError(f"a device has no {name!r}")
        setattr(unit, name, value)
    connecting, disconnecting = told["waits"]
    unit.connecting = Waiter() if connecting else None
    unit.disconnecting = Waiter() if disconnecting else None
    unit.lost = None if told["lost"] is None else functools.partial(_as_error, *told["lost"])
    unit.publishes = {n: (Waiter(), topic, qos) for n, topic, qos in told["publishes"]}
    unit.lists = {n: (Waiter(), filters, more) for n, filters, more in told["lists"]}
    unit.inbox = plain.decode(told["inbox"])
    unit.said = plain.decode(told["said"])
    for name, part in told["parts"].items():
        _thaw_part(unit, name, *part)
    scheduler = unit.scheduler
    if not told["new"]:
        scheduler.first = None
    scheduler.rate, scheduler.number = told["rate"], told["number"]
    scheduler.armed = told["armed"]
    periodic: dict[int | None, Every] = {}
    scheduler.alarms = [_as_alarm(unit, periodic, *alarm) for alarm in told["alarms"]]
    heapify(scheduler.alarms)

    def made(kind: str, of: Any) -> Any:
        if kind != "every":
            raise ValueError(f"{kind!r} is unknown")
        return periodic.get(of) or _over(unit)

    _memory_of(unit.device).restore(unit.device, plain.decode(told["memory"], made))


def _as_error(name: str, text: str, more: dict[str, Any]) -> Any:
    error: Any = _ERRORS[name].__new__(_ERRORS[name])
    error.args = (text,)
    if name != "ClientTimeout":
        error.reason_code = more["reason_code"]
        error.properties = plain.decode(more["properties"])
    return error


def _thaw_part(unit: Unit, name: str, kind: str, *of: Any) -> None:
    device = unit.device
    if kind == "storage":
        storage = device.storage
        storage.limit, storage.writes = of[0], of[1]
        storage._frozen = plain.decode(of[2])
        storage._sizes = {k: len(k.encode()) + len(v) for k, v in storage._frozen.items()}
    elif kind == "random":
        unit.parts[name] = DeviceRandom(unit.stream(name, of[0]))
    elif kind == "stream":
        unit.parts[name] = unit.stream(name, of[0])
    elif kind == "sensor":
        sensor = getattr(device, name)
        sensor.readings, sensor._stuck = of[0], plain.decode(of[1])
    elif kind == "clock":
        clock = device.clock
        clock._true, clock._shown, clock._drift = of
    else:
        raise ValueError(f"a device has no {kind!r}")


def _as_alarm(
    unit: Unit, periodic: dict[int | None, Every], instant: int, number: int, kind: str, of: Any
) -> tuple[int, int, Alarm]:
    if kind == "every":
        every = periodic[number] = _over(unit)
        every._function = getattr(unit.device, of["function"])
        every._arguments = plain.decode(of["arguments"])
        every._period, every._due = of["period"], of["due"]
        every.count, every.skipped = of["count"], of["skipped"]
        every._seen = (of["seen"][0], of["seen"][1])
        every._alarm = Alarm(every._turn, False)
        return instant, number, every._alarm
    if kind == "give_up":
        waiter = unit.connecting = unit.connecting or Waiter()
        waiter.limit = Alarm(functools.partial(unit.give_up, waiter, of), False)
        return instant, number, waiter.limit
    if kind == "soon":
        return instant, number, Alarm(_nothing, False)
    if kind not in ("boot", "brown_out"):
        raise ValueError(f"an alarm for {kind!r}")
    return instant, number, Alarm(functools.partial(getattr(unit, kind), *of), True)


def _over(unit: Unit) -> Every:
    """A periodic function without a further turn."""
    every = Every.__new__(Every)
    every.count = every.skipped = 0
    every._unit = unit
    every._period = every._due = NEVER
    every._function, every._arguments = _nothing, ()
    every._task = every._alarm = None
    every._seen = (0, 0)
    return every


def _nothing() -> None:
    """A turn is all that is wanted."""
