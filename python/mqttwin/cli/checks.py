"""``--check 'latency.p99 < 5s'``: a figure, a comparison, a value."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from .. import metrics, units
from ..errors import ConfigError
from ..result import Result

_FORM = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(<=|>=|==|!=|<|>)\s*(\S.*?)\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Outcome:
    """What became of a check."""

    text: str
    passed: bool
    actual: str


@dataclass(frozen=True)
class Check:
    """One condition on the result of a run."""

    text: str
    name: str
    comparison: str
    limit: str

    @classmethod
    def parse(cls, text: str) -> Check:
        """From the command line.

        Raises:
            ConfigError: It has another form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            message = f"{text!r} is no check (write 'latency.p99 < 5s' or 'lost == 0')"
            raise ConfigError(message, key="--check")
        return cls(text, match[1], match[2], match[3])

    def validate(self, result: Result) -> None:
        """Finds out, before a run, whether the figure exists and the value fits it.

        Raises:
            ConfigError: One of them does not.
        """
        try:
            self._limit(metrics.metric(result, self.name).kind)
        except ConfigError as error:
            raise ConfigError(f"{self.text!r}: {error.message}", key="--check") from None

    def judge(self, result: Result) -> Outcome:
        """Whether it holds; a latency that was never measured fails every check."""
        found = metrics.metric(result, self.name)
        if not found.measured:
            return Outcome(self.text, passed=False, actual="nothing was measured")
        passed = _COMPARE[self.comparison](found.value, self._limit(found.kind))
        return Outcome(self.text, passed, format_value(found))

    def _limit(self, kind: str) -> float:
        if kind == "time":
            return units.seconds(self.limit, "value")
        if kind == "bytes":
            return units.size(self.limit, "value", limit=2**63)
        try:
            return float(self.limit.replace("_", "").replace(",", ""))
        except ValueError:
            raise ConfigError(f"{self.limit!r} is not a number", key="value") from None


def format_value(found: metrics.Metric) -> str:
    """A figure with its unit."""
    if found.kind == "time":
        return units.format_duration(1e9 * found.value)
    if found.kind == "bytes":
        return f"{found.value:,.0f} B"
    return f"{found.value:,.0f}"
