"""Distributions of delays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, units
from .units import Duration


class Latency:
    """A histogram of delays with exact counts; percentiles are right to 1 %. All in seconds.

    ``latency.p50``, ``latency.p99`` and ``latency.p99_9`` are short for `percentile`.
    """

    def __init__(self, core: _core.Histogram, name: str = "latency") -> None:
        self._core = core
        self.name = name

    @property
    def count(self) -> int:
        """How many were measured."""
        return self._core.count

    @property
    def mean(self) -> float:
        """The mean, exactly; 0 when nothing was measured."""
        return self._core.mean / units.SECOND

    @property
    def min(self) -> float:
        """The smallest, exactly."""
        return self._core.min / units.SECOND

    @property
    def max(self) -> float:
        """The largest, exactly."""
        return self._core.max / units.SECOND

    @property
    def p50(self) -> float:
        """The median."""
        return self.percentile(50)

    @property
    def p90(self) -> float:
        """What 90 % stay below."""
        return self.percentile(90)

    @property
    def p99(self) -> float:
        """What 99 % stay below."""
        return self.percentile(99)

    @property
    def p99_9(self) -> float:
        """What 99.9 % stay below."""
        return self.percentile(99.9)

    def percentile(self, q: float) -> float:
        """The delay that q percent do not exceed; 0 when nothing was measured."""
        if not 0 <= q <= 100:
            raise ValueError(f"a percentile is from 0 to 100, not {q!r}")
        return self._core.percentile(q) / units.SECOND

    def share_above(self, limit: Duration) -> float:
        """The share, from 0 to 1, of delays longer than `limit`."""
        return self._core.fraction_above(units.duration(limit, "limit"))

    def cdf(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(delay in seconds, share of delays up to it), ascending."""
        _, high, count = self._core.buckets()
        if len(count) == 0:
            return np.empty(0), np.empty(0)
        x = np.minimum(np.asarray(high, dtype=np.float64), float(self._core.max))
        y = np.cumsum(np.asarray(count, dtype=np.float64))
        x = np.concatenate(([float(self._core.min)], x))
        y = np.concatenate(([0.0], y / y[-1]))
        return x / units.SECOND, y

    def buckets(self) -> tuple[Any, Any, Any]:
        """(low, high, count) arrays; edges in nanoseconds, both inclusive."""
        return self._core.buckets()

    def __add__(self, other: Latency) -> Latency:
        """Both together."""
        both = _core.Histogram()
        both.merge(self._core)
        both.merge(other._core)
        return Latency(both, self.name)

    def __repr__(self) -> str:
        if self.count == 0:
            return f"<{self.name}: nothing measured>"
        p = [units.format_duration(1e9 * x) for x in (self.p50, self.p99, self.max)]
        return f"<{self.name}: {self.count:,} measured, p50 {p[0]}, p99 {p[1]}, max {p[2]}>"
