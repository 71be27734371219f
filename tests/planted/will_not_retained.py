"""The will is not retained

Symptom: A dashboard that was open when a device died shows it offline. One that is opened
afterwards shows it online, for ever.

Cause: "online" is published retained, the will that says "offline" is not. It reaches those who
are there, and the retained "online" stays for all who come later.

Fix: The will takes the retain flag of what it replaces.
"""

from __future__ import annotations

import mqttwin as mt

from .firmware import Firmware


class Correct(Firmware):
    will = mt.Message("d/{id}/status", b"offline", qos=1, retain=True)


class Buggy(Firmware):
    will = mt.Message("d/{id}/status", b"offline", qos=1)
