"""Lines: connections in virtual time, on sockets, and from a transcript."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from .conversation import Framing, Line, Transcript
from .packets import Packet

STEP = 1_000_000  # ns: how finely virtual time is looked at
DEADLINE = 10.0  # s: for opening a connection


class VirtualLine:
    """A raw end of a virtual connection: `peer_…` or `accepted_…` of the core's world."""

    def __init__(self, core: Any, kind: str, owner: int, index: int) -> None:
        self._core = core
        self._kind = kind
        self._end = (owner, index)
        self._framing = Framing()

    def _ask(self, what: str, *arguments: object) -> Any:
        return getattr(self._core, f"{self._kind}_{what}")(*self._end, *arguments)

    @property
    def state(self) -> str:
        """Of the core: "open", "closed", "reset", ..."""
        return str(self._ask("state"))

    def send(self, raw: bytes) -> None:
        if self.state == "open":  # otherwise as with a socket: lost
            self._ask("send", raw)

    def next(self, within: float) -> tuple[float, bytes | str | Packet] | None:
        until = self._core.now + round(within * 1e9)
        while True:
            self._framing.feed(self._ask("take"))
            self._framing.ended = self.state != "open"
            if (what := self._framing.pop()) is not None:
                return self._core.now / 1e9, what
            if self._core.now >= until:
                return None
            step(self._core, until)

    def close(self, *, abort: bool = False) -> None:
        self._ask("abort" if abort else "close")


def step(core: Any, until: int) -> None:
    """Virtual time goes a little further, not beyond `until` (ns)."""
    core.run(min(core.now + STEP, max(until, core.now)), 60_000)


class TcpLine:
    """A socket."""

    def __init__(self, link: socket.socket) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = link
        self._framing = Framing()

    def send(self, raw: bytes) -> None:
        self._socket.settimeout(DEADLINE)
        with suppress(BrokenPipeError, ConnectionResetError):  # next() tells
            self._socket.sendall(raw)

    def next(self, within: float) -> tuple[float, bytes | str | Packet] | None:
        until = time.monotonic() + within
        while True:
            if (what := self._framing.pop()) is not None:
                return time.monotonic(), what
            self._socket.settimeout(max(until - time.monotonic(), 1e-6))
            try:
                raw = self._socket.recv(1 << 16)
            except TimeoutError:
                return None
            except ConnectionResetError:
                raw = b""
            self._framing.feed(raw)
            self._framing.ended = not raw

    def close(self, *, abort: bool = False) -> None:
        if abort:
            linger = (1).to_bytes(4, "little") + bytes(4)  # on, 0 s: a reset
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    def __enter__(self) -> TcpLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class Replay:
    """Says what stands in a transcript, whatever is sent."""

    def __init__(
        self, transcript: Transcript, *, since: float = 0.0, lenient: bool = False
    ) -> None:
        self.lenient = lenient
        self._events = transcript
        self._now = since

    def start(self, *_: object) -> None:
        pass

    def open(self, name: str) -> Line:
        return ReplayLine(self, name)

    def accept(self, name: str, within: float) -> Line | None:
        line = ReplayLine(self, name)
        return None if line.next(within) is None else line

    def do(self, command: str, **arguments: object) -> None:
        pass

    def now(self) -> float:
        return self._now

    def elapse(self, time: float) -> None:
        self._now += time

    def close(self) -> None:
        pass


class ReplayLine:
    """The part of a transcript that one peer heard."""

    def __init__(self, replay: Replay, peer: str) -> None:
        self._replay = replay
        self._events = [event for event in replay._events if event.peer == peer]

    def send(self, raw: bytes) -> None:
        pass

    def next(self, within: float) -> tuple[float, bytes | str | Packet] | None:
        replay = self._replay
        until = replay._now + within
        if not self._events or self._events[0].at > until:
            replay._now = until
            return None
        event = self._events.pop(0)
        replay._now = max(replay._now, event.at)
        return event.at, event.what

    def close(self, *, abort: bool = False) -> None:
        pass
