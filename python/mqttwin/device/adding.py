"""`World.add`: devices of a class become part of a world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .. import units
from ..errors import ConfigError
from .api import Device
from .conditions import Condition
from .crew import Crew, Kind

if TYPE_CHECKING:
    from ..world import World

D = TypeVar("D", bound=Device)
ON_CRASH = ("fail", "reboot")


class Devices(Sequence[D], Generic[D]):
    """The devices that were added together, in order.

    Attributes:
        name: What they are called together, as in `World.fleets`.
    """

    def __init__(self, crew: Crew, devices: list[D]) -> None:
        self.name = crew.fleet.name
        self._devices = devices

    @overload
    def __getitem__(self, index: int) -> D: ...
    @overload
    def __getitem__(self, index: slice) -> list[D]: ...
    def __getitem__(self, index: int | slice) -> D | list[D]:
        return self._devices[index]

    def __len__(self) -> int:
        return len(self._devices)

    @property
    def connected(self) -> Condition:
        """Whether all of them are."""
        holds = _every([d._unit.is_connected for d in self._devices])
        return Condition(holds, f"all {self.name} connected")

    @property
    def outbox_empty(self) -> Condition:
        """Whether all of theirs are."""
        holds = _every([d.outbox_empty for d in self._devices])
        return Condition(holds, f"all {self.name} outbox_empty")

    def __repr__(self) -> str:
        return f"<Devices {self.name!r}: {len(self):,}>"


def add_devices(
    world: World,
    device_class: type[D],
    count: int,
    *,
    name: str | None,
    client_id: str | None,
    single: bool,
    may_crash: bool,
    on_crash: str | None,
    reboot_time: units.Duration,
    parameters: dict[str, Any],
    **more: Any,
) -> Devices[D]:
    """Checks the class, makes a fleet of it, and gives each device its object."""
    given: object = device_class
    if isinstance(given, Device):
        named = type(given).__name__
        message = f"takes the class: world.add({named}), not world.add({named}())"
        raise ConfigError(message, key="device")
    if not isinstance(device_class, type) or not issubclass(device_class, Device):
        raise ConfigError(f"{device_class!r} is no subclass of mqttwin.Device", key="device")
    kind = Kind(device_class, Device)
    policy = on_crash if on_crash is not None else ("reboot" if may_crash else "fail")
    if policy not in ON_CRASH:
        raise ConfigError(f"{policy!r} is none of {', '.join(ON_CRASH)}", key="on_crash")
    crew = Crew(
        world,
        device_class,
        kind,
        parameters,
        on_crash=policy,
        reboot_time=units.duration(reboot_time, "reboot_time"),
    )
    chosen = _free_name(world, device_class) if name is None else name
    template = client_id if client_id is not None else "{fleet}" if single else "{fleet}-{index}"
    fleet = world.fleet(
        chosen,
        count,
        client_id=template,
        version=device_class.version,
        keep_alive=device_class.keep_alive,
        clean_start=device_class.clean_start,
        session_expiry=device_class.session_expiry,
        backoff=device_class.backoff,
        connect_timeout=device_class.connect_timeout,
        ping_timeout=device_class.ping_timeout,
        receive_maximum=device_class.receive_maximum,
        max_in_flight=device_class.max_in_flight,
        max_queued=device_class.max_queued,
        queue_qos0=device_class.queue_qos0,
        user_name=device_class.user_name,
        password=device_class.password,
        will=device_class.will,
        _crew=crew,
        **more,
    )
    crew.man(fleet)
    world._crews.append(crew)
    devices: Devices[D] = Devices(crew, [unit.device for unit in crew.units])  # type: ignore[misc]
    world.devices[fleet.name] = devices
    return devices


def _every(holds: Sequence[Callable[[], bool]]) -> Callable[[], bool]:
    """Whether all hold, asked after every event: the one that failed last is asked first."""
    last = 0

    def every() -> bool:
        nonlocal last
        if holds and not holds[last]():
            return False
        for n, one in enumerate(holds):
            if not one():
                last = n
                return False
        return True

    return every


def _free_name(world: World, device_class: type[Device]) -> str:
    """The class's name; with a number where that is taken."""
    base = device_class.__name__.lower()
    name, number = base, 1
    while name in world.fleets:
        number += 1
        name = f"{base}-{number}"
    return name
