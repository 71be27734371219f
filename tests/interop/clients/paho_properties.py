"""Properties in paho-mqtt's words, which aiomqtt shares."""

from __future__ import annotations

from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from ..stage import SESSION_EXPIRY, Connect, Properties

_SINGULAR = {"user_properties": "user_property"}


def to_paho(properties: Properties, packet: int = PacketTypes.PUBLISH) -> PahoProperties:
    result = PahoProperties(packet)
    for name, value in properties.items():
        words = _SINGULAR.get(name, name).split("_")
        setattr(result, "".join(word.capitalize() for word in words), value)
    return result


def from_paho(properties: PahoProperties | None) -> dict[str, Any]:
    found = {} if properties is None else properties.json()
    result: dict[str, Any] = {}
    for name, value in found.items():
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        if snake == "user_property":
            result["user_properties"] = [tuple(pair) for pair in value]
        elif snake == "subscription_identifier":
            result["subscription_identifiers"] = value if isinstance(value, list) else [value]
        elif snake == "correlation_data":
            result[snake] = bytes.fromhex(value) if isinstance(value, str) else value
        else:
            result[snake] = value
    return result


def of_connect(how: Connect) -> PahoProperties | None:
    if how.version < 5:
        return None
    result = PahoProperties(PacketTypes.CONNECT)
    if not how.clean:
        result.SessionExpiryInterval = SESSION_EXPIRY
    return result


def of_will(how: Connect) -> PahoProperties | None:
    if how.version < 5 or how.will is None:
        return None
    return to_paho(how.will.properties, PacketTypes.WILLMESSAGE)
