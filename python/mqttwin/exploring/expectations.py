"""What is expected of devices, hosts and fleets; `mqttwin.invariants` makes these."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ..fleet import Fleet
from ..mischief import Fault
from ..spy import shown
from .streams import Prepared

if TYPE_CHECKING:
    from ..aio.hosts import Host
    from ..broker import Broker
    from .trial import Trial

_EPSILON = 1e-6  # seconds, of sums of binary fractions


@dataclass
class Connected:
    """Made by `connected`."""

    name: ClassVar[str] = "connected"

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        for host in trial.hosts.values():
            if not host.connected:
                yield f"{host.client_id} is still not connected"
        for fleet in trial.fleets:
            here = [d for n, d in trial.devices.items() if trial.place(n)[0] is fleet]  # type: ignore[index]
            for device in here:
                if not device.connected:
                    yield f"{device.client_id} is still not connected"
            if not here and fleet.online < len(fleet):
                yield f"of {fleet.name} {len(fleet) - fleet.online} are still not connected"

    def __repr__(self) -> str:
        return "mt.invariants.connected()"


@dataclass
class NoProtocolViolation:
    """Made by `no_protocol_violation`."""

    name: ClassVar[str] = "no protocol violation"

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        counts = trial.world.result().counts
        for key, who in (
            ("closes.protocol_fault", "a broker has ended {} connections"),
            ("disconnects.protocol_fault", "clients have ended {} connections"),
        ):
            if counts[key]:
                yield f"{who.format(counts[key])} because of one"

    def __repr__(self) -> str:
        return "mt.invariants.no_protocol_violation()"


@dataclass
class NoCrash:
    """Made by `no_crash`."""

    name: ClassVar[str] = "no crash"

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        for client_id, device in trial.devices.items():
            if device.crashes:
                yield f"the code of {client_id} has failed, {device.crashes} times"

    def __repr__(self) -> str:
        return "mt.invariants.no_crash()"


@dataclass
class StatusAgrees(Prepared):
    """Made by `status_agrees`."""

    topic: str
    online: bytes
    offline: bytes
    dies: float
    name: ClassVar[str] = "status agrees"

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        retained = self._retained(trial, 0)
        for client_id, device in trial.machines.items():
            topic = self.topic.replace("{id}", client_id)
            wanted = self.online if device.connected else self.offline
            if retained.get(topic) != wanted:
                yield self._told(client_id, bool(device.connected), retained.get(topic))
        first = next(iter(trial.switched().values()), None)
        if self.dies <= 0 or first is None:
            return
        first.power_off()
        trial.world.run(self.dies, progress=False)
        topic = self.topic.replace("{id}", first.client_id)
        after = self._retained(trial, 1).get(topic)
        if after != self.offline:
            yield self._told(first.client_id, False, after)

    def _told(self, client_id: str, connected: bool, status: bytes | None) -> str:
        is_so = "connected" if connected else "gone"
        said = "there is none" if status is None else f"it is {shown(status)}"
        return f"{client_id} is {is_so}; who looks for its retained status finds: {said}"

    def _retained(self, trial: Trial, number: int) -> dict[str, bytes]:
        auditor = trial.world.fleet(f"status-auditor-{number}", keep=100_000)
        auditor.subscribe(self.topic.replace("{id}", "+"), qos=1)
        trial.world.run("2s", progress=False)
        got = auditor.received
        auditor.disconnect()
        return dict(zip(got["topic"], got["payload"], strict=True))

    def __repr__(self) -> str:
        given = f"{self.topic!r}, online={self.online!r}, offline={self.offline!r}"
        return f"mt.invariants.status_agrees({given}, dies={self.dies!r})"


class _Hosts:
    """Hosts as far as they are a fleet."""

    name = "the hosts"

    def __init__(self, hosts: list[Host], broker: Broker) -> None:
        self._hosts = hosts
        self._broker = broker

    def __len__(self) -> int:
        return len(self._hosts)

    @property
    def online(self) -> int:
        return sum(self._broker.has_connected(host.client_id) for host in self._hosts)


@dataclass
class NotInStep(Prepared):
    """Made by `not_in_step`."""

    within: float
    away: float
    times: int
    name: ClassVar[str] = "not in step"
    _spreads: dict[str, list[float]] = field(default_factory=dict, repr=False)

    _STEP: ClassVar[float] = 0.1
    _PATIENCE: ClassVar[float] = 120.0

    def prepare(self, trial: Trial) -> None:
        """Nothing is known of this run."""
        self._spreads = {}

    def after_fault(self, trial: Trial, fault: Fault) -> None:
        """Looks closely at who comes back when a broker does."""
        if fault.kind == "restart" and fault.details["down"] >= self.away:
            broker = trial.world.brokers[fault.target]
            crowds: list[Fleet | _Hosts] = [
                fleet for fleet in trial.fleets if fleet._spec.broker == broker._number
            ]
            crowds.append(_Hosts([*trial.hosts.values()], broker))
            for crowd in crowds:
                if len(crowd) > 2:
                    follow = self._follower(trial, crowd, trial.world.now + fault.details["down"])
                    trial.later(fault.details["down"], follow)

    def _follower(self, trial: Trial, fleet: Fleet | _Hosts, back: float) -> Callable[[], None]:
        spreads = self._spreads.setdefault(fleet.name, [])
        first: float | None = None

        def look() -> None:
            nonlocal first
            now, online = trial.world.now, fleet.online
            if now <= back and online:
                return  # the calm has begun meanwhile, and has ended the absence
            if first is None and online:
                first = now
            if first is not None and online == len(fleet):
                spreads.append(now - first)
            elif first is not None and now - first > self.within + self._STEP:
                spreads.append(math.inf)  # not in step, however far
            elif now - back < self._PATIENCE:
                trial.later(self._STEP, look)

        return look

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        for name, spreads in self._spreads.items():
            close = [spread for spread in spreads if spread <= self.within + _EPSILON]
            if len(close) >= self.times:
                yield (
                    f"all of {name} were back within {self.within:g} s after {len(close)} "
                    f"of {len(spreads)} long absences"
                )

    def __repr__(self) -> str:
        given = f"within={self.within!r}, away={self.away!r}, times={self.times}"
        return f"mt.invariants.not_in_step({given})"


@dataclass
class NoHammering(Prepared):
    """Made by `no_hammering`."""

    attempts: int
    name: ClassVar[str] = "no hammering"
    _most: dict[str, float] = field(default_factory=dict, repr=False)

    def prepare(self, trial: Trial) -> None:
        """Counts failed attempts to connect, a minute."""
        self._most = {}
        scripted = [unit for crew in trial.world._crews for unit in crew.units]
        own = {unit.crew.fleet.name for unit in scripted}
        declared = [fleet for fleet in trial.fleets if fleet.name not in own]
        count = sum(len(fleet) for fleet in declared)
        of_fleets = f"a device of {', '.join(fleet.name for fleet in declared)}, on average,"
        hosts = [*trial.hosts.values()]
        connects_before = dict.fromkeys(hosts, 0)
        units = [device._unit for device in trial.devices.values()]
        before = dict.fromkeys(units, 0)
        others_before = 0

        def look() -> None:
            nonlocal others_before
            for unit in units:
                # A reboot begins anew with its back-off, too.
                self._note(unit.client_id, unit.failed - max(before[unit], unit.failed_before))
                before[unit] = unit.failed
            for host in hosts:
                self._note(host.client_id, host.connects - connects_before[host])
                connects_before[host] = host.connects
            if count:
                counts = trial.world.result().counts
                failed = counts["connects_failed"] + counts["connects_refused"]
                others = failed - sum(unit.failed for unit in scripted)
                self._note(of_fleets, (others - others_before) / count)
                others_before = others

        trial.world.every("60s", look)

    def _note(self, who: str, failed: float) -> None:
        if failed > self.attempts:
            self._most[who] = max(failed, self._most.get(who, 0))

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        for who, most in self._most.items():
            yield f"{who} has tried {most:.0f} times a minute to connect"

    def __repr__(self) -> str:
        return f"mt.invariants.no_hammering({self.attempts})"
