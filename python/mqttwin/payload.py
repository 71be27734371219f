"""Payloads: fields and how they become bytes.

A field is a generator (`mqttwin.gen`), or a constant: a number, a truth value, an array with one a
device, a distribution, or a text, which may hold ``{id}`` and the other fields of topics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import _core, gen, units
from .dist import Number, number_column
from .errors import ConfigError, refusals
from .units import Size


@dataclass(frozen=True)
class Payload:
    """How a message's bytes are made; from the functions of this module."""

    text: str
    _spec: _core.Payload

    def __repr__(self) -> str:
        return self.text


def json(
    fields: Mapping[str, gen.Value] | None = None,
    /,
    *,
    pad_to: Size = 0,
    **more: gen.Value,
) -> Payload:
    """A compact JSON object.

    Real numbers are the shortest text that reads back as the same double, or have their `digits`.

    Args:
        fields: Fields whose names are no Python names (or are called ``pad_to``).
        pad_to: Shorter payloads are filled up to this size with spaces.
        **more: Fields by name, in order.
    """
    named = _named(fields, more)
    with refusals("payload"):
        spec = _core.Payload.json(named, units.size(pad_to, "pad_to"))
    return Payload(f"json({', '.join(name for name, _ in named)})", spec)


def msgpack(
    fields: Mapping[str, gen.Value] | None = None,
    /,
    *,
    pad_to: Size = 0,
    **more: gen.Value,
) -> Payload:
    """A MessagePack map: integers in their shortest form, reals as float 64.

    Args:
        fields: Fields whose names are no Python names (or are called ``pad_to``).
        pad_to: Shorter payloads are filled up to this size with a last entry ``"pad"``.
        **more: Fields by name, in order.
    """
    named = _named(fields, more)
    with refusals("payload"):
        spec = _core.Payload.msgpack(named, units.size(pad_to, "pad_to"))
    return Payload(f"msgpack({', '.join(name for name, _ in named)})", spec)


def struct(layout: str, /, *values: gen.Value, pad_to: Size = 0, **more: gen.Value) -> Payload:
    """A packed structure in the notation of Python's `struct` module: ``mt.struct("<fH", t, n)``.

    The layout must begin with its byte order (``<``, ``>``, ``!`` or ``=``). Reals are rounded for
    integer codes; what does not fit is saturated.

    Args:
        layout: Such as ``"<fH"``.
        *values: One a code.
        pad_to: Shorter payloads are filled up to this size with zero bytes.
        **more: Further values; their names are for error messages only.
    """
    positional = {str(i): value for i, value in enumerate(values)}
    named = _named(positional, more)
    with refusals("payload"):
        spec = _core.Payload.struct(layout, named, units.size(pad_to, "pad_to"))
    return Payload(f"struct({layout!r})", spec)


def text(value: gen.Value, *, pad_to: Size = 0) -> Payload:
    """One bare value as text: ``21.4``."""
    generator = gen.generator_of(value, "payload")
    with refusals("payload"):
        spec = _core.Payload.text(generator._spec, units.size(pad_to, "pad_to"))
    return Payload(f"text({generator.text})", spec)


def raw(content: bytes | bytearray | memoryview, *, pad_to: Size = 0) -> Payload:
    """The same bytes every time."""
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ConfigError(f"{content!r} is not bytes", key="payload")
    data = bytes(content)
    with refusals("payload"):
        spec = _core.Payload.constant(data, units.size(pad_to, "pad_to"))
    return Payload(f"raw({len(data)} bytes)", spec)


def random_bytes(size: Size | Number) -> Payload:
    """Random bytes, so many: ``"64B"``, a number, or one a device."""
    number: Number = units.size(size, "size") if isinstance(size, str) else size
    with refusals("payload"):
        spec = _core.Payload.random(number_column(number, "size"))
    return Payload(f"random_bytes({size!r})", spec)


def payload_of(value: Payload | bytes | str | gen.Value) -> Payload:
    """What `publish` is given: a payload, bytes, or one value that is sent as text."""
    if isinstance(value, Payload):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return raw(value)
    return text(value)


def _named(
    fields: Mapping[str, gen.Value] | None, more: Mapping[str, gen.Value]
) -> list[tuple[str, _core.Generator]]:
    merged = {**(fields or {}), **more}
    return [(name, gen.generator_of(value, name)._spec) for name, value in merged.items()]
