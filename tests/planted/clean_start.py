"""A clean start throws queued commands away

Symptom: Commands that were sent while a device was off or rebooting never arrive. Those sent while
merely the network was away do.

Cause: The device connects with clean start (in MQTT 3.1.1: clean session), the default of most
libraries. It tells the server to forget the session, and with it everything that has been queued.

Fix: Clean start off, a session expiry longer than the longest absence, and a client identifier that
stays the same.
"""

from __future__ import annotations

from .firmware import Firmware


class Correct(Firmware):
    clean_start = False
    session_expiry = "1h"


class Buggy(Firmware):
    clean_start = True
    session_expiry = "1h"
