"""The broker under test: in virtual time, on TCP, any other broker, or a transcript played back."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

import mqttwin as mt

from .conversation import Line, Peer, Time, Transcript, seconds
from .lines import DEADLINE, Replay, TcpLine, VirtualLine, step
from .packets import connack, connect

PEERS = 16  # connections at most in a test


class Backend(Protocol):
    """Where connections come from."""

    lenient: bool

    def start(self, options: dict[str, Any]) -> None:
        """Starts a broker."""

    def open(self, name: str) -> Line:
        """A new connection to it."""

    def now(self) -> float:
        """Seconds since some instant."""

    def elapse(self, time: float) -> None:
        """Lets time pass."""

    def close(self) -> None:
        """Ends everything."""


class Broker:
    """The broker under test, as a test sees it."""

    def __init__(self, backend: Backend, level: int) -> None:
        self.level = level  # of the version under test: 4 or 5
        self.transcript: Transcript = []
        self.lenient = backend.lenient
        self._backend = backend
        self._started = False
        self._began = 0.0
        self._names: list[str] = []

    def start(self, **options: Any) -> None:
        """Starts the broker, with options of `World.broker`; without, `peer` does it."""
        assert not self._started, "start comes first"
        self._started = True
        self._backend.start(options)
        self._began = self.now()

    def peer(self, name: str | None = None, *, level: int | None = None) -> Peer:
        """A new connection on which nothing was said yet."""
        if not self._started:
            self.start()
        name = name or f"peer{len(self._names) + 1}"
        while name in self._names:  # violations tell peers apart by name
            name += "+"
        self._names.append(name)
        line = self._backend.open(name)
        return Peer(self, line, name, level or self.level, self.lenient)

    def connected(
        self, client_id: str | None = None, *, level: int | None = None, **fields: Any
    ) -> Peer:
        """A connection with CONNECT and CONNACK done; fields are those of CONNECT."""
        peer = self.peer(client_id, level=level)
        peer.send(connect(client_id or peer.name, **fields))
        peer.expect(connack(reason=0))
        return peer

    def keeping_session(self, client_id: str, **fields: Any) -> Peer:
        """The same, with a session that outlives the connection."""
        fields = {"clean_start": False, "session_expiry_interval": 3600} | fields
        return self.connected(client_id, **fields)

    def now(self) -> float:
        """Seconds since some instant."""
        return self._backend.now()

    def elapse(self, time: Time) -> None:
        """Lets time pass; for tests marked `timed`."""
        self._backend.elapse(seconds(time))

    def replay(self, transcript: Transcript) -> Broker:
        """A broker that says what stands in a transcript."""
        return Broker(Replay(transcript, since=self._began, lenient=self.lenient), self.level)

    def close(self) -> None:
        """Ends everything."""
        self._backend.close()


# --- virtual time ---------------------------------------------------------------------------------


class VirtualBroker:
    """A broker of a world, over links of a millisecond."""

    lenient = False

    def __init__(self) -> None:
        self._world = mt.World(seed=1)
        self._core = self._world._core
        self._opened = 0

    def start(self, options: dict[str, Any]) -> None:
        broker = self._world.broker(**options)
        link = mt.links.link(latency="1ms")._core()
        self._peers = self._core.add_peers("peers", PEERS, broker._number, link)

    def open(self, name: str) -> Line:
        index = self._opened
        self._opened += 1
        self._core.peer_open(self._peers, index)
        line = VirtualLine(self._core, "peer", self._peers, index)
        until = self._core.now + round(DEADLINE * 1e9)
        while line.state == "opening" and self._core.now < until:
            step(self._core, until)
        assert line.state == "open", f"{name}: the connection is {line.state}"
        return line

    def now(self) -> float:
        return self._core.now / 1e9

    def elapse(self, time: float) -> None:
        self._core.run(self._core.now + round(time * 1e9), 60_000)

    def close(self) -> None:
        self._world.close()


# --- real sockets ---------------------------------------------------------------------------------


class TcpBroker:
    """A broker of a world, served on loopback."""

    lenient = False

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._address = ("127.0.0.1", 0)

    def start(self, options: dict[str, Any]) -> None:
        world = self._stack.enter_context(mt.World(seed=1))
        world.broker(**options)
        anonymous = options.get("allow_anonymous")  # which on loopback is otherwise allowed
        server = self._stack.enter_context(world.serve(port=0, allow_anonymous=anonymous))
        self._address = ("127.0.0.1", server.port)

    def open(self, name: str) -> Line:
        link = socket.create_connection(self._address, timeout=DEADLINE)
        return self._stack.enter_context(TcpLine(link))

    def now(self) -> float:
        return time.monotonic()

    def elapse(self, time: float) -> None:
        raise AssertionError(f"{time:g} s on the wall clock: mark the test `timed`")

    def close(self) -> None:
        self._stack.close()


class CommandBroker(TcpBroker):
    """Somebody else's broker, from the command in MQTTWIN_CONFORMANCE_BROKER ("… -p {port}").

    To find out what of a test is our own taste.
    """

    lenient = True

    def start(self, options: dict[str, Any]) -> None:
        if options:
            pytest.skip("the broker of a command takes no options")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = free.getsockname()
        command = os.environ["MQTTWIN_CONFORMANCE_BROKER"].format(port=self._address[1])
        process = subprocess.Popen(shlex.split(command), stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        until = self.now() + DEADLINE
        while True:
            try:
                socket.create_connection(self._address, timeout=DEADLINE).close()
            except ConnectionRefusedError:
                assert self.now() < until, f"{command} does not listen"
            else:
                return


_BACKENDS: dict[str, Callable[[], Backend]] = {
    "virtual": VirtualBroker,
    "tcp": TcpBroker,
    "command": CommandBroker,
}


def broker_on(backend: str, level: int) -> Broker:
    """The broker under test on a backend, for clients of a protocol level."""
    return Broker(_BACKENDS[backend](), level)
