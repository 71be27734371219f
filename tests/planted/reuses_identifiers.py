"""Counts packet identifiers from one on every connection

Symptom: A reading is missing now and then, on devices with bad coverage only. The device's log says
that the server has acknowledged it, with QoS 2, and so does the server's.

Cause: The connection broke between PUBLISH and PUBREL. The session goes on, and in it the server
still remembers the packet identifier of that message. The firmware begins to count from one again,
and comes by that identifier some messages later: the server takes the new message for the old one,
sent again, acknowledges it and delivers nothing.

Fix: A packet identifier belongs to the session, not to the connection. Keep those that are under
way, with how far their exchange has come, and end each exchange under its identifier before that is
used again. Without a session on the server (CONNACK says so) all of them are free.
"""

from __future__ import annotations

from .raw import RawFirmware


class Correct(RawFirmware):
    """Takes up where the last connection has ended."""


class Buggy(RawFirmware):
    def resume(self, *, present: bool) -> None:
        self.storage["identifier"] = 0
        super().resume(present=False)  # sends everything as if for the first time
