"""Waits for an instant of the wall clock

Symptom: A device stops reporting for exactly an hour, or for the years since 1970. It is connected
and obeys commands.

Cause: The next reading is due at an instant of the wall clock. When that is set back by an hour,
the instant is an hour away; set forward, all the readings of that hour are due at once.

Fix: Periods are measured with a clock that nobody sets. The wall clock is for labels.
"""

from __future__ import annotations

from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    def on_boot(self, event: device.BootEvent) -> None:
        self.every("30s", self.measure)
        self.deliver_soon()
        self.connect()


class Buggy(Firmware):
    def on_boot(self, event: device.BootEvent) -> None:
        self.spawn(self.report())
        self.deliver_soon()
        self.connect()

    async def report(self) -> None:
        due = self.clock.now()
        while True:
            due += 30
            await self.sleep(max(0.0, due - self.clock.now()))
            self.measure()
