"""A link in real time: a TCP proxy in front of a live broker.

What a client writes is held back for as long as the link would have taken, and then written to the
broker; the same the other way. See `live_connection` for what a loss costs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .. import links, units
from ..errors import ConfigError, MqttwinError
from ..link_spec import Direction, Link
from .live_chance import Draws, Fading
from .live_connection import Connection, Fault, Way

# More clients are closed at once.
MAX_CONNECTIONS = 10_000
_PATIENCE = 5.0  # s that commands wait for the proxy's own thread


class LiveLink:
    """A modelled link in front of a live broker; made by `LiveBroker.link`.

    Point the firmware at `host` and `port`. Times are real ones, so they are only as exact as the
    machine is idle. The kernel answers a connection attempt by itself: while the link is down it is
    accepted, and then nothing comes back.

    Attributes:
        host: To connect to.
        port: The same.
        model: The link: latency, jitter, loss (alone and in bursts) and bandwidth by direction.
        seed: Of the losses and the jitter.
    """

    def __init__(self, target: tuple[str, int], model: Link, *, seed: int, number: int) -> None:
        self.model = _supported(model)
        self.seed = f"{seed}/link {number}"
        self.accepted = 0
        self.fading = {"up": self._fades(model.up, "up"), "down": self._fades(model.down, "down")}
        self._target = target
        self._connections: set[Connection] = set()
        self._next_fault: Fault | None = None
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
            self._do(self._reset_all)
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
        self._do(self._read_again, direction)

    def close(self) -> None:
        """Ends every connection and stops listening."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(_PATIENCE)

    def _fades(self, side: Direction, way: Way) -> Fading | None:
        draws = Draws(self.seed, "bursts", way)
        return None if side.bursts is None else Fading(side.bursts, draws)

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
        connection = Connection(self, self.accepted, reader, writer)
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

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    def _read_again(self, way: Way) -> None:
        for connection in self._connections:
            connection.stalled.discard(way)

    def _set_fault(self, kind: str, after_bytes: int, direction: Way) -> None:
        if direction not in ("up", "down"):
            raise ConfigError(f"must be up or down, not {direction!r}", key="direction")
        at = units.whole(after_bytes, "after_bytes", 0, 2**40)

        def put() -> None:
            if not self._connections:
                self._next_fault = Fault(kind, direction, at)
            for c in list(self._connections):
                fault = Fault(kind, direction, c.pipes[direction].passed + at)
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
    absent: dict[str, object] = {
        "sleep": model.sleep,
        "outages": model.outages,
        "random_outages": model.random_outages,
        "idle_timeout": model.idle_timeout,
        "shared": model.shared,
    }
    for side in (model.up, model.down):
        absent["schedule"] = absent.get("schedule") or side.curve
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
