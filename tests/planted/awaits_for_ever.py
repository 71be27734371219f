"""Waits for ever for an acknowledgement that will not come

Symptom: Devices hang in "subscribing" after a bad start of a connection: deaf, shown offline, and
connected. A power cycle helps.

Cause: A flag says that SUBSCRIBE is under way, so that it is not sent twice. It is taken down by
SUBACK alone. When the connection is lost in between, SUBACK never comes: SUBSCRIBE is not repeated
on the next connection by anybody but the application.

Fix: Whatever waits for an answer ends with the connection as well, and with a time-out. In Python,
`finally`.
"""

from __future__ import annotations

from typing import Any

import mqttwin as mt
from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    def __init__(self, actuator: Any) -> None:
        super().__init__(actuator)
        self.joining = False

    async def on_connect(self, event: device.ConnectEvent) -> None:
        if self.joining:
            return
        self.joining = True
        try:
            await self.subscribe("d/{id}/cmd", qos=1)
        except mt.DisconnectedError:
            return
        finally:
            self.joining = False
        self.announce()


class Buggy(Firmware):
    def __init__(self, actuator: Any) -> None:
        super().__init__(actuator)
        self.joining = False

    async def on_connect(self, event: device.ConnectEvent) -> None:
        if self.joining:
            return
        self.joining = True
        try:
            await self.subscribe("d/{id}/cmd", qos=1)
        except mt.DisconnectedError:
            return
        self.joining = False
        self.announce()
