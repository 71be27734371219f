"""Figures of a result by name, as checks name them: ``latency.p99``, ``dropped.queue_full``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from .errors import ConfigError

if TYPE_CHECKING:
    from .result import Result

LATENCIES = ("latency", "ingest", "ack")
STATISTICS = ("count", "mean", "min", "max", "p50", "p90", "p99", "p99.9")
TOTALS = (
    "offered",
    "published",
    "expected",
    "delivered",
    "dropped",
    "in_flight",
    "waiting",
    "lost",
    "late",
    "duplicates",
    "unsent",
    "disconnects",
    "closes",
)
_PERCENTILE = re.compile(r"p(\d{1,2}(?:[._]\d+)?|100)")


@dataclass(frozen=True)
class Metric:
    """A figure.

    Attributes:
        value: In seconds, bytes, or as a count.
        kind: "time", "bytes" or "count".
        measured: False for a statistic of a latency that was never measured.
    """

    value: float
    kind: str
    measured: bool = True


def metric(result: Result, name: str) -> Metric:
    """The figure of that name.

    Raises:
        ConfigError: There is none; it names those that there are.
    """
    head, _, rest = name.partition(".")
    if head in LATENCIES and rest:
        found = _statistic(result, head, rest)
        if found is not None:
            return found
    elif head in TOTALS and not rest:
        return Metric(_total(result, head), "count")
    elif name in result.counts:
        return Metric(result.counts[name], "bytes" if "_bytes_" in name else "count")
    raise ConfigError(f"there is no {name!r}{_hint(name, names(result))}", key="metric")


def names(result: Result) -> list[str]:
    """All names, the usual ones first."""
    out = [f"{latency}.{statistic}" for latency in LATENCIES for statistic in STATISTICS]
    out.extend(TOTALS)
    out.extend(sorted(name for name in result.counts if name not in out))
    return out


def _statistic(result: Result, head: str, rest: str) -> Metric | None:
    latency = getattr(result, head)
    measured = latency.count > 0
    if rest == "count":
        return Metric(latency.count, "count")
    if rest in ("mean", "min", "max"):
        return Metric(getattr(latency, rest), "time", measured)
    match = _PERCENTILE.fullmatch(rest)
    if match is None:
        return None
    return Metric(latency.percentile(float(match[1].replace("_", "."))), "time", measured)


def _total(result: Result, name: str) -> float:
    if name in ("unsent", "disconnects", "closes"):
        return result.total(name)
    if name in ("expected", "dropped", "in_flight"):
        return int(getattr(result.conservation, name))
    return int(getattr(result, name))


def _hint(name: str, known: Iterable[str]) -> str:
    everything = list(known)
    close = get_close_matches(name, everything, n=3)
    if close:
        return f" (did you mean {' or '.join(close)}?)"
    return f" (there are {', '.join(everything)})"
