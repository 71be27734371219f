"""One connection through a live link: when its bytes arrive, and what befalls them.

What is written is held back for as long as the link would have taken, in order. A lost segment
costs what it costs a Linux sender that waits for its retransmission time-out: 200 ms (TCP_RTO_MIN)
or half the round trip on top of it, doubled for each further loss (RFC 6298).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .. import units
from ..link_spec import Direction
from .live_chance import Draws, Fading, jitter

if TYPE_CHECKING:
    from .live_link import LiveLink

Way = Literal["up", "down"]

# What a direction of a connection holds back at most, before its writer is made to wait.
KEPT_BYTES = 256 * 1024
_HEADER_BYTES = 52  # IP, TCP and its timestamps, for each segment
_RTO_MIN = 0.2  # s; Linux
_RTO_MAX = 120.0
_READ = 16 * 1024


@dataclass
class Fault:
    """What befalls a direction of a connection at a byte."""

    kind: str  # "reset", "black_hole", "stall"
    way: Way
    at: int  # bytes of that direction that still pass


class Pipe:
    """One direction of one connection: when bytes that were read now are to be written."""

    def __init__(
        self, spec: Direction, mtu: int, round_trip: float, draws: Draws, fading: Fading | None
    ) -> None:
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
        self._fading = fading
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
            sent = self._free + self._waited(self._free)
            delay = max(0.0, spec.latency / units.SECOND + jitter(spec, self._draws))
            self._last = max(self._last, sent + delay)
        return self._last

    def _waited(self, first: float) -> float:
        """For time-outs: a segment is sent again until it is not lost."""
        waited, timeout = 0.0, self._rto
        while timeout < _RTO_MAX and self._lost(first + waited):
            waited += timeout
            timeout *= 2
        return waited

    def _lost(self, at: float) -> bool:
        fades = self._fading is not None and self._fading.loses(at)
        return (self._spec.loss > 0 and self._draws() < self._spec.loss) or fades


class Connection:
    """A client's connection and the one to the broker that belongs to it."""

    def __init__(self, proxy: LiveLink, number: int, reader: Any, writer: Any) -> None:
        self.proxy = proxy
        self.number = number
        self.client = (reader, writer)
        self.broker: tuple[Any, Any] | None = None
        link = proxy.model
        trip = (link.up.latency + link.down.latency) / units.SECOND
        self.pipes: dict[Way, Pipe] = {
            "up": Pipe(
                link.up, link.mtu, trip, Draws(proxy.seed, number, "up"), proxy.fading["up"]
            ),
            "down": Pipe(
                link.down, link.mtu, trip, Draws(proxy.seed, number, "down"), proxy.fading["down"]
            ),
        }
        self.fault: Fault | None = None
        self.stalled: set[Way] = set()

    async def run(self) -> None:
        """Until it is over."""
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

    async def _hand_over(self, way: Way, pipe: Pipe, writer: Any, data: bytes) -> None:
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

    def strike(self, fault: Fault) -> None:
        """It happens now."""
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
