"""The clocks of the time and datetime modules, in virtual time."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core, datetimes, units
from ..errors import ConfigError
from ..fleet_spec import EPOCH_NS
from ..units import Duration

if TYPE_CHECKING:
    from .scope import Scope

NANOSECONDS = units.SECOND


class HostClock:
    """What a host takes for the time of day; it has a battery, and may be wrong.

    ``time.monotonic`` and the timers of its firmware do not follow it.
    """

    def __init__(self, core: _core.World) -> None:
        self._core = core
        self._ahead = 0

    @property
    def error(self) -> float:
        """By how many seconds it is fast (or, below 0, slow)."""
        return self._ahead / NANOSECONDS

    def now(self) -> float:
        """Unix time in seconds, as the host believes; the world begins at 2025-01-01T00:00Z."""
        return self.now_ns() / NANOSECONDS

    def now_ns(self) -> int:
        """The same in nanoseconds."""
        return self._core.now + EPOCH_NS + self._ahead

    def set(self, unix_seconds: float) -> None:
        """Sets it, rightly or wrongly."""
        if not isinstance(unix_seconds, int | float) or not math.isfinite(unix_seconds):
            raise ConfigError(f"must be seconds since 1970, not {unix_seconds!r}", key="clock")
        self._ahead = round(unix_seconds * NANOSECONDS) - self._core.now - EPOCH_NS

    def step(self, by: Duration) -> None:
        """Sets it forward, or with a minus backward: ``clock.step("-1h")``."""
        self._ahead += units.duration(by, "step", negative=True)

    def __repr__(self) -> str:
        return f"<HostClock {self.error:+.6f} s>"


def dates(scope: Scope) -> type[datetime.datetime]:
    """What stands in for datetime.datetime."""
    return datetimes.stand_in(lambda: scope.host_here().clock.now_ns() if scope.inside() else None)


def clocks(scope: Scope) -> dict[str, Callable[..., Any]]:
    """What stands in for functions of the time module.

    A thread from outside that only looks at a clock sees the real one; one that sleeps is refused.
    """
    core = scope.scheduler.core
    scheduler = scope.scheduler
    inside = scope.inside

    def seconds(real: Callable[[], float]) -> Callable[[], float]:
        return lambda: core.now / NANOSECONDS if inside() else real()

    def nanoseconds(real: Callable[[], int]) -> Callable[[], int]:
        return lambda: core.now if inside() else real()

    real_time, real_time_ns = time.time, time.time_ns

    def time_of_day() -> float:
        return scope.host_here().clock.now() if inside() else real_time()

    def time_of_day_ns() -> int:
        return scope.host_here().clock.now_ns() if inside() else real_time_ns()

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
                moment = time_of_day()
            return real(moment)

        return now_if_none

    local, strftime = time.localtime, time.strftime

    def formatted(form: str, moment: Any = None) -> str:
        if moment is None:
            moment = local(time_of_day()) if inside() else local()
        return strftime(form, moment)

    return {
        "monotonic": seconds(time.monotonic),
        "perf_counter": seconds(time.perf_counter),
        "time": time_of_day,
        "monotonic_ns": nanoseconds(time.monotonic_ns),
        "perf_counter_ns": nanoseconds(time.perf_counter_ns),
        "time_ns": time_of_day_ns,
        "sleep": sleep,
        "localtime": broken_down(time.localtime),
        "gmtime": broken_down(time.gmtime),
        "ctime": broken_down(time.ctime),
        "strftime": formatted,
    }
