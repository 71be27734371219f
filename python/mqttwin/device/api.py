"""`mqttwin.Device`: firmware logic in Python, in virtual time."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from .. import units
from ..backoff import Backoff
from ..client_errors import ConnectError, PublishError, SubscribeError, restated
from ..client_messages import IncomingMessage
from ..errors import ConfigError, MqttwinError, ProtocolError, refusals
from ..fleet_spec import _whole_seconds, session_seconds
from ..messages import Message
from ..units import Duration
from .clock import Clock
from .conditions import Condition
from .events import (
    BootEvent,
    ConnectEvent,
    DisconnectEvent,
    MessageEvent,
    PublishEvent,
)
from .log import DeviceLog
from .periodic import Every
from .randomness import DeviceRandom
from .storage import Storage
from .tasks import First, PowerLost, Task, TimeLimit, Waiter, suspend

if TYPE_CHECKING:
    from .link import DeviceLink
    from .unit import Unit

_U16 = 65535
_U32 = 2**32 - 1
_YEAR = 366 * 86400


class Device:
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
    keep_alive: Duration = "60s"
    clean_start: bool = True
    session_expiry: Duration = 0
    will: Message | None = None
    user_name: str = ""
    password: str | bytes = b""
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

    # --- the client -----------------------------------------------------------------------------

    def connect(
        self,
        *,
        keep_alive: Duration | None = None,
        clean_start: bool | None = None,
        session_expiry: Duration | None = None,
        will: Message | str | None = "class",
        user_name: str | None = None,
        password: str | bytes | None = None,
        timeout: Duration | None = None,
    ) -> Awaitable[ConnectEvent]:
        """Connects; awaiting it waits until CONNACK has accepted the device.

        With a `backoff` the client tries until it is connected, and again whenever the connection
        is lost. A refusal that would be the same next time ends that.

        Args:
            keep_alive: In whole seconds; 0 is off. What is left out is as the class says.
            clean_start: Whether the broker is to forget an earlier session. It counts for this
                connection; when the client connects again by itself it resumes its session.
            session_expiry: How long the broker keeps the session without a connection.
            will: Its topic is a template. None: without.
            user_name: A template.
            password: As it is.
            timeout: How long to wait; then the client gives up.

        Raises:
            ConnectError: (from awaiting) Refused; or nobody answers, and there is no `backoff`.
            ClientTimeout: (from awaiting) Not connected in time.
        """
        unit = self._acting()
        if unit.connected or unit.connecting is not None or unit.wanted:
            raise MqttwinError("connected already, or about to be")
        terms = {
            "keep_alive": _whole_seconds(
                self.keep_alive if keep_alive is None else keep_alive, "keep_alive", _U16
            ),
            "clean_start": bool(self.clean_start if clean_start is None else clean_start),
            "session_expiry": session_seconds(
                self.session_expiry if session_expiry is None else session_expiry
            ),
            "user_name": None if user_name is None else self.text(user_name),
            "password": password.encode() if isinstance(password, str) else password,
        }
        if will is None:
            terms["without_will"] = True
        elif isinstance(will, Message):
            terms["will"] = (
                self.text(will.topic),
                bytes(will.payload),
                units.whole(will.qos, "will qos", 0, 2),
                will.retain,
                _whole_seconds(will.delay, "will delay", _U32),
            )
        waiter = unit.connecting = Waiter()
        unit.wanted = unit.crew.kind.reconnects
        unit.core.script_connect(unit.number, unit.index, **terms)
        if timeout is not None:
            ns = units.duration(timeout, "timeout", zero=False)
            waiter.limit = unit.after(ns, lambda: unit.give_up(waiter, ns))
        return waiter

    def disconnect(self, reason_code: int = 0) -> Awaitable[None]:
        """Says goodbye and stays away until `connect`; also ends attempts to connect.

        Args:
            reason_code: 0, or 4 to have the will published all the same.
        """
        unit = self._acting()
        waiter = Waiter()
        unit.wanted = False
        if unit.core.phase(unit.number, unit.index) in ("idle", "backing_off"):
            unit.goodbye = True
            waiter.resolve()
        else:
            unit.disconnecting = waiter
        with refusals("reason_code"):
            unit.core.script_disconnect(unit.number, unit.index, reason_code)
        if unit.connecting is not None:
            connecting, unit.connecting = unit.connecting, None
            connecting.fail(ConnectError("disconnected"))
        return waiter

    def publish(
        self,
        topic: str,
        payload: bytes | str | int | float | None = b"",
        *,
        qos: int = 0,
        retain: bool = False,
        timeout: Duration | None = None,
        **properties: Any,
    ) -> Awaitable[PublishEvent]:
        """Publishes, now; awaiting it waits for the acknowledgement where qos > 0.

        While offline messages of QoS 1 and 2 wait in the outbox, over any number of connections;
        those of QoS 0 are dropped (`PublishEvent.dropped`), unless `queue_qos0`.

        Args:
            topic: A template: ``"pump/{id}/flow"``.
            payload: Text is sent as UTF-8, numbers as text.
            qos: 0, 1 or 2.
            retain: Whether the broker keeps it for later subscribers.
            timeout: How long to wait for the acknowledgement; the message stays in the outbox.
            **properties: Of MQTT 5.0: message_expiry_interval, content_type, user_properties, ...

        Raises:
            PublishError: It cannot be sent at all; or (from awaiting) it was refused or dropped.
            ClientTimeout: (from awaiting) No acknowledgement in time.
        """
        unit = self._acting()
        crew = unit.crew
        name = crew.render(topic, unit.index, "topic")
        if payload.__class__ is not bytes:
            payload = _bytes_of(payload)
        with refusals():
            try:
                outcome, number = unit.core.script_publish(
                    unit.number, unit.index, name, payload, qos, retain, properties or None
                )
            except ProtocolError as error:
                raise restated(PublishError, f"cannot publish {name!r}", error) from None
        waiter = Waiter()
        if number:
            if outcome in ("sent", "queued"):
                unit.publishes[number] = (waiter, name, qos)
            else:
                unit.publishes[number] = (waiter, name, qos)
                unit._heard_dropped(number, outcome)
            unit.limited(waiter, timeout, f"{name!r} was not acknowledged")
        else:
            unit.plain_publishes += 1
            waiter.resolve(PublishEvent(name, qos, 0, "" if outcome == "sent" else outcome))
        return waiter

    def subscribe(
        self,
        *filters: str,
        qos: int = 0,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
        timeout: Duration | None = None,
        **properties: Any,
    ) -> Awaitable[list[int]]:
        """Subscribes; awaiting it waits for SUBACK and gives its reason codes.

        Args:
            *filters: Templates, with ``+`` and ``#``.
            qos: The highest quality of service to receive.
            no_local: Not what the device itself published (MQTT 5.0).
            retain_as_published: Keep the retain flag of what is forwarded (MQTT 5.0).
            retain_handling: Retained messages: 0 send them, 1 only for a new subscription, 2 none.
            timeout: How long to wait for SUBACK.
            **properties: Of MQTT 5.0: subscription_identifier, user_properties.

        Raises:
            DisconnectedError: (from awaiting) Not connected, or not for long enough.
            SubscribeError: A filter is invalid; or (from awaiting) refused.
        """
        unit = self._acting()
        if not filters:
            raise ConfigError("needs at least one topic filter", key="subscribe")
        units.whole(qos, "qos", 0, 2)
        handling = units.whole(retain_handling, "retain_handling", 0, 2)
        names = [unit.crew.render(text, unit.index, "filter") for text in filters]
        requests = [(name, qos, no_local, retain_as_published, handling) for name in names]
        with refusals():
            try:
                number = unit.core.script_subscribe(unit.number, unit.index, requests, properties)
            except ProtocolError as error:
                raise restated(SubscribeError, "cannot subscribe", error) from None
        return self._listed(number, names, True, timeout)

    def unsubscribe(self, *filters: str, timeout: Duration | None = None) -> Awaitable[list[int]]:
        """Ends subscriptions; awaiting it waits for UNSUBACK.

        Raises:
            DisconnectedError: (from awaiting) Not connected, or not for long enough.
        """
        unit = self._acting()
        if not filters:
            raise ConfigError("needs at least one topic filter", key="unsubscribe")
        names = [unit.crew.render(text, unit.index, "filter") for text in filters]
        with refusals():
            try:
                number = unit.core.script_unsubscribe(unit.number, unit.index, names)
            except ProtocolError as error:
                raise restated(SubscribeError, "cannot unsubscribe", error) from None
        return self._listed(number, names, False, timeout)

    def _listed(
        self, number: int, names: list[str], subscribing: bool, timeout: Duration | None
    ) -> Awaitable[list[int]]:
        unit = self._unit
        waiter = Waiter()
        if number == 0:
            waiter.fail(unit.disconnected_error())
            return waiter
        unit.lists[number] = (waiter, names, subscribing)
        unit.limited(waiter, timeout, "no answer")
        return waiter

    def messages(self) -> Messages:
        """``async for message in self.messages():`` each message, as it comes.

        It goes on over reconnects. It ends after `disconnect`, and with a `DisconnectedError` when
        the connection is lost for good.
        """
        return Messages(self)

    def next_message(self, timeout: Duration | None = None) -> Awaitable[IncomingMessage]:
        """The next message.

        Raises:
            ClientTimeout: (from awaiting) None came in time.
            DisconnectedError: (from awaiting) None will come.
        """
        unit = self._unit
        waiter = self._next_message()
        if isinstance(waiter.error, StopAsyncIteration):
            waiter.error = unit.disconnected_error()
        return unit.limited(waiter, timeout, "no message")

    def _next_message(self) -> Waiter:
        unit = self._acting()
        waiter = Waiter()
        if unit.inbox:
            waiter.resolve(unit.inbox.popleft())
        elif unit.wanted or unit.connected or unit.connecting is not None or unit.never_connected:
            unit.readers.append(waiter)
            waiter.on_cancel = lambda: unit.readers.remove(waiter)
        elif unit.goodbye:
            waiter.fail(StopAsyncIteration())
        else:
            waiter.fail(unit.disconnected_error())
        return waiter

    # --- time -----------------------------------------------------------------------------------

    def sleep(self, duration: Duration) -> Awaitable[None]:
        """Sleeps, by the device's own clock."""
        ns = _text_ns(duration) if duration.__class__ is str else _ns(duration)  # type: ignore[arg-type]
        return suspend(ns)  # type: ignore[return-value]

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
            *arguments:
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
        if not inspect.iscoroutine(coroutine) and not inspect.isgenerator(coroutine):
            message = f"{coroutine!r} is no coroutine: spawn(self.f()), not spawn(self.f)"
            raise ConfigError(message, key="spawn")
        task = unit.scheduler.spawn(coroutine, name or getattr(coroutine, "__name__", "task"))
        unit.soon()
        return task

    def first_of(self, *awaitables: Awaitable[Any]) -> Awaitable[First]:
        """Waits for the first of several, and cancels the others.

        ``index, value = await self.first_of(self.next_message(), self.sleep("5s"))``
        """
        return self._acting().scheduler.first_of(awaitables)

    def all_of(self, *awaitables: Awaitable[Any]) -> Awaitable[list[Any]]:
        """Waits for all of several, and gives their results in order; the first error cancels."""
        return self._acting().scheduler.all_of(awaitables)

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

    def _part(self, name: str, make: Callable[[Unit], Any]) -> Any:
        unit = self._unit
        if unit.scheduler.dying:
            raise PowerLost
        part = unit.parts.get(name)
        if part is None:
            part = unit.parts[name] = make(unit)
        return part

    def text(self, template: str) -> str:
        """A template, rendered for this device: ``self.text("pump/{id}")``."""
        unit = self._unit
        return unit.crew.render(template, unit.index, "text")

    # --- power ----------------------------------------------------------------------------------

    def power_off(self) -> None:
        """Cuts the power: memory is lost, and nobody is told anything."""
        self._unit.power_off()

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
        unit.scheduler.at(instant, lambda: unit.brown_out(pause), survives=True)
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

    def _acting(self) -> Unit:
        unit = self._unit
        unit.actions += 1
        if not unit.on:
            raise MqttwinError(f"{unit.client_id} has no power")
        return unit

    def __repr__(self) -> str:
        unit = self.__dict__.get("_unit")
        return f"<{type(self).__name__} {unit.client_id if unit else 'of no world'}>"


class Messages:
    """What `Device.messages` gives."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __aiter__(self) -> Messages:
        return self

    def __anext__(self) -> Awaitable[IncomingMessage]:
        return self._device._next_message()


@lru_cache(maxsize=1024)
def _text_ns(text: str) -> int:
    return units.duration(text, "duration")


def _ns(duration: Duration) -> int:
    """Nanoseconds; a number of seconds without the exactness of fractions."""
    if duration.__class__ is float and 0 <= duration <= _YEAR:  # type: ignore[operator]
        return round(duration * 1e9)  # type: ignore[operator]
    return units.duration(duration)


def _bytes_of(payload: object) -> bytes:
    if payload is None:
        return b""
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload)
    if isinstance(payload, int | float):
        return str(payload).encode()
    raise ConfigError(f"{payload!r} is neither bytes nor text nor a number", key="payload")
