"""``-D COMMAND NAME VALUE``: properties of MQTT 5.0 on the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from typer.core import TyperCommand

from ..errors import ConfigError

_INTEGER, _TEXT, _BINARY = "integer", "text", "binary"
_MESSAGE = {
    "payload-format-indicator": _INTEGER,
    "message-expiry-interval": _INTEGER,
    "content-type": _TEXT,
    "response-topic": _TEXT,
    "correlation-data": _BINARY,
    "user-property": "pair",
}
_USER = {"user-property": "pair"}
_KNOWN: dict[str, dict[str, str]] = {
    "connect": {
        "session-expiry-interval": _INTEGER,
        "receive-maximum": _INTEGER,
        "maximum-packet-size": _INTEGER,
        "topic-alias-maximum": _INTEGER,
        "request-problem-information": _INTEGER,
        "request-response-information": _INTEGER,
        **_USER,
    },
    "publish": _MESSAGE,
    "will": {"will-delay-interval": _INTEGER, **_MESSAGE},
    "subscribe": {"subscription-identifier": _INTEGER, **_USER},
    "unsubscribe": _USER,
    "disconnect": {"session-expiry-interval": _INTEGER, "reason-string": _TEXT, **_USER},
}
CONNECT_ARGUMENTS = {
    "session_expiry_interval": "session_expiry",
    "receive_maximum": "receive_maximum",
    "maximum_packet_size": "maximum_packet_size",
    "topic_alias_maximum": "topic_alias_maximum",
    "request_problem_information": "problem_information",
    "request_response_information": "response_information",
}
"""Properties of CONNECT that are arguments of `mqttwin.Client`."""


class CommandWithProperties(TyperCommand):
    """A command whose ``-D`` takes three words, or four where the property is a pair."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Makes one word of them, which is what options may have."""
        out: list[str] = []
        rest = iter(args)
        for word in rest:
            out.append(word)
            if word == "--":
                out.extend(rest)
            elif word in ("-D", "--property"):
                words = list(islice(rest, 2))
                words += islice(rest, 2 if words[1:] == ["user-property"] else 1)
                out.append(json.dumps(words))
        return super().parse_args(ctx, out)


def parse(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By command, as dicts for `mqttwin.Client`, from what `CommandWithProperties` has made.

    Raises:
        ConfigError: A command or a property that there is not, or a value that does not fit.
    """
    out: dict[str, dict[str, Any]] = {}
    for folded in given:
        words: list[str] = json.loads(folded)
        if len(words) < 3:
            message = "needs COMMAND NAME VALUE, or COMMAND user-property KEY VALUE"
            raise ConfigError(message, key="-D")
        command, name, *values = words
        known = _KNOWN.get(command.lower())
        if known is None:
            raise ConfigError(f"{command!r} is none of {', '.join(_KNOWN)}", key="-D")
        kind = known.get(name)
        if kind is None:
            message = f"{command} has no {name!r} (it has {', '.join(known)})"
            raise ConfigError(message, key="-D")
        if kind == "pair" and len(values) < 2:
            raise ConfigError(f"{command} {name} needs KEY and VALUE", key="-D")
        properties = out.setdefault(command.lower(), {})
        if kind == "pair":
            properties.setdefault("user_properties", []).append((values[0], values[1]))
        else:
            properties[name.replace("-", "_")] = _value(name, kind, values[0])
    return out


def _value(name: str, kind: str, text: str) -> Any:
    if kind == _TEXT:
        return text
    if kind == _BINARY:
        return text.encode()
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name}: {text!r} is not a whole number", key="-D") from None
