"""Publishes before CONNACK

Symptom: After the server's maintenance the readings of its last minutes are missing, from many
devices. Their logs say that everything was sent, at once when they had connected.

Cause: To save a round trip of radio time the firmware sends what it has kept right behind CONNECT,
and forgets it: TCP has taken it. But a server that refuses the connection throws away what follows
CONNECT, as it must; and what TCP has taken has not arrived.

Fix: Wait for CONNACK, and look at its code. (A client may send earlier, if it keeps what it sends
until the server has acknowledged it.)
"""

from __future__ import annotations

from .raw import RawFirmware


class Correct(RawFirmware):
    """Waits."""


class Buggy(RawFirmware):
    def connect(self) -> None:
        super().connect()
        for entry in self.backlog:
            self.publish(entry["topic"], entry["payload"], 0, 0)
        self.storage["backlog"] = []
