"""Acts on a retained command from the past

Symptom: After an interruption a device does what somebody told it minutes or weeks ago, once more.
What it was told since is undone.

Cause: A retained message is delivered again with every subscription. The firmware compares with the
last command only; since the retained one others have come, so it looks new.

Fix: Remember every command that may come again, not the last one; or take only numbers higher than
any before. And do not retain commands: retain the state that is wanted, which may come twice.
"""

from __future__ import annotations

from .firmware import REMEMBERED, Firmware


class Correct(Firmware):
    def is_new(self, number: int) -> bool:
        seen = self.storage.get("seen", [])
        if number in seen:
            return False
        self.storage["seen"] = [*seen, number][-REMEMBERED:]
        return True


class Buggy(Firmware):
    def is_new(self, number: int) -> bool:
        if number == self.storage.get("last"):
            return False
        self.storage["last"] = number
        return True
