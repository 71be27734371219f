"""Says that it is online before it listens

Symptom: The first command after a device was installed, often its configuration, is lost. It helps
to send it again by hand, which is always a little later.

Cause: The firmware announces itself, reads its calibration, then subscribes. Who waits for the
announcement to send something sends it into the gap: without a subscription there is nobody to
queue it for.

Fix: Subscribe, wait for SUBACK, then announce. "Online" is a promise.
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
        self.announce()
        await self.sleep("2s")  # reads its calibration
        await self.join()
