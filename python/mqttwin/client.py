"""An asyncio client for MQTT 5.0, 3.1.1 and 3.1, over the same engine that devices have.

>>> async with mt.Client("127.0.0.1", 1883, client_id="a") as client:
...     await client.subscribe("site/#", qos=1)
...     await client.publish("site/x", b"1", qos=2)
...     async for message in client.messages:
...         print(message.topic, message.payload)
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

from . import _core, client_auth, units
from .client_auth import AuthMethod, Exchange
from .client_errors import (
    AuthenticationError,
    ClientTimeout,
    ConnectError,
    DisconnectedError,
    PublishError,
    SubscribeError,
    cause_of,
    reason_of,
    refusal,
    restated,
)
from .client_link import Event, Link, within
from .client_messages import IncomingMessage, Messages
from .client_values import (
    Payload,
    Properties,
    expiry_seconds,
    payload_bytes,
    whole_seconds,
    will_parts,
)
from .errors import ConfigError, MqttwinError, ProtocolError, refusals
from .messages import Message
from .units import Duration

T = TypeVar("T")

_WAITING = 65_535  # publishes that may wait for a place in flight: callers bound this themselves
_FAILURE = 0x80
_CONTINUE = 0x18


class Client:
    """A connection to a server, while it is entered.

    It may be entered again after its end. With a session (``session_expiry``, or ``clean_start``
    false before MQTT 5.0) it then takes up what was unfinished; otherwise it starts anew.

    Args:
        host: Name or address.
        port: 1883, or 8883 with TLS, unless told.
        client_id: Empty: the server is to choose one.
        version: 5, 4 for MQTT 3.1.1, 3 for MQTT 3.1.
        username: For the server to know who it is.
        password: The same; text is sent as UTF-8.
        auth: Enhanced authentication: ``"SCRAM-SHA-256"``, with `username` and `password`, which
            then do not travel; or what makes an `Authenticator`.
        will: What the server publishes when the client vanishes.
        will_properties: Of the will: ``{"content_type": …}``.
        keep_alive: So often, at least, something is sent; 0 is never. Whole seconds.
        clean_start: Whether an old session of this client is to be forgotten.
        session_expiry: How long the server keeps the session after the connection.
        receive_maximum: QoS 1 and 2 messages that the server may have under way.
        maximum_packet_size: The largest packet that the server may send, in bytes.
        topic_alias_maximum: Topic aliases that the server may use.
        outbound_topic_aliases: Topic aliases to use, if the server allows as many.
        properties: User properties of CONNECT: ``{"user_properties": …}``.
        problem_information: Whether the server may give reasons for what it refuses.
        response_information: Whether the server is asked where responses go.
        tls: A context, or True for the default one, which verifies the server.
        unix: Path of a socket of the local machine, instead of host and port.
        timeout: How long to wait for the server, wherever it has to answer.
        max_messages: Received messages that wait to be read, before the server is stopped.
        max_in_flight: Publishes of QoS 1 and 2 that await their acknowledgement.

    Attributes:
        messages: Received messages, see `Messages`.
        client_id: The one that the server assigned, where it did.
        session_present: Whether the server had kept the session.
        server_properties: Of the server's CONNACK.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int | None = None,
        *,
        client_id: str = "",
        version: Literal[3, 4, 5] = 5,
        username: str | None = None,
        password: str | bytes | None = None,
        auth: AuthMethod | None = None,
        will: Message | None = None,
        will_properties: Properties = None,
        keep_alive: Duration = 60,
        clean_start: bool = True,
        session_expiry: Duration = 0,
        receive_maximum: int = 65_535,
        maximum_packet_size: units.Size = 268_435_460,
        topic_alias_maximum: int = 0,
        outbound_topic_aliases: int = 0,
        properties: Properties = None,
        problem_information: bool = True,
        response_information: bool = False,
        tls: ssl.SSLContext | bool | None = None,
        unix: str | None = None,
        timeout: Duration = 10,
        max_messages: int = 1000,
        max_in_flight: int = 20,
    ) -> None:
        if max_messages < 1:
            raise ConfigError("must be at least 1", key="max_messages")
        self._tls = ssl.create_default_context() if tls is True else tls or None
        self._host = host
        self._port = port if port is not None else (8883 if self._tls else 1883)
        self._unix = unix
        self._version = version
        self._timeout = units.duration(timeout, "timeout", zero=False)
        self._make_authenticator = client_auth.maker(auth, username, password)
        expiry = expiry_seconds(session_expiry)
        self._keeps_session = expiry > 0 if version == 5 else not clean_start
        scram = self._make_authenticator is not None
        secret = password.encode() if isinstance(password, str) else password
        with refusals():
            method = self._make_authenticator().method if self._make_authenticator else None
            self._engine = _core.ClientEngine(
                client_id,
                version=version,
                keep_alive=whole_seconds(keep_alive, "keep_alive"),
                clean_start=clean_start,
                session_expiry=expiry,
                receive_maximum=receive_maximum,
                maximum_packet_size=units.size(maximum_packet_size, "maximum_packet_size"),
                topic_alias_maximum=topic_alias_maximum,
                outbound_topic_aliases=outbound_topic_aliases,
                request_problem_information=problem_information,
                request_response_information=response_information,
                max_in_flight=max_in_flight,
                max_queued=_WAITING,
                connect_timeout=self._timeout,
                ping_timeout=self._timeout,
                user_name=None if scram else username,
                password=None if scram else secret,
                will=will_parts(will, will_properties),
                auth_method=method,
                properties=dict(properties or {}),
            )
        self.messages = Messages(max_messages, on_full=self._full)
        self.client_id = client_id
        self.session_present = False
        self.server_properties: dict[str, Any] = {}

        self._link: Link | None = None
        self._online: asyncio.Future[None] | None = None
        self._publishes: dict[int, asyncio.Future[int]] = {}
        self._lists: dict[int, asyncio.Future[Event]] = {}
        self._exchange: Exchange | None = None
        self._reauthenticated: asyncio.Future[None] | None = None
        self._cause: MqttwinError | None = None  # found out before the connection ends
        self._error: DisconnectedError | None = None  # since it has ended

    # --- from connecting to disconnecting

    async def __aenter__(self) -> Client:
        if self._link is not None:
            raise MqttwinError("this client is in use")
        link = self._link = Link(self._engine, self._handle)
        try:
            await self._connect(link)
        except BaseException:
            link.abort()
            if not link.closed.is_set():
                link.over()
            self._link = None
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        link = self._link
        if link is None:
            return
        try:
            await self.disconnect()
        finally:
            link.abort()
            self._link = None

    async def disconnect(self, reason_code: int = 0, *, properties: Properties = None) -> None:
        """Says DISCONNECT and waits for the end of the connection; iterating messages ends.

        Args:
            reason_code: 0; or 4, that the will be published all the same; or what went wrong.
            properties: ``{"session_expiry_interval": 0}`` ends the session.

        Raises:
            ConfigError: The reason code is not a client's, or the session cannot begin now.
        """
        link = self._link
        if link is None or link.closed.is_set():
            return
        with refusals():
            self._engine.disconnect(link.now(), reason_code, dict(properties or {}))
        link.flush()
        try:
            await within(link.closed.wait(), self._timeout / 1e9)
        except asyncio.TimeoutError:  # the network does not take what is still to be sent
            link.abort()
            await link.closed.wait()

    async def _connect(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        self._cause = self._error = None
        self._online = loop.create_future()
        # An attempt that was given up needs nobody who looks why it failed.
        self._online.add_done_callback(lambda online: online.cancelled() or online.exception())
        if not self._keeps_session:
            self._engine.reset(link.now())
            self._engine.take_events()
            self._engine.take_output()
        self._exchange = None
        if self._make_authenticator is not None:
            self._exchange = Exchange(self._make_authenticator())
            self._engine.set_auth_data(self._exchange.first())
        self.messages.start()
        self._engine.connect(link.now())
        link.flush()  # the engine's own time-out runs from here
        try:
            await within(self._open(link), self._timeout / 1e9)
        except asyncio.TimeoutError:
            message = f"no connection to {self._place()} within {self._timeout / 1e9:g} s"
            raise ClientTimeout(message) from None
        except OSError as error:
            raise ConnectError(f"no connection to {self._place()}: {reason_of(error)}") from error
        await self._online

    async def _open(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        if self._unix is not None:
            await loop.create_unix_connection(lambda: link, self._unix)
        else:
            await loop.create_connection(
                lambda: link,
                self._host,
                self._port,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )

    def _place(self) -> str:
        if self._unix is not None:
            return self._unix
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    # --- commands

    async def publish(
        self,
        topic: str,
        payload: Payload = None,
        qos: Literal[0, 1, 2] = 0,
        retain: bool = False,
        *,
        properties: Properties = None,
        timeout: Duration | None = None,
    ) -> int:
        """Publishes a message; with QoS 1 and 2 it waits for the server's acknowledgement.

        Any number of publishes may wait at the same time. One that was given up, or ended by the
        loss of the connection, may have arrived all the same.

        Args:
            topic: A topic name.
            payload: Its content.
            qos: How sure it is to be that it arrives: 0 at most once, 1 at least once, 2 once.
            retain: Whether the server keeps it for those who subscribe later.
            properties: Of MQTT 5.0.
            timeout: How long to wait; by default the client's.

        Returns:
            The server's reason code: 0, or 16 where nobody had subscribed; 0 for QoS 0.

        Raises:
            PublishError: The server refused it, or does not take such a message.
            DisconnectedError: There is no connection (any more).
            ClientTimeout: The server did not answer in time.
        """
        link = self._connected()
        content = payload_bytes(payload)
        try:
            with refusals("publish"):
                token = self._engine.publish(
                    link.now(), topic, content, qos, retain, dict(properties or {})
                )
        except ProtocolError as error:
            raise restated(PublishError, "not published", error) from None
        link.soon()
        if token == 0:
            await link.drain()
            return 0
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._publishes[token] = answer
        try:
            return await self._answer(answer, timeout, f"to a message to {topic!r}")
        finally:
            self._publishes.pop(token, None)

    async def subscribe(
        self,
        topic_filter: str | Sequence[str],
        qos: Literal[0, 1, 2] = 0,
        *,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: Literal[0, 1, 2] = 0,
        identifier: int | None = None,
        properties: Properties = None,
        timeout: Duration | None = None,
    ) -> list[int]:
        """Subscribes, and waits for the server's answer.

        Args:
            topic_filter: One topic filter, or several.
            qos: The quality of service to receive with, at most.
            no_local: Whether own messages are left out.
            retain_as_published: Whether messages keep the retain flag of their publisher.
            retain_handling: Retained messages: 0 send them, 1 for a new subscription, 2 do not.
            identifier: A number that comes with the messages of this subscription.
            properties: User properties.
            timeout: How long to wait; by default the client's.

        Returns:
            The granted qualities of service, one for each filter.

        Raises:
            SubscribeError: The server refused one of them, or does not take such a subscription.
            DisconnectedError: There is no connection (any more).
            ClientTimeout: The server did not answer in time.
        """
        link = self._connected()
        filters = [topic_filter] if isinstance(topic_filter, str) else list(topic_filter)
        more = dict(properties or {})
        if identifier is not None:
            more["subscription_identifier"] = identifier
        requests = [(f, qos, no_local, retain_as_published, retain_handling) for f in filters]
        try:
            with refusals("subscribe"):
                packet_id = self._engine.subscribe(link.now(), requests, more)
        except ProtocolError as error:
            raise restated(SubscribeError, "not subscribed", error) from None
        return await self._list_answer(packet_id, filters, timeout, "subscribe to")

    async def unsubscribe(
        self,
        topic_filter: str | Sequence[str],
        *,
        properties: Properties = None,
        timeout: Duration | None = None,
    ) -> list[int]:
        """Ends subscriptions, and waits for the server's answer.

        Returns:
            The server's reason codes, one for each filter: 0, or 17 where there was no such
            subscription. None at all before MQTT 5.0.

        Raises:
            SubscribeError: The server refused, or it is no topic filter.
            DisconnectedError: There is no connection (any more).
            ClientTimeout: The server did not answer in time.
        """
        link = self._connected()
        filters = [topic_filter] if isinstance(topic_filter, str) else list(topic_filter)
        try:
            with refusals("unsubscribe"):
                packet_id = self._engine.unsubscribe(link.now(), filters, dict(properties or {}))
        except ProtocolError as error:
            raise restated(SubscribeError, "not unsubscribed", error) from None
        return await self._list_answer(packet_id, filters, timeout, "unsubscribe from")

    async def reauthenticate(self, *, timeout: Duration | None = None) -> None:
        """Authenticates anew, on the connection as it is.

        Raises:
            AuthenticationError: It came to nothing; the connection is over.
            MqttwinError: The client came without enhanced authentication, or is at it.
            DisconnectedError: The server has ended the connection, or there is none.
            ClientTimeout: The server did not answer in time.
        """
        link = self._connected()
        if self._make_authenticator is None or self._reauthenticated is not None:
            raise MqttwinError("there is no enhanced authentication to be done anew")
        exchange = Exchange(self._make_authenticator())
        if not self._engine.reauthenticate(link.now(), exchange.first()):
            raise MqttwinError("the server does not take so large an AUTH")
        self._exchange = exchange
        self._reauthenticated = asyncio.get_running_loop().create_future()
        link.soon()
        try:
            await self._answer(self._reauthenticated, timeout, "to AUTH")
        finally:
            self._reauthenticated = None

    def _connected(self) -> Link:
        if self._error is not None:
            raise self._error
        if self._link is None or self._engine.phase != "online":
            raise DisconnectedError("not connected")
        return self._link

    async def _answer(self, answer: asyncio.Future[T], timeout: Duration | None, what: str) -> T:
        wait = self._timeout if timeout is None else units.duration(timeout, "timeout")
        try:
            return await within(answer, wait / 1e9)
        except asyncio.TimeoutError:
            raise ClientTimeout(f"no answer {what} within {wait / 1e9:g} s") from None

    async def _list_answer(
        self, packet_id: int, filters: list[str], timeout: Duration | None, verb: str
    ) -> list[int]:
        assert self._link is not None
        self._link.soon()
        answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._lists[packet_id] = answer
        try:
            event = await self._answer(answer, timeout, f"to {verb} {filters[0]!r}")
        finally:
            self._lists.pop(packet_id, None)
        codes: list[int] = event["reasons"]
        for name, code in zip(filters, codes, strict=False):
            if code >= _FAILURE:
                why = event["properties"].get("reason_string") or _core.reason_name(code).lower()
                message = f"the server does not {verb} {name!r}: {why}"
                raise SubscribeError(message, reason_code=code, reason_codes=codes)
        return codes

    def _full(self, full: bool) -> None:
        if self._link is not None:
            self._link.read(not full)

    # --- events

    def _handle(self, kind: str, event: Event) -> None:
        getattr(self, f"_on_{kind}")(event)

    def _on_message(self, event: Event) -> None:
        self.messages.put(IncomingMessage(**event))

    def _on_connack(self, event: Event) -> None:
        reason, properties = event["reason"], event["properties"]
        if reason != 0:
            message = f"{self._place()} refuses: {refusal(reason, self._version)}"
            self._cause = ConnectError(message, reason_code=reason, properties=properties)
            return
        self.session_present = event["session_present"]
        self.server_properties = properties
        self.client_id = properties.get("assigned_client_identifier", self.client_id)
        if self._exchange is not None:
            self._try(lambda exchange: exchange.finish(properties))

    def _on_connected(self, event: Event) -> None:
        if self._online is not None and not self._online.done() and self._cause is None:
            self._online.set_result(None)

    def _on_auth(self, event: Event) -> None:
        properties = event["properties"]
        if event["reason"] == _CONTINUE:
            self._try(lambda exchange: self._say(exchange.answer(properties)))
            return
        self._try(lambda exchange: exchange.finish(properties))
        if self._reauthenticated is not None and not self._reauthenticated.done():
            self._reauthenticated.set_result(None)

    def _say(self, data: bytes) -> None:
        assert self._link is not None
        if not self._engine.authenticate(self._link.now(), data):
            raise AuthenticationError("the server does not take so large an AUTH")

    def _try(self, step: Callable[[Exchange], None]) -> None:
        """A step of an authentication; where it fails, the server is left at once."""
        assert self._exchange is not None
        assert self._link is not None
        try:
            step(self._exchange)
        except AuthenticationError as error:
            self._cause = error
            if self._reauthenticated is None:
                # What the engine may have for the server by now is not for a stranger.
                self._link.abort()
            elif not self._reauthenticated.done():
                self._reauthenticated.set_exception(error)
            self._engine.disconnect(self._link.now(), _FAILURE)

    def _on_acknowledged(self, event: Event) -> None:
        answer = self._publishes.get(event["token"])
        if answer is None or answer.done():
            return
        reason = event["reason"]
        if reason < _FAILURE:
            answer.set_result(reason)
            return
        why = event["properties"].get("reason_string") or _core.reason_name(reason).lower()
        answer.set_exception(PublishError(f"not published: {why}", reason_code=reason))

    def _on_dropped(self, event: Event) -> None:
        answer = self._publishes.get(event["token"])
        if answer is not None and not answer.done():
            message = "not published: too many messages wait"
            answer.set_exception(PublishError(message, reason_code=0x97))

    def _on_suback(self, event: Event) -> None:
        answer = self._lists.get(event["packet_id"])
        if answer is not None and not answer.done():
            answer.set_result(event)

    _on_unsuback = _on_suback

    def _on_disconnect(self, event: Event) -> None:
        reason = event["reason"]
        message = f"the server says: {_core.reason_name(reason).lower()}"
        self._cause = DisconnectedError(message, reason_code=reason, properties=event["properties"])

    def _on_fault(self, event: Event) -> None:
        clause = f" [{event['clause']}]" if event["clause"] else ""
        message = f"the server broke the protocol: {event['what']}{clause}"
        self._cause = DisconnectedError(message, reason_code=event["reason"])

    def _on_disconnected(self, event: Event) -> None:
        cause = self._cause or cause_of(event["cause"])
        if self._online is not None and not self._online.done():
            # A fault or DISCONNECT before CONNACK is told as such.
            self._online.set_exception(cause)
        own = event["cause"] == "by_command" and self._cause is None
        error = cause if isinstance(cause, DisconnectedError) else DisconnectedError(str(cause))
        self._error = error
        self.messages.end(None if own else error)
        waiting: list[asyncio.Future[Any]] = [*self._publishes.values(), *self._lists.values()]
        if self._reauthenticated is not None:
            waiting.append(self._reauthenticated)
        for answer in waiting:
            if not answer.done():
                answer.set_exception(error)
