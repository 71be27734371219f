"""Acts twice on a command that was delivered twice

Symptom: Once in a while a valve opens twice, a door opens again behind the visitor, a meter is
charged twice. It happens more often where reception is bad.

Cause: QoS 1 is at least once. Where the connection breaks before PUBACK has arrived the server must
deliver again, and the firmware takes every delivery for a new command.

Fix: Commands carry a number; the firmware remembers the numbers that it has acted upon, and ignores
them when they come again.
"""

from __future__ import annotations

from mqttwin import device

from .firmware import Firmware, command_in


class Correct(Firmware):
    def on_message(self, event: device.MessageEvent) -> None:
        number = command_in(event.payload)
        if number is not None and self.is_new(number):
            self.act(number)


class Buggy(Firmware):
    def on_message(self, event: device.MessageEvent) -> None:
        number = command_in(event.payload)
        if number is not None:
            self.act(number)
