"""Takes the DUP flag for "you have this already"

Symptom: Commands are lost, although all is QoS 1, the session is kept and the server's log shows
the delivery and its acknowledgement.

Cause: The firmware throws messages with DUP away to protect itself against acting twice. But DUP
says that the *sender* has sent this before. Where the first copy was lost with the connection, the
one with DUP is the only one that arrives. (And a repetition need not have it: a retained message
comes without.)

Fix: Compare what the application can compare, a number in the payload. DUP is for logs.
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
        if event.duplicate:
            return
        number = command_in(event.payload)
        if number is not None and self.is_new(number):
            self.act(number)
