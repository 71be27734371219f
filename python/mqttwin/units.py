"""Durations, sizes, rates and probabilities: reading them and writing them.

Inside mqttwin a duration is a whole number of nanoseconds, a size a whole number of bytes and a
rate a number of bits a second. At the surface people write ``"15min"``, ``"64KiB"`` and
``"250kbit/s"``.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, TypeAlias

from .errors import ConfigError

Duration: TypeAlias = Annotated[str | float | timedelta, "duration"]
"""``"90s"``, ``"15min"``, ``"1h 30min"``, a number of seconds, or a ``datetime.timedelta``."""

Size: TypeAlias = Annotated[str | int, "size"]
"""``"64KiB"``, ``"1.5MB"``, or a number of bytes."""

Rate: TypeAlias = Annotated[str | float, "rate"]
"""``"250kbit/s"``, ``"1Mbit/s"``, ``"32kB/s"``, or a number of bits a second."""

Probability: TypeAlias = Annotated[float, "probability"]
"""A number from 0 to 1."""

SECOND = 1_000_000_000
LONGEST = 36525 * 86400 * SECOND
"""A hundred years, in nanoseconds: no duration is longer."""

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_DURATION_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "sec": SECOND,
    "min": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86400 * SECOND,
}
_SIZE_UNITS = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_RATE_UNITS = {
    "": 1,
    "bit/s": 1,
    "kbit/s": 10**3,
    "Mbit/s": 10**6,
    "Gbit/s": 10**9,
    "B/s": 8,
    "kB/s": 8 * 10**3,
    "MB/s": 8 * 10**6,
    "KiB/s": 8 * 2**10,
    "MiB/s": 8 * 2**20,
}
_UNITS = {"size": _SIZE_UNITS, "rate": _RATE_UNITS}
_PART = re.compile(rf"\s*({_NUMBER})\s*([a-zµμ]+)")
_QUANTITY = re.compile(rf"({_NUMBER})\s*([A-Za-z/]*)")


def duration(
    value: Duration, key: str = "duration", *, zero: bool = True, negative: bool = False
) -> int:
    """Nanoseconds from whatever people write.

    Args:
        value: See `Duration`.
        key: The name of the parameter, for the error message.
        zero: Whether 0 is allowed.
        negative: Whether less than 0 is allowed.

    Returns:
        The duration, rounded to whole nanoseconds.

    Raises:
        ConfigError: It is none, or out of range.
    """
    if isinstance(value, str):
        ns = _text_ns(value, key)
    elif type(value) is float and math.isfinite(value):
        ns = _nearest(value)
    else:
        ns = round(_exact_seconds(value, key) * SECOND)
    if ns < 0 and not negative:
        raise ConfigError(f"{value!r} is negative", key=key)
    if ns == 0 and not zero:
        raise ConfigError(f"must be more than 0, not {value!r}", key=key)
    if abs(ns) > LONGEST:
        raise ConfigError(f"{value!r} is more than a hundred years", key=key)
    return ns


def seconds(value: Duration, key: str = "duration") -> float:
    """Seconds from whatever people write: ``seconds("15min") == 900.0``."""
    return duration(value, key, negative=True) / SECOND


def _nearest(seconds: float) -> int:
    """As ``round(Fraction(seconds) * SECOND)``, in a quarter of the time."""
    whole_part, parts = seconds.as_integer_ratio()
    ns, rest = divmod(whole_part * SECOND, parts)
    return ns + (2 * rest > parts or (2 * rest == parts and ns % 2))


def _exact_seconds(value: object, key: str) -> Fraction | int:
    if type(value) is int:  # most are
        return value
    if isinstance(value, timedelta):
        micros = (value.days * 86400 + value.seconds) * 10**6 + value.microseconds
        return Fraction(micros, 10**6)
    if isinstance(value, str):
        return _text_seconds(value, key)
    number = _number(value)
    if number is None:
        raise ConfigError(f"{value!r} is not a duration{_DURATION_HINT}", key=key)
    return number


_DURATION_HINT = " (write '90s', '15min', '24h' or a number of seconds)"


@lru_cache(maxsize=1024)  # code says the same few again and again
def _text_ns(text: str, key: str) -> int:
    return round(_text_seconds(text, key) * SECOND)


def _text_seconds(text: str, key: str) -> Fraction:
    body = text.strip()
    sign = 1
    if body[:1] in ("-", "+"):
        sign = -1 if body[0] == "-" else 1
        body = body[1:]
    if re.fullmatch(_NUMBER, body):
        return sign * Fraction(body)
    total = Fraction(0)
    position = 0
    while position < len(body):
        part = _PART.match(body, position)
        if part is None or part[2] not in _DURATION_UNITS:
            raise ConfigError(f"{text!r} is not a duration{_DURATION_HINT}", key=key)
        total += Fraction(part[1]) * Fraction(_DURATION_UNITS[part[2]], SECOND)
        position = part.end()
    if not body:
        raise ConfigError(f"{text!r} is not a duration{_DURATION_HINT}", key=key)
    return sign * total


def _number(value: object) -> Fraction | None:
    """The exact value of a finite real number, also of NumPy's; None for anything else."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        as_float = float(value)
        if not math.isfinite(as_float):
            return None
        return Fraction(int(value)) if isinstance(value, int) else Fraction(as_float)
    except (TypeError, ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)  # presets say the same again and again
def _text_quantity(text: str, what: str) -> Fraction | None:
    match = _QUANTITY.fullmatch(text.strip())
    scale = None if match is None else _UNITS[what].get(match[2])
    return None if match is None or scale is None else Fraction(match[1]) * scale


def _quantity(value: object, key: str, what: str, hint: str) -> Fraction:
    number = _text_quantity(value, what) if isinstance(value, str) else _number(value)
    if number is None or number < 0:
        raise ConfigError(f"{value!r} is not a {what} {hint}", key=key)
    return number


def size(value: Size, key: str = "size", *, limit: int = 2**32 - 1) -> int:
    """Bytes from ``"64KiB"``, ``"1.5MB"`` or a number."""
    exact = _quantity(value, key, "size", "(write '64KiB', '1.5MB' or bytes)")
    if exact.denominator != 1:
        raise ConfigError(f"{value!r} is not a whole number of bytes", key=key)
    if exact > limit:
        raise ConfigError(f"{value!r} is more than {format_bytes(limit)}", key=key)
    return int(exact)


def rate(value: Rate, key: str = "rate") -> float:
    """Bits a second from ``"250kbit/s"``, ``"32kB/s"`` or a number."""
    hint = "(write '250kbit/s', '1Mbit/s' or bits a second)"
    return float(_quantity(value, key, "rate", hint))


def probability(value: float, key: str = "probability", *, below_one: bool = False) -> float:
    """A number from 0 to 1, or up to but not including 1."""
    number = _number(value)
    if number is None:
        raise ConfigError(f"{value!r} is not a number", key=key)
    if not 0 <= number <= 1 or (below_one and number == 1):
        allowed = "at least 0 and less than 1" if below_one else "from 0 to 1"
        raise ConfigError(f"must be {allowed}, not {value!r}", key=key)
    return float(number)


def whole(value: int, key: str, low: int, high: int) -> int:
    """An integer within bounds, both inclusive."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ConfigError(f"{value!r} is not an integer", key=key)
    number = value.__index__()
    if not low <= number <= high:
        raise ConfigError(f"must be from {low:,} to {high:,}, not {number:,}", key=key)
    return number


def format_duration(ns: float, *, digits: int = 3) -> str:
    """A duration in the unit in which it reads best: ``"837 ms"``, ``"1.25 s"``, ``"24 h"``.

    Args:
        ns: Nanoseconds.
        digits: Significant digits, below a minute.
    """
    sign = "-" if ns < 0 else ""
    ns = abs(ns)
    if ns < 59.995 * SECOND:
        for unit, scale in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)):
            if ns < 999.5 * scale or unit == "s":
                return f"{sign}{_significant(ns / scale, digits)} {unit}"
    total = round(ns / SECOND)
    if total < 3600:
        return sign + _two(total, 60, "min", "s")
    if total < 2 * 86400:
        return sign + _two(round(total / 60), 60, "h", "min")
    return sign + _two(round(total / 3600), 24, "d", "h")


def _two(total: int, base: int, large: str, small: str) -> str:
    whole_part, rest = divmod(total, base)
    return f"{whole_part} {large}" + (f" {rest} {small}" if rest else "")


def _significant(x: float, digits: int) -> str:
    """Fixed notation with so many significant digits, without trailing zeros."""
    if x == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(x)))
    text = f"{x:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_bytes(count: float) -> str:
    """``"96 B"``, ``"1.2 MB"``: powers of ten, as networks count."""
    for unit, scale in (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)):
        if count < 999.5 * scale or unit == "TB":
            return f"{_significant(count / scale, 3)} {unit}"
    raise AssertionError


def format_rate(bits_a_second: float) -> str:
    """``"250 kbit/s"``; 0 is "unlimited"."""
    if bits_a_second == 0:
        return "unlimited"
    for unit, scale in (("bit/s", 1.0), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9)):
        if bits_a_second < 999.5 * scale or unit == "Gbit/s":
            return f"{_significant(bits_a_second / scale, 3)} {unit}"
    raise AssertionError


def format_share(part: float, whole_count: float) -> str:
    """``"99.82 %"``; the dash for nothing of nothing. Never rounds up to 100 or down to 0."""
    if whole_count <= 0:
        return "–"
    percent = 100 * part / whole_count
    if 0 < percent < 0.01:
        return "< 0.01 %"
    if 99.99 < percent < 100:
        return "> 99.99 %"
    return f"{_significant(percent, 4) if percent >= 1 else f'{percent:.2g}'} %"
