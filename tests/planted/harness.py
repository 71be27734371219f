"""The one scenario of all pairs: devices on LTE-M, a cloud, faults, a calm, and what must hold.

``Scenario(Buggy).play(faults)`` gives the expectations that were violated. The faults are calls of
the methods here and of the devices' own (`link`, `clock`, `reboot`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import mqttwin as mt
from mqttwin import aio
from mqttwin.mischief import Fault

from .cloud import PERIOD, Cloud
from .firmware import Firmware
from .raw import RawFirmware, live

FAULTY = 600.0
"""Seconds in which faults may come."""
CALM = 300.0
"""Seconds without any, after which everything is to be well again."""
REPORTED = 90.0
"""The latest telemetry is not older than this, in seconds: three periods."""
READING = 30.0
"""Seconds between two readings."""
RECENT = 120.0
"""The seconds at the end in which nothing is caught up on any more."""
ATTEMPTS = 12
"""Failed attempts of one device to connect in a minute; a growing back-off makes 6 at most."""
IN_STEP = 0.01
"""Seconds within which a whole fleet is back at the same instant: links have no jitter here. Where
each device waits a random time from 1 to 2 s at least, three do so once in 3,000 restarts.
"""


class Violation(NamedTuple):
    """An expectation that did not hold: its name, of which device ("" for all), and how."""

    expectation: str
    device: str
    text: str


class Scenario:
    """A world with a broker, devices of one class and the cloud.

    Args:
        firmware: The class.
        count: Devices.
        seed: Of the world.
        world: Instead of a new one.
    """

    spared = ("cloud",)  # whom exploring draws no faults for

    def __init__(
        self,
        firmware: type[Firmware] | type[RawFirmware],
        count: int = 3,
        *,
        seed: int = 1,
        world: mt.World | None = None,
    ) -> None:
        self.world = mt.World(seed=seed) if world is None else world
        self.broker = self.world.broker()
        self.actuator: list[tuple[str, int, float]] = []
        link = mt.links.lte_m(jitter=0, idle_timeout="300s")
        self.devices: Sequence[Firmware | aio.Host]
        if issubclass(firmware, RawFirmware):
            self.devices = self._hosts(firmware, count, link)
        else:
            self.devices = self.world.add(
                firmware, count, name="device", link=link, actuator=self.actuator
            )
        self.ids = [dut.client_id for dut in self.devices]
        self.cloud = self.world.add(
            Cloud, name="cloud", ids=self.ids, is_connected=lambda name: bool(self[name].connected)
        )
        self.cloud.acted_upon = lambda: {entry[:2] for entry in self.actuator}
        self.hammered = 0
        self.returns: list[float] = []  # when the broker was there again after a restart
        self._failed = 0
        self._auditors = 0
        self._impostors: list[mt.Fleet] = []
        self.world.every("60s", self._count_attempts)

    def _hosts(self, firmware: type[RawFirmware], count: int, link: mt.Link) -> list[aio.Host]:
        self.world.enter(aio.patched(self.world))
        hosts = [aio.host(self.world, f"device-{n}", link=link) for n in range(count)]
        for host in hosts:
            host.start(partial(live, firmware, host, self.actuator), thread=False)
        return hosts

    def __getitem__(self, name: str) -> Firmware | aio.Host:
        """A device by its client identifier."""
        return self.devices[self.ids.index(name)]

    # --- faults ---------------------------------------------------------------------------------

    def restart(self, *, keep_sessions: bool = True, down: float = 0) -> None:
        """The broker restarts, now."""
        self.returns.append(self.world.now + down)
        self.broker.restart(keep_sessions=keep_sessions, down=down)

    def impostor(self, index: int, *, clean_start: bool = False) -> None:
        """Somebody else connects under a device's client identifier, and stays until thrown out."""
        self.cloud.forgive(self.ids[index])
        name = f"impostor-{len(self._impostors)}"
        self._impostors.append(
            self.world.fleet(name, client_id=self.ids[index], clean_start=clean_start, backoff=None)
        )

    def before_fault(self, fault: Fault) -> None:
        """Exploring is about to do something; the cloud owes and is owed accordingly."""
        if fault.kind == "impostor":
            self.cloud.forgive(fault.target)
        elif fault.kind == "restart":
            self.returns.append(self.world.now + fault.details["down"])

    # --- running --------------------------------------------------------------------------------

    def play(self, faults: Callable[[Scenario], object]) -> list[Violation]:
        """Faults, which may run the world themselves, then the calm, then the verdict."""
        try:
            faults(self)
            self.world.run(max(0.0, FAULTY - self.world.now))
            self.calm()
            found = self.violations()
            return found + self.last_act()
        except mt.SimulationError as error:
            return [Violation("no crash", "", str(error))]
        finally:
            self.world.close()

    def calm(self) -> None:
        """Whatever is broken is repaired, and time is given."""
        for dut in self.devices:
            if isinstance(dut, aio.Host):
                dut.link_up()
                dut.clear_fault()
            else:
                dut.link.up()
                dut.link.clear_fault()
            for direction in ("up", "down"):
                (dut if isinstance(dut, aio.Host) else dut.link).read_on(direction=direction)
            if not dut.powered:
                dut.power_on()
        self.world.run(CALM)

    def last_act(self) -> list[Violation]:
        """The first device dies for good; its will has to be there for those who come later."""
        self.devices[0].power_off()
        self.world.run("3min")
        name = self.ids[0]
        status = self._retained_status().get(name)
        if status == b"offline":
            return []
        return [Violation("status true", name, f"dead, and its retained status is {status!r}")]

    def _count_attempts(self) -> None:
        failed = self.world.result().counts["connects_failed"] - self.cloud.failed
        if failed - self._failed > ATTEMPTS * len(self.devices):
            self.hammered += 1
        self._failed = failed

    def _retained_status(self) -> dict[str, bytes]:
        self._auditors += 1
        auditor = self.world.fleet(f"auditor-{self._auditors}", keep=1000)
        auditor.subscribe("d/+/status", qos=1)
        self.world.run("1s")
        got = auditor.received
        return {
            topic.split("/")[1]: payload
            for topic, payload in zip(got["topic"], got["payload"], strict=True)
        }

    # --- the verdict ----------------------------------------------------------------------------

    def violations(self) -> list[Violation]:
        """What does not hold now, after the calm."""
        found: list[Violation] = []
        now = self.world.now
        for name in self.ids:
            if not self[name].connected:
                found.append(Violation("connected", name, "still not connected"))
            found += self._of_telemetry(name, now)
            found += self._of_commands(name, now)
        status = self._retained_status()
        found += [
            Violation("status true", n, f"connected, and its retained status is {status.get(n)!r}")
            for n in self.ids
            if self[n].connected and status.get(n) != b"online"
        ]
        return found + self._of_the_fleet()

    def _of_telemetry(self, name: str, now: float) -> list[Violation]:
        found = []
        values = self.cloud.values[name]
        missing = [n for n in range(1, max(values, default=0) + 1) if n not in values]
        if missing:
            found.append(Violation("telemetry complete", name, f"missing: {missing}"))
        age = now - self.cloud.newest.get(name, 0.0)
        if age > REPORTED:
            found.append(Violation("telemetry goes on", name, f"the latest is {age:.0f} s old"))
        often = [at for at in self.cloud.readings[name] if at > now - RECENT]
        if len(often) > RECENT / READING + 2:
            found.append(Violation("pace", name, f"{len(often)} readings in {RECENT:.0f} s"))
        twice = [n for n, different in sorted(values.items()) if len(different) > 1]
        if twice:
            found.append(Violation("one value a number", name, f"several values: {twice}"))
        return found

    def _of_commands(self, name: str, now: float) -> list[Violation]:
        found = []
        times = Counter(number for who, number, _ in self.actuator if who == name)
        twice = sorted(number for number, count in times.items() if count > 1)
        if twice:
            found.append(Violation("commands at most once", name, f"acted again upon {twice}"))
        never = [
            command.number
            for command in self.cloud.commands[name]
            if command.owed and command.sent < now - PERIOD / 2 and not times[command.number]
        ]
        if never:
            found.append(Violation("commands at least once", name, f"not acted upon {never}"))
        silent = [
            number
            for who, number, at in self.actuator
            if who == name and at < now - PERIOD / 2 and not self.cloud.done[name, number]
        ]
        if silent:
            found.append(Violation("commands answered", name, f"nothing said about {silent}"))
        return found

    def _of_the_fleet(self) -> list[Violation]:
        found = []
        if self.hammered:
            found.append(Violation("back-off", "", f"hammered in {self.hammered} minutes"))
        spreads = [spread for back in self.returns for spread in self._spread(back)]
        # One restart may be chance; a whole fleet that does it twice has a rhythm.
        in_step = [spread for spread in spreads if spread < IN_STEP]
        if len(in_step) >= 2 and len(self.ids) >= 3:
            found.append(Violation("not in step", "", f"back within {max(in_step):.3f} s"))
        return found

    def _spread(self, back: float) -> list[float]:
        """Seconds from the first to the last device that is there again; none if not all are."""
        later = [[at for at in self.cloud.online[name] if at >= back] for name in self.ids]
        if not all(later):
            return []
        firsts = [min(instants) for instants in later]
        return [max(firsts) - min(firsts)]
