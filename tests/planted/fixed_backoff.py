"""A fixed back-off keeps the fleet in step

Symptom: After a restart the server is overrun in bursts, seconds apart, each by all devices at
once; TLS handshakes time out, and the next burst is as large.

Cause: All devices lose the connection at the same instant and wait for the same time. Nothing ever
takes them apart.

Fix: Draw the wait at random: at least half of it, better all ("full jitter"). It is the randomness
that spreads a fleet, growth only lowers the rate.
"""

from __future__ import annotations

import mqttwin as mt

from .firmware import Firmware


class Correct(Firmware):
    backoff = mt.backoff.exponential("2s", "60s", jitter=0.5)


class Buggy(Firmware):
    backoff = mt.backoff.fixed("5s")
