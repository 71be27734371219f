"""``mqttwin pub``: publish messages."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import units
from ..client import Client
from ..client_errors import DisconnectedError
from ..errors import ConfigError, MqttwinError
from . import connection as common
from .running import FAILED, OK

_AT_ONCE = 20  # lines whose acknowledgement is awaited at the same time


def pub(
    topic: Annotated[
        str | None, typer.Option("-t", "--topic", metavar="TOPIC", help="Where to.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("-m", "--message", metavar="TEXT", help="The payload.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("-f", "--file", metavar="FILE", help="The payload is in there.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("-l", "--stdin-line", help="A message for each line of stdin.")
    ] = False,
    whole: Annotated[
        bool, typer.Option("-s", "--stdin-file", help="All of stdin is the payload.")
    ] = False,
    null: Annotated[bool, typer.Option("-n", "--null-message", help="No payload.")] = False,
    qos: common.Quality = 0,
    retain: Annotated[
        bool, typer.Option("-r", "--retain", help="The server keeps it for later subscribers.")
    ] = False,
    repeat: Annotated[
        int, typer.Option("--repeat", metavar="COUNT", min=1, help="So many times.")
    ] = 1,
    repeat_delay: Annotated[
        str,
        typer.Option("--repeat-delay", metavar="SECONDS", help="Between two of them."),
    ] = "0",
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
    """Publish messages, as mosquitto_pub does.

    It ends with 0 when the server has taken all of them (QoS 0: when they are sent), and with 1
    when it has refused one or was not there.
    """
    options = locals()
    target = common.target_of(host, port, url)
    where = topic or target.topic
    if where is None:
        raise ConfigError("is missing", key="--topic")
    if sum((message is not None, file is not None, lines, whole, null)) != 1:
        raise ConfigError("say what to publish by one of -m, -f, -l, -s and -n")
    delay = units.duration(_seconds(repeat_delay), "--repeat-delay") / units.SECOND
    if lines and repeat > 1:
        raise ConfigError("does not go with -l", key="--repeat")
    payload = _payload(message, file, whole)
    link = common.connection(options, target)
    order = {"qos": qos, "retain": retain, "properties": link.properties.get("publish")}

    async def run() -> int:
        client = link.client()
        async with client:
            link.tell(f"connected as {client.client_id!r}")
            if lines:
                status = await _publish_lines(link, client, where, order, quiet)
            else:
                for n in range(repeat):
                    if n:
                        await asyncio.sleep(delay)
                    await _publish(link, client, where, payload, order)
                status = OK
            await client.disconnect(properties=link.properties.get("disconnect"))
            return status

    return asyncio.run(run())


async def _publish(
    link: common.Connection, client: Client, topic: str, payload: bytes, order: dict[str, Any]
) -> None:
    link.tell(f"publishing {len(payload)} bytes to {topic!r}")
    # An acknowledgement may take as long as the connection lives.
    code = await client.publish(topic, payload, timeout="1d", **order)
    if order["qos"]:
        link.tell(f"acknowledged, reason code 0x{code:02X}")


async def _publish_lines(
    link: common.Connection, client: Client, topic: str, order: dict[str, Any], quiet: bool
) -> int:
    """In order, some at the same time; a line that is refused does not hold up the others."""
    status = OK
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(line: bytes) -> None:
        nonlocal status
        try:
            await _publish(link, client, topic, line, order)
        except DisconnectedError:
            raise
        except MqttwinError as error:
            status = FAILED
            if not quiet:
                print(f"mqttwin: {error}", file=sys.stderr)
        finally:
            room.release()

    tasks: set[asyncio.Task[None]] = set()
    try:
        async for line in _stdin_lines():
            await room.acquire()
            for task in [task for task in tasks if task.done()]:
                tasks.remove(task)
                await task
            tasks.add(asyncio.create_task(one(line)))
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return status


async def _stdin_lines() -> AsyncIterator[bytes]:
    """Lines without their ends. A thread reads, for asyncio cannot wait for every kind of stdin.

    It is a daemon: a program that ends does not wait for somebody to press Enter.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=_AT_ONCE)

    def read() -> None:
        for line in sys.stdin.buffer:
            asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()
        asyncio.run_coroutine_threadsafe(queue.put(None), loop).result()

    threading.Thread(target=read, name="mqttwin-stdin", daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line.rstrip(b"\r\n")


def _payload(message: str | None, file: Path | None, whole: bool) -> bytes:
    if message is not None:
        return message.encode()
    if file is not None:
        try:
            return file.read_bytes()
        except OSError as error:
            raise ConfigError(str(error.strerror), file=file) from None
    return sys.stdin.buffer.read() if whole else b""


def _seconds(text: str) -> str | float:
    """A number of seconds, as mosquitto_pub has it, or a duration with its unit."""
    try:
        return float(text)
    except ValueError:
        return text
