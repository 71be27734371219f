"""Counts from 1 again after a reboot

Symptom: Readings disappear, or old ones change, after devices were rebooted: the server takes new
readings for repetitions of old ones, because their numbers are the same.

Cause: The sequence number lives in memory. Numbers that tell one message from another have to
outlive whatever the messages outlive, and these outlive a reboot.

Fix: Keep the number in non-volatile storage, and store it before it is used. Where flash wears too
fast for that, store a limit that is ahead and start from there, or send a boot number as well.
"""

from __future__ import annotations

from typing import Any

from .firmware import Firmware


class Correct(Firmware):
    def measure(self) -> None:
        seq = self.storage.get("seq", 0) + 1
        self.storage["seq"] = seq
        self.keep("d/{id}/data", seq=seq, value=self.meter.read())


class Buggy(Firmware):
    def __init__(self, actuator: Any) -> None:
        super().__init__(actuator)
        self.seq = 0

    def measure(self) -> None:
        self.seq += 1
        self.keep("d/{id}/data", seq=self.seq, value=self.meter.read())
