"""Acts as if it were connected before it is

Symptom: After a long outage, or when the server was down while the device started, some devices
publish and can be seen, but no command reaches them until somebody switches them off and on. On
the bench it never happens: there the connection stands within a second.

Cause: The firmware asks for a connection, waits a while that "has always been enough", and sends
SUBSCRIBE without having seen CONNACK. Where the connection takes longer than that, the request
goes nowhere, and its failure is looked at by nobody.

Fix: Let CONNACK be what starts the work: subscribe in the handler of the accepted connection, every
time, and look at the answer. A timer says nothing about the network.
"""

from __future__ import annotations

import mqttwin as mt
from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    async def on_connect(self, event: device.ConnectEvent) -> None:
        try:
            await self.subscribe("d/{id}/cmd", qos=1)
        except mt.DisconnectedError:
            return  # on_connect will come again
        self.announce()


class Buggy(Firmware):
    async def on_boot(self, event: device.BootEvent) -> None:
        super().on_boot(event)
        await self.set_up()

    async def on_disconnect(self, event: device.DisconnectEvent) -> None:
        await self.set_up()

    async def on_connect(self, event: device.ConnectEvent) -> None:
        pass

    async def set_up(self) -> None:
        await self.sleep("5s")  # by then the client has connected
        self.subscribe("d/{id}/cmd", qos=1)
        self.announce()
