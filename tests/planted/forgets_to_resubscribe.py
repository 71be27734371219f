"""Forgets to subscribe again when the session is lost

Symptom: Devices go deaf, all of them at the same time, after the server was replaced, restored from
a backup or ran out of room for sessions. They keep publishing. A reboot does not help.

Cause: A subscription is part of the server's session. The firmware subscribes once in its life and
notes in its flash that it has, so it relies for ever on somebody else's memory.

Fix: Subscribe at every connection; it costs one packet. (To do so only where CONNACK says that no
session is present saves that packet, and has a bug of its own.)
"""

from __future__ import annotations

from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    async def on_connect(self, event: device.ConnectEvent) -> None:
        if await self.join():
            self.announce()


class Buggy(Firmware):
    async def on_connect(self, event: device.ConnectEvent) -> None:
        if not self.storage.get("subscribed"):
            if not await self.join():
                return
            self.storage["subscribed"] = True
        self.announce()
