"""`mqttwin.Device`: firmware logic in Python, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .. import units
from ..backoff import Backoff
from ..errors import ConfigError
from ..units import Duration
from .client_part import ClientPart
from .clock import Clock
from .conditions import Condition
from .events import (
    BootEvent,
    ConnectEvent,
    DisconnectEvent,
    MessageEvent,
    PublishEvent,
)
from .groups import First, TimeLimit, all_of, first_of
from .log import DeviceLog
from .periodic import Every
from .randomness import DeviceRandom
from .storage import Storage
from .tasks import PowerLost, Task, suspend

if TYPE_CHECKING:
    from .link import DeviceLink
    from .unit import Unit

_YEAR = 366 * 86400
P = TypeVar("P")


class Device(ClientPart):
    """A device whose behaviour is Python code; subclass it, and `World.add` it.

    Write ``async def main(self)`` (process style), or handlers from ``on_boot`` on (callback
    style), or both. Handlers may be ``async``, too; each takes one event object. Attributes of the
    class are what such devices are; those of an instance are its memory, which a reboot empties:
    `__init__` runs again, with the parameters of `World.add`.

    Attributes:
        version: "5.0", "3.1.1" or "3.1".
        keep_alive, clean_start, session_expiry, will, user_name, password: What CONNECT says,
            unless `connect` is told otherwise.
        backoff: How long the client waits before it connects again by itself, once `connect` was
            called; None: it does not.
        connect_timeout: Of an attempt, until CONNACK.
        ping_timeout: From PINGREQ until anything is received.
        receive_maximum: Messages of QoS > 0 that it takes at a time.
        max_in_flight: Own messages of QoS > 0 that await their acknowledgement.
        max_queued: Own messages kept beyond that, or while offline; the oldest is dropped.
        queue_qos0: Whether messages of QoS 0 are kept while offline.
        inbox_limit: Received messages that wait for `messages`; the oldest is dropped.
        storage_limit: Bytes of non-volatile storage.
    """

    version: ClassVar[str] = "5.0"
    user_name: str = ""
    backoff: ClassVar[Backoff | None] = Backoff()
    connect_timeout: ClassVar[Duration] = "30s"
    ping_timeout: ClassVar[Duration] = "20s"
    receive_maximum: ClassVar[int] = 65535
    max_in_flight: ClassVar[int] = 20
    max_queued: ClassVar[int] = 100
    queue_qos0: ClassVar[bool] = False
    inbox_limit: ClassVar[int] = 1000
    storage_limit: ClassVar[int] = 65536

    _unit: Unit

    def __getattr__(self, name: str) -> Any:
        if name == "_unit":
            kind = type(self).__name__
            raise ConfigError(
                f"a {kind} is no part of a world: world.add({kind}), not {kind}()", key="device"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # --- what a subclass defines ----------------------------------------------------------------

    async def main(self) -> None:
        """The process: started whenever the device has power."""

    def on_boot(self, event: BootEvent) -> Any:
        """The device has power."""

    def on_connect(self, event: ConnectEvent) -> Any:
        """CONNACK accepted the device: the first time, and whenever it has connected again."""

    def on_disconnect(self, event: DisconnectEvent) -> Any:
        """A connection, or the attempt at one, is over."""

    def on_message(self, event: MessageEvent) -> Any:
        """A message; where this is defined, `messages` has none."""

    def on_publish(self, event: PublishEvent) -> Any:
        """An own message of QoS 1 or 2 was acknowledged, or dropped."""

    # --- time -----------------------------------------------------------------------------------

    def sleep(self, duration: Duration) -> Awaitable[None]:
        """Sleeps, by the device's own clock."""
        return suspend(_text_ns(duration) if duration.__class__ is str else _ns(duration))

    def every(
        self,
        period: Duration,
        function: Callable[..., Any],
        *arguments: Any,
        start: Duration | None = None,
    ) -> Every:
        """Calls a function periodically, plain or asynchronous, until cancelled or switched off.

        Where an asynchronous one is not over when it is due again, that turn is left out.

        Args:
            period: From one turn to the next.
            function: What to call, with the
            *arguments: this.
            start: Until the first turn; by default a period.
        """
        unit = self._acting()
        step = units.duration(period, "every", zero=False)
        first = step if start is None else units.duration(start, "start")
        return Every(unit, step, first, function, arguments)

    def timeout(self, duration: Duration) -> TimeLimit:
        """``async with self.timeout("5s"):`` raises `ClientTimeout` when that takes longer."""
        unit = self._acting()
        ns = units.duration(duration, "timeout")
        return TimeLimit(unit.scheduler, ns, units.format_duration(ns))

    # --- tasks ----------------------------------------------------------------------------------

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "") -> Task:
        """Runs a coroutine beside this one; awaiting the task gives its result.

        An error in a task that nobody awaits is a crash of the device.
        """
        unit = self._acting()
        given: object = coroutine
        if not isinstance(given, Coroutine | Generator):
            message = f"{given!r} is no coroutine: spawn(self.f()), not spawn(self.f)"
            raise ConfigError(message, key="spawn")
        task = unit.scheduler.spawn(coroutine, name or getattr(coroutine, "__name__", "task"))
        unit.soon()
        return task

    def first_of(self, *awaitables: Awaitable[Any]) -> Awaitable[First]:
        """Waits for the first of several, and cancels the others.

        ``which, value = await self.first_of(self.next_message(), self.sleep("5s"))``
        """
        return first_of(self._acting().scheduler, awaitables)

    def all_of(self, *awaitables: Awaitable[Any]) -> Awaitable[list[Any]]:
        """Waits for all of several, and gives their results in order; the first error cancels."""
        return all_of(self._acting().scheduler, awaitables)

    # --- what it is -----------------------------------------------------------------------------

    @property
    def index(self) -> int:
        """Its number among the devices that were added together, from 0."""
        return self._unit.index

    @property
    def client_id(self) -> str:
        """Its client identifier."""
        return self._unit.client_id

    @property
    def now(self) -> float:
        """True virtual time in seconds; what the device itself believes is ``self.clock.now()``."""
        return self._unit.now / units.SECOND

    @property
    def connected(self) -> Condition:
        """Whether it is connected: a condition, for `World.run_until`."""
        unit = self._unit
        return Condition(unit.is_connected, f"{unit.client_id} connected")

    @property
    def outbox_empty(self) -> Condition:
        """Whether no own message of QoS 1 or 2 waits or awaits its acknowledgement."""
        unit = self._unit
        return Condition(
            lambda: not unit.core.outbox(unit.number, unit.index), f"{unit.client_id} outbox_empty"
        )

    @property
    def powered(self) -> Condition:
        """Whether it has power."""
        unit = self._unit
        return Condition(lambda: unit.on, f"{unit.client_id} powered")

    @property
    def link(self) -> DeviceLink:
        """Its link, and what befalls it."""
        from .link import DeviceLink

        return DeviceLink(self._unit)

    @property
    def storage(self) -> Storage:
        """Its non-volatile storage."""
        return self._part("storage", lambda unit: Storage(self.storage_limit))

    @property
    def clock(self) -> Clock:
        """Its clock, which may drift and be wrong."""
        return self._part("clock", Clock)

    @property
    def random(self) -> DeviceRandom:
        """Random numbers: a stream of this device alone."""
        return self._part("random", lambda unit: DeviceRandom(unit.stream("random")))

    @property
    def log(self) -> DeviceLog:
        """Its log: records of ``logging.getLogger("mqttwin")`` with virtual time and client id."""
        return self._part("log", DeviceLog)

    def _part(self, name: str, make: Callable[[Unit], P]) -> P:
        unit = self._unit
        if unit.scheduler.dying:
            raise PowerLost
        if name not in unit.parts:
            unit.parts[name] = make(unit)
        part: P = unit.parts[name]
        return part

    # --- snapshots ------------------------------------------------------------------------------

    def state(self) -> Any:
        """What it remembers, for `World.snapshot`; by default its attributes.

        To be made of numbers, texts, bytes, lists, tuples, sets, dictionaries, arrays and received
        messages; what `every` has returned may be among them. Storage, clock, sensors, random
        numbers and alarms are stored without it. A class that has one of `state` and `restore`
        has both; otherwise what it calls so is its own business.
        """
        return {name: value for name, value in self.__dict__.items() if name != "_unit"}

    def restore(self, state: Any) -> None:
        """Remembers what `state` gave, after `__init__` has run.

        Args:
            state: A copy of that.
        """
        for name, value in state.items():
            setattr(self, name, value)

    # --- power ----------------------------------------------------------------------------------

    def power_off(self) -> None:
        """Cuts the power: memory is lost, and nobody is told anything.

        It stays away until `power_on`, whatever was to bring it back (`reboot`, the first boot).
        """
        self._unit.switch_off()

    def power_on(self) -> None:
        """Switches it on, now."""
        unit = self._unit
        unit.boot_at(unit.now, "power_on")

    def reboot(self, off_for: Duration = "1s") -> None:
        """Cuts the power, which comes back after a while."""
        self._unit.reboot("reboot", units.duration(off_for, "off_for"))

    def brown_out(self, within: Duration, off_for: Duration = "1s") -> float:
        """The power fails for a while, at a random instant from the device's own stream.

        Args:
            within: From now until then at most; the instant is uniform in this.
            off_for: How long there is none.

        Returns:
            When, in seconds of virtual time.
        """
        unit = self._unit
        span = units.duration(within, "within", zero=False)
        pause = units.duration(off_for, "off_for")
        luck = self._part("brown-out", lambda unit: unit.stream("brown-out"))
        instant = unit.now + int(span * luck.unit())
        unit.scheduler.at(instant, partial(unit.brown_out, pause), survives=True)
        unit.arm()
        return instant / units.SECOND

    @property
    def boots(self) -> int:
        """How often it was switched on."""
        return self._unit.boots

    @property
    def crashes(self) -> int:
        """How often its code has failed."""
        return self._unit.crashes

    def __repr__(self) -> str:
        unit = self.__dict__.get("_unit")
        return f"<{type(self).__name__} {unit.client_id if unit else 'of no world'}>"


@lru_cache(maxsize=1024)
def _text_ns(text: str) -> int:
    return units.duration(text, "duration")


def _ns(duration: Duration) -> int:
    """Nanoseconds; a number of seconds without the exactness of fractions."""
    if isinstance(duration, float) and 0 <= duration <= _YEAR:
        return round(duration * 1e9)
    return units.duration(duration)
