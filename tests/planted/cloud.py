"""The other side: follows what devices publish, sends them commands, and knows what they owe."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mqttwin as mt
from mqttwin import device

PERIOD = 60.0
"""Seconds between two commands to a device."""
SETTLED = 10.0
"""So long a device has to stay, in seconds, before it is taken for one that can be reached."""


@dataclass
class Command:
    """A command that was sent.

    Attributes:
        owed: Whether it has to be acted upon, as far as is known: the broker's session of the
            device was there, and was not lost (or taken by somebody else) since.
    """

    number: int
    sent: float
    owed: bool


class Cloud(mt.Device):
    """Sits beside the broker and is back long before any device.

    Attributes:
        commands: What was sent, by client identifier.
        values: What arrived as telemetry, by client identifier and number: all different values.
        newest: When a device's latest new number arrived.
        readings: When telemetry of a device arrived, all of it.
        online: When devices announced themselves, in seconds of virtual time.
        failed: Own attempts to connect.

    Args:
        ids: Client identifiers of the devices.
        is_connected: Tells the truth about one of them.
    """

    clean_start = False
    session_expiry = "1h"
    backoff = mt.backoff.fixed("200ms")
    max_queued = 10_000

    def __init__(self, ids: list[str], is_connected: Callable[[str], bool]) -> None:
        self.ids = ids
        self.is_connected = is_connected
        self.commands: dict[str, list[Command]] = {name: [] for name in ids}
        self.values: dict[str, dict[int, set[Any]]] = {name: defaultdict(set) for name in ids}
        self.newest: dict[str, float] = {}
        self.readings: dict[str, list[float]] = {name: [] for name in ids}
        self.online: dict[str, list[float]] = {name: [] for name in ids}
        self.done: Counter[tuple[str, int]] = Counter()
        self.reachable: set[str] = set()
        self.failed = 0
        self.connections = Counter[str]()  # announcements, wills and losses: each ends what was

    def on_boot(self, event: device.BootEvent) -> None:
        self.connect()
        for number, name in enumerate(self.ids):
            self.every(PERIOD, self.command, name, start=PERIOD + 7.0 * number % PERIOD)

    async def on_connect(self, event: device.ConnectEvent) -> None:
        if not event.session_present:
            for name in self.ids:
                self.forgive(name)
        self.subscribe("d/#", qos=1, no_local=True, retain_handling=2)

    def on_disconnect(self, event: device.DisconnectEvent) -> None:
        self.failed += not event.was_connected

    def forgive(self, name: str) -> None:
        """The broker's session of a device was lost, or is somebody else's."""
        self.reachable.discard(name)
        self.connections[name] += 1  # who was about to be reachable is not
        done = {number for device_id, number in self.acted_upon() if device_id == name}
        for command in self.commands[name]:
            command.owed &= command.number in done

    def acted_upon(self) -> set[tuple[str, int]]:
        """Replaced by the harness, which sees the actuators."""
        return set()

    # --- commands -------------------------------------------------------------------------------

    def command(self, name: str) -> None:
        """One in four is retained, for three periods: then its retained copy is cleared."""
        sent = self.commands[name]
        number = len(sent) + 1
        sent.append(Command(number, self.now, name in self.reachable))
        if number % 4 == 3:
            self.publish(f"d/{name}/cmd", b"", qos=1, retain=True)
        payload = json.dumps({"id": number, "do": "open"})
        self.publish(f"d/{name}/cmd", payload, qos=1, retain=number % 4 == 0)

    async def welcome(self, name: str) -> None:
        """A command for who has just come; and owed is what was sent while it stayed."""
        began, connection = self.now, self.connections[name]
        await self.sleep(0.5)
        self.command(name)
        await self.sleep(SETTLED)
        if self.connections[name] == connection and self.is_connected(name):
            self.reachable.add(name)
            for command in self.commands[name]:
                command.owed |= command.sent >= began

    # --- what devices say -----------------------------------------------------------------------

    def on_message(self, event: device.MessageEvent) -> None:
        _, name, kind = event.topic.split("/")
        if kind == "status":
            self.connections[name] += 1
            if event.payload == b"online":
                self.online[name].append(self.now)
                if name not in self.reachable:
                    self.spawn(self.welcome(name))
        elif kind == "data":
            report = json.loads(event.payload)
            self.readings[name].append(self.now)
            values = self.values[name][report["seq"]]
            if report["value"] not in values:
                values.add(report["value"])
                self.newest[name] = self.now
        elif kind == "done":
            self.done[name, json.loads(event.payload)["id"]] += 1
