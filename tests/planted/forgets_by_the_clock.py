"""Trusts the wall clock to tell old from new

Symptom: The night the clocks were corrected, devices repeated commands of the day.

Cause: To save room the firmware forgets the numbers of commands after five minutes, "because no
repetition comes that late", and asks the wall clock how old they are. When time is set (NTP after a
boot without battery, a network's time zone), five minutes pass in an instant; when it is set back,
the numbers seem to be of the future, and are thrown away as implausible.

Fix: Bound what is remembered by number, not by age. Where it must be age, use a monotonic clock,
and know that it starts anew with the device.
"""

from __future__ import annotations

from .firmware import REMEMBERED, Firmware

AGE = 300.0
"""Seconds after which a command cannot come again."""


class Correct(Firmware):
    def is_new(self, number: int) -> bool:
        seen = self.storage.get("seen", [])
        if number in seen:
            return False
        self.storage["seen"] = [*seen, number][-REMEMBERED:]
        return True


class Buggy(Firmware):
    def is_new(self, number: int) -> bool:
        now = self.clock.now()
        seen = {n: at for n, at in self.storage.get("seen", {}).items() if 0 <= now - at < AGE}
        if number in seen:
            return False
        self.storage["seen"] = {**seen, number: now}
        return True
