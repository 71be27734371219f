"""When a device publishes: arrival processes for ``fleet.publish(..., when=...)``.

``every="15min", jitter="60s"`` says the usual one directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _core, dist, readers, units
from .dist import Number, Time
from .errors import ConfigError, refusals
from .units import Duration


@dataclass(frozen=True)
class Arrival:
    """An arrival process; made by the functions of this module."""

    text: str
    _spec: _core.Arrival

    def __repr__(self) -> str:
        return self.text


def periodic(
    every: Time, *, jitter: Time = 0, phase: Time | Literal["random"] = "random"
) -> Arrival:
    """Message n at ``start + phase + n * every``, late by up to `jitter`.

    Args:
        every: The period, longer than 0.
        jitter: Each message is late by a uniform draw from [0, jitter); delays do not add up.
            At most `every`.
        phase: "random" draws one from [0, every) for each device; 0 keeps the fleet in step.
    """
    with refusals():
        spec = _core.Arrival.periodic(
            dist.time_column(every, "every", zero=False),
            None if _is_random(phase) else dist.time_column(_time(phase), "phase"),
            dist.time_column(jitter, "jitter"),
        )
        spec.check()
    return Arrival(f"periodic({every!r})", spec)


def poisson(every: Time | None = None, *, rate: Number | None = None) -> Arrival:
    """Independent gaps, exponentially distributed.

    Args:
        every: The mean gap, or
        rate: messages a second.
    """
    if (every is None) == (rate is None):
        raise ConfigError("takes either every= or rate=", key="poisson")
    with refusals():
        spec = _core.Arrival.poisson(
            dist.time_column("1min" if every is None else every, "every", zero=False),
            None if rate is None else dist.number_column(rate, "rate"),
        )
        spec.check()
    return Arrival(f"poisson({every!r})" if rate is None else f"poisson(rate={rate!r})", spec)


def replay_times(
    source: str | Sequence[float] | NDArray[Any],
    column: str | None = None,
    *,
    offset: Time = 0,
    loop: bool = False,
    span: Duration | None = None,
) -> Arrival:
    """Recorded instants, relative to the first of them.

    Args:
        source: Seconds, timedelta64 or datetime64 in an array, or the path of a CSV or Parquet
            file.
        column: Of the file.
        offset: How far into the recording a device starts; publishes from there on.
        loop: Begin again at the end.
        span: The length of the recording, where it loops; by default one more of its mean gaps.
    """
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        instants = readers.read_times(source, column)
    else:
        instants = readers.times_of(source, "times")
    length = 0
    if loop:
        length = _mean_span(instants) if span is None else units.duration(span, "span")
    with refusals():
        spec = _core.Arrival.replay(instants, dist.time_column(offset, "offset"), loop, length)
        spec.check()
    return Arrival(f"replay_times({len(instants)} instants)", spec)


def once(after: Time = 0) -> Arrival:
    """One message, this long after the start."""
    with refusals():
        spec = _core.Arrival.once(dist.time_column(after, "once"))
        spec.check()
    return Arrival(f"once({after!r})", spec)


def windowed(arrival: Arrival, start: Duration, until: Duration | None) -> _core.Arrival:
    """The part of a process that lies in a window of world time."""
    begin = units.duration(start, "start")
    end = None if until is None else units.duration(until, "until")
    if end is not None and end <= begin:
        raise ConfigError(f"{until!r} is not after the start, {start!r}", key="until")
    return arrival._spec.window(begin, end)


def _is_random(phase: object) -> bool:
    return isinstance(phase, str) and phase == "random"


def _time(phase: Any) -> Time:
    return phase  # type: ignore[no-any-return]


def _mean_span(instants: NDArray[np.int64]) -> int:
    last = int(instants[-1])
    return last + (last // (len(instants) - 1) if len(instants) > 1 else units.SECOND)
