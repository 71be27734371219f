"""Gives up after a number of failures

Symptom: After a long outage a part of the fleet stays away until somebody drives there.

Cause: The firmware counts failed attempts and stops after the third, to spare the battery or
because an example did. Nothing starts it again.

Fix: A device that nobody can reach has nothing better to do than to try, for ever, if ever more
rarely. Where there is a limit, let something follow it: a reboot, another network, another server.
"""

from __future__ import annotations

from typing import Any

from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    def on_disconnect(self, event: device.DisconnectEvent) -> None:
        self.log.info("not connected (%s)", event.cause)  # the back-off does the rest


class Buggy(Firmware):
    def __init__(self, actuator: Any) -> None:
        super().__init__(actuator)
        self.failures = 0

    def on_disconnect(self, event: device.DisconnectEvent) -> None:
        self.failures = 0 if event.was_connected else self.failures + 1
        if self.failures == 3:
            self.log.error("the server cannot be reached")
            self.disconnect()
