"""Trusts *session present*, and has never subscribed

Symptom: A few devices in thousands never hear a command, from their very first day. They are the
ones that were first switched on in a cellar.

Cause: The firmware subscribes where CONNACK says that there is no session. Where the first
connection breaks after CONNACK and before SUBSCRIBE has arrived, the server has a session without
any subscription; at the next connection it is present, and the firmware takes that for subscribed.

Fix: *Session present* tells that a session is there, not what is in it. Subscribe at every
connection; it costs one packet. To remember that SUBACK was seen is not enough: the CONNACK that
said that this session is gone may be lost with its connection, and the next one finds a session.
"""

from __future__ import annotations

from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    async def on_connect(self, event: device.ConnectEvent) -> None:
        if await self.join():
            self.announce()


class Buggy(Firmware):
    async def on_connect(self, event: device.ConnectEvent) -> None:
        if not event.session_present and not await self.join():
            return
        self.announce()
