"""What may befall a world, drawn from its seed: kinds of faults, each with how often it comes.

>>> mt.explore(scenario, faults=[mt.mischief.cuts(every="3min"), mt.mischief.restarts()], ...)

A kind is drawn for each device (or broker) from a stream of its own, so that another device or
kind leaves the others' faults as they were. What is drawn is plain data, a `Fault`: it can be
printed, replayed and made smaller.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from . import _core, units
from .strikes import Details, Fault
from .units import Duration

if TYPE_CHECKING:
    from .exploring.trial import Trial

__all__ = [
    "Details",
    "Fault",
    "Kind",
    "clock_jumps",
    "cuts",
    "everything",
    "impostors",
    "outages",
    "power_cycles",
    "refusals",
    "restarts",
    "stalls",
]

MAXIMUM_FAULTS = 10_000
"""Of one kind, in one run."""


@dataclass(frozen=True)
class Kind:
    """Faults of one kind, as the functions of this module make them.

    Attributes:
        name: What it is called.
        every: Mean time between two of one target, in nanoseconds; they come as a Poisson process.
        scope: Whom it befalls: each "device" (hosts among them), each device or host whose
            "python" code can begin anew, each of those and of all hosts for its "clock", or each
            "broker".
        draw: One fault from a stream: its kind and its details.
        text: Python that makes it.
        first: Share of targets that one befalls at the very beginning.
    """

    name: str
    every: int
    scope: Literal["device", "python", "clock", "broker"]
    draw: Callable[[_core.Stream], tuple[str, Details]]
    text: str
    first: float = 0.0

    def faults(self, stream: _core.Stream, target: str, until: int) -> Iterable[Fault]:
        """Those of one target, up to an instant in nanoseconds."""
        if self.first and stream.unit() < self.first:
            kind, details = self.draw(stream)
            yield Fault(kind, 0.0, target, **details)
        at = 0.0
        for _ in range(MAXIMUM_FAULTS):
            at += stream.exponential() * self.every
            kind, details = self.draw(stream)  # also of the last: one draw a fault
            if at >= until:
                return
            yield Fault(kind, round(at / units.SECOND, 3), target, **details)

    def __reduce__(self) -> tuple[Any, ...]:
        # To other processes go the arguments; what draws is made again there.
        made = self.__dict__.get("_made")
        if made is None:
            return Kind, (self.name, self.every, self.scope, self.draw, self.text, self.first)
        return _again, made

    def __repr__(self) -> str:
        return self.text


P = ParamSpec("P")


def _made_again(make: Callable[P, Kind]) -> Callable[P, Kind]:
    """What it makes can be sent to another process."""

    @functools.wraps(make)
    def making(*args: P.args, **kwargs: P.kwargs) -> Kind:
        kind = make(*args, **kwargs)
        object.__setattr__(kind, "_made", (make.__name__, args, kwargs))
        return kind

    return making


def _again(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Kind:
    kind: Kind = globals()[name](*args, **kwargs)
    return kind


@_made_again
def cuts(
    every: Duration = "4min",
    *,
    silent: float = 0.4,
    within: int = 400,
    again: float = 0.3,
    first: float = 0.5,
) -> Kind:
    """Connections break at a byte: reset, or a black hole that nobody is told of.

    Args:
        every: Mean time between two of a device.
        silent: Share of black holes.
        within: The byte is uniform in 0 to this, either way; for half of them, to a quarter of it.
        again: Share of those that end the connection at once, and the next one at that byte: in
            the middle of what devices do when they have just connected.
        first: Share of devices whose very first connection has one.
    """
    units.probability(silent, "silent")
    units.probability(again, "again")
    units.probability(first, "first")
    units.whole(within, "within", 1, 10**9)

    def draw(stream: _core.Stream) -> tuple[str, Details]:
        kind = "black_hole" if stream.unit() < silent else "cut"
        where = stream.unit() * within
        direction = "up" if stream.unit() < 0.5 else "down"
        anew = stream.unit() < again
        # Half of them early: new connections begin with what is said once.
        after = int(where / 4 if stream.unit() < 0.5 else where)
        return kind, {"after_bytes": after, "direction": direction, "anew": anew}

    given = f"{every!r}, silent={silent!r}, within={within!r}, again={again!r}"
    return _kind("cuts", every, "device", draw, f"cuts({given}, first={first!r})", first)


@_made_again
def outages(every: Duration = "6min", *, mean: Duration = "60s") -> Kind:
    """A device's link is down for a while (exponential): nothing passes, and nobody is told.

    Args:
        every: Mean time between two of a device.
        mean: Mean length.
    """
    length = units.duration(mean, "mean", zero=False) / units.SECOND

    def draw(stream: _core.Stream) -> tuple[str, Details]:
        return "outage", {"lasts": _ms(stream.exponential() * length)}

    return _kind("outages", every, "device", draw, f"outages({every!r}, mean={mean!r})")


@_made_again
def restarts(
    every: Duration = "4min", *, sessions_lost: float = 0.4, down: Duration = "40s"
) -> Kind:
    """A broker restarts.

    Args:
        every: Mean time between two of a broker.
        sessions_lost: Share of those that begin with nothing.
        down: Mean time that it is gone (exponential).
    """
    units.probability(sessions_lost, "sessions_lost")
    gone = units.duration(down, "down") / units.SECOND

    def draw(stream: _core.Stream) -> tuple[str, Details]:
        kept = stream.unit() >= sessions_lost
        return "restart", {"keep_sessions": kept, "down": _ms(stream.exponential() * gone)}

    given = f"restarts({every!r}, sessions_lost={sessions_lost!r}, down={down!r})"
    return _kind("restarts", every, "broker", draw, given)


@_made_again
def refusals(every: Duration = "8min", *, mean: Duration = "30s") -> Kind:
    """A broker throws everybody out and refuses who connects for a while: it is overloaded.

    CONNACK says "server unavailable" or "server busy", which are one for clients before MQTT 5.0.

    Args:
        every: Mean time between two of a broker.
        mean: Mean length (exponential).
    """
    length = units.duration(mean, "mean", zero=False) / units.SECOND

    def draw(stream: _core.Stream) -> tuple[str, Details]:
        lasts = _ms(stream.exponential() * length)
        return "refusal", {"lasts": lasts, "reason": 0x88 if stream.unit() < 0.5 else 0x89}

    return _kind("refusals", every, "broker", draw, f"refusals({every!r}, mean={mean!r})")


@_made_again
def clock_jumps(every: Duration = "6min", *, mean: Duration = "1h") -> Kind:
    """The clock of a Python device or a host is set forward or backward.

    Args:
        every: Mean time between two of a device.
        mean: Mean size of the step, either way (exponential).
    """
    size = units.duration(mean, "mean", zero=False) / units.SECOND

    def draw(stream: _core.Stream) -> tuple[str, Details]:
        by = _ms(stream.exponential() * size)
        return "clock", {"by": by if stream.unit() < 0.5 else -by}

    return _kind("clock_jumps", every, "clock", draw, f"clock_jumps({every!r}, mean={mean!r})")


@_made_again
def impostors(every: Duration = "20min", *, clean_start: float = 0.3) -> Kind:
    """Somebody connects under a device's client identifier, and is thrown out when it comes back.

    Args:
        every: Mean time between two of a device.
        clean_start: Share of those who throw the device's session away.
    """
    units.probability(clean_start, "clean_start")

    def draw(stream: _core.Stream) -> tuple[str, Details]:
        return "impostor", {"clean_start": stream.unit() < clean_start}

    given = f"impostors({every!r}, clean_start={clean_start!r})"
    return _kind("impostors", every, "device", draw, given)


@_made_again
def stalls(every: Duration = "8min", *, mean: Duration = "60s", within: int = 300) -> Kind:
    """An end of a connection reads no more for a while.

    Args:
        every: Mean time between two of a device.
        mean: Mean length (exponential).
        within: It begins at a byte that is uniform in 0 to this.
    """
    length = units.duration(mean, "mean", zero=False) / units.SECOND
    units.whole(within, "within", 1, 10**9)

    def draw(stream: _core.Stream) -> tuple[str, Details]:
        after = int(stream.unit() * within)
        direction = "up" if stream.unit() < 0.5 else "down"
        lasts = _ms(stream.exponential() * length)
        return "stall", {"after_bytes": after, "direction": direction, "lasts": lasts}

    given = f"stalls({every!r}, mean={mean!r}, within={within!r})"
    return _kind("stalls", every, "device", draw, given)


@_made_again
def power_cycles(every: Duration = "5min", *, mean: Duration = "20s") -> Kind:
    """A Python device or a host has no power for a while (exponential); its memory is lost.

    Args:
        every: Mean time between two of a device.
        mean: Mean time without power.
    """
    length = units.duration(mean, "mean", zero=False) / units.SECOND

    def draw(stream: _core.Stream) -> tuple[str, Details]:
        return "power", {"off_for": _ms(stream.exponential() * length)}

    return _kind("power_cycles", every, "python", draw, f"power_cycles({every!r}, mean={mean!r})")


def everything() -> list[Kind]:
    """All kinds, each as often as it comes by default."""
    return [make() for make in KINDS.values()]


KINDS: dict[str, Callable[[], Kind]] = {
    "cuts": cuts,
    "outages": outages,
    "restarts": restarts,
    "refusals": refusals,
    "clock_jumps": clock_jumps,
    "impostors": impostors,
    "stalls": stalls,
    "power_cycles": power_cycles,
}


def drawn(kinds: Sequence[Kind], trial: Trial, until: int, *, swarm: bool = True) -> list[Fault]:
    """The faults of a run, in the order in which they come.

    Args:
        kinds: Which.
        trial: The run, whose world has been described.
        until: None comes later, in nanoseconds.
        swarm: Whether each run leaves out each kind with probability 1/2: kinds that are always
            together hide what one of them alone would show.
    """
    found: list[Fault] = []
    for kind in kinds:
        if swarm and _core.Stream(trial.seed, kind.name, "mischief swarm", 0).unit() < 0.5:
            continue
        purpose = f"mischief {kind.name}"
        for population, index, target in trial.targets(kind.scope):
            stream = _core.Stream(trial.seed, population, purpose, index)
            found += kind.faults(stream, target, until)
    return sorted(found, key=Fault._key)


def _kind(
    name: str,
    every: Duration,
    scope: Literal["device", "python", "clock", "broker"],
    draw: Callable[[_core.Stream], tuple[str, Details]],
    given: str,
    first: float = 0.0,
) -> Kind:
    period = units.duration(every, "every", zero=False)
    return Kind(name, period, scope, draw, f"mt.mischief.{given}", first)


def _ms(seconds: float) -> float:
    return round(seconds, 3)
