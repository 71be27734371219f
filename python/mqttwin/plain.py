"""Values as JSON and back: what descriptions and device memories are made of, and nothing else.

Numbers, texts, lists and None stand for themselves; everything else is ``{"is": kind, "of": ...}``.
Reading makes only what is listed here, so a foreign file cannot make anything else.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .backoff import Backoff
from .client_messages import IncomingMessage
from .layers import Tls, WebSocket
from .link_curves import Curve
from .link_parts import Bursts, RandomOutages, Shared, Sleep, TcpKeepAlive
from .link_spec import Direction, Link
from .messages import Message

_CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Backoff,
        Bursts,
        Curve,
        Direction,
        IncomingMessage,
        Link,
        Message,
        RandomOutages,
        Shared,
        Sleep,
        TcpKeepAlive,
        Tls,
        WebSocket,
    )
}

Hook = Callable[[Any], Any]
"""Says what a value is instead, or None where it does not know either."""

DEEPEST = 100


class NotPlain(Exception):
    """A value that has no place here."""


def encode(value: Any, hook: Hook | None = None, depth: int = 0) -> Any:
    """Of a value; `hook` is asked first about everything that is no number, text or None.

    Raises:
        NotPlain: What cannot be stored.
    """
    if value is None or isinstance(value, bool | int | float | str):
        if type(value) in (type(None), bool, int, float, str):
            return value
        raise NotPlain(f"a {type(value).__name__}")
    if depth > DEEPEST:
        raise NotPlain("something that contains itself")
    special = hook(value) if hook is not None else None
    if special is not None:
        return special

    def inner(part: Any) -> Any:
        return encode(part, hook, depth + 1)

    if type(value) is list:
        return [inner(part) for part in value]
    if type(value) in (tuple, set, frozenset):
        parts = value if type(value) is tuple else sorted(value, key=repr)
        return {"is": type(value).__name__, "of": [inner(part) for part in parts]}
    if type(value) is dict:
        return {"is": "dict", "of": [[inner(key), inner(part)] for key, part in value.items()]}
    if isinstance(value, bytes | bytearray):
        return {"is": type(value).__name__, "of": base64.b64encode(value).decode("ascii")}
    if isinstance(value, np.generic):
        return inner(value.item())
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufmM":
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
        return {"is": "array", "of": [value.dtype.str, list(value.shape), data]}
    if _CLASSES.get(type(value).__name__) is type(value):
        fields = {f.name: inner(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"is": type(value).__name__, "of": fields}
    raise NotPlain(f"a {type(value).__name__}")


def decode(value: Any, hook: Callable[[str, Any], Any] | None = None) -> Any:
    """What `encode` was given; `hook` makes what its own hook has encoded, from kind and rest.

    Raises:
        ValueError: It cannot be.
    """
    if isinstance(value, list):
        return [decode(part, hook) for part in value]
    if not isinstance(value, dict):
        return value
    kind, of = value.get("is"), value.get("of")
    try:
        return _made(kind, of, hook)
    except (TypeError, AttributeError, LookupError) as error:
        raise ValueError(f"no {kind!r}: {error}") from None


def _made(kind: Any, of: Any, hook: Callable[[str, Any], Any] | None) -> Any:
    if kind == "dict":
        return {decode(key, hook): decode(part, hook) for key, part in of}
    if kind in ("tuple", "set", "frozenset"):
        parts = [decode(part, hook) for part in of]
        return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](parts)
    if kind in ("bytes", "bytearray"):
        data = base64.b64decode(of, validate=True)
        return data if kind == "bytes" else bytearray(data)
    if kind == "array":
        dtype, shape, data = of
        return np.frombuffer(base64.b64decode(data), np.dtype(dtype)).reshape(shape).copy()
    if kind in _CLASSES:
        return _CLASSES[kind](**{name: decode(part, hook) for name, part in of.items()})
    if hook is None:
        raise ValueError(f"{kind!r} is unknown")
    return hook(kind, of)
