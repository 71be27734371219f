"""``mqttwin sub``: subscribe, and print what comes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from .._core import topic_matches
from ..client import Client
from ..client_errors import DisconnectedError
from ..client_messages import IncomingMessage
from ..errors import ConfigError, MqttwinError
from . import connection as common
from .message_format import MessageFormat
from .running import OK

TIMED_OUT = 27  # as mosquitto_sub has it
_LONGEST_WAIT = 30.0  # seconds between two attempts to come back


def sub(
    topics: Annotated[
        list[str] | None,
        typer.Option("-t", "--topic", metavar="FILTER", help="May be given several times."),
    ] = None,
    filter_out: Annotated[
        list[str] | None,
        typer.Option("-T", "--filter-out", metavar="FILTER", help="Messages not to print."),
    ] = None,
    unsubscribe: Annotated[
        list[str] | None,
        typer.Option("-U", "--unsubscribe", metavar="FILTER", help="Of a session that goes on."),
    ] = None,
    qos: common.Quality = 0,
    count: Annotated[
        int | None, typer.Option("-C", "--count", metavar="N", min=1, help="End after N messages.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("-W", "--timeout", metavar="SECONDS", help=f"End then, with {TIMED_OUT}."),
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print topics, too.")] = False,
    form: Annotated[
        str | None,
        typer.Option("-F", "--format", metavar="FORMAT", help="Such as '%I %t %q %p'."),
    ] = None,
    no_newline: Annotated[
        bool, typer.Option("-N", "--no-eol", help="Print no end of line after a message.")
    ] = False,
    no_retained: Annotated[
        bool, typer.Option("-R", "--no-retained", help="Leave out retained messages.")
    ] = False,
    retained_only: Annotated[
        bool, typer.Option("--retained-only", help="End after the last retained message.")
    ] = False,
    retain_as_published: Annotated[
        bool, typer.Option("--retain-as-published", help="Keep the publisher's retain flag.")
    ] = False,
    leave: Annotated[bool, typer.Option("-E", help="End when the subscriptions are made.")] = False,
    host: common.Host = common.Target.host,
    port: common.Port = None,
    url: common.Url = None,
    unix: common.Unix = None,
    version: common.Version = "mqttv5",
    identifier: common.Identifier = None,
    id_prefix: common.IdPrefix = None,
    keep_alive: common.KeepAlive = 60,
    user: common.User = None,
    password: common.Password = None,
    auth: common.Auth = None,
    keep: common.Keep = False,
    expiry: common.Expiry = None,
    given: common.Property = None,
    will_topic: common.WillTopic = None,
    will_payload: common.WillPayload = None,
    will_qos: common.WillQos = 0,
    will_retain: common.WillRetain = False,
    cafile: common.CaFile = None,
    capath: common.CaPath = None,
    cert: common.Certificate = None,
    key: common.Key = None,
    insecure: common.Insecure = False,
    os_certs: common.SystemCertificates = False,
    debug: common.Debug = False,
    quiet: common.Quiet = False,
) -> int:
    """Subscribe and print what comes, as mosquitto_sub does.

    A connection that is lost is made again. It ends with 0 after the messages that were asked for,
    with 27 when the time is over, and with 1 when the server refuses or is not there at first.
    """
    options = locals()
    target = common.target_of(host, port, url)
    filters = [*(topics or []), *([target.topic] if target.topic else [])]
    if not filters and not unsubscribe:
        raise ConfigError("is missing", key="--topic")
    if timeout is not None and not timeout > 0:
        raise ConfigError(f"must be more than 0, not {timeout}", key="--timeout")
    printer = Printer(
        MessageFormat(form if form is not None else ("%t %p" if verbose else "%p")),
        b"" if no_newline else b"\n",
        count,
        filter_out or [],
        skip_retained=no_retained,
        retained_only=retained_only,
    )
    link = common.connection(options, target)
    order = Order(filters, unsubscribe or [], qos, retain_as_published, leave, quiet)

    async def run() -> int:
        try:
            await asyncio.wait_for(_stay(link, order, printer), timeout)
        except asyncio.TimeoutError:
            return TIMED_OUT
        return OK

    return asyncio.run(run())


@dataclass(frozen=True)
class Order:
    """What to do with a connection."""

    filters: Sequence[str]
    unsubscribe: Sequence[str]
    qos: int
    retain_as_published: bool
    leave: bool
    quiet: bool


@dataclass
class Printer:
    """Prints messages until there are enough."""

    form: MessageFormat
    end: bytes
    left: int | None
    filter_out: Sequence[str]
    skip_retained: bool
    retained_only: bool

    def print(self, message: IncomingMessage) -> bool:
        """Whether more are wanted."""
        if self.retained_only and not message.retain:
            return False
        if self.skip_retained and message.retain:
            return True
        if any(topic_matches(pattern, message.topic) for pattern in self.filter_out):
            return True
        at = datetime.now().astimezone()
        sys.stdout.buffer.write(self.form.render(message, at) + self.end)
        sys.stdout.buffer.flush()
        if self.left is None:
            return True
        self.left -= 1
        return self.left > 0


async def _stay(link: common.Connection, order: Order, printer: Printer) -> None:
    """Until there are enough messages; a connection that is lost is made again."""
    client = link.client()
    wait = 0.0
    been_there = False
    while True:
        try:
            async with client:
                been_there = True
                wait = 0.0
                if await _listen(link, client, order, printer):
                    await client.disconnect(properties=link.properties.get("disconnect"))
                    return
        except DisconnectedError as error:
            problem: MqttwinError = error
        except MqttwinError as error:
            if not been_there:
                raise
            problem = error
        wait = min(max(1.0, 2 * wait), _LONGEST_WAIT)
        if not order.quiet:
            print(f"mqttwin: {problem}; again in {wait:g} s", file=sys.stderr, flush=True)
        await asyncio.sleep(wait)


async def _listen(link: common.Connection, client: Client, order: Order, printer: Printer) -> bool:
    """Whether it is done; ends in an exception with the connection."""
    link.tell(f"connected as {client.client_id!r}")
    if client.session_present:
        link.tell("the session goes on")
    listening = asyncio.ensure_future(_print(client, printer))
    try:
        # Messages may come before SUBACK, and may be all that was wanted.
        asking = asyncio.ensure_future(_subscribe(link, client, order))
        await asyncio.wait({listening, asking}, return_when=asyncio.FIRST_COMPLETED)
        if listening.done() and listening.exception() is None:
            asking.cancel()
            return True
        await asking
        if order.leave:
            return True
        await listening
        return True
    finally:
        for task in (listening, asking):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, MqttwinError):
                await task


async def _print(client: Client, printer: Printer) -> None:
    async for message in client.messages:
        if not printer.print(message):
            return


async def _subscribe(link: common.Connection, client: Client, order: Order) -> None:
    if order.unsubscribe:
        await client.unsubscribe(order.unsubscribe, properties=link.properties.get("unsubscribe"))
    if order.filters:
        granted = await client.subscribe(
            order.filters,
            order.qos,  # type: ignore[arg-type]
            retain_as_published=order.retain_as_published,
            properties=link.properties.get("subscribe"),
        )
        for name, code in zip(order.filters, granted, strict=False):
            link.tell(f"subscribed to {name!r} with QoS {code}")
