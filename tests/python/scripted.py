"""A server that says what a test tells it to say, for clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

CONNACK = b"\x20\x03\0\0\0"
DEADLINE = 20.0
"""Seconds after which a test has failed; none takes a second."""


def within(coroutine: Awaitable[None]) -> None:
    """Runs a test, which has to end."""

    async def run() -> None:
        await asyncio.wait_for(coroutine, DEADLINE)

    asyncio.run(run())


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def packet(self) -> bytes:
        """The next packet, or nothing at the end of the connection."""
        try:
            head = await self._reader.readexactly(2)
            length = shift = 0
            while True:
                length |= (head[-1] & 0x7F) << shift
                if head[-1] < 0x80:
                    break
                shift += 7
                head += await self._reader.readexactly(1)
            return head + await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def expect(self, start: bytes) -> bytes:
        """A packet that starts so."""
        packet = await self.packet()
        assert packet.startswith(start), (start, packet)
        return packet

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    async def welcome(self, connack: bytes = CONNACK) -> bytes:
        """CONNECT and CONNACK."""
        connect = await self.expect(b"\x10")
        self.say(connack)
        return connect

    def abort(self) -> None:
        self._writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def server(*scripts: Script) -> AsyncIterator[int]:
    """Plays a script for each connection, in order; its port. An assertion in one fails the test.

    A connection is closed at the end of its script.
    """
    rest = list(scripts)
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = rest.pop(0)
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await script(Peer(reader, writer))
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
    assert not rest, "a connection was expected"


async def goodbye(peer: Peer) -> None:
    """DISCONNECT and the end."""
    await peer.expect(b"\xe0")
    assert await peer.packet() == b""
