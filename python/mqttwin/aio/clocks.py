"""The clocks of the time and datetime modules, in virtual time."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import datetimes, units
from ..fleet_spec import EPOCH_NS

if TYPE_CHECKING:
    from .scope import Scope

NANOSECONDS = units.SECOND


def dates(scope: Scope) -> type[datetime.datetime]:
    """What stands in for datetime.datetime."""
    core = scope.scheduler.core
    return datetimes.stand_in(lambda: core.now + EPOCH_NS if scope.inside() else None)


def clocks(scope: Scope) -> dict[str, Callable[..., Any]]:
    """What stands in for functions of the time module.

    A thread from outside that only looks at a clock sees the real one; one that sleeps is refused.
    """
    core = scope.scheduler.core
    scheduler = scope.scheduler
    inside = scope.inside

    def seconds(real: Callable[[], float], epoch: int) -> Callable[[], float]:
        return lambda: (core.now + epoch) / NANOSECONDS if inside() else real()

    def nanoseconds(real: Callable[[], int], epoch: int) -> Callable[[], int]:
        return lambda: core.now + epoch if inside() else real()

    def sleep(duration: float) -> None:
        if duration < 0:
            raise ValueError("sleep length must be non-negative")
        deadline = scheduler.after(duration)
        while True:  # something else may wake it, too
            scheduler.wait(deadline)
            if deadline is not None and core.now >= deadline:
                return

    def broken_down(real: Callable[..., Any]) -> Callable[..., Any]:
        def now_if_none(moment: float | None = None) -> Any:
            if moment is None and inside():
                moment = (core.now + EPOCH_NS) / NANOSECONDS
            return real(moment)

        return now_if_none

    local, strftime = time.localtime, time.strftime

    def formatted(form: str, moment: Any = None) -> str:
        if moment is None:
            moment = local((core.now + EPOCH_NS) / NANOSECONDS) if inside() else local()
        return strftime(form, moment)

    return {
        "monotonic": seconds(time.monotonic, 0),
        "perf_counter": seconds(time.perf_counter, 0),
        "time": seconds(time.time, EPOCH_NS),
        "monotonic_ns": nanoseconds(time.monotonic_ns, 0),
        "perf_counter_ns": nanoseconds(time.perf_counter_ns, 0),
        "time_ns": nanoseconds(time.time_ns, EPOCH_NS),
        "sleep": sleep,
        "localtime": broken_down(time.localtime),
        "gmtime": broken_down(time.gmtime),
        "ctime": broken_down(time.ctime),
        "strftime": formatted,
    }
