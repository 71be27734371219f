"""Keep-alive is longer than the carrier's patience

Symptom: Devices are "online" on the server and in their own view, and nothing passes for half an
hour. Then all is well again, until the next time.

Cause: Middleboxes forget flows that are idle for some minutes (the links here: five) and say
nothing. A dead connection looks like a quiet one; only PINGREQ without an answer tells, and with
a keep-alive of half an hour that takes half an hour. Until then TCP repeats what is unacknowledged
into the void.

Fix: Keep-alive below the shortest idle time-out on the way, with a margin: a minute or four, not
thirty. Where the battery does not bear that, disconnect and come back rather than linger.
"""

from __future__ import annotations

from .firmware import Firmware


class Correct(Firmware):
    keep_alive = "60s"


class Buggy(Firmware):
    keep_alive = "30min"
