"""``-p NAME=VALUE``: parameters of a scenario, typed by its signature."""

from __future__ import annotations

import enum
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from .. import backoff, links, units
from ..backoff import Backoff
from ..errors import ConfigError
from ..links import Link

_TRUTHS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


@dataclass(frozen=True)
class Parameter:
    """A keyword parameter of a scenario.

    Attributes:
        name: As in ``-p NAME=VALUE``.
        kind: Its annotation, or else the type of its default.
        default: `inspect.Parameter.empty` where it must be given.
    """

    name: str
    kind: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is inspect.Parameter.empty

    def describe(self) -> str:
        """What one may write: ``"integer"``, ``"duration such as 90s"``."""
        return _describe(self.kind)


def parameters_of(function: Callable[..., Any]) -> dict[str, Parameter]:
    """The keyword parameters of a scenario, in order; the first parameter is the world."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception:  # a name that exists for type checkers only, say
        hints = {}
    out: dict[str, Parameter] = {}
    signature = list(inspect.signature(function).parameters.values())
    for parameter in signature[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        kind = hints.get(parameter.name)
        if kind is None:
            kind = str if parameter.default in (None, parameter.empty) else type(parameter.default)
        out[parameter.name] = Parameter(parameter.name, kind, parameter.default)
    return out


def split(assignments: Sequence[str]) -> dict[str, str]:
    """``["devices=50"]`` as a mapping.

    Raises:
        ConfigError: Without "=", or twice.
    """
    out: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ConfigError(f"{assignment!r} is not NAME=VALUE", key="-p")
        if name in out:
            raise ConfigError(f"{name} is given twice", key="-p")
        out[name] = value
    return out


def values_of(known: Mapping[str, Parameter], given: Mapping[str, str]) -> dict[str, Any]:
    """Typed values for what was given.

    Raises:
        ConfigError: An unknown parameter, one of the wrong type, or one that is missing.
    """
    out: dict[str, Any] = {}
    for name, text in given.items():
        if name not in known:
            raise ConfigError(f"the scenario has no parameter {name!r}{_hint(name, known)}")
        try:
            out[name] = convert(known[name].kind, text)
        except ConfigError as error:
            raise ConfigError(error.message, key=f"-p {name}") from None
    missing = [name for name, p in known.items() if p.required and name not in out]
    if missing:
        raise ConfigError(f"needs a value: -p {missing[0]}=…", key=missing[0])
    return out


def _hint(name: str, known: Mapping[str, Parameter]) -> str:
    if not known:
        return " (it has none)"
    close = get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else f" (it has {', '.join(known)})"


def convert(kind: Any, text: str) -> Any:
    """A text as a value of an annotated type.

    Raises:
        ConfigError: It is none.
    """
    origin = get_origin(kind)
    if origin is Annotated:
        return _annotated(kind, text)
    if origin is Literal:
        return _one_of({str(value): value for value in get_args(kind)}, text)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), text)
    if origin in (list, tuple, Sequence):
        item = (get_args(kind) or (str,))[0]
        parts = [convert(item, part.strip()) for part in text.split(",") if part.strip()]
        return tuple(parts) if origin is tuple else parts
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _one_of({member.name: member for member in kind}, text)
    reader = _READERS.get(kind)
    if reader is None:
        name = getattr(kind, "__name__", str(kind))
        raise ConfigError(f"is a {name}, which the command line cannot give")
    return reader(text)


def _annotated(kind: Any, text: str) -> Any:
    base, *marks = get_args(kind)
    if "duration" in marks:
        units.duration(text)
        return text
    if "size" in marks:
        units.size(text)
        return text
    if "rate" in marks:
        units.rate(text)
        return text
    value = convert(base, text)
    return units.probability(value) if "probability" in marks else value


def _one_of(values: Mapping[str, Any], text: str) -> Any:
    if text not in values:
        raise ConfigError(f"{text!r} is none of {', '.join(values)}")
    return values[text]


def _union(kinds: Sequence[Any], text: str) -> Any:
    if type(None) in kinds and text.lower() == "none":
        return None
    rest = [kind for kind in kinds if kind is not type(None)]
    # str takes anything, so it comes last.
    for kind in sorted(rest, key=lambda kind: kind is str):
        try:
            return convert(kind, text)
        except ConfigError:
            if len(rest) == 1:
                raise
    raise ConfigError(f"{text!r} is no {' or '.join(_describe(kind) for kind in rest)}")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)  # 1e5
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise ConfigError(f"{text!r} is not an integer")
    return int(number)


def _real(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{text!r} is not a number")
    return number


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ConfigError(f"{text!r} is neither true nor false")
    return _TRUTHS[text.lower()]


_READERS: dict[Any, Callable[[str], Any]] = {
    int: _integer,
    float: _real,
    bool: _truth,
    str: str,
    Path: Path,
    timedelta: lambda text: timedelta(seconds=units.seconds(text)),
    Backoff: backoff.parse,
    Link: links.preset,
    Any: str,
}

_DESCRIPTIONS: dict[Any, str] = {
    int: "integer",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
    timedelta: "duration such as 90s",
    Backoff: "back-off such as fixed:5s or exponential:1s,2min",
    Link: f"link: {', '.join(links.PRESETS)}",
}
_MARKS = {
    "duration": "duration such as 90s or 15min",
    "size": "size such as 64KiB",
    "rate": "rate such as 250kbit/s",
    "probability": "number from 0 to 1",
}


def _describe(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Annotated:
        base, *marks = get_args(kind)
        return next((_MARKS[mark] for mark in marks if mark in _MARKS), _describe(base))
    if origin is Literal:
        return " or ".join(str(value) for value in get_args(kind))
    if origin in (Union, types.UnionType):
        return " or ".join(
            "none" if part is type(None) else _describe(part) for part in get_args(kind)
        )
    if origin in (list, tuple, Sequence):
        return f"list of {_describe((get_args(kind) or (str,))[0])}, with commas"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return " or ".join(member.name for member in kind)
    return _DESCRIPTIONS.get(kind, getattr(kind, "__name__", str(kind)))
