"""How long a client waits before it tries to connect again."""

from __future__ import annotations

from dataclasses import dataclass

from . import units
from .errors import ConfigError
from .units import Duration


@dataclass(frozen=True)
class Backoff:
    """Before attempt n a client waits ``min(initial * factor ** (n - 1), maximum)``.

    Of that, the share `jitter` is drawn at random: the wait is multiplied by
    ``1 - jitter * U``, U uniform in [0, 1). Use `fixed` or `exponential`.

    Attributes:
        initial: The first wait.
        maximum: No wait is longer.
        factor: Growth from one attempt to the next, at least 1.
        jitter: From 0 (none: a fleet stays in step) to 1 ("full jitter").
    """

    initial: Duration = "1s"
    maximum: Duration = "2min"
    factor: float = 2.0
    jitter: float = 1.0

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        if self.initial_ns > self.maximum_ns:
            raise ConfigError("the first wait is longer than the maximum", key="backoff")
        if not self.factor >= 1:
            raise ConfigError(f"must be at least 1, not {self.factor!r}", key="backoff factor")
        units.probability(self.jitter, "backoff jitter")

    @property
    def initial_ns(self) -> int:
        """The first wait, in nanoseconds."""
        return units.duration(self.initial, "backoff", zero=False)

    @property
    def maximum_ns(self) -> int:
        """The longest wait, in nanoseconds."""
        return units.duration(self.maximum, "backoff maximum", zero=False)

    def __str__(self) -> str:
        """As `parse` reads it: ``"fixed:5s"``."""
        first = units.format_duration(self.initial_ns).replace(" ", "")
        if self.factor == 1:
            return f"fixed:{first}" + (f",jitter={self.jitter:g}" if self.jitter else "")
        text = f"exponential:{first},{units.format_duration(self.maximum_ns).replace(' ', '')}"
        text += f",factor={self.factor:g}" if self.factor != 2 else ""
        return text + (f",jitter={self.jitter:g}" if self.jitter != 1 else "")


def fixed(wait: Duration, *, jitter: float = 0.0) -> Backoff:
    """Always the same wait: what makes a fleet come back all at once."""
    return Backoff(wait, wait, 1.0, jitter)


def exponential(
    initial: Duration = "1s",
    maximum: Duration = "2min",
    *,
    factor: float = 2.0,
    jitter: float = 1.0,
) -> Backoff:
    """Waits that grow from `initial` to `maximum`, by default with full jitter."""
    return Backoff(initial, maximum, factor, jitter)


_KINDS = {
    "fixed": ("wait", "jitter"),
    "exponential": ("initial", "maximum", "factor", "jitter"),
}


def parse(text: str) -> Backoff:
    """A back-off from the command line.

    ``"fixed:5s"``, ``"fixed:5s,jitter=0.5"``, ``"exponential"``, ``"exponential:1s,5min"``,
    ``"exponential:initial=2s,maximum=1min,factor=3,jitter=0.5"``.
    """
    kind, _, rest = text.partition(":")
    if kind not in _KINDS or (kind == "fixed" and not rest):
        hint = "write 'fixed:5s' or 'exponential:1s,2min,jitter=1'"
        raise ConfigError(f"{text!r} is not a back-off ({hint})", key="backoff")
    names = _KINDS[kind]
    given: dict[str, str] = {}
    for position, part in enumerate(part.strip() for part in rest.split(",") if rest):
        name, equals, value = part.partition("=")
        if not equals:
            name, value = (names[position] if position < len(names) else "", part)
        if name not in names or name in given:
            raise ConfigError(f"{part!r} in {text!r} (takes {', '.join(names)})", key="backoff")
        given[name] = value
    jitter = _float(given.get("jitter", "0" if kind == "fixed" else "1"), "backoff jitter")
    if kind == "fixed":
        return fixed(given.get("wait", ""), jitter=jitter)
    factor = _float(given.get("factor", "2"), "backoff factor")
    return exponential(
        given.get("initial", "1s"), given.get("maximum", "2min"), factor=factor, jitter=jitter
    )


def _float(text: str, key: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a number", key=key) from None
