"""Makes a failing run smaller, deterministically, until nothing can be removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from .. import units
from ..mischief import Fault
from .trial import Case, Verdict

MAXIMUM_RUNS = 1000
"""That one search for a smaller case makes."""
_EARLIER = 3  # devices that are tried instead of one
_TENTH = units.SECOND // 10


class Shrinker:
    """Looks for the smallest run in which the same invariant is violated.

    Args:
        judge: Makes a run.
        verdict: Of the one to begin with.
        size: The parameter that says how many devices there are; "" where there is none.
        default_size: What it is where nobody says.
        stopped: Whether it is to end with what it has.

    Attributes:
        best: The verdict of the smallest so far.
        runs: How many were made.
    """

    def __init__(
        self,
        judge: Callable[[Case], Verdict],
        verdict: Verdict,
        size: str,
        default_size: int,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.best = verdict
        self.runs = 0
        self._judge = judge
        self._invariant = verdict.violations[0].invariant
        self._size = size
        self._default = default_size
        self._stopped = stopped
        self._tried: set[Any] = set()

    def shrink(self) -> Verdict:
        """Until a whole round has changed nothing."""
        changed = True
        while changed and self.runs < MAXIMUM_RUNS and not self._stopped():
            changed = self._faults()
            changed |= self._targets()
            changed |= self._devices()
            changed |= self._time()
            changed |= self._details()
        return self.best

    def _accepts(self, case: Case) -> bool:
        key = (tuple(sorted(case.parameters.items(), key=str)).__repr__(), case.faults, case.until)
        if key in self._tried or self.runs >= MAXIMUM_RUNS or self._stopped():
            return False
        self._tried.add(key)
        self.runs += 1
        verdict = self._judge(case)
        same = [v for v in verdict.violations if v.invariant == self._invariant]
        if not same:
            return False
        rest = [v for v in verdict.violations if v.invariant != self._invariant]
        self.best = replace(verdict, violations=(*same, *rest))
        return True

    def _faults(self) -> bool:
        """Fewer: halves, quarters … are left out, at last single ones (delta debugging)."""
        changed = False
        size = len(self._now)
        while size >= 1:
            start = 0
            while start < len(self._now):
                left = self._now[:start] + self._now[start + size :]
                if self._accepts(replace(self.best.case, faults=left)):
                    changed = True
                else:
                    start += size
            size = min(size // 2, len(self._now))
        return changed

    def _targets(self) -> bool:
        """What befalls one device befalls an earlier one instead, so that fewer are needed."""
        changed = False
        for target in dict.fromkeys(fault.target for fault in self._now):
            ids = self.best.devices
            if target not in ids:
                continue
            for earlier in ids[: min(ids.index(target), _EARLIER)]:
                moved = (
                    Fault(f.kind, f.at, earlier if f.target == target else f.target, **f.details)
                    for f in self._now
                )
                if self._accepts(replace(self.best.case, faults=tuple(sorted(moved)))):
                    changed = True
                    break
        return changed

    def _devices(self) -> bool:
        """Fewer: one, half, one less."""
        if not self._size:
            return False
        changed, found = False, True
        while found:
            case = self.best.case
            count = int(case.parameters.get(self._size, self._default))
            found = any(
                self._accepts(replace(case, parameters={**case.parameters, self._size: fewer}))
                for fewer in dict.fromkeys((1, count // 2, count - 1))
                if 0 < fewer < count
            )
            changed |= found
        return changed

    def _time(self) -> bool:
        """Shorter: as soon as the last fault has struck, or some round time later."""
        case = self.best.case
        assert case.until is not None
        last = max((round(f.at * units.SECOND) for f in self._now), default=0) + _TENTH
        for until in sorted({last, *(minutes * 60 * units.SECOND for minutes in (1, 2, 5, 10))}):
            if last <= until < case.until and self._accepts(replace(case, until=until)):
                return True
        return False

    def _details(self) -> bool:
        """Simpler: what is meant where nothing is said, then rounder and smaller figures."""
        changed = False
        number = 0
        while number < len(self._now):
            fault = self._now[number]
            for simpler in _simpler(fault):
                faults = tuple(sorted((*self._now[:number], simpler, *self._now[number + 1 :])))
                if self._accepts(replace(self.best.case, faults=faults)):
                    changed = True
                    break
            else:
                number += 1
        return changed

    @property
    def _now(self) -> tuple[Fault, ...]:
        return self.best.case.faults or ()


def _simpler(fault: Fault) -> Iterator[Fault]:
    """Candidates, each simpler by a measure that cannot fall for ever."""
    plain = Fault(fault.kind, fault.at, fault.target).details
    for name, value in fault.details.items():
        if value != plain[name]:
            yield fault.with_(**{name: plain[name]})
            if isinstance(value, float):
                for round_ in _rounder(value):
                    yield fault.with_(**{name: round_})
            elif isinstance(value, int) and not isinstance(value, bool) and value > 1:
                yield fault.with_(**{name: value // 2})
                yield fault.with_(**{name: value - 1})
    for at in _rounder(fault.at):
        yield fault.with_(at=at)


def _rounder(value: float) -> list[float]:
    """The same to the minute, ten seconds, the second, a tenth; only what is rounder than it."""
    found = []
    for step in (60.0, 10.0, 1.0, 0.1):
        near = round(round(value / step) * step, 3)
        if near == value:
            break
        found.append(near)
    return [one for one in found if one]
