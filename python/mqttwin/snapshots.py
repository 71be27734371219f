"""Worlds that are stored, restored and forked.

The core stores what it holds; the notes that go with it are what Python knows besides: links as
they were described, what `at` and `every` are to call, devices whose behaviour is Python.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import _core, plain
from .broker import Broker
from .device import Device
from .device.freezing import busy_devices, freeze, thaw, thawed_crew
from .errors import ConfigError, MqttwinError, SnapshotError
from .fleet import Fleet
from .link_parts import Shared
from .stored_timers import put_back, timers_of

if TYPE_CHECKING:
    from .world import World

Replay = Callable[["World"], object]
ClassOf = Callable[[dict[str, Any]], type[Device]]
"""Finds the class of devices that were stored."""


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
    classes = {crew.fleet.name: crew.device_class for crew in world._crews}
    return _restored(type(world), stored, lambda told: classes[told["name"]])


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
        "timers": timers_of(world),
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
            return _restored(cls, stored, lambda told: _called(classes, told))
        return _replayed(cls, stored, promise, replay)
    except SnapshotError as error:
        raise SnapshotError(f"{os.fspath(path)}: {error}") from None


def _path(path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"must be that of a file, not {path!r}", key="path")
    return os.fspath(path)


def _classes(devices: object) -> dict[str, type[Device]]:
    found: dict[str, type[Device]] = {}
    for one in devices if isinstance(devices, Iterable) else [devices]:
        if not isinstance(one, type) or not issubclass(one, Device):
            raise ConfigError(f"{one!r} is no subclass of mqttwin.Device", key="devices")
        if found.setdefault(one.__name__, one) is not one:
            raise ConfigError(f"two of them are called {one.__name__}", key="devices")
    return found


def _called(classes: dict[str, type[Device]], told: dict[str, Any]) -> type[Device]:
    name = told["class"]
    if name not in classes:
        raise SnapshotError(
            f"the devices {told['name']!r} are a class {name}: restore(path, devices=[{name}])"
        )
    return classes[name]


def _restored(cls: type[World], stored: _core.Snapshot, class_of: ClassOf) -> World:
    try:
        return _built(cls, stored, json.loads(stored.notes), class_of)
    except (ValueError, TypeError, LookupError, AttributeError, _core.SnapshotError) as error:
        if isinstance(error, MqttwinError):
            raise
        raise SnapshotError(str(error)) from None


def _built(
    cls: type[World], stored: _core.Snapshot, notes: dict[str, Any], class_of: ClassOf
) -> World:
    world = cls.__new__(cls)
    crews = [thawed_crew(world, told, class_of(told)) for told in notes["crews"]]
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
            core.population(number),
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
    put_back(world, notes["timers"])
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
