"""What devices measure: generators for the fields of a payload.

Every parameter that is a number is one for all devices, an array with one a device, or a
distribution (`mqttwin.dist`) from which each device gets its own. Values are functions of the
seed, the fleet's name, the field, the device and the message's number; no Python runs per message.

`digits` rounds real numbers to so many decimals (halves away from zero) and writes them all; -1
leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _core, readers, units
from .dist import Distribution, Number, Time, number_column, time_column
from .errors import ConfigError, refusals
from .units import Duration


@dataclass(frozen=True)
class Generator:
    """What a field of a payload holds; made by the functions of this module."""

    text: str
    _spec: _core.Generator

    def __repr__(self) -> str:
        return f"gen.{self.text}"


Value: TypeAlias = (
    Generator | Distribution | bool | int | float | str | Sequence[float] | NDArray[Any]
)
"""What a field accepts: a generator, or a constant (a `str` is a template, see `text`)."""


def constant(value: Number | bool | str, *, digits: int = -1) -> Generator:
    """Always the same: a number (also one a device), a truth value or a literal text."""
    with refusals("constant"):
        if isinstance(value, bool | np.bool_):
            spec = _core.Generator.truth(bool(value))
        elif isinstance(value, int | np.integer):
            spec = _core.Generator.integer(int(value))
        elif isinstance(value, str):
            spec = _core.Generator.literal(value)
        else:
            spec = _core.Generator.number(number_column(value, "constant"), digits)
    return Generator(f"constant({value!r})", spec)


def counter(start: Number = 0, step: Number = 1, *, wrap: int = 0) -> Generator:
    """``start + n * step`` for message n, modulo `wrap` if it is not 0 (65536: 16 bits)."""
    with refusals("counter"):
        spec = _core.Generator.counter(
            number_column(start, "start"),
            number_column(step, "step"),
            units.whole(wrap, "wrap", 0, 2**63 - 1),
        )
    return Generator(f"counter(start={start!r}, step={step!r})", spec)


def normal(mean: Number = 0.0, sd: Number = 1.0, *, digits: int = -1) -> Generator:
    """Independent normal values with a standard deviation `sd`."""
    with refusals("normal"):
        spec = _core.Generator.normal(number_column(mean, "mean"), number_column(sd, "sd"), digits)
    return Generator(f"normal(mean={mean!r}, sd={sd!r})", spec)


def uniform(low: Number = 0.0, high: Number = 1.0, *, digits: int = -1) -> Generator:
    """Independent values, uniform in [low, high)."""
    with refusals("uniform"):
        spec = _core.Generator.uniform(
            number_column(low, "low"), number_column(high, "high"), digits
        )
    return Generator(f"uniform({low!r}, {high!r})", spec)


def random_walk(
    start: Number = 0.0,
    step: Number = 1.0,
    *,
    low: Number | None = None,
    high: Number | None = None,
    digits: int = -1,
) -> Generator:
    """Each value is the last one plus a normal draw of standard deviation `step`.

    It is reflected at `low` and `high` where they are given.
    """
    with refusals("random_walk"):
        spec = _core.Generator.random_walk(
            number_column(start, "start"),
            number_column(step, "step"),
            None if low is None else number_column(low, "low"),
            None if high is None else number_column(high, "high"),
            digits,
        )
    return Generator(f"random_walk(start={start!r}, step={step!r})", spec)


def ou(mean: Number = 0.0, sigma: Number = 1.0, tau: Time = "1h", *, digits: int = -1) -> Generator:
    """An Ornstein–Uhlenbeck process: a value that wanders and comes back to its mean.

    ``dx = (mean - x) / tau dt + sigma sqrt(2 / tau) dW``, sampled exactly at whatever instants the
    device publishes (Gillespie, Phys. Rev. E 54, 2084, 1996), from its stationary state.

    Args:
        mean: Where it comes back to.
        sigma: Its standard deviation in the long run.
        tau: Its memory: the correlation of two values is ``exp(-gap / tau)``.
        digits: Decimals to keep.
    """
    with refusals("ou"):
        spec = _core.Generator.ou(
            number_column(mean, "mean"),
            number_column(sigma, "sigma"),
            time_column(tau, "tau", zero=False),
            digits,
        )
    return Generator(f"ou(mean={mean!r}, sigma={sigma!r}, tau={tau!r})", spec)


def diurnal(
    mean: Number = 0.0,
    amplitude: Number = 1.0,
    peak_hour: Number = 14.0,
    *,
    noise: Number = 0.0,
    digits: int = -1,
) -> Generator:
    """A daily cycle: ``mean + amplitude * cos(2 pi (hour - peak_hour) / 24)`` plus normal noise.

    The hour is the world's, in UTC: virtual time begins at midnight.
    """
    with refusals("diurnal"):
        spec = _core.Generator.diurnal(
            number_column(mean, "mean"),
            number_column(amplitude, "amplitude"),
            number_column(peak_hour, "peak_hour"),
            number_column(noise, "noise"),
            digits,
        )
    return Generator(f"diurnal(mean={mean!r}, amplitude={amplitude!r})", spec)


def replay(
    source: readers.PathLike | Sequence[float] | NDArray[Any],
    column: str | None = None,
    *,
    offset: Number = 0,
    stride: int = 1,
    every: Duration | None = None,
    loop: bool = True,
    digits: int = -1,
    missing: Sequence[str] = (),
) -> Generator:
    """Recorded values.

    Message n of a device carries value ``offset + n * stride`` of the recording; with `every`, it
    carries value ``offset + stride * k``, k whole steps of world time. NaN is sent as missing
    (null). Whole numbers are sent as such.

    Args:
        source: The values, or the path of a CSV or Parquet file.
        column: Of the file.
        offset: Where in the recording a device begins, a whole number of values.
        stride: How many values further each message is.
        every: The spacing of the recording, for values by time instead of by message.
        loop: Begin again at the end, instead of staying at the last value.
        digits: Decimals to keep.
        missing: Cells of a CSV file that mean "no value".
    """
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        values = readers.read_numbers(source, column, missing=missing)
    else:
        values = np.asarray(source)
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iufb":
        raise ConfigError("must be numbers in one dimension, not empty", key="replay")
    with refusals("replay"):
        spec = _core.Generator.replay(
            values.astype(np.float64),
            number_column(offset, "offset"),
            units.whole(stride, "stride", 0, 2**32 - 1),
            0 if every is None else units.duration(every, "every", zero=False),
            loop,
            values.dtype.kind in "iub",
            digits,
        )
    return Generator(f"replay({values.size} values)", spec)


def choice(
    values: Sequence[Any] | NDArray[Any],
    weights: Sequence[float] | None = None,
    *,
    digits: int = -1,
) -> Generator:
    """One of some numbers or of some texts, with equal chances or in proportion to `weights`."""
    items = list(values)
    chances = [] if weights is None else [float(w) for w in weights]
    with refusals("choice"):
        if items and all(isinstance(item, str) for item in items):
            spec = _core.Generator.choice_texts(items, chances)
        elif items and not any(isinstance(item, str) for item in items):
            array = np.asarray(items)
            integers = array.dtype.kind in "iu"
            spec = _core.Generator.choice_numbers(
                array.astype(np.float64), chances, integers, digits
            )
        else:
            raise ConfigError("needs numbers, or texts, and at least one", key="choice")
    return Generator(f"choice({items!r})", spec)


def boolean(probability: Number = 0.5) -> Generator:
    """True with this probability."""
    with refusals("boolean"):
        spec = _core.Generator.boolean(number_column(probability, "probability"))
    return Generator(f"boolean({probability!r})", spec)


def timestamp(unit: str = "ms", *, absolute: bool = True) -> Generator:
    """When the message was made.

    Args:
        unit: "s", "ms", "us", "ns", or "iso" for text such as ``2025-01-01T00:00:00.000Z``.
        absolute: Since the Unix epoch (the world begins on 2025-01-01), or else since the start
            of the world.
    """
    with refusals("timestamp"):
        spec = _core.Generator.timestamp(unit, absolute)
    return Generator(f"timestamp({unit!r})", spec)


def index() -> Generator:
    """The index of the device within its fleet, from 0."""
    return Generator("index()", _core.Generator.device_index())


def text(template: str) -> Generator:
    """A text with the fields of topics: ``{id}``, ``{index}``, ``{group}``, ``{fleet}``."""
    with refusals("text"):
        return Generator(f"text({template!r})", _core.Generator.text(template))


def generator_of(value: Value, key: str) -> Generator:
    """What a field of a payload is given, as a generator."""
    if isinstance(value, Generator):
        return value
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bytes):
        raise ConfigError(f"{value!r} cannot be sent", key=key)
    return constant(value)
