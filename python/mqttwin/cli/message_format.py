"""``mqttwin sub -F FORMAT``: how a message is printed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..client_messages import IncomingMessage
from ..errors import ConfigError

_ESCAPES = {
    "0": b"\0",
    "a": b"\a",
    "e": b"\x1b",
    "n": b"\n",
    "r": b"\r",
    "t": b"\t",
    "v": b"\v",
    "\\": b"\\",
}
_PLACE = re.compile(r"%(-?)(0?)(\d{0,4})(?:\.(\d{1,4}))?(.)", re.DOTALL)
_TEXT = re.compile(r"[^%\\@]+")


def _property(name: str) -> Callable[[IncomingMessage, datetime], bytes]:
    def value(message: IncomingMessage, _: datetime) -> bytes:
        found = message.properties.get(name, b"")
        return found if isinstance(found, bytes) else str(found).encode()

    return value


def _user_properties(message: IncomingMessage, _: datetime) -> bytes:
    pairs = message.properties.get("user_properties", [])
    return " ".join(f"{name}:{value}" for name, value in pairs).encode()


def _identifiers(message: IncomingMessage, _: datetime) -> bytes:
    return " ".join(map(str, message.properties.get("subscription_identifiers", []))).encode()


_FIELDS: dict[str, Callable[[IncomingMessage, datetime], bytes]] = {
    "A": _property("topic_alias"),
    "C": _property("content_type"),
    "D": _property("correlation_data"),
    "E": _property("message_expiry_interval"),
    "F": _property("payload_format_indicator"),
    "I": lambda m, at: at.strftime("%Y-%m-%dT%H:%M:%S%z").encode(),
    "J": lambda m, at: _json(m, at, nested=True),
    "P": _user_properties,
    "R": _property("response_topic"),
    "S": _identifiers,
    "U": lambda m, at: f"{int(at.timestamp())}.{at.microsecond * 1000:09d}".encode(),
    "X": lambda m, at: m.payload.hex().upper().encode(),
    "j": lambda m, at: _json(m, at, nested=False),
    "l": lambda m, at: str(len(m.payload)).encode(),
    "m": lambda m, at: str(m.packet_id).encode(),
    "p": lambda m, at: m.payload,
    "q": lambda m, at: str(m.qos).encode(),
    "r": lambda m, at: str(int(m.retain)).encode(),
    "t": lambda m, at: m.topic.encode(),
    "x": lambda m, at: m.payload.hex().encode(),
}


class MessageFormat:
    r"""A compiled format.

    ``%t`` topic, ``%p`` payload, ``%x`` and ``%X`` payload in hex, ``%l`` its length, ``%q`` QoS,
    ``%r`` retain, ``%m`` packet identifier, ``%j`` and ``%J`` JSON with the payload as text or as
    JSON, ``%I`` and ``%U`` the time; of MQTT 5.0: ``%A`` topic alias, ``%C`` content type, ``%D``
    correlation data, ``%E`` expiry, ``%F`` payload format, ``%P`` user properties, ``%R`` response
    topic, ``%S`` subscription identifiers. ``%%``, ``@@``, ``\n`` and the like; ``@H`` is ``%H``
    of strftime. A width pads, ``%-20t`` on the right; ``%.5p`` cuts.

    Raises:
        ConfigError: It has something that there is not.
    """

    def __init__(self, text: str) -> None:
        self._parts: list[Callable[[IncomingMessage, datetime], bytes]] = []
        at = 0
        while at < len(text):
            at = self._add(text, at)

    def render(self, message: IncomingMessage, at: datetime) -> bytes:
        """A message that came at that time."""
        return b"".join(part(message, at) for part in self._parts)

    def _add(self, text: str, at: int) -> int:
        plain = _TEXT.match(text, at)
        if plain is not None:
            self._literal(plain[0].encode())
            return plain.end()
        following = text[at + 1 : at + 2]
        if text[at] == "%":
            return self._place(text, at)
        if not following:
            raise ConfigError(f"ends in {text[at]!r}", key="-F")
        if text[at] == "\\":
            if following not in _ESCAPES:
                raise ConfigError(f"has an unknown \\{following}", key="-F")
            self._literal(_ESCAPES[following])
        elif following == "@":
            self._literal(b"@")
        else:
            code = "%" + following
            if following == "N":  # nanoseconds, which strftime does not have
                self._parts.append(lambda m, now: f"{now.microsecond * 1000:09d}".encode())
            else:
                self._parts.append(lambda m, now: now.strftime(code).encode())
        return at + 2

    def _place(self, text: str, at: int) -> int:
        place = _PLACE.match(text, at)
        if place is None:
            raise ConfigError(f"ends in {text[at:]!r}", key="-F")
        left, zero, width, precision, name = place.groups()
        if name == "%":
            self._literal(b"%")
            return place.end()
        field = _FIELDS.get(name)
        if field is None:
            raise ConfigError(f"has an unknown %{name}", key="-F")
        if not (width or precision):
            self._parts.append(field)
            return place.end()
        size = int(width or 0)
        pad = b"0" if zero and not left else b" "

        def padded(message: IncomingMessage, now: datetime) -> bytes:
            value = field(message, now)
            if precision:
                value = value[: int(precision)]
            return value.ljust(size) if left else value.rjust(size, pad)

        self._parts.append(padded)
        return place.end()

    def _literal(self, text: bytes) -> None:
        self._parts.append(lambda m, at: text)


def _json(message: IncomingMessage, at: datetime, *, nested: bool) -> bytes:
    out: dict[str, Any] = {
        "tst": at.strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
        "topic": message.topic,
        "qos": message.qos,
        "retain": int(message.retain),
        "payloadlen": len(message.payload),
    }
    if message.packet_id:
        out["mid"] = message.packet_id
    properties = {
        name.replace("_", "-"): value.decode(errors="replace")
        if isinstance(value, bytes)
        else value
        for name, value in message.properties.items()
    }
    if properties:
        out["properties"] = properties
    text = message.payload.decode(errors="replace")
    out["payload"] = text
    if nested:
        try:
            out["payload"] = json.loads(text) if text else None
        except ValueError:
            raise ConfigError(f"a payload is not JSON: {text[:60]!r}", key="%J") from None
    return json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode()
