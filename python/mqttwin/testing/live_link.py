"""A link in real time: a TCP proxy in front of a live broker.

It stands where the network is: what a client writes is held back for as long as the link would have
taken, in order, and then written to the broker; the same the other way. A lost segment costs what
it costs a Linux sender that waits for its retransmission time-out: max(200 ms, ...) on top of the
round trip, doubled for each further loss (RFC 6298 with Linux's TCP_RTO_MIN).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from .. import links, units
from ..errors import ConfigError, MqttwinError
from ..link_spec import Direction, Link

Way = Literal["up", "down"]

# What a direction of a connection holds back at most, before its writer is made to wait.
KEPT_BYTES = 256 * 1024
# More clients are closed at once.
MAX_CONNECTIONS = 10_000
_HEADER_BYTES = 52  # IP, TCP and its timestamps, for each segment
_RTO_MIN = 0.2  # s; Linux
_RTO_MAX = 120.0
_READ = 16 * 1024
_PATIENCE = 5.0  # s that commands wait for the proxy's own thread


class Draws:
    """Uniform draws in [0, 1) of one name; the same name gives the same draws."""

    def __init__(self, *name: object) -> None:
        self._name = "/".join(map(str, name)).encode()
        self._number = 0

    def __call__(self) -> float:
        """The next draw."""
        self._number += 1
        key = self._number.to_bytes(8, "big")
        digest = hashlib.blake2b(self._name, key=key, digest_size=8).digest()
        return float(int.from_bytes(digest, "big") >> 11) / float(1 << 53)


@dataclass
class _Fault:
    kind: str  # "reset", "black_hole", "stall"
    way: Way
    at: int  # bytes of that direction that still pass


class _Pipe:
    """One direction of one connection: when bytes that were read now are to be written."""

    def __init__(self, spec: Direction, mtu: int, round_trip: float, draws: Draws) -> None:
        self.passed = 0  # bytes handed over
        self.swallows = False
        self.queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()  # bounded by `room`
        self.room = asyncio.Event()
        self.room.set()
        self._held = 0
        self._spec = spec
        self._segment = mtu - _HEADER_BYTES
        self._rto = round_trip + max(_RTO_MIN, round_trip / 2)
        self._draws = draws
        self._free = 0.0
        self._last = 0.0

    def hold(self, now: float, data: bytes) -> None:
        """Bytes that were read; none: the end."""
        self.queue.put_nowait((self.release(now, len(data)), data))
        self._held += len(data)
        if self._held >= KEPT_BYTES:
            self.room.clear()

    def let_go(self, data: bytes) -> None:
        """They have been written."""
        self._held -= len(data)
        if self._held < KEPT_BYTES:
            self.room.set()

    def release(self, now: float, size: int) -> float:
        """When the last of these bytes arrives; never before what was read earlier."""
        spec = self._spec
        for start in range(0, max(size, 1), self._segment):  # a FIN, too, takes its time
            bits = (min(self._segment, size - start) + _HEADER_BYTES) * 8
            self._free = max(self._free, now) + (bits / spec.bandwidth if spec.bandwidth else 0.0)
            arrives = self._free + spec.latency / units.SECOND + self._late()
            self._last = max(self._last, arrives)
        return self._last

    def _late(self) -> float:
        spec, late = self._spec, 0.0
        if spec.jitter and spec.jitter_kind == "uniform":
            half = spec.jitter / units.SECOND
            late = max(-spec.latency / units.SECOND, (2 * self._draws() - 1) * half)
        timeout = self._rto
        while spec.loss and self._draws() < spec.loss and timeout < _RTO_MAX:
            late += timeout
            timeout *= 2
        return late


class _Connection:
    """A client's connection and the one to the broker that belongs to it."""

    def __init__(self, proxy: LiveLink, number: int, reader: Any, writer: Any) -> None:
        self.proxy = proxy
        self.number = number
        self.client = (reader, writer)
        self.broker: tuple[Any, Any] | None = None
        link = proxy.model
        trip = (link.up.latency + link.down.latency) / units.SECOND
        self.pipes: dict[Way, _Pipe] = {
            "up": _Pipe(link.up, link.mtu, trip, Draws(proxy.seed, number, "up")),
            "down": _Pipe(link.down, link.mtu, trip, Draws(proxy.seed, number, "down")),
        }
        self.fault: _Fault | None = None
        self.stalled: set[Way] = set()

    async def run(self) -> None:
        await self.proxy._passing()
        try:
            self.broker = await asyncio.open_connection(*self.proxy._target)
        except OSError:
            self.reset()
            return
        (from_client, to_client), (from_broker, to_broker) = self.client, self.broker
        parts = [
            self._read("up", from_client),
            self._write("up", to_broker),
            self._read("down", from_broker),
            self._write("down", to_client),
        ]
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            # One side's goodbye lets the other finish; an error ends both.
            await asyncio.gather(*tasks)
            for writer in (to_client, to_broker):
                writer.close()
        except OSError:
            self.reset()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, way: Way, reader: Any) -> None:
        pipe = self.pipes[way]
        loop = asyncio.get_running_loop()
        data = b"first"
        while data:
            await pipe.room.wait()
            while way in self.stalled:
                await self.proxy._changed_soon()
            data = await reader.read(_READ)
            pipe.hold(loop.time(), data)

    async def _write(self, way: Way, writer: Any) -> None:
        pipe = self.pipes[way]
        loop = asyncio.get_running_loop()
        while True:
            due, data = await pipe.queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.proxy._passing()
            if not data:
                if not pipe.swallows and writer.can_write_eof():
                    writer.write_eof()
                return
            await self._hand_over(way, pipe, writer, data)
            pipe.let_go(data)

    async def _hand_over(self, way: Way, pipe: _Pipe, writer: Any, data: bytes) -> None:
        fault = self.fault
        if fault is not None and fault.way == way and pipe.passed + len(data) >= fault.at:
            rest = data[max(0, fault.at - pipe.passed) :]
            data = data[: len(data) - len(rest)]
        else:
            fault, rest = None, b""
        if data and not pipe.swallows:
            writer.write(data)
            await writer.drain()
            pipe.passed += len(data)
        if fault is not None:
            self.strike(fault)
            if fault.kind == "stall" and rest:
                while way in self.stalled:
                    await self.proxy._changed_soon()
                writer.write(rest)
                await writer.drain()
                pipe.passed += len(rest)

    def strike(self, fault: _Fault) -> None:
        self.fault = None
        if fault.kind == "reset":
            self.reset()
        elif fault.kind == "black_hole":
            self.pipes[fault.way].swallows = True
        else:
            self.stalled.add(fault.way)

    def reset(self) -> None:
        """Both ends see a reset."""
        for end in (self.client, self.broker):
            if end is None:
                continue
            with contextlib.suppress(OSError):
                sock = end[1].get_extra_info("socket")
                if sock is not None:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end[1].transport.abort()


class LiveLink:
    """A modelled link in front of a live broker; made by `LiveBroker.link`.

    Point the firmware at `host` and `port`. Times are real ones, so they are only as exact as the
    machine is idle. The kernel answers a connection attempt by itself: while the link is down it is
    accepted, and then nothing comes back.

    Attributes:
        host: To connect to.
        port: The same.
        model: The link: latency, jitter (uniform), loss and bandwidth by direction.
        seed: Of the losses and the jitter.
    """

    def __init__(self, target: tuple[str, int], model: Link, *, seed: int, number: int) -> None:
        self.model = _supported(model)
        self.seed = f"{seed}/link {number}"
        self.accepted = 0
        self._target = target
        self._connections: set[_Connection] = set()
        self._next_fault: _Fault | None = None
        self._down = False
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mqttwin link", daemon=True)
        self._thread.start()
        self._ready.wait(_PATIENCE)
        if self._error is not None:
            raise MqttwinError(f"the link cannot listen: {self._error}")

    @property
    def url(self) -> str:
        """For clients: ``mqtt://127.0.0.1:40123``."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """Connections through it at present."""
        return len(self._connections)

    @contextmanager
    def down(self) -> Iterator[None]:
        """``with link.down():`` nothing passes, and nobody is told; afterwards what waited does."""
        self.take_down()
        try:
            yield
        finally:
            self.up()

    def take_down(self) -> None:
        """Nothing passes until `up`."""
        self._do(self._set_down, True)

    def up(self) -> None:
        """It is up again."""
        self._do(self._set_down, False)

    def cut(self, *, after_bytes: int | None = None, direction: Way = "up") -> None:
        """Both ends see a reset: now on every connection, or at a byte.

        Args:
            after_bytes: So many bytes of the present connection (or of the next, where there is
                none) still arrive; None: now.
            direction: Which bytes are counted.
        """
        if after_bytes is None:
            self._do(lambda: [c.reset() for c in list(self._connections)])
        else:
            self._set_fault("reset", after_bytes, direction)

    def black_hole(self, *, after_bytes: int = 0, direction: Way = "up") -> None:
        """From a byte on nothing of that direction arrives, and nobody says so."""
        self._set_fault("black_hole", after_bytes, direction)

    def stall(self, *, after_bytes: int = 0, direction: Way = "down") -> None:
        """From a byte on nobody reads that direction, until `read_on`."""
        self._set_fault("stall", after_bytes, direction)

    def read_on(self, *, direction: Way = "down") -> None:
        """A direction that stalled is read again."""
        self._do(lambda: [c.stalled.discard(direction) for c in self._connections])

    def close(self) -> None:
        """Ends every connection and stops listening."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(_PATIENCE)

    # --- in the thread of the link --------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._error = error
            self._ready.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        self._changed = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.host, self.port = server.sockets[0].getsockname()[:2]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for connection in list(self._connections):
            connection.reset()
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _stop(self) -> None:
        self._stopped.set()

    async def _accept(self, reader: Any, writer: Any) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        connection = _Connection(self, self.accepted, reader, writer)
        self.accepted += 1
        connection.fault, self._next_fault = self._next_fault, None
        self._connections.add(connection)
        try:
            await connection.run()
        except asyncio.CancelledError:
            connection.reset()  # the link closes
        finally:
            self._connections.discard(connection)

    async def _passing(self) -> None:
        while self._down:
            await self._changed_soon()

    def _changed_soon(self) -> Awaitable[object]:
        return self._changed.wait()

    def _set_down(self, down: bool) -> None:
        self._down = down

    def _set_fault(self, kind: str, after_bytes: int, direction: Way) -> None:
        if direction not in ("up", "down"):
            raise ConfigError(f"must be up or down, not {direction!r}", key="direction")
        at = units.whole(after_bytes, "after_bytes", 0, 2**40)

        def put() -> None:
            if not self._connections:
                self._next_fault = _Fault(kind, direction, at)
            for c in list(self._connections):
                fault = _Fault(kind, direction, c.pipes[direction].passed + at)
                if at == 0:
                    c.strike(fault)
                else:
                    c.fault = fault

        self._do(put)

    def _do(self, function: Callable[..., object], *arguments: object) -> None:
        """In its own thread, and waits until it is done."""
        if not self._thread.is_alive():
            raise MqttwinError("the link is closed")
        done = threading.Event()

        def call() -> None:
            try:
                function(*arguments)
            finally:
                # Whoever waits for a change looks again.
                self._changed.set()
                self._changed = asyncio.Event()
                done.set()

        self._loop.call_soon_threadsafe(call)
        if not done.wait(_PATIENCE):
            raise MqttwinError("the link does not answer")

    def __enter__(self) -> LiveLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LiveLink {self.url}: {self.model}>"


def _supported(model: Link) -> Link:
    """A link as far as real time has it.

    Raises:
        ConfigError: Names what it has and real time has not.
    """
    if not isinstance(model, Link):
        raise ConfigError(f"{model!r} is none: mt.links.link(...) or a preset", key="link")
    absent = {
        "sleep": model.sleep,
        "outages": model.outages,
        "random_outages": model.random_outages,
        "idle_timeout": model.idle_timeout,
        "shared": model.shared,
    }
    for side in (model.up, model.down):
        absent["bursts"] = absent.get("bursts") or side.bursts
        absent["schedule"] = absent.get("schedule") or side.curve
        if side.jitter and side.jitter_kind not in ("uniform", "none"):
            absent["jitter_kind"] = side.jitter_kind
    for key, value in absent.items():
        if value:
            raise ConfigError("is for virtual links; a live one does not have it", key=key)
    return model


def link_of(model: Link | None, options: dict[str, Any]) -> Link:
    """A preset or a link of one's own, or `mqttwin.links.link` of the options."""
    if model is not None and options:
        raise ConfigError("takes a link or its keywords, not both", key="link")
    if model is not None:
        return model
    return links.link(**{"latency": 0, "name": "live link", **options})
