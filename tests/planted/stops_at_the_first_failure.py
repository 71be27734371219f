"""The first publish that fails ends the periodic task

Symptom: Devices are online, obey commands, and have not reported since the last outage.

Cause: A publish that is not acknowledged in time raises an error, and the error leaves the loop
that reports. There is a handler further out, which logs.

Fix: A periodic task handles the errors of one turn within that turn. If anything ends it, let that
be a crash which the watchdog sees.
"""

from __future__ import annotations

import mqttwin as mt
from mqttwin import device

from .firmware import Firmware


class Patient(Firmware):
    """Sends what is kept after each measurement, with a limit of time."""

    def on_boot(self, event: device.BootEvent) -> None:
        self.connect()
        self.spawn(self.report())

    def deliver_soon(self) -> None:
        pass  # with the next report

    async def report(self) -> None:
        raise NotImplementedError

    async def send_all(self) -> None:
        while backlog := self.storage.get("backlog", []):
            topic, payload = backlog[0]
            await self.publish(topic, payload, qos=1, timeout="20s")
            self.storage["backlog"] = self.storage["backlog"][1:]


class Correct(Patient):
    async def report(self) -> None:
        while True:
            await self.sleep("30s")
            self.measure()
            try:
                await self.send_all()
            except (mt.ClientTimeout, mt.PublishError):
                self.log.warning("not sent: with the next report")
                await self.reconnect()


class Buggy(Patient):
    async def report(self) -> None:
        try:
            while True:
                await self.sleep("30s")
                self.measure()
                await self.send_all()
        except (mt.ClientTimeout, mt.PublishError):
            self.log.warning("not sent")
