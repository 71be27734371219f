"""Does not say that it is online again

Symptom: Devices that work are shown offline. Each of them had a short interruption once.

Cause: The firmware says "online" when it boots. When the connection breaks the server publishes the
will, "offline"; the client library connects again by itself, and nobody contradicts the will.

Fix: Announce in the handler of the accepted connection, which comes at every connection, not in the
code that starts the device.
"""

from __future__ import annotations

from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    async def on_connect(self, event: device.ConnectEvent) -> None:
        if await self.join():
            self.announce()


class Buggy(Firmware):
    def on_boot(self, event: device.BootEvent) -> None:
        super().on_boot(event)
        self.announce()

    async def on_connect(self, event: device.ConnectEvent) -> None:
        await self.join()
