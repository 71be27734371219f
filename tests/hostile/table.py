"""A table of valid packets from clients, with everything in them, and what to make of changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.packets import (
    KINDS,
    Malformed,
    Packet,
    auth,
    connect,
    decode,
    disconnect,
    pingreq,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    subscribe,
    to,
    unsubscribe,
    varint,
    will,
)

from .attack import (
    FILTER_INVALID,
    LEAVES,
    MALFORMED,
    NAME_INVALID,
    PROTOCOL_ERROR,
    Outcome,
    dies,
    lives,
)

LEVELS = (4, 5)
USER = [("näme", "välue"), ("", "")]
_EXPLAINED: dict[str, Any] = {"reason_string": "why", "user_property": USER}

# Name, packet, and the kinds of packets that answer it. Properties go out in 5.0 only.
VALID: list[tuple[str, Packet, tuple[str, ...]]] = [
    ("CONNECT, least", connect("c"), ("CONNACK",)),
    (
        "CONNECT, most",
        connect(
            "clïent",
            False,
            60,
            will(
                "a/will",
                b"gone",
                1,
                True,
                will_delay_interval=5,
                payload_format_indicator=1,
                message_expiry_interval=9,
                content_type="text",
                response_topic="r/t",
                correlation_data=b"\0\1",
                user_property=USER,
            ),
            "user",
            b"pass",
            session_expiry_interval=0,
            receive_maximum=10,
            maximum_packet_size=100_000,
            topic_alias_maximum=3,
            request_response_information=1,
            request_problem_information=1,
            user_property=USER,
        ),
        ("CONNACK",),
    ),
    ("PUBLISH, QoS 0", publish("a/t"), ()),
    (
        "PUBLISH, QoS 1",
        publish(
            "ä/t",
            b"",
            1,
            7,
            payload_format_indicator=1,
            message_expiry_interval=9,
            topic_alias=1,
            response_topic="r/t",
            correlation_data=b"\0\1",
            user_property=USER,
            content_type="text",
        ),
        ("PUBACK",),
    ),
    ("PUBLISH, QoS 2", publish("a/t", b"", 2, 8, dup=True, user_property=USER), ("PUBREC",)),
    ("PUBACK", puback(9, 0x80, **_EXPLAINED), ()),
    ("PUBREC", pubrec(9, **_EXPLAINED), ("PUBREL",)),
    ("PUBREL", pubrel(9, 0x92, **_EXPLAINED), ("PUBCOMP",)),
    ("PUBCOMP", pubcomp(9, 0x92, **_EXPLAINED), ()),
    (
        "SUBSCRIBE",
        subscribe(
            10,
            [to("a/+/#", 1), to("$share/g/ä", 2)],
            subscription_identifier=300,
            user_property=USER,
        ),
        ("SUBACK",),
    ),
    ("UNSUBSCRIBE", unsubscribe(11, ["a/+/#", "ä"], user_property=USER), ("UNSUBACK",)),
    ("PINGREQ", pingreq(), ("PINGRESP",)),
    ("DISCONNECT, least", disconnect(), ()),
    ("DISCONNECT, most", disconnect(0x04, session_expiry_interval=0, **_EXPLAINED), ()),
]


def valid(level: int) -> Iterator[tuple[str, Packet, tuple[str, ...]]]:
    """The valid packets of a version, each once."""
    for name, packet, answers in VALID:
        if level == 5 or not name.endswith(", least") or packet.kind == "CONNECT":
            yield name, packet, answers


def body_of(raw: bytes) -> bytes:
    """A packet without its fixed header; for lengths of one byte or two."""
    return raw[2:] if raw[1] < 0x80 else raw[3:]


def framed(first: int, body: bytes) -> bytes:
    """A fixed header that fits the body."""
    return bytes([first]) + varint(len(body)) + body


def outcome_of(raw: bytes, level: int, answers: tuple[str, ...] | None) -> Outcome:
    """What has to become of a frame with a right fixed header, by the tests' own decoder."""
    kind = KINDS[(raw[0] >> 4) - 1] if raw[0] >> 4 else ""
    try:
        packet = decode(raw, level)
    except Malformed as error:
        return dies(*reasons_of(str(error)))
    if kind == "PINGREQ" and len(raw) > 2:
        return dies(MALFORMED)
    if kind in ("SUBSCRIBE", "UNSUBSCRIBE") and _has_empty_filter(packet):  # [MQTT-4.7.3-1]
        return dies(MALFORMED, PROTOCOL_ERROR, FILTER_INVALID)
    if kind == "DISCONNECT":
        return LEAVES
    if kind == "PUBLISH":
        answers = {0: (), 1: ("PUBACK",), 2: ("PUBREC",)}[packet.qos]
    return Outcome(lives=True, answers=answers) if answers is None else lives(*answers)


def _has_empty_filter(packet: Packet) -> bool:
    return "" in packet.filters or any(filter[0] == "" for filter in packet.filters)


def reasons_of(error: str) -> tuple[int, ...]:
    """The reason codes that fit what the tests' own decoder found wrong."""
    if "no topic filter" in error or "twice" in error:
        return (PROTOCOL_ERROR,)
    if "SUBSCRIBE: ends too early" in error:  # perhaps behind an empty filter
        return (MALFORMED, PROTOCOL_ERROR)
    if "reason 0x" in error or "packet type" in error:
        return (MALFORMED, PROTOCOL_ERROR)
    if "topic" in error:
        return (MALFORMED, PROTOCOL_ERROR, NAME_INVALID, FILTER_INVALID)
    if "protocol" in error:
        return (MALFORMED, 0x84)
    return (MALFORMED,)


__all__ = ["LEVELS", "VALID", "auth", "body_of", "framed", "outcome_of", "reasons_of", "valid"]
