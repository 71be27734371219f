"""What the firmwares have in common: one protocol, done right.

d/{id}/status   retained, "online" or, by the will, "offline"
d/{id}/data     {"seq": n, "value": x} every 30 s; n counts from 1 without gaps
d/{id}/cmd      {"id": n, "do": "..."}: to be acted upon once
d/{id}/done     {"id": n}: it was
"""

from __future__ import annotations

import json
from typing import Any

import mqttwin as mt
from mqttwin import device

REMEMBERED = 64
"""Commands whose numbers a device keeps: more than a broker may have to deliver again."""


class Firmware(mt.Device):
    """A correct device; pairs replace one part of it.

    Args:
        actuator: What is done is noted here, as (client identifier, command, virtual time): it is
            of the world outside, and forgets nothing when the device does.
    """

    clean_start = False
    session_expiry = "1h"
    keep_alive = "60s"
    will = mt.Message("d/{id}/status", b"offline", qos=1, retain=True)
    backoff = mt.backoff.exponential("2s", "60s", jitter=0.5)

    meter = mt.Sensor(lambda dut, now: round(now, 3))

    def __init__(self, actuator: list[tuple[str, int, float]]) -> None:
        self._actuator = actuator
        self.delivery: device.Task | None = None

    # --- the connection -------------------------------------------------------------------------

    def on_boot(self, event: device.BootEvent) -> Any:
        self.every("30s", self.measure)
        self.deliver_soon()
        self.connect()

    async def on_connect(self, event: device.ConnectEvent) -> None:
        # Always: the session may be there without what an earlier connection had no time to say.
        if await self.join():
            self.announce()

    async def join(self) -> bool:
        """Subscribes; False where the connection did not last long enough."""
        try:
            await self.subscribe("d/{id}/cmd", qos=1)
        except mt.DisconnectedError:
            return False  # on_connect will come again
        return True

    def announce(self) -> None:
        self.publish("d/{id}/status", b"online", qos=1, retain=True)

    async def reconnect(self) -> None:
        """Leaves a connection that seems to be dead for a new one."""
        if self.connected:
            await self.disconnect()
            self.connect()

    # --- telemetry ------------------------------------------------------------------------------

    def measure(self) -> Any:
        seq = self.storage.get("seq", 0) + 1
        self.storage["seq"] = seq
        self.keep("d/{id}/data", seq=seq, value=self.meter.read())

    def keep(self, topic: str, **fields: Any) -> None:
        """Puts a message where it is safe until the broker has acknowledged it.

        `storage_limit` is the bound: there is room for the readings of ten hours.
        """
        self.storage["backlog"] = [*self.storage.get("backlog", []), (topic, json.dumps(fields))]
        self.deliver_soon()

    def deliver_soon(self) -> None:
        if self.delivery is None or self.delivery.done:
            self.delivery = self.spawn(self.deliver())

    async def deliver(self) -> None:
        """Sends what is kept, oldest first, each until it was acknowledged."""
        while backlog := self.storage.get("backlog", []):
            topic, payload = backlog[0]
            try:
                await self.publish(topic, payload, qos=1)
            except mt.PublishError:
                await self.sleep("10s")
            else:
                self.storage["backlog"] = self.storage["backlog"][1:]

    # --- commands -------------------------------------------------------------------------------

    def on_message(self, event: device.MessageEvent) -> Any:
        number = command_in(event.payload)
        if number is not None and self.is_new(number):
            self.act(number)

    def is_new(self, number: int) -> bool:
        """Whether a command was not seen before; it has been from now on."""
        seen = self.storage.get("seen", [])
        if number in seen:
            return False
        self.storage["seen"] = [*seen, number][-REMEMBERED:]
        return True

    def act(self, number: int) -> Any:
        self.acted(number)
        self.keep("d/{id}/done", id=number)

    def acted(self, number: int) -> None:
        """The valve has turned, and everybody can see it."""
        self._actuator.append((self.client_id, number, self.now))


def command_in(payload: bytes) -> int | None:
    """The number of a command; None for what is none, such as the empty payload that clears a
    retained one.
    """
    try:
        number = json.loads(payload)["id"]
    except (ValueError, TypeError, KeyError):
        return None
    return number if isinstance(number, int) else None
