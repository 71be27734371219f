"""Latency that changes with time: schedules and recorded traces."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import _core, units
from .errors import ConfigError
from .units import Duration

SAME_LOSS = -1.0
"""The loss of a point that says nothing of it: that of the link."""


@dataclass(frozen=True)
class Curve:
    """Latency by time; made by `schedule` or `trace`.

    Attributes:
        points: ``(at, latency, loss)`` in order of time, in nanoseconds since the start of the
            world; a loss of -1 is that of the link.
        linear: Whether values change evenly between points; else a point holds until the next.
        repeat: Nanoseconds after which it starts again; 0 is never.
    """

    points: tuple[tuple[int, int, float], ...]
    linear: bool = False
    repeat: int = 0

    def _core(self) -> _core.LatencyCurve:
        out = _core.LatencyCurve()
        out.points = list(self.points)
        out.linear = self.linear
        out.repeat = self.repeat
        return out

    def __str__(self) -> str:
        """For reports: the range of the latency."""
        latencies = [latency for _, latency, _ in self.points]
        low, high = (units.format_duration(f(latencies)) for f in (min, max))
        return f"{low} to {high} over time" if low != high else low


def schedule(
    points: Sequence[Sequence[Any]], *, linear: bool = False, repeat: Duration | None = None
) -> Curve:
    """A latency that follows a schedule.

    Args:
        points: ``(at, latency)`` or ``(at, latency, loss)``, in order of time. Before the first,
            its values hold.
        linear: Whether values change evenly between points; else a point holds until the next.
        repeat: Starts again after so long, such as "24h"; later than the last point.
    """
    rows: list[tuple[int, int, float]] = []
    for i, point in enumerate(points):
        key = f"schedule[{i}]"
        if isinstance(point, str) or not isinstance(point, Sequence) or len(point) not in (2, 3):
            raise ConfigError(f"{point!r} is not (at, latency) or (at, latency, loss)", key=key)
        _append(rows, point, key)
    if not rows:
        raise ConfigError("must have at least one point", key="schedule")
    return _curve(rows, linear, repeat, "schedule")


def trace(
    path: str | os.PathLike[str], *, linear: bool = False, repeat: Duration | None = None
) -> Curve:
    """A latency that was recorded.

    Args:
        path: A CSV file with the columns ``time``, ``latency`` and perhaps ``loss``; times in
            seconds or with a unit, sorted. An empty loss is that of the link.
        linear: Whether values change evenly between rows; else a row holds until the next.
        repeat: Starts again after so long; later than the last row.

    Raises:
        ConfigError: With the file and the line.
    """
    rows: list[tuple[int, int, float]] = []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            columns = _columns(next(reader, []), path)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                try:
                    _append(rows, [cells[c].strip() for c in columns if c < len(cells)], "")
                except ConfigError as error:
                    raise ConfigError(
                        error.message, file=path, line=reader.line_num, key=error.key
                    ) from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", file=path, key="trace") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"is no CSV file ({error})", file=path, key="trace") from None
    if not rows:
        raise ConfigError("holds no rows", file=path, key="trace")
    return _curve(rows, linear, repeat, "trace")


def _columns(header: list[str], path: str | os.PathLike[str]) -> list[int]:
    names = [name.strip().lower() for name in header]
    for name in ("time", "latency"):
        if name not in names:
            raise ConfigError(
                f"has no column {name} (its header must be time,latency or time,latency,loss)",
                file=path,
                line=1,
                key="trace",
            )
    return [names.index(name) for name in ("time", "latency", "loss") if name in names]


def _append(rows: list[tuple[int, int, float]], point: Sequence[Any], prefix: str) -> None:
    """A point behind those before it, if it is later."""
    names = [f"{prefix}.{name}" if prefix else name for name in ("time", "latency", "loss")]
    if len(point) < 2:
        raise ConfigError("is missing", key=names[len(point)])
    at = units.duration(point[0], names[0])
    if rows and at <= rows[-1][0]:
        raise ConfigError(
            f"must be later than {units.format_duration(rows[-1][0])} before it, not {point[0]!r}"
            " (sort it)",
            key=names[0],
        )
    latency = units.duration(point[1], names[1])
    loss = SAME_LOSS
    if len(point) > 2 and point[2] != "" and point[2] is not None:
        loss = units.probability(_number(point[2]), names[2])
    rows.append((at, latency, loss))


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _curve(
    rows: list[tuple[int, int, float]], linear: bool, repeat: Duration | None, key: str
) -> Curve:
    period = 0
    if repeat is not None:
        period = units.duration(repeat, f"{key}.repeat")
        if period <= rows[-1][0]:
            last = units.format_duration(rows[-1][0])
            raise ConfigError(f"must be later than the last point ({last})", key=f"{key}.repeat")
    return Curve(tuple(rows), linear, period)
