"""Messages that a client has received, on their way to whoever reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .client_errors import DisconnectedError


@dataclass(frozen=True)
class IncomingMessage:
    """A message from a server.

    Attributes:
        topic: Its topic name; a topic alias has been resolved.
        payload: Its content.
        qos: The quality of service that it came with.
        retain: Whether it was kept by the server for new subscribers (or was published so, for a
            subscription with ``retain_as_published``).
        duplicate: Whether the server had sent it before; a QoS 2 message comes once all the same.
        packet_id: Its packet identifier, 0 for QoS 0.
        properties: Of MQTT 5.0: ``"content_type"``, ``"user_properties"`` …
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    duplicate: bool = False
    packet_id: int = 0
    properties: dict[str, Any] = field(default_factory=dict)


class Messages:
    """An asynchronous iterator over messages: ``async for message in client.messages``.

    Messages that came before the end of the connection are still there after it; then iterating
    ends, with a `DisconnectedError` unless the client has disconnected itself.
    """

    def __init__(self, limit: int, *, on_full: Callable[[bool], None]) -> None:
        self._limit = limit
        self._on_full = on_full
        self._queue: deque[IncomingMessage] = deque()
        self._changed = asyncio.Event()
        self._full = False
        self._over = True
        self._error: DisconnectedError | None = None

    def __len__(self) -> int:
        """How many wait to be read."""
        return len(self._queue)

    def __aiter__(self) -> Messages:
        return self

    async def __anext__(self) -> IncomingMessage:
        while not self._queue:
            if self._over:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        message = self._queue.popleft()
        # Half of it, so that reading does not stop and go with every message.
        if self._full and len(self._queue) <= self._limit // 2:
            self._full = False
            self._on_full(False)
        return message

    def start(self) -> None:
        """A connection begins."""
        self._changed = asyncio.Event()  # of the loop of this connection
        self._over = False
        self._error = None
        self._full = False

    def put(self, message: IncomingMessage) -> None:
        """One more; a full queue takes it and says that it is full."""
        self._queue.append(message)
        self._changed.set()
        if not self._full and len(self._queue) >= self._limit:
            self._full = True
            self._on_full(True)

    def end(self, error: DisconnectedError | None) -> None:
        """The connection is over."""
        self._over = True
        self._error = error
        self._changed.set()
