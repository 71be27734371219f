"""Loses its outbox when it reboots

Symptom: There are gaps in the readings. They begin with an outage of the network and end with a
reboot: a watchdog, say, that fires because nothing was sent for too long.

Cause: Readings that wait for the network wait in memory. The client library has an outbox, and it
keeps its promise while there is power.

Fix: Put a reading into non-volatile storage before it is sent, and take it out when it was
acknowledged; after a reboot begin with what is there.
"""

from __future__ import annotations

import json
from typing import Any

from .firmware import Firmware


class Correct(Firmware):
    def keep(self, topic: str, **fields: Any) -> None:
        self.storage["backlog"] = [*self.storage.get("backlog", []), (topic, json.dumps(fields))]
        self.deliver_soon()


class Buggy(Firmware):
    def keep(self, topic: str, **fields: Any) -> None:
        self.publish(topic, json.dumps(fields), qos=1)  # the library's outbox has it now
