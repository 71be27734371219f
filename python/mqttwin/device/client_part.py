"""The MQTT client of a device, as its code uses it."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import units
from ..client_errors import ConnectError, PublishError, SubscribeError, restated
from ..client_messages import IncomingMessage
from ..errors import ConfigError, MqttwinError, ProtocolError, refusals, refused
from ..fleet_spec import session_seconds, whole_seconds
from ..messages import Message
from ..units import Duration
from .events import ConnectEvent, PublishEvent
from .tasks import Waiter

if TYPE_CHECKING:
    from .unit import Unit

_U16 = 65535
_U32 = 2**32 - 1


class ClientPart:
    """The part of a device that speaks MQTT; see `Device`.

    What is asked for happens at once, whether or not it is awaited.
    """

    keep_alive: Duration = "60s"
    clean_start: bool = True
    session_expiry: Duration = 0
    will: Message | None = None
    password: str | bytes = b""

    _unit: Unit

    def text(self, template: str) -> str:
        """A template, rendered for this device: ``self.text("pump/{id}")``."""
        unit = self._unit
        return unit.crew.render(template, unit.index, "text")

    def _acting(self) -> Unit:
        unit = self._unit
        unit.actions += 1
        if not unit.on:
            raise MqttwinError(f"{unit.client_id} has no power")
        return unit

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
        terms: dict[str, Any] = {
            "keep_alive": whole_seconds(
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
        elif will != "class":
            if not isinstance(will, Message):
                raise ConfigError(f"{will!r} is no mqttwin.Message", key="will")
            terms["will"] = (
                self.text(will.topic),
                bytes(will.payload),
                units.whole(will.qos, "will qos", 0, 2),
                will.retain,
                whole_seconds(will.delay, "will delay", _U32),
            )
        waiter = unit.connecting = Waiter()
        unit.wanted = unit.crew.kind.reconnects
        unit.core.script_connect(unit.number, unit.index, **terms)
        if timeout is not None:
            ns = units.duration(timeout, "timeout", zero=False)
            waiter.limit = unit.after(ns, partial(unit.give_up, waiter, ns))
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
        name = unit.names.get(topic) or unit.name_of(topic)
        if payload.__class__ is not bytes:
            payload = _bytes_of(payload)
        try:
            outcome, number = unit.core.script_publish(
                unit.number, unit.index, name, payload, qos, retain, properties or None
            )
        except ProtocolError as error:
            raise restated(PublishError, f"cannot publish {name!r}", error) from None
        except ValueError as error:
            raise refused(error) from None
        waiter = Waiter()
        if number:
            unit.publishes[number] = (waiter, name, qos)
            if outcome not in ("sent", "queued"):
                unit._heard_dropped(number, outcome)
            if timeout is not None:
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
            waiter.resolve(unit.inbox.pop(0))
        elif unit.wanted or unit.connected or unit.connecting is not None or unit.never_connected:
            unit.readers.append(waiter)
            waiter.on_cancel = lambda: unit.readers.remove(waiter)
        elif unit.goodbye:
            waiter.fail(StopAsyncIteration())
        else:
            waiter.fail(unit.disconnected_error())
        return waiter


class Messages:
    """What `Device.messages` gives."""

    def __init__(self, device: ClientPart) -> None:
        self._device = device

    def __aiter__(self) -> Messages:
        return self

    def __anext__(self) -> Awaitable[IncomingMessage]:
        return self._device._next_message()


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
