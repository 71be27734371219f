"""Searching for what goes wrong: `explore` runs a scenario over seeds with faults, and shrinks."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import mischief, units
from .._pools import cores
from ..errors import ConfigError
from ..interrupt import Interrupts
from ..mischief import Fault, Kind
from ..progress import RunsProgress
from ..units import Duration
from .crowd import verdicts
from .shrinking import Shrinker
from .story import story, test_of
from .trial import Case, Invariant, Plan, Trial, Verdict, Violation, run

__all__ = [
    "Case",
    "Counterexample",
    "Exploration",
    "Trial",
    "Verdict",
    "Violation",
    "explore",
    "load_scenario",
    "replay",
]

SIZES = ("devices", "count")
"""Parameters that are taken for the number of devices, where `explore` is not told which it is."""
_PACKETS = 20_000


@dataclass(frozen=True)
class Counterexample:
    """A run in which something that must hold did not.

    Attributes:
        seed: Of its world.
        parameters: Of its scenario.
        faults: What strikes.
        violations: What did not hold; the first of them is what shrinking kept.
        original: As the seed alone gave it.
        runs: That were made to shrink it.
        story: What happens, for people.
        test: A module for pytest that reproduces it.
    """

    seed: int
    parameters: Mapping[str, Any]
    faults: tuple[Fault, ...]
    violations: tuple[Violation, ...]
    original: Verdict
    runs: int
    story: str
    test: str

    def __str__(self) -> str:
        shrunk = f"after {self.runs} runs to make it smaller" if self.runs else "as it was found"
        return f"{self.story}\n\n{shrunk}; a test that reproduces it:\n\n{self.test}"


@dataclass(frozen=True)
class Exploration:
    """What a search has found; true where it has found nothing.

    Attributes:
        runs: How many were made, without those that made something smaller.
        failures: Verdicts of the runs in which something did not hold, by seed.
        counterexamples: One for each invariant that was violated, shrunk; the first of each.
        interrupted: Whether Ctrl-C ended it early.
    """

    runs: int
    failures: tuple[Verdict, ...]
    counterexamples: tuple[Counterexample, ...]
    interrupted: bool = False

    def __bool__(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        ended = ", then interrupted" if self.interrupted else ""
        if self:
            return f"{self.runs:,} runs{ended}: all is well"
        seeds = ", ".join(str(v.case.seed) for v in self.failures[:10])
        more = " ..." if len(self.failures) > 10 else ""
        head = f"{len(self.failures)} of {self.runs:,} runs went wrong (seeds {seeds}{more}){ended}"
        return "\n\n".join([head, *map(str, self.counterexamples)])

    def check(self) -> None:
        """Raises AssertionError with everything that is known where something was found."""
        if not self:
            raise AssertionError(str(self))


def explore(
    scenario: Callable[..., Any] | str | os.PathLike[str],
    *,
    seeds: Iterable[int] | int = 200,
    faults: Sequence[Kind] | None = None,
    invariants: Sequence[Invariant] | None = None,
    until: Duration = "10min",
    calm: Duration = "10min",
    parameters: Mapping[str, Any] | None = None,
    workers: int | None = None,
    shrink: bool = True,
    swarm: bool = True,
    stop_after: int | None = 1,
    size: str | None = None,
    progress: bool | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Exploration:
    """Runs a scenario over many seeds with faults, and makes what fails as small as it can be.

    Each run: the scenario describes a world; faults that are drawn from the seed strike until
    `until`; then links, power and brokers are mended, nothing strikes for the time of `calm`, and
    the invariants are asked. What raises (a device's code, say) is a violation, too.

    What the scenario returns is `Trial.subject`, for invariants of your own. Where it has an
    attribute `spared`, names of fleets that no fault is drawn for (a backend, say), these are
    spared; where it has a method ``before_fault(fault)``, it is told of each.

    Ctrl-C ends the search when the runs that are under way are over, and the second one at once;
    what was found by then is returned, as small as it is by then (`Exploration.interrupted`).

    Args:
        scenario: ``scenario(world, **parameters)``, or the path of a scenario file.
        seeds: One run each; a number is that of ``range``.
        faults: Kinds of `mqttwin.mischief`; by default all of them.
        invariants: Functions of a `Trial`, such as those of `mqttwin.invariants`; by default that
            all are connected again, without protocol violations or crashes.
        until: How long faults come, in virtual time.
        calm: How long none does, before the invariants are asked: what a correct device needs
            to settle, such as its longest back-off and keep-alive.
        parameters: Of the scenario.
        workers: Processes; by default as many as there are cores.
        shrink: Whether to look for the smallest run that fails in the same way.
        swarm: Whether each run leaves out each kind with probability 1/2.
        stop_after: So many seeds that fail end the search; None: all are tried.
        size: The parameter that says how many devices there are; by default `devices` or `count`.
        progress: Whether to show a bar; by default on a terminal and in a notebook.
        path: Of the file that the scenario is from, for the test that is printed.

    Raises:
        ConfigError: A value that cannot be, or a description that is wrong.
    """
    if isinstance(scenario, str | os.PathLike):
        path = scenario
    file = None if path is None else Path(path)
    plan = _plan(scenario, faults, invariants, until, calm, swarm)
    given = dict(parameters or {})
    _check_parameters(plan.scenario, given)
    cases = [Case(seed, given) for seed in _seeds(seeds)]
    most = None if stop_after is None else units.whole(stop_after, "stop_after", 1, 10**9)
    count = cores() if workers is None else units.whole(workers, "workers", 1, 10_000)
    size_name, size_now = _size(plan.scenario, given, size)
    failures: list[Verdict] = []
    runs = 0
    bar = RunsProgress(len(cases), show=progress)
    examples = []
    with Interrupts() as interrupts:
        try:
            with verdicts(plan, cases, count, lambda: interrupts.seen) as found:
                for verdict in found:
                    runs += 1
                    bar.update(plan.until + plan.calm, failed=bool(verdict.violations))
                    if verdict.violations:
                        failures.append(verdict)
                        if most is not None and len(failures) >= most:
                            break
        except KeyboardInterrupt:  # the second Ctrl-C
            interrupts.seen = True
        finally:
            bar.close()
        known: set[str] = set()
        for verdict in failures:
            if verdict.violations[0].invariant not in known:
                known.add(verdict.violations[0].invariant)
                shrinker = Shrinker(
                    lambda case: run(plan, case),
                    verdict,
                    size_name,
                    size_now,
                    stopped=lambda: interrupts.seen,
                )
                examples.append(_counterexample(plan, shrinker, file, shrink))
        interrupted = interrupts.seen
    return Exploration(runs, tuple(failures), tuple(examples), interrupted)


def replay(
    scenario: Callable[..., Any],
    *,
    seed: int,
    faults: Sequence[Fault] = (),
    invariants: Sequence[Invariant] | None = None,
    until: Duration = "10min",
    calm: Duration = "10min",
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Makes one run with these faults: what the tests that `explore` prints do.

    Raises:
        AssertionError: Something did not hold; it tells the story.
        ConfigError: A value that cannot be, or a fault whose target is not there.
    """
    plan = _plan(scenario, (), invariants, until, calm, swarm=False)
    for fault in faults:
        if not isinstance(fault, Fault):
            raise ConfigError(f"{fault!r} is no mischief.Fault", key="faults")
    number = units.whole(seed, "seed", 0, 2**64 - 1)
    case = Case(number, dict(parameters or {}), tuple(sorted(faults)), plan.until)
    verdict = run(plan, case, packets=_PACKETS, strict=True)
    if verdict.violations:
        raise AssertionError(story(plan, verdict))


def load_scenario(path: str | os.PathLike[str]) -> Callable[..., Any]:
    """The function of a scenario file."""
    from ..cli.scenario import load

    return load(Path(path)).function


# --- within -------------------------------------------------------------------------------------


def _counterexample(
    plan: Plan, shrinker: Shrinker, path: Path | None, shrink: bool
) -> Counterexample:
    verdict = shrinker.best
    with suppress(KeyboardInterrupt):
        if shrink:
            shrinker.shrink()
    best = shrinker.best
    with suppress(KeyboardInterrupt):  # then it is told without its packets
        best = replace(best, packets=run(plan, best.case, packets=_PACKETS).packets)
    return Counterexample(
        best.case.seed,
        dict(best.case.parameters),
        best.case.faults or (),
        best.violations,
        verdict,
        shrinker.runs,
        story(plan, best),
        test_of(plan, best, path),
    )


def _plan(
    scenario: Callable[..., Any] | str | os.PathLike[str],
    kinds: Sequence[Kind] | None,
    invariants: Sequence[Invariant] | None,
    until: Duration,
    calm: Duration,
    swarm: bool,
) -> Plan:
    if isinstance(scenario, str | os.PathLike):
        scenario = load_scenario(scenario)
    if not callable(scenario):
        raise ConfigError(f"{scenario!r} is neither a function nor a path", key="scenario")
    chosen = mischief.everything() if kinds is None else _several(kinds, "faults")
    for kind in chosen:
        if not isinstance(kind, Kind):
            hint = " (without parentheses?)" if callable(kind) else ""
            raise ConfigError(f"{kind!r} is no kind of mqttwin.mischief{hint}", key="faults")
    names = [kind.name for kind in chosen]
    if len(set(names)) < len(names):
        raise ConfigError("has a kind twice: its faults would come at once", key="faults")
    from .. import invariants as ready  # which needs this package

    wanted = [make() for make in ready.DEFAULT]
    if invariants is not None:
        wanted = _several(invariants, "invariants")
    for one in wanted:
        if not callable(one):
            raise ConfigError(f"{one!r} cannot be called with a trial", key="invariants")
        if inspect.isfunction(one) and one.__module__ == ready.__name__:
            name = one.__name__
            raise ConfigError(f"call it: mt.invariants.{name}(...)", key="invariants")
    long = units.duration(until, "until", zero=False)
    return Plan(
        scenario, tuple(chosen), tuple(wanted), long, units.duration(calm, "calm"), bool(swarm)
    )


def _several(values: Any, key: str) -> list[Any]:
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        return list(values)
    raise ConfigError(f"must be a list, not {values!r}", key=key)


def _seeds(seeds: Iterable[int] | int) -> list[int]:
    if isinstance(seeds, int):
        seeds = range(units.whole(seeds, "seeds", 1, 10**9))
    if not isinstance(seeds, Iterable):
        raise ConfigError(f"must be a number or several, not {seeds!r}", key="seeds")
    found = [units.whole(seed, "seeds", 0, 2**64 - 1) for seed in seeds]
    if not found:
        raise ConfigError("must hold at least one", key="seeds")
    return found


def _check_parameters(scenario: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
    try:
        inspect.signature(scenario).bind(None, **parameters)
    except TypeError as error:
        raise ConfigError(str(error), key="parameters") from None
    except ValueError:  # something built in
        return


def _size(
    scenario: Callable[..., Any], given: Mapping[str, Any], name: str | None
) -> tuple[str, int]:
    """The parameter that says how many devices there are, and what it says; "" if there is none."""
    known = inspect.signature(scenario).parameters
    if name is not None and name not in known:
        raise ConfigError(f"the scenario has no parameter {name!r}", key="size")
    for one in SIZES if name is None else (name,):
        if one in known:
            value = given.get(one, known[one].default)
            if isinstance(value, int) and not isinstance(value, bool):
                return one, value
            if name is not None:
                raise ConfigError(f"{name} is {value!r}, no number of devices", key="size")
    return "", 0
