"""Forgets in a reboot what it has acted upon

Symptom: A command is acted upon a second time right after a reboot. Where the command is "reboot",
the device does so until somebody deletes the command.

Cause: The numbers of past commands are kept in memory. The server's session outlives the device's
reboot, and with it a command whose PUBACK was not sent in time; a retained command comes again
anyway.

Fix: What was done is to be stored as durably as what can come again, and before it is done.
"""

from __future__ import annotations

from typing import Any

from .firmware import REMEMBERED, Firmware


class Correct(Firmware):
    def is_new(self, number: int) -> bool:
        seen = self.storage.get("seen", [])
        if number in seen:
            return False
        self.storage["seen"] = [*seen, number][-REMEMBERED:]
        return True


class Buggy(Firmware):
    def __init__(self, actuator: Any) -> None:
        super().__init__(actuator)
        self.seen: list[int] = []

    def is_new(self, number: int) -> bool:
        if number in self.seen:
            return False
        self.seen = [*self.seen, number][-REMEMBERED:]
        return True
