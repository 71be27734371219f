"""The examples of libraries' own documentation, as it is in the installed packages.

Each runs unmodified against our broker in virtual time, and against mosquitto in real time; what
is exchanged must be the same.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import mqttwin as mt
from mqttwin import aio
from mqttwin.aio.sockets import VirtualSocket

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
DEADLINE = 20.0  # seconds, of what takes one


@dataclass(frozen=True)
class Example:
    """An example, and by what it is found in its package's description."""

    package: str
    contains: str
    packets: tuple[int, int]  # of each direction that are compared, for it may never end
    wrap: bool = False  # the lines of an async function
    drop: str = "^$"  # lines that are left out


EXAMPLES = {
    # Threads, and a wait for each acknowledgement.
    "paho, loop_start": Example("paho-mqtt", "unacked_publish = set()", (4, 3)),
    "paho, loop_forever": Example("paho-mqtt", 'client.subscribe("$SYS/#")', (2, 2)),
    "paho, publish.single": Example("paho-mqtt", "publish.single(", (3, 1)),
    "paho, publish.multiple": Example("paho-mqtt", "publish.multiple(", (4, 1)),
    "aiomqtt, publish": Example("aiomqtt", "temperature/outside", (3, 1), wrap=True),
    "aiomqtt, subscribe": Example("aiomqtt", "async for message", (2, 2), wrap=True),
    # uvloop is a loop on the real clock.
    "gmqtt": Example("gmqtt", "STOP.wait()", (3, 3), drop="uvloop"),
}


def source_of(example: Example) -> str:
    found = importlib.metadata.metadata(example.package)
    # With the backport importlib_metadata loaded, the text is a header.
    text = found.get("Description") or found.get_payload()
    assert isinstance(text, str)
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"^\.\. code:: python\n\n((?:    .*\n|\s*\n)+)", text, re.MULTILINE)
    code = textwrap.dedent(next(block for block in blocks if example.contains in block))
    lines = [line for line in code.splitlines() if not re.search(example.drop, line) or not line]
    code = "\n".join(lines) + "\n"
    if example.wrap:
        code = (
            "import asyncio\nfrom aiomqtt import Client\nasync def main():\n"
            + textwrap.indent(code, "    ")
            + "asyncio.run(main())\n"
        )
    return code


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLESPI_TOKEN", "token")


# --- what is exchanged ----------------------------------------------------------------------------

NAMES = [
    "-",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
]


def packets(stream: bytes) -> list[tuple[object, ...]]:
    """Types and key fields."""
    out: list[tuple[object, ...]] = []
    version = 4
    at = 0
    while at < len(stream):
        first = stream[at]
        length, shift, at = 0, 0, at + 1
        while True:
            length |= (stream[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not stream[at - 1] & 0x80:
                break
        body, at = stream[at : at + length], at + length
        kind = NAMES[first >> 4]
        fields: tuple[object, ...] = ()
        if kind == "CONNECT":
            version = body[6]
            fields = (body[2:6], version, body[7], int.from_bytes(body[8:10], "big"))
        elif kind == "CONNACK":
            fields = (body[0], body[1])
        elif kind == "PUBLISH":
            size = int.from_bytes(body[:2], "big")
            fields = (first & 0x0F, body[2 : 2 + size])
            rest = body[2 + size :][2 if first & 6 else 0 :]
            if not body[2:].startswith(b"TEST/TIME"):  # what the clock says
                fields += (rest[1:] if version == 5 else rest,)
        elif kind in ("PUBACK", "SUBSCRIBE", "SUBACK"):
            fields = (body[:2], body[-1] if kind != "PUBACK" else None)
        out.append((kind, *fields))
    return out


class Exchange:
    """Bytes in both directions."""

    def __init__(self) -> None:
        self.up = bytearray()
        self.down = bytearray()

    def seen(self, count: tuple[int, int]) -> tuple[list[object], list[object]]:
        up, down = (self._whole(bytes(b)) for b in (self.up, self.down))
        # Mosquitto tells topics of its own below $SYS.
        down = [p for p in down if p[0] != "PUBLISH" or not bytes(p[2]).startswith(b"$SYS")]  # type: ignore[arg-type]
        return list(up[: count[0]]), list(down[: count[1]])

    @staticmethod
    def _whole(stream: bytes) -> list[tuple[object, ...]]:
        with contextlib.suppress(IndexError):
            return packets(stream)
        return []


# --- in virtual time ------------------------------------------------------------------------------


def virtually(code: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Exchange, str]:
    with monkeypatch.context() as patch:
        return recorded(code, patch)


def recorded(code: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Exchange, str]:
    exchange = Exchange()
    send, receive = VirtualSocket._send_now, VirtualSocket._receive_now

    def sending(self, data):
        sent = send(self, data)
        if self._id is not None and sent:
            exchange.up.extend(bytes(data)[:sent])
        return sent

    def receiving(self, size, peek):
        data = receive(self, size, peek)
        if self._id is not None and data:
            exchange.down.extend(data)
        return data

    monkeypatch.setattr(VirtualSocket, "_send_now", sending)
    monkeypatch.setattr(VirtualSocket, "_receive_now", receiving)
    program = compile(code, "example", "exec")
    printed = io.StringIO()
    with mt.World(seed=5) as world, contextlib.redirect_stdout(printed):
        broker = world.broker(hostname="test.mosquitto.org")
        with aio.patched(world, link=mt.links.wifi(), hosts={"mqtt.flespi.io": broker}) as host:
            host.start(lambda: exec(program, {"__name__": "__main__"}))
            world.run("20s")
        digest = world.result().digest
    return exchange, digest


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_in_virtual_time(name, monkeypatch):
    example = EXAMPLES[name]
    code = source_of(example)
    exchange, digest = virtually(code, monkeypatch)
    up, down = exchange.seen(example.packets)
    assert (len(up), len(down)) == example.packets
    again, same = virtually(code, monkeypatch)
    assert (again.up, again.down, same) == (exchange.up, exchange.down, digest)


# --- in real time ---------------------------------------------------------------------------------

PREAMBLE = """
import socket
_connect = socket.socket.connect
_info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", PORT))
socket.getaddrinfo = lambda *a, **k: [_info]
socket.socket.connect = lambda self, address: _connect(
    self, ("127.0.0.1", PORT) if address[1] == 1883 else address)
"""


class Proxy:
    """Passes connections on to a broker, and keeps what it passes."""

    def __init__(self, port: int) -> None:
        self.exchange = Exchange()
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            broker = socket.create_connection(("127.0.0.1", self._port))
            self._ends += [client, broker]
            pipes = ((client, broker, self.exchange.up), (broker, client, self.exchange.down))
            for ends in pipes:
                self._threads.append(threading.Thread(target=self._pass, args=ends, daemon=True))
                self._threads[-1].start()

    @staticmethod
    def _pass(source: socket.socket, to: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                kept.extend(data)
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
        for end in self._ends:
            end.close()


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if MOSQUITTO is None:
        pytest.skip("there is no mosquitto: ./dev test installs it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration: Path = tmp_path_factory.mktemp("mosquitto") / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen(
        [MOSQUITTO, "-c", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    try:
        until(answers, "mosquitto listens")
        yield port
    finally:
        process.terminate()
        process.wait(DEADLINE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_exchanges_the_same_as_with_mosquitto(name, mosquitto, monkeypatch):
    example = EXAMPLES[name]
    code = source_of(example)
    proxy = Proxy(mosquitto)
    preamble = PREAMBLE.replace("PORT", str(proxy.port))
    process = subprocess.Popen(
        [sys.executable, "-c", preamble + code],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        until(
            lambda: tuple(map(len, proxy.exchange.seen(example.packets))) == example.packets,
            f"{name} has said it all",
        )
    finally:
        process.kill()
        print(process.communicate()[1].decode())
        proxy.close()
    really = proxy.exchange.seen(example.packets)
    simulated = virtually(code, monkeypatch)[0].seen(example.packets)
    assert simulated == really
