"""What users of the asyncio client write, and what is sent for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from . import units
from .errors import ConfigError
from .messages import Message
from .units import Duration

Payload: TypeAlias = "str | bytes | bytearray | memoryview | int | float | None"
"""Text is sent as UTF-8, a number as its text, None as nothing."""

Properties: TypeAlias = "Mapping[str, Any] | None"
"""``{"content_type": "text/plain", "user_properties": [("name", "value")], …}``: the names of the
standard in snake case."""

NEVER_EXPIRES = 0xFFFF_FFFF
"""A session expiry in seconds that means: keep it until somebody ends it."""


def payload_bytes(payload: Payload) -> bytes:
    """What is sent for it."""
    if payload is None:
        return b""
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, int | float):
        return str(payload).encode()
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload)
    raise ConfigError(f"cannot be a {type(payload).__name__}", key="payload")


def whole_seconds(value: Duration, key: str) -> int:
    """A duration that MQTT counts in seconds."""
    ns = units.duration(value, key)
    if ns % units.SECOND:
        raise ConfigError(f"{value!r} is not a whole number of seconds", key=key)
    return ns // units.SECOND


def expiry_seconds(value: Duration) -> int:
    """A Session Expiry Interval."""
    if value in (NEVER_EXPIRES, float("inf")):
        return NEVER_EXPIRES
    return whole_seconds(value, "session_expiry")


def will_parts(
    will: Message | None, properties: Properties
) -> tuple[str, bytes, int, bool, dict[str, Any]] | None:
    """Topic, payload, QoS, retain flag and properties of a will."""
    if will is None:
        if properties:
            raise ConfigError("there is no will", key="will_properties")
        return None
    more = dict(properties or {})
    delay = whole_seconds(will.delay, "will.delay")
    if delay:
        more["will_delay_interval"] = delay
    return (will.topic, payload_bytes(will.payload), will.qos, will.retain, more)
