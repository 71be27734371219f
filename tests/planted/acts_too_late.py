"""Has acknowledged a command that it has not carried out

Symptom: Commands are lost in reboots and power cuts, though the server has their PUBACK.

Cause: The client library acknowledges a message when it hands it over. The firmware puts it into a
queue in memory and carries it out when the motor is free; between the two there is only memory, and
the server will not send it again.

Fix: Store the command when it comes and erase it when it was carried out; after a boot begin with
what is stored. (Or acknowledge late, where the library lets the application do it.)
"""

from __future__ import annotations

from mqttwin import device

from .firmware import Firmware


class Correct(Firmware):
    def on_boot(self, event: device.BootEvent) -> None:
        super().on_boot(event)
        for number in self.storage.get("to do", []):
            self.spawn(self.carry_out(number))

    def act(self, number: int) -> None:
        self.storage["to do"] = [*self.storage.get("to do", []), number]
        self.spawn(self.carry_out(number))

    async def carry_out(self, number: int) -> None:
        await self.sleep("20s")  # the motor turns
        self.storage["to do"] = [n for n in self.storage["to do"] if n != number]
        super().act(number)


class Buggy(Firmware):
    def act(self, number: int) -> None:
        self.spawn(self.carry_out(number))

    async def carry_out(self, number: int) -> None:
        await self.sleep("20s")  # the motor turns
        super().act(number)
