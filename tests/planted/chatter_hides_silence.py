"""Its own chatter keeps it from noticing a dead link

Symptom: The busier devices are, the longer they are gone after an interruption: those that publish
every second stay away for a quarter of an hour, those that are quiet come back after a minute.

Cause: A client has to send PINGREQ where it has sent *nothing else* for the keep-alive. A device
that publishes more often than that never pings, so no answer to a ping is ever missing. What it
sends goes into a dead connection, until TCP gives up repeating it.

Fix: What proves that a link lives is what comes in, not what goes out. At QoS 1 there are PUBACKs:
where none has come for longer than there should have been, connect anew. (Some libraries send
PINGREQ when they have *heard* nothing, too; ask yours.)
"""

from __future__ import annotations

import json
from typing import Any

import mqttwin as mt
from mqttwin import device

from .firmware import Firmware


class Chatty(Firmware):
    """Sends at once, whatever is still under way."""

    def deliver_soon(self) -> None:
        for key in list(self.storage):
            if key.startswith("kept "):
                self.spawn(self.send(key))

    def keep(self, topic: str, **fields: Any) -> None:
        number = self.storage["kept"] = self.storage.get("kept", 0) + 1
        self.storage[f"kept {number}"] = (topic, json.dumps(fields))
        self.spawn(self.send(f"kept {number}"))

    async def send(self, key: str) -> None:
        topic, payload = self.storage[key]
        while key in self.storage:
            try:
                await self.publish(topic, payload, qos=1)
            except mt.PublishError:
                await self.sleep("10s")
            else:
                del self.storage[key]


class Correct(Chatty):
    def __init__(self, actuator: Any) -> None:
        super().__init__(actuator)
        self.heard = self.now

    async def on_connect(self, event: device.ConnectEvent) -> None:
        self.heard = self.now
        await super().on_connect(event)

    def on_publish(self, event: device.PublishEvent) -> None:
        self.heard = self.now

    async def measure(self) -> None:
        super().measure()
        if self.now - self.heard > 45:  # one and a half periods
            await self.reconnect()


class Buggy(Chatty):
    pass
