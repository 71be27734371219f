"""A message by itself: a will."""

from __future__ import annotations

from dataclasses import dataclass

from .units import Duration


@dataclass(frozen=True)
class Message:
    """A message that somebody is to publish, such as a will.

    Attributes:
        topic: A template: ``"meter/{id}/status"``.
        payload: The same for all.
        qos: 0, 1 or 2.
        retain: Whether the broker keeps it for later subscribers.
        delay: Of a will: how long the broker waits before it publishes it (MQTT 5.0).
    """

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    delay: Duration = 0
