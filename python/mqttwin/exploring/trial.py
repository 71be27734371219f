"""One run with faults, a calm, and what must hold."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .. import mischief, units
from ..cli.scenario import user_traceback
from ..device import Device
from ..errors import ConfigError, MqttwinError
from ..faults import Faults
from ..fleet import Fleet
from ..mischief import Fault, Kind
from ..strikes import OF_BROKERS
from ..world import World

if TYPE_CHECKING:
    from ..aio.hosts import Host
    from ..aio.scheduler import Scheduler

CRASH = "no crash"
"""What is violated when anything raises, whatever the invariants are."""


class Violation(NamedTuple):
    """Something that must hold and did not.

    Attributes:
        invariant: Its name.
        text: What was seen instead.
    """

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


Invariant = Callable[["Trial"], Any]


@dataclass(frozen=True)
class Plan:
    """What all runs of an exploration have in common.

    Attributes:
        scenario: Describes a world; what it returns is the trial's `subject`.
        kinds: Faults that may be drawn.
        invariants: What is asked after the calm, in this order.
        until: How long faults may come, in nanoseconds.
        calm: How long none does afterwards, in nanoseconds.
        swarm: See `mischief.drawn`.
    """

    scenario: Callable[..., Any]
    kinds: tuple[Kind, ...]
    invariants: tuple[Invariant, ...]
    until: int
    calm: int
    swarm: bool = True


@dataclass(frozen=True)
class Case:
    """One run: replaying it needs nothing else.

    Attributes:
        seed: Of the world.
        parameters: Of the scenario.
        faults: What strikes; None: what the seed says.
        until: See `Plan.until`; None: as there.
    """

    seed: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] | None = None
    until: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of a run.

    Attributes:
        case: The run, with the faults that were drawn.
        violations: What did not hold; empty: all is well.
        packets: What was exchanged, as text; where it was asked for.
        devices: Client identifiers of those that faults may befall.
    """

    case: Case
    violations: tuple[Violation, ...]
    packets: str = ""
    devices: tuple[str, ...] = ()


class Trial:
    """A run as invariants see it.

    Attributes:
        world: The world.
        subject: What the scenario returned.
        seed: Of the world.
        faults: What has struck so far.
        devices: Devices whose code is Python, by client identifier.
        hosts: Hosts that run firmware over sockets (`mqttwin.aio`), by client identifier.
        fleets: What the scenario described, Python devices among it, but for what it spares.
        calm_since: When the calm began, in seconds.
    """

    def __init__(self, world: World, subject: Any) -> None:
        self.world = world
        self.subject = subject
        self.seed = world.seed
        self.faults: list[Fault] = []
        self.calm_since = 0.0
        spared = set(getattr(subject, "spared", ()))
        self.fleets: list[Fleet] = [f for f in world.fleets.values() if f.name not in spared]
        self.devices: dict[str, Device] = {
            unit.client_id: unit.device
            for crew in world._crews
            if crew.fleet.name not in spared
            for unit in crew.units
        }
        sockets = cast("Scheduler | None", world._timeline.aio)  # None: there are no hosts
        hosts = [] if sockets is None else sockets.hosts
        running = [host for host in hosts if host._firmware and host.name not in spared]
        if running and sockets is not None and not sockets.patched:
            raise ConfigError(
                "the scope of its hosts has ended with it: world.enter(mqttwin.aio.patched(world)) "
                "lasts as long as the world",
                key="scenario",
            )
        self.hosts: dict[str, Host] = {host.client_id: host for host in running}
        self._places: dict[str, tuple[Faults, int]] = {}
        self._targets: list[tuple[str, int, str]] = []
        for fleet in self.fleets:
            for index, client_id in enumerate(fleet.ids()):
                self._places[client_id] = (fleet, index)
                self._targets.append((fleet.name, index, client_id))
        for host in running:
            client_id = host.client_id
            if client_id in self._places:
                raise ConfigError(f"two are called {client_id!r}", key="client_id")
            self._places[client_id] = (host, 0)
            self._targets.append((host.name, 0, client_id))
        self._impostors: list[Fleet] = []
        self._listeners: list[Callable[[Trial, Fault], object]] = []
        self._ends: dict[tuple[str, str, str], int] = {}

    @property
    def machines(self) -> dict[str, Device | Host]:
        """Devices and hosts: whoever runs code that is no declaration, by client identifier."""
        return {**self.devices, **self.hosts}

    def switched(self) -> dict[str, Device | Host]:
        """Those of the machines whose power may fail: a host whose code can begin anew."""
        hosts = {client_id: host for client_id, host in self.hosts.items() if host.can_reboot}
        return {**self.devices, **hosts}

    # --- for faults -----------------------------------------------------------------------------

    def targets(self, scope: str) -> Iterator[tuple[str, int, str]]:
        """Whom a kind of fault may befall: the keys of a stream, and the name."""
        if scope == "broker":
            for number, name in enumerate(self.world.brokers):
                yield name, number, name
            return
        switched = self.switched()
        for one in self._targets:
            if (
                scope == "device"
                or one[2] in switched
                or (scope == "clock" and one[2] in self.hosts)
            ):
                yield one

    def check_targets(self, faults: Iterable[Fault]) -> None:
        """Every fault has one.

        Raises:
            ConfigError: One has not.
        """
        for fault in faults:
            known = self.world.brokers if fault.kind in OF_BROKERS else self._places
            if fault.target not in known:
                names = ", ".join([*known][:8]) + (" ..." if len(known) > 8 else "")
                raise ConfigError(f"{fault!r} has no target: there are {names}", key="faults")

    def place(self, client_id: str) -> tuple[Faults, int] | None:
        """Where a device is: in a fleet, by its index, or a host, which has one."""
        return self._places.get(client_id)

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Calls back then, even in the calm."""
        timeline = self.world._timeline
        timeline.add(self.world._core.now + round(seconds * units.SECOND), callback)

    def lasts(self, fault: Fault, seconds: float, end: Callable[[], object]) -> None:
        """Ends a fault then, unless another of its kind has begun meanwhile that lasts longer."""
        key = (fault.kind, fault.target, str(fault.details.get("direction", "")))
        at = self.world._core.now + round(seconds * units.SECOND)
        self._ends[key] = max(at, self._ends.get(key, 0))

        def over() -> None:
            if self.world._core.now >= self._ends[key]:
                end()

        self.later(seconds, over)

    def impostor(self, client_id: str, place: Faults, *, clean_start: bool) -> None:
        """Somebody connects to the same broker, and never again once thrown out."""
        name = f"impostor-{len(self._impostors)}"
        brokers = [b for b in self.world.brokers.values() if not b.url]
        if isinstance(place, Fleet):
            broker = next(b for b in brokers if b._number == place._spec.broker)
        else:
            broker = next((b for b in brokers if b.has_connected(client_id)), brokers[0])
        self._impostors.append(
            self.world.fleet(
                name,
                client_id=client_id.replace("{", "{{").replace("}", "}}"),
                clean_start=clean_start,
                backoff=None,
                broker=broker,
            )
        )

    def strike(self, fault: Fault) -> None:
        """A fault happens, now."""
        hear = getattr(self.subject, "before_fault", None)
        if hear is not None:
            hear(fault)
        if fault.strike(self):
            self.faults.append(fault)
            for listener in self._listeners:
                listener(self, fault)

    def prepare(self, invariants: Iterable[Invariant]) -> None:
        """Lets those watch that have to watch from the beginning."""
        for invariant in invariants:
            prepare = getattr(invariant, "prepare", None)
            if prepare is not None:
                prepare(self)
            listener = getattr(invariant, "after_fault", None)
            if listener is not None:
                self._listeners.append(listener)

    def still(self) -> None:
        """Whatever is broken is repaired."""
        self.calm_since = self.world.now
        for place in (*self.fleets, *self.hosts.values()):
            place.link_up()
            place.clear_fault()
            for direction in ("up", "down"):
                place.read_on(direction=direction)
        for broker in self.world.brokers.values():
            broker.up()
            broker.refuse(None)
        for fleet in self._impostors:
            fleet.disconnect()  # its device may be one that is content without a connection
        for machine in self.machines.values():
            if not machine.powered:
                machine.power_on()


def run(plan: Plan, case: Case, *, packets: int = 0, strict: bool = False) -> Verdict:
    """Makes one run; whatever is raised within becomes part of the verdict.

    Args:
        plan: What it has in common with others.
        case: The run.
        packets: How many of the last ones to tell; 0: none.
        strict: Whether every fault has to have a target.

    Raises:
        ConfigError: The description is wrong.
        KeyboardInterrupt: Ctrl-C has ended it early, so nothing can be said.
    """
    until = plan.until if case.until is None else case.until
    with World(case.seed, keep_messages=0) as world:
        if packets:
            world.watch_packets(packets)
        faults = case.faults
        violations: list[Violation] = []
        devices: tuple[str, ...] = ()
        described = False
        try:
            world.parameters = dict(case.parameters)
            trial = Trial(world, plan.scenario(world, **case.parameters))
            described = True
            devices = tuple(target for _, _, target in trial.targets("device"))
            if strict:
                trial.check_targets(faults or ())
            if faults is None:
                faults = tuple(mischief.drawn(plan.kinds, trial, until, swarm=plan.swarm))
            violations = _play(trial, plan, faults, until)
        except Exception as error:
            if isinstance(error, ConfigError) or not described:
                raise  # the description is wrong, which no seed changes
            violations = [_crash(error)]
        if world._timeline.interrupted:
            raise KeyboardInterrupt
        shown = _exchange(world, faults or ()) if packets else ""
    done = Case(case.seed, case.parameters, faults or (), until)
    return Verdict(done, tuple(violations), shown, devices)


def _play(trial: Trial, plan: Plan, faults: Sequence[Fault], until: int) -> list[Violation]:
    world = trial.world
    trial.prepare(plan.invariants)
    for fault in faults:
        at = round(fault.at * units.SECOND)
        if world._core.now <= at < until:
            world._timeline.add(at, partial(trial.strike, fault))
    rest = max(0, until - world._core.now)
    world.run(rest / units.SECOND, progress=False)
    trial.still()
    world.run(plan.calm / units.SECOND, progress=False)
    found: list[Violation] = []
    for invariant in plan.invariants:
        found += asked(invariant, trial)
    return found


def asked(invariant: Invariant, trial: Trial) -> list[Violation]:
    """What an invariant says: nothing, a text or several, violations, or an assertion."""
    name = name_of(invariant)
    try:
        said = invariant(trial)
        if said is None or said is True:
            return []
        if isinstance(said, str | Violation):
            said = [said]
        if said is False or not isinstance(said, Iterable):
            if said is False:
                return [Violation(name, "it does not hold")]
            raise ConfigError(f"{name} returned {said!r}, which says nothing", key="invariants")
        return [v if isinstance(v, Violation) else Violation(name, str(v)) for v in said]
    except AssertionError as error:
        return [Violation(name, str(error) or "an assertion failed")]


def name_of(invariant: Invariant) -> str:
    """What it is called."""
    name: str = getattr(invariant, "name", "") or getattr(invariant, "__name__", "")
    return name or type(invariant).__name__


def _crash(error: Exception) -> Violation:
    if isinstance(error, MqttwinError) and error.__cause__ is not None:
        return Violation(CRASH, f"{error}\n{user_traceback(error.__cause__)}")
    if isinstance(error, MqttwinError):
        return Violation(CRASH, str(error))
    line = traceback.format_exception_only(type(error), error)[-1].strip()
    return Violation(CRASH, f"{line}\n{user_traceback(error)}")


def _exchange(world: World, faults: Sequence[Fault]) -> str:
    """The packets around the last fault that befell a device."""
    exchange = world.exchange()
    for fault in reversed(faults):
        if fault.kind not in OF_BROKERS:
            return exchange.of(fault.target).around(fault.at, 20.0).ladder(last=24)
    return exchange.around(faults[-1].at, 20.0).ladder(last=24) if faults else ""
