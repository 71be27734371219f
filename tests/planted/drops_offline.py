"""Drops what it measures while it is offline

Symptom: Each outage is a hole in the record, however short.

Cause: "If not connected, do not publish" is a sensible guard against an error return, and it throws
the reading away.

Fix: Measuring and sending are two things. Measure into a queue; send from it whenever there is a
connection.
"""

from __future__ import annotations

from .firmware import Firmware


class Correct(Firmware):
    def measure(self) -> None:
        seq = self.storage.get("seq", 0) + 1
        self.storage["seq"] = seq
        self.keep("d/{id}/data", seq=seq, value=self.meter.read())


class Buggy(Firmware):
    def measure(self) -> None:
        seq = self.storage.get("seq", 0) + 1
        self.storage["seq"] = seq
        if self.connected:
            self.keep("d/{id}/data", seq=seq, value=self.meter.read())
