"""A broker, somebody who is served by it all the time, and ends for those who mean harm.

The same in virtual time (raw bytes over a virtual link) and over TCP. Nothing here sleeps: virtual
time is run, sockets are waited for.
"""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from conformance.packets import (
    Packet,
    connack,
    connect,
    decode,
    frame_size,
    puback,
    publish,
    suback,
    subscribe,
    to,
)

import mqttwin as mt

from . import apart

DEADLINE = 20.0  # s: whatever is waited for on a socket comes sooner
VIRTUAL_DEADLINE = 1.0  # s of virtual time, over links that take next to none
STEP = 1_000_000  # ns of virtual time
BACKENDS = ("virtual", "tcp")


def allow_many_files() -> int:
    """As many open files as this process may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard


class End:
    """One end of a connection, played by a test."""

    def __init__(self) -> None:
        self.received = bytearray()  # what was heard and not taken yet
        self.ended = False

    def send(self, raw: bytes) -> None:
        """Sends; lost where the connection is over."""
        raise NotImplementedError

    def close(self) -> None:
        """Closes in good order."""
        raise NotImplementedError

    def abort(self) -> None:
        """Breaks the connection: the other end sees a reset."""
        raise NotImplementedError

    def take(self, level: int) -> list[Packet]:
        """The packets that have come, decoded strictly; what is left is the start of one."""
        packets = []
        while size := frame_size(self.received):
            packets.append(decode(bytes(self.received[:size]), level))
            del self.received[:size]
        return packets


class Backend(Protocol):
    """Where ends come from."""

    world: mt.World | None

    def open(self, count: int) -> list[Any]:
        """New connections."""

    def turn(self, until: float) -> None:
        """A little time passes, and ends hear what has come; not beyond `until`."""

    def now(self) -> float:
        """Seconds since some instant."""

    def memory(self) -> int:
        """Bytes of the process in which the broker is."""

    def cpu(self) -> float:
        """Seconds that this process has worked."""

    def close(self) -> None:
        """Ends everything."""


# --- virtual time ---------------------------------------------------------------------------------


class VirtualEnd(End):
    def __init__(self, core: Any, group: int, index: int) -> None:
        super().__init__()
        self._core, self._group, self.index = core, group, index

    def send(self, raw: bytes) -> None:
        if self._core.peer_state(self._group, self.index) == "open":
            self._core.peer_send(self._group, self.index, raw)

    def close(self) -> None:
        self._core.peer_close(self._group, self.index)

    def abort(self) -> None:
        self._core.peer_abort(self._group, self.index)

    def hear(self) -> bool:
        """Takes what has come; whether the connection is still there."""
        if raw := self._core.peer_take(self._group, self.index):
            self.received += raw
        self.ended = self._core.peer_state(self._group, self.index) not in ("open", "opening")
        return not self.ended


class VirtualBackend:
    PLACES = 20_480  # connections at most at a time

    def __init__(self, options: dict[str, Any]) -> None:
        self.world = mt.World(seed=1)
        self.core = self.world._core
        broker = self.world.broker(**options)
        self._group = self.core.add_peers("ends", self.PLACES, broker._number, mt._core.LinkSpec())
        self._free = list(range(self.PLACES))
        self._open: list[VirtualEnd] = []

    def open(self, count: int) -> list[VirtualEnd]:
        ends = [VirtualEnd(self.core, self._group, self._free.pop()) for _ in range(count)]
        for end in ends:
            self.core.peer_open(self._group, end.index)
        self._open += ends
        while any(self.core.peer_state(self._group, end.index) == "opening" for end in ends):
            self.core.run(self.core.now + STEP, 60_000)
        return ends

    def turn(self, until: float) -> None:
        self.core.run(self.core.now + STEP, 60_000)
        there = [end.hear() for end in self._open]
        if not all(there):
            self._free += [e.index for e in self._open if e.ended]
            self._open = [e for e in self._open if not e.ended]

    def now(self) -> float:
        return self.core.now / 1e9

    def memory(self) -> int:
        return apart.memory()

    def cpu(self) -> float:
        return time.process_time()

    def close(self) -> None:
        self.world.close()


# --- real sockets ---------------------------------------------------------------------------------


class TcpEnd(End):
    def __init__(self, link: socket.socket, selector: selectors.BaseSelector) -> None:
        super().__init__()
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket, self._selector = link, selector
        selector.register(link, selectors.EVENT_READ, self)

    def send(self, raw: bytes) -> None:
        self._socket.settimeout(DEADLINE)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(raw)

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            self._selector.unregister(self._socket)
        self._socket.close()

    def stall(self) -> None:
        """Reads nothing more."""
        self.ended = True
        self._selector.unregister(self._socket)

    def abort(self) -> None:
        linger = (1).to_bytes(4, "little") + bytes(4)  # on, 0 s: a reset
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def hear(self) -> None:
        """Takes what has come."""
        try:
            raw = self._socket.recv(1 << 18)
        except ConnectionResetError:
            raw = b""
        self.received += raw
        if not raw:
            self.close()


class TcpBackend:
    """In this process, or with a server in a process of its own, whose memory is then its own."""

    def __init__(self, options: dict[str, Any], *, alone: bool, **limits: Any) -> None:
        self._stack = contextlib.ExitStack()
        self._selector = self._stack.enter_context(selectors.DefaultSelector())
        self._ends: list[TcpEnd] = []
        self._server: apart.Server | None = None
        self.world: mt.World | None = None
        if alone:
            self._server = self._stack.enter_context(apart.Server(options, limits))
            self.address = ("127.0.0.1", self._server.port)
        else:
            self.world = self._stack.enter_context(mt.World(seed=1))
            self.world.broker(**options)
            server = self._stack.enter_context(
                self.world.serve(port=0, allow_anonymous=True, **limits)
            )
            self.address = ("127.0.0.1", server.port)

    def open(self, count: int, *, receive_buffer: int = 0) -> list[TcpEnd]:
        ends = []
        for _ in range(count):
            link = socket.socket()
            if receive_buffer:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            link.settimeout(DEADLINE)
            link.connect(self.address)
            ends.append(TcpEnd(link, self._selector))
        self._ends += ends
        return ends

    def turn(self, until: float) -> None:
        for key, _ in self._selector.select(max(until - time.monotonic(), 0)):
            key.data.hear()

    def now(self) -> float:
        return time.monotonic()

    def memory(self) -> int:
        return apart.memory(self._server.pid if self._server else None)

    def files(self) -> int:
        """Open files of the server's process."""
        assert self._server is not None
        return self._server.files()

    def cpu(self) -> float:
        return self._server.cpu() if self._server else time.process_time()

    def close(self) -> None:
        for end in self._ends:
            end.close()
        self._stack.close()


# --- the arena ------------------------------------------------------------------------------------


class Arena:
    """Ends, and two bystanders, who are checked before and after everything."""

    def __init__(self, backend: str, *, alone: bool = False, limits: Any = (), **options: Any):
        self.name = backend
        self.backend: Any = (
            VirtualBackend(options)
            if backend == "virtual"
            else TcpBackend(options, alone=alone, **dict(limits))
        )
        self.bystanders = Bystanders(self)

    def open(self, count: int) -> list[Any]:
        """New connections, on which nothing was said yet."""
        return self.backend.open(count)

    def one(self) -> Any:
        """A new connection."""
        return self.open(1)[0]

    def connected(self, level: int, client_id: str, **fields: Any) -> Any:
        """A connection with CONNECT and CONNACK done."""
        end = self.one()
        end.send(connect(client_id, **fields).encode(level))
        self.hear(end, level, connack(reason=0))
        return end

    def wait(self, condition: Callable[[], bool], what: str, within: float = 0) -> None:
        """Until something is so."""
        within = within or (VIRTUAL_DEADLINE if self.name == "virtual" else DEADLINE)
        until = self.backend.now() + within
        while not condition():
            assert self.backend.now() < until, f"{what}: not in {within:g} s"
            self.backend.turn(until)

    def hear(self, end: Any, level: int, *packets: Packet) -> list[Packet]:
        """Exactly these packets come next."""
        heard: list[Packet] = []

        def enough() -> bool:
            heard.extend(end.take(level))
            return len(heard) >= len(packets) or end.ended

        self.wait(enough, f"{packets}")
        problems = [p.differs(h) for p, h in zip(packets, heard, strict=False)]
        assert len(heard) == len(packets), f"{heard} came, {packets} expected; {end.ended=}"
        assert not any(problems), problems
        return heard

    def close(self) -> None:
        """Ends everything."""
        self.backend.close()


class Bystanders:
    """A publisher of 5.0 and a reader of 3.1.1, who want to be served whatever goes on."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._count = 0
        self._publisher = arena.connected(5, "bystander-1")
        self._reader = arena.connected(4, "bystander-2")
        self._reader.send(subscribe(1, [to("bystander/t", 1)]).encode(4))
        arena.hear(self._reader, 4, suback(1, [1]))
        self.served()

    def served(self) -> None:
        """A message goes from one to the other, and nothing else came to either."""
        self._count += 1
        number = 1 + self._count % 60_000
        payload = str(self._count).encode()
        self._publisher.send(publish("bystander/t", payload, 1, number).encode(5))
        self._arena.hear(self._publisher, 5, puback(number, 0))
        (heard,) = self._arena.hear(self._reader, 4, publish("bystander/t", payload, 1))
        self._reader.send(puback(heard.id).encode(4))


@contextlib.contextmanager
def arena_on(backend: str, **arguments: Any) -> Iterator[Arena]:
    """An arena; the bystanders are served to the end."""
    arena = Arena(backend, **arguments)
    try:
        yield arena
        arena.bystanders.served()
    finally:
        arena.close()
