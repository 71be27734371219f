"""The devices of one `World.add`: what they have in common, and how the core reaches them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .. import _core, units
from ..errors import ConfigError, SimulationError, refusals
from ..fleet_spec import VERSIONS
from .scheduler import Scheduler
from .tasks import NEVER
from .unit import Unit

if TYPE_CHECKING:
    from ..fleet import Fleet
    from ..world import World
    from .api import Device

HANDLERS = ("main", "on_boot", "on_connect", "on_disconnect", "on_message", "on_publish")
MAXIMUM_TEMPLATES = 4096
NO_LOOP = (
    "asyncio has no loop in the code of a device, which awaits what the device offers: self.sleep, "
    "self.spawn, self.timeout, self.first_of, self.all_of, ...; for asyncio code there is "
    "mqttwin.aio"
)


@lru_cache(maxsize=256)
def _takes_an_event(handler: Callable[..., Any]) -> bool:
    try:
        inspect.signature(handler).bind(None, None)
    except TypeError:
        return False
    return True


def _meant(device_class: type) -> str:
    """What was perhaps meant by a name that is none of ours."""
    for cls in device_class.__mro__:
        if cls.__module__.startswith("mqttwin."):
            break
        for name in vars(cls):
            for near in get_close_matches(name, HANDLERS, 1, 0.75):
                return f"; is {name} to be {near}?"
    return ""


def _is_of_asyncio(error: BaseException) -> bool:
    """Whether something of asyncio looked for an event loop."""
    if str(error) == "no running event loop":
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else trace.tb_frame.f_globals.get("__name__", "")
    return place.startswith("asyncio.") and isinstance(error, RuntimeError | AttributeError)


class Kind:
    """What a device class has, looked up once."""

    def __init__(self, device_class: type[Device], base: type[Device]) -> None:
        def has(name: str) -> bool:
            return getattr(device_class, name, None) is not getattr(base, name, None)

        self.main = has("main")
        self.boots = has("on_boot")
        self.connects = has("on_connect")
        self.disconnects = has("on_disconnect")
        self.messages = has("on_message")
        self.publishes = has("on_publish")
        self.reconnects = device_class.backoff is not None
        if not any(has(name) for name in HANDLERS):
            raise ConfigError(
                f"{device_class.__name__} has nothing to do: it needs `async def main(self)` or a "
                f"handler ({', '.join(HANDLERS[1:])}){_meant(device_class)}",
                key="device",
            )
        for name in HANDLERS[1:]:
            handler = inspect.getattr_static(device_class, name)
            if has(name) and inspect.isfunction(handler) and not _takes_an_event(handler):
                raise ConfigError(
                    f"{device_class.__name__}.{name} must take one event: def {name}(self, event)",
                    key="device",
                )
        if self.main and not inspect.iscoroutinefunction(device_class.main):
            raise ConfigError(f"{device_class.__name__}.main must be async", key="device")


class Crew:
    """The devices that were added together."""

    def __init__(
        self,
        world: World,
        device_class: type[Device],
        kind: Kind,
        parameters: dict[str, Any],
        *,
        on_crash: str,
        reboot_time: int,
    ) -> None:
        self.world = world
        self.core: _core.World
        self.device_class = device_class
        self.kind = kind
        self.parameters = parameters
        self.on_crash = on_crash
        self.reboot_time = reboot_time
        self.version = VERSIONS[device_class.version]
        self.number = -1
        self.units: list[Unit] = []
        self.schedulers: list[Scheduler] = []
        self.script = _core.Script(self.wake, self.finish, self.hear)
        self._speaking: Unit | None = None
        self.error: BaseException | None = None
        self.plain_turns = 0  # of periodic functions that only publish at QoS 0
        self.warned = False
        self.fleet: Fleet
        self.sensors: dict[str, Any] = {}  # those of the core, by name
        self._templates: dict[str, Callable[[int], str]] = {}

    def man(self, fleet: Fleet) -> None:
        """The fleet is there: makes the devices."""
        self.fleet = fleet
        self.core = fleet._world._core
        self.number = fleet._number
        for index, client_id in enumerate(fleet.ids()):
            device = object.__new__(self.device_class)
            unit = Unit(self, index, device, client_id)
            self.units.append(unit)
            self.schedulers.append(unit.scheduler)
            device.__dict__["_unit"] = unit
            device.__init__(**self.parameters)  # type: ignore[misc]

    def restart(self, unit: Unit) -> None:
        """Memory is as it was when the device was new."""
        if unit.boots == 1:
            return
        memory = unit.device.__dict__
        memory.clear()
        memory["_unit"] = unit
        unit.device.__init__(**self.parameters)  # type: ignore[misc]

    def now(self) -> int:
        """Virtual time, in nanoseconds."""
        return self.core.now

    @property
    def speaking(self) -> Unit | None:
        """Whose code is running."""
        if self._speaking is not None:
            return self._speaking
        index = self.script.running
        return self.units[index] if index >= 0 else None

    # --- from the core --------------------------------------------------------------------------

    def wake(self, index: int, now: int) -> int:
        """An alarm of a device is due."""
        scheduler = self.schedulers[index]
        self._speaking = unit = self.units[index]
        scheduler.armed = instant = scheduler.turn(now)
        return self._spoken(unit, instant)

    def finish(self, index: int, now: int, wanted: object, error: BaseException | None) -> int:
        """The core has resumed a lent coroutine, which wants more than to sleep again."""
        scheduler = self.schedulers[index]
        self._speaking = unit = self.units[index]
        scheduler.armed = instant = scheduler.finish(now, wanted, error)
        return self._spoken(unit, instant)

    def _spoken(self, unit: Unit, instant: int) -> int:
        self._speaking = None
        scheduler = unit.scheduler
        if self.error is not None:
            scheduler.armed = NEVER  # what is returned gets lost
            unit.arm()
        if self.error is not None or self.world._watching is not None:
            self._after()
        return instant

    def hear(self, notes: list[tuple[Any, ...]], now: int) -> None:
        """Things have happened to devices."""
        for note in notes:
            unit = self.units[note[1]]
            self._speaking = unit
            unit.hear(note, now)
        self._speaking = None
        if self.error is not None or self.world._watching is not None:
            self._after()

    def _after(self) -> None:
        watching = self.world._watching
        if watching is not None and watching():
            self.core.halt()
        error, self.error = self.error, None
        if error is not None:
            raise error

    # --- for devices ----------------------------------------------------------------------------

    def crashed(self, unit: Unit, error: BaseException) -> None:
        """The code of a device has failed: it reboots, or the run ends."""
        if not isinstance(error, Exception):  # Ctrl-C, or a test that gives up
            self.error = error
            return
        name = f"{self.device_class.__name__} {unit.client_id!r}"
        # The instant stands at the end of the whole.
        said = error.message if isinstance(error, SimulationError) else str(error)
        reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
        if _is_of_asyncio(error):
            reason += f" ({NO_LOOP})"
        if self.on_crash == "reboot":
            unit.device.log.error("crashed, and reboots: %s", reason, exc_info=error)
            unit.boot_at(unit.now + self.reboot_time, "crash")
            return
        message = f"{name} failed: {reason}"
        failure = SimulationError(message, virtual_time=unit.now / units.SECOND)
        failure.__cause__ = error
        if self.error is None:
            self.error = failure

    def render(self, template: str, index: int, what: str) -> str:
        """The text of a template for a device."""
        if "{" not in template and "}" not in template:
            return template
        made = self._templates.get(template)
        if made is None:
            if len(self._templates) >= MAXIMUM_TEMPLATES:
                self._templates.clear()
            with refusals():
                made = _core.Template(template, self.fleet._population, what).text
            self._templates[template] = made
        return made(index)
