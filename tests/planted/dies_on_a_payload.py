"""One unexpected payload ends the receive loop

Symptom: Devices go deaf one after the other, always after somebody has used the topic by hand: a
test message, or an empty one to clear what was retained.

Cause: The handler of errors stands around the loop, not in it. What cannot be read is logged, and
the loop is over; the rest of the firmware goes on.

Fix: A payload comes from outside: check it, and handle what is wrong with it where it is handled.
No message may end the loop.
"""

from __future__ import annotations

import json

from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    on_message = device.Device.on_message

    async def main(self) -> None:
        async for message in self.messages():
            try:
                number = json.loads(message.payload)["id"]
            except (ValueError, TypeError, KeyError):
                self.log.warning("no command: %r", message.payload)
                continue
            if self.is_new(number):
                self.act(number)


class Buggy(Firmware):
    on_message = device.Device.on_message

    async def main(self) -> None:
        try:
            async for message in self.messages():
                number = json.loads(message.payload)["id"]
                if self.is_new(number):
                    self.act(number)
        except (ValueError, TypeError, KeyError):
            self.log.warning("no command")
