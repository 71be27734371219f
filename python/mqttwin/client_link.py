"""Between the client engine and asyncio: bytes, deadlines, and what has happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from ._core import ClientEngine

Event = dict[str, Any]

T = TypeVar("T")

_NS = 1_000_000_000


async def within(awaitable: Awaitable[T], seconds: float) -> T:
    """What it comes to, or asyncio.TimeoutError.

    `asyncio.wait_for` before Python 3.12 forgets a cancellation that comes in the moment when the
    awaitable is done, and the caller would go on waiting for something else.
    """
    task = asyncio.ensure_future(awaitable)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        await asyncio.wait({task})
        raise asyncio.TimeoutError
    return task.result()


class Link(asyncio.Protocol):
    """One connection of an engine.

    The engine is told what the network does and what time it is; then its events are handed on,
    and after that, so that an event may still change what is said, its output is written.
    """

    def __init__(self, engine: ClientEngine, on_event: Callable[[str, Event], None]) -> None:
        self._engine = engine
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0
        self._flush_is_due = False
        self._reading = True
        self._writable = asyncio.Event()
        self._writable.set()
        self.closed = asyncio.Event()

    def now(self) -> int:
        """The loop's clock in nanoseconds."""
        return int(self._loop.time() * _NS)

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is open: CONNECT."""
        self._transport = cast("asyncio.Transport", transport)
        if self.closed.is_set():  # given up while the network was at it
            self._transport.abort()
            return
        self._engine.open(self.now())
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Bytes from the server."""
        if self.closed.is_set():
            return
        self._engine.receive(self.now(), data)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone, whoever closed it."""
        self.over()

    def pause_writing(self) -> None:
        """The network does not keep up."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    # --- the engine

    def over(self) -> None:
        """Nothing more will come of this connection, or of the attempt to make one."""
        if self.closed.is_set():
            return
        self.closed.set()
        self._transport = None
        self._engine.closed(self.now())
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._writable.set()

    def soon(self) -> None:
        """Flushes in this turn of the loop, after whatever else is said in it."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hands on what has happened, and writes what there is to say."""
        self._flush_is_due = False
        while events := self._engine.take_events():
            for kind, event in events:
                self._on_event(kind, event)
        for kind, data in self._engine.take_output():
            if self._transport is None or self._transport.is_closing():
                continue
            if kind == "send":
                self._transport.write(data)
            elif kind == "close":
                self._transport.close()
            elif kind == "abort":
                self._transport.abort()
        self._arm()

    async def drain(self) -> None:
        """Waits while the network does not keep up."""
        await self._writable.wait()

    def read(self, wanted: bool) -> None:
        """Whether to read on; while it does not, the server is stopped by TCP."""
        self._reading = wanted
        if self._transport is None or self._transport.is_closing():
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def abort(self) -> None:
        """Breaks the connection."""
        if self._transport is not None:
            self._transport.abort()

    # The engine's deadlines move later with everything that is sent: a timer that is early finds
    # that out when it comes up.
    def _arm(self) -> None:
        deadline = self._engine.next_deadline
        if deadline is None or self.closed.is_set():
            return
        if self._timer is not None:
            if self._armed <= deadline:
                return
            self._timer.cancel()
        self._armed = deadline
        self._timer = self._loop.call_at(deadline / _NS, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self.now()
        if not self._reading:
            # An answer to PINGREQ may lie where we do not look: no reason to give up the server.
            self._engine.receive(now, b"")
        self._engine.timeout(now)
        self.flush()
