"""A firmware that speaks MQTT 3.1.1 by itself, over asyncio streams: what vendors' code looks like.

It does what `firmware.Firmware` does, on the same topics, and sends its readings with QoS 2. Pairs
replace one part of it. It runs on a host of `mqttwin.aio`, unaware of the simulation.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator
from typing import Any

from mqttwin.aio import Host

from .firmware import REMEMBERED, command_in

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, PINGREQ = (
    *range(1, 10),
    12,
)
KEEP_ALIVE = 60
PERIOD = 30.0
"""Seconds between two readings."""
PATIENCE = 20.0
"""Seconds that an answer is waited for."""
WINDOW = 8
"""Messages that are under way at once."""


class Lost(Exception):
    """The connection is no more."""


class RawFirmware:
    """A correct device.

    Args:
        host: What it runs on: its name, and storage that survives a reboot.
        actuator: What is done is noted here, as (client identifier, command, virtual time).
    """

    def __init__(self, host: Host, actuator: list[tuple[str, int, float]]) -> None:
        self.id = host.name
        self.storage = host.storage
        self.actuator = actuator
        self.writer: asyncio.StreamWriter | None = None
        self.sent = self.heard = 0.0
        self.ready = False  # to deliver what is kept

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def main(self) -> None:
        """Never ends."""
        self.measuring = asyncio.create_task(self.measure())
        delay = 2.0
        while True:
            with contextlib.suppress(Lost, OSError, EOFError, asyncio.TimeoutError):
                await self.connection()
                delay = 2.0
            self.ready = False
            if self.writer is not None:
                self.writer.transport.abort()
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(2 * delay, 60.0)

    # --- the connection -------------------------------------------------------------------------

    async def connection(self) -> None:
        """From CONNECT until it is lost; returns if it was any good."""
        reader, self.writer = await asyncio.wait_for(
            asyncio.open_connection("broker", 1883), PATIENCE
        )
        self.connect()
        kind, _, body = await asyncio.wait_for(self.packet(reader), PATIENCE)
        if kind != CONNACK or body[1] != 0:
            raise Lost
        self.resume(present=bool(body[0] & 1))
        self.subscribe()
        watching = asyncio.create_task(self.watch(self.writer))
        try:
            while True:
                self.handle(*await self.packet(reader))
        except (OSError, EOFError):
            pass
        finally:
            watching.cancel()

    def connect(self) -> None:
        """CONNECT: the session is kept, and the will says that we are gone."""
        flags = 0b0010_1100  # will, with QoS 1, retained
        body = text("MQTT") + bytes([4, flags]) + KEEP_ALIVE.to_bytes(2, "big")
        self.write(CONNECT, 0, body + text(self.id) + text(self.topic("status")) + text("offline"))

    def subscribe(self) -> None:
        """SUBSCRIBE; SUBACK makes it ready."""
        body = self.new_id().to_bytes(2, "big") + text(self.topic("cmd")) + b"\1"
        self.write(SUBSCRIBE, 2, body)

    async def watch(self, writer: asyncio.StreamWriter) -> None:
        """Keeps it alive, and ends it when nothing is heard any more."""
        while True:
            await asyncio.sleep(5)
            if self.now - self.heard > KEEP_ALIVE:
                writer.transport.abort()
            elif self.now - max(self.sent, self.heard) > KEEP_ALIVE / 2:
                self.write(PINGREQ, 0, b"")

    async def packet(self, reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
        """The next one: its type, its flags, and what follows the fixed header."""
        first = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                break
        body = await reader.readexactly(length)
        self.heard = self.now
        return first >> 4, first & 15, body

    def write(self, kind: int, flags: int, body: bytes) -> None:
        """Sends a packet, if there is somebody to send it to."""
        if self.writer is None or self.writer.is_closing():
            return
        length, left = bytearray(), len(body)
        while left > 127:
            length.append(left & 127 | 128)
            left >>= 7
        length.append(left)
        self.writer.write(bytes([kind << 4 | flags]) + length + body)
        self.sent = self.now

    def handle(self, kind: int, flags: int, body: bytes) -> None:
        """What the server says."""
        if kind == PUBLISH:
            end = 2 + int.from_bytes(body[:2], "big")
            qos = flags >> 1 & 3
            self.on_message(body[end + 2 :] if qos else body[end:])
            if qos:
                self.write(PUBACK, 0, body[end : end + 2])
        elif kind == SUBACK:
            self.publish(self.topic("status"), "online", 1, self.new_id(), retain=True)
            self.ready = True
            self.deliver()
        elif kind == PUBREC:
            self.released(int.from_bytes(body[:2], "big"))
        elif kind == PUBCOMP:
            self.completed(int.from_bytes(body[:2], "big"))

    # --- what is sent ---------------------------------------------------------------------------

    def publish(
        self, topic: str, payload: str, qos: int, number: int, *, again: bool = False, **more: bool
    ) -> None:
        """PUBLISH."""
        flags = again << 3 | qos << 1 | more.get("retain", False)
        identifier = number.to_bytes(2, "big") if qos else b""
        self.write(PUBLISH, flags, text(topic) + identifier + payload.encode())

    def new_id(self) -> int:
        """A packet identifier that is not in use, neither here nor at the server."""
        used = {entry["id"] for entry in self.backlog}
        number = self.storage.get("identifier", 0)
        while True:
            number = number % 65535 + 1
            if number not in used:
                self.storage["identifier"] = number
                return number

    def resume(self, *, present: bool) -> None:
        """Takes up the QoS 2 exchanges that were under way, or begins anew without a session."""
        backlog = self.backlog
        for entry in backlog:
            if not present:
                entry.update(id=0, released=False)
            elif entry["released"]:
                self.write(PUBREL, 2, entry["id"].to_bytes(2, "big"))
            elif entry["id"]:
                self.publish(entry["topic"], entry["payload"], 2, entry["id"], again=True)
        self.storage["backlog"] = backlog

    def deliver(self) -> None:
        """Sends what is kept and not yet under way."""
        if not self.ready:
            return
        for index in range(min(WINDOW, len(self.backlog))):
            entry = self.backlog[index]
            if entry["id"] == 0:
                number = self.new_id()
                self.change(index, id=number)
                self.publish(entry["topic"], entry["payload"], 2, number)

    def released(self, number: int) -> None:
        """PUBREC: the server has it, and is told that it may forget the identifier."""
        for index in self.under(number):
            self.change(index, released=True)
        self.write(PUBREL, 2, number.to_bytes(2, "big"))

    def completed(self, number: int) -> None:
        """PUBCOMP."""
        gone = set(self.under(number))
        self.storage["backlog"] = [e for i, e in enumerate(self.backlog) if i not in gone]
        self.deliver()

    @property
    def backlog(self) -> list[dict[str, Any]]:
        """What the server does not have for certain, oldest first."""
        kept: list[dict[str, Any]] = self.storage.get("backlog", [])
        return kept

    def under(self, number: int) -> Iterator[int]:
        """Places in the backlog of a packet identifier: one at most."""
        return (i for i, entry in enumerate(self.backlog) if entry["id"] == number)

    def change(self, index: int, **fields: object) -> None:
        """Of an entry of the backlog."""
        backlog = self.backlog
        backlog[index].update(fields)
        self.storage["backlog"] = backlog

    # --- what it is for -------------------------------------------------------------------------

    async def measure(self) -> None:
        """A reading every half a minute."""
        while True:
            await asyncio.sleep(PERIOD)
            seq = self.storage.get("seq", 0) + 1
            self.storage["seq"] = seq
            self.keep("data", seq=seq, value=round(self.now, 3))

    def keep(self, kind: str, **fields: object) -> None:
        """Puts a message where it is safe until the server has it."""
        entry = {"topic": self.topic(kind), "payload": json.dumps(fields), "id": 0}
        self.storage["backlog"] = [*self.backlog, {**entry, "released": False}]
        self.deliver()

    def on_message(self, payload: bytes) -> None:
        """A command is acted upon once."""
        number = command_in(payload)
        seen = self.storage.get("seen", [])
        if number is not None and number not in seen:
            self.storage["seen"] = [*seen, number][-REMEMBERED:]
            self.actuator.append((self.id, number, self.now))
            self.keep("done", id=number)

    def topic(self, kind: str) -> str:
        """Of this device."""
        return f"d/{self.id}/{kind}"


async def live(
    firmware: type[RawFirmware], host: Host, actuator: list[tuple[str, int, float]]
) -> None:
    """From power-on until power-off."""
    await firmware(host, actuator).main()


def text(value: str) -> bytes:
    """As MQTT has it: length, then UTF-8."""
    data = value.encode()
    return len(data).to_bytes(2, "big") + data
