"""Starts its timer again on every connection

Symptom: After months in the field a device sends its readings many times over, and its data plan is
used up in days. A reboot cures it.

Cause: Measuring begins in the handler of the connection, where the firmware's first author wanted
to have something to send to. Every connection starts one more timer, and none ends.

Fix: What goes on without a connection is started at boot, once. What belongs to a connection is
cancelled with it.
"""

from __future__ import annotations

from typing import Any

from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    def on_boot(self, event: device.BootEvent) -> Any:
        self.every("30s", self.measure)
        self.deliver_soon()
        self.connect()


class Buggy(Firmware):
    def on_boot(self, event: device.BootEvent) -> Any:
        self.deliver_soon()
        self.connect()

    async def on_connect(self, event: device.ConnectEvent) -> None:
        self.every("30s", self.measure)
        await super().on_connect(event)
