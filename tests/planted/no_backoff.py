"""Hammers the server

Symptom: While the server is down its load balancer melts; batteries are flat the day after, and the
mobile operator bars the SIM cards for too many attach requests.

Cause: The loop that connects tries again at once, or a tenth of a second later. In the laboratory
the first attempt succeeds, so nobody has seen the loop turn.

Fix: Back off: double the wait after each failure up to a minute or more, with jitter, and begin
anew only when a connection has lasted.
"""

from __future__ import annotations

import mqttwin as mt

from .firmware import Firmware


class Correct(Firmware):
    backoff = mt.backoff.exponential("2s", "60s", jitter=0.5)


class Buggy(Firmware):
    backoff = mt.backoff.fixed("100ms", jitter=0.5)
