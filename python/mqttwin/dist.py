"""One value a device: distributions that a parameter may be drawn from, once for each device.

Wherever a behaviour takes a number or a duration, it also takes an array with one entry a device,
or one of these. A device's value depends on the seed, the fleet's name, the parameter and the
device's index, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _core, units
from .errors import ConfigError, refusals
from .units import Duration


@dataclass(frozen=True)
class Distribution:
    """A distribution over devices; made by the functions of this module."""

    kind: str
    arguments: tuple[Any, ...]
    weights: tuple[float, ...] | None = None

    def __repr__(self) -> str:
        inside = ", ".join(repr(a) for a in self.arguments)
        return f"dist.{self.kind}({inside})"


Number: TypeAlias = float | Distribution | Sequence[float] | NDArray[Any]
"""A number, one a device in an array, or a distribution."""

Time: TypeAlias = Duration | Distribution | Sequence[Duration] | NDArray[Any]
"""A duration, one a device in an array (numbers are seconds), or a distribution."""


def uniform(low: Any, high: Any) -> Distribution:
    """Uniform from `low` up to `high` (numbers or durations)."""
    return Distribution("uniform", (low, high))


def normal(mean: Any, sd: Any) -> Distribution:
    """Normal with a standard deviation, cut to what the parameter allows."""
    return Distribution("normal", (mean, sd))


def lognormal(median: Any, sigma: float) -> Distribution:
    """Log-normal: `sigma` is the standard deviation of the natural logarithm."""
    return Distribution("lognormal", (median, sigma))


def exponential(mean: Any) -> Distribution:
    """Exponential with this mean."""
    return Distribution("exponential", (mean,))


def choice(values: Sequence[Any], weights: Sequence[float] | None = None) -> Distribution:
    """One of some values, with equal chances or in proportion to `weights`."""
    return Distribution("choice", tuple(values), None if weights is None else tuple(weights))


def number_column(value: Number, key: str) -> _core.Column:
    """What the core takes for a `Number`."""
    return _column(value, key, _plain_number)


def time_column(value: Time, key: str, *, zero: bool = True) -> _core.DurationColumn:
    """What the core takes for a `Time`; a scalar stays exact."""
    if isinstance(value, str | timedelta | float | int):
        return _core.DurationColumn(units.duration(value, key, zero=zero))
    return _core.DurationColumn.in_seconds(_column(value, key, _seconds))


def _plain_number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise ConfigError(f"{value!r} is not a number", key=key)
    return float(value)


def _seconds(value: Any, key: str) -> float:
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "s"))
    return units.duration(value, key, negative=True) / units.SECOND


def _column(value: Any, key: str, one: Any) -> _core.Column:
    with refusals(key):
        if isinstance(value, Distribution):
            return _drawn(value, key, one)
        if isinstance(value, np.ndarray):
            return _core.Column.values(_array(value, key))
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return _core.Column.values(np.array([one(v, key) for v in value], dtype=np.float64))
        return _core.Column(one(value, key))


def _array(values: NDArray[Any], key: str) -> NDArray[np.float64]:
    if values.dtype.kind == "m":
        return values / np.timedelta64(1, "s")
    if values.dtype.kind not in "iuf":
        raise ConfigError(f"an array of {values.dtype} where numbers are needed", key=key)
    return values.astype(np.float64)


def _drawn(value: Distribution, key: str, one: Any) -> _core.Column:
    a = value.arguments
    if value.kind == "uniform":
        return _core.Column.uniform(one(a[0], key), one(a[1], key))
    if value.kind == "normal":
        return _core.Column.normal(one(a[0], key), one(a[1], key))
    if value.kind == "lognormal":
        return _core.Column.lognormal(one(a[0], key), _plain_number(a[1], key))
    if value.kind == "exponential":
        return _core.Column.exponential(one(a[0], key))
    values = np.array([one(v, key) for v in a], dtype=np.float64)
    weights = None if value.weights is None else np.array(value.weights, dtype=np.float64)
    return _core.Column.choice(values, weights)
