"""Erases a message when it was sent, not when it was acknowledged

Symptom: Single readings are missing, now and then, although everything is sent at QoS 1 and kept
in flash. Each gap lies at a power cut or a reboot.

Cause: The firmware erases a reading as soon as `publish` has returned. The library has taken it by
then, not the server: what is in flight, or waits for the network, is in memory only.

Fix: Erase when PUBACK is there. Sending twice what was erased too late does no harm where readings
have numbers: that is what at-least-once means.
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
            self.publish(topic, payload, qos=1)
            self.storage["backlog"] = backlog[1:]
