"""What happens to a device, as one object for each handler: fields may be added to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..client_messages import IncomingMessage

MessageEvent = IncomingMessage


@dataclass(frozen=True)
class BootEvent:
    """The device has power.

    Attributes:
        count: 1 for the first time.
        cause: "power_on", "reboot" or "crash".
    """

    count: int
    cause: str


@dataclass(frozen=True)
class ConnectEvent:
    """CONNACK accepted the device.

    Attributes:
        session_present: Whether the server still had the device's session, with its subscriptions.
        properties: Of CONNACK (MQTT 5.0).
    """

    session_present: bool
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DisconnectEvent:
    """A connection, or the attempt at one, is over.

    Attributes:
        cause: "by_command", "transport", "connect_failed", "refused", "by_server",
            "ping_timeout", "connect_timeout" or "protocol_fault".
        reason_code: Of the server's CONNACK or DISCONNECT, where there was one, else 0.
        was_connected: Whether there was a connection.
        reconnects: Whether the device will try again by itself.
        properties: Of the server's CONNACK or DISCONNECT (MQTT 5.0).
    """

    cause: str
    reason_code: int
    was_connected: bool
    reconnects: bool
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishEvent:
    """An own message of QoS 1 or 2 was acknowledged, or never will be.

    Attributes:
        topic: Its topic.
        qos: Its quality of service.
        reason_code: Of PUBACK, PUBREC or PUBCOMP; 0x80 and above refuse.
        dropped: Why it will never be sent (again): "queue_full", "offline", "refused"; else "".
        properties: Of the acknowledgement (MQTT 5.0).
    """

    topic: str
    qos: int
    reason_code: int
    dropped: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
