"""Takes a return from publish at QoS 0 for delivery

Symptom: Readings are missing around every break of the connection: those of the last minute before
the device noticed it.

Cause: At QoS 0 there is no acknowledgement. `publish` succeeds when the bytes are with TCP, and TCP
accepts bytes for a dead connection until it has found out.

Fix: What must arrive goes at QoS 1, and is done with when PUBACK is there.
"""

from __future__ import annotations

import mqttwin as mt

from .firmware import Firmware


class Correct(Firmware):
    async def deliver(self) -> None:
        while backlog := self.storage.get("backlog", []):
            topic, payload = backlog[0]
            try:
                await self.publish(topic, payload, qos=1)
            except mt.PublishError:
                await self.sleep("10s")
            else:
                self.storage["backlog"] = self.storage["backlog"][1:]


class Buggy(Firmware):
    async def deliver(self) -> None:
        while backlog := self.storage.get("backlog", []):
            topic, payload = backlog[0]
            sent = await self.publish(topic, payload, qos=0)
            if sent.dropped:
                await self.sleep("5s")
            else:
                self.storage["backlog"] = self.storage["backlog"][1:]
