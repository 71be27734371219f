"""MQTT packets for tests: an encoder and a strict decoder that share nothing with the core.

A packet is a kind and fields. The same constructor says what to send and what to expect:
fields that are not given have a default when sending and do not matter when expecting.
Properties are fields like any other. Any field can be given a wrong value: text as bytes goes out
as it is, a list repeats a property, and `flags`, `cut`, `tail`, `length` break what is around it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

ANY: Any = type("Any_", (), {"__repr__": lambda _: "ANY"})()  # expected: there, whatever it is
ABSENT: Any = type("Absent", (), {"__repr__": lambda _: "ABSENT"})()  # expected: not there

SURROGATE = "a\ud800b"  # has no encoding in UTF-8
NOT_UTF8 = b"a\xed\xa0\x80b"  # the same, encoded all the same

ACKS = ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")
LISTS = ("SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK")
REST = ("PINGREQ", "PINGRESP", "DISCONNECT", "AUTH")
KINDS = ("CONNECT", "CONNACK", "PUBLISH", *ACKS, *LISTS, *REST)  # from 1 to 15
FLAGS = {"PUBREL": 2, "SUBSCRIBE": 2, "UNSUBSCRIBE": 2}  # of the fixed header; 0 for all others

# Identifier, name, type, and the packets that may carry it (WILL: the will properties).
PROPERTIES = {
    name: (int(number, 16), kind, set(packets.split()))
    for number, name, kind, packets in (
        ("01", "payload_format_indicator", "byte", "PUBLISH WILL"),
        ("02", "message_expiry_interval", "four", "PUBLISH WILL"),
        ("03", "content_type", "text", "PUBLISH WILL"),
        ("08", "response_topic", "text", "PUBLISH WILL"),
        ("09", "correlation_data", "data", "PUBLISH WILL"),
        ("0B", "subscription_identifier", "varint", "PUBLISH SUBSCRIBE"),
        ("11", "session_expiry_interval", "four", "CONNECT CONNACK DISCONNECT"),
        ("12", "assigned_client_identifier", "text", "CONNACK"),
        ("13", "server_keep_alive", "two", "CONNACK"),
        ("15", "authentication_method", "text", "CONNECT CONNACK AUTH"),
        ("16", "authentication_data", "data", "CONNECT CONNACK AUTH"),
        ("17", "request_problem_information", "byte", "CONNECT"),
        ("18", "will_delay_interval", "four", "WILL"),
        ("19", "request_response_information", "byte", "CONNECT"),
        ("1A", "response_information", "text", "CONNACK"),
        ("1C", "server_reference", "text", "CONNACK DISCONNECT"),
        (
            "1F",
            "reason_string",
            "text",
            "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH",
        ),
        ("21", "receive_maximum", "two", "CONNECT CONNACK"),
        ("22", "topic_alias_maximum", "two", "CONNECT CONNACK"),
        ("23", "topic_alias", "two", "PUBLISH"),
        ("24", "maximum_qos", "byte", "CONNACK"),
        ("25", "retain_available", "byte", "CONNACK"),
        (
            "26",
            "user_property",
            "pair",
            "CONNECT CONNACK PUBLISH WILL PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK"
            " UNSUBSCRIBE UNSUBACK DISCONNECT AUTH",
        ),
        ("27", "maximum_packet_size", "four", "CONNECT CONNACK"),
        ("28", "wildcard_subscription_available", "byte", "CONNACK"),
        ("29", "subscription_identifier_available", "byte", "CONNACK"),
        ("2A", "shared_subscription_available", "byte", "CONNACK"),
    )
}
PROPERTY_NAMES = {number: name for name, (number, _, _) in PROPERTIES.items()}
REPEATED = {"user_property", "subscription_identifier"}  # always lists

_PUB = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
_REL = {0x00, 0x92}
REASONS = {  # of 5.0, by packet
    "CONNACK": {0x00, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, *range(0x99, 0x9E), 0x9F},
    "PUBACK": _PUB,
    "PUBREC": _PUB,
    "PUBREL": _REL,
    "PUBCOMP": _REL,
    "SUBACK": {0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    "UNSUBACK": {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    "DISCONNECT": {0x00, 0x04, *range(0x80, 0x84), 0x87, 0x89, *range(0x8B, 0x91)}
    | set(range(0x93, 0xA3)),
    "AUTH": {0x00, 0x18, 0x19},
}


class Malformed(AssertionError):
    """Somebody sent what is no packet of the standard: an assertion of every test."""


class Packet:
    """A packet to send, one to expect, or one that was received."""

    def __init__(self, kind: str, fields: Mapping[str, Any]) -> None:
        self.kind = kind
        self.fields = dict(fields)

    def __getattr__(self, name: str) -> Any:
        """The field, or None."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self.fields.get(name)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return f"{self.kind}({fields})" if len(fields) < 300 else f"{self.kind}({fields[:300]}…)"

    def but(self, **fields: Any) -> Packet:
        """The same packet with other fields."""
        return Packet(self.kind, {**self.fields, **fields})

    def differs(self, seen: Packet) -> str:
        """What is wrong with `seen` where this packet was expected; '' for nothing."""
        if self.kind not in (ANY, seen.kind):
            return f"{self} expected, {seen} came"
        for name, given in self.fields.items():
            value = seen.fields.get(name)
            as_bytes = isinstance(given, str) and isinstance(value, bytes)
            wanted = given.encode() if as_bytes else given
            if wanted is ANY:
                right = value is not None
            elif wanted is ABSENT:
                right = value is None
            else:
                right = wanted(value) if callable(wanted) else wanted == value
            if not right:
                return f"{self.kind}: {name} is {value!r}, which is not {wanted!r}: {seen}"
        return ""

    def encode(self, version: int) -> bytes:
        """The bytes, for protocol level 3, 4 or 5."""
        body = _body(self, version)
        if self.cut:
            body = body[: -self.cut]
        body += self.tail or b""
        first = KINDS.index(self.kind) + 1 << 4 | _first_flags(self)
        length = self.fields.get("length", len(body))
        return bytes([first]) + (length if isinstance(length, bytes) else varint(length)) + body


def constructor(kind: str, *names: str) -> Callable[..., Packet]:
    """A function that makes packets of a kind, with these fields in order, and properties."""
    known = {*names, *PROPERTIES, "flags", "cut", "tail", "length"}

    def make(*positional: Any, **fields: Any) -> Packet:
        fields = dict(zip(names, positional, strict=False)) | fields
        if unknown := fields.keys() - known:
            raise TypeError(f"{kind} has no {', '.join(sorted(unknown))}")
        return Packet(kind, fields)

    make.__name__ = kind.lower()
    make.__doc__ = f"A {kind} with the fields {', '.join(names)} and its properties."
    return make


connect = constructor(
    "CONNECT",
    *("client_id", "clean_start", "keep_alive", "will", "user_name", "password"),
    *("protocol_name", "level", "connect_flags"),
)
connack = constructor("CONNACK", "reason", "session_present", "ack_flags")
publish = constructor("PUBLISH", "topic", "payload", "qos", "id", "retain", "dup")
puback, pubrec, pubrel, pubcomp = (constructor(kind, "id", "reason") for kind in ACKS)
subscribe = constructor("SUBSCRIBE", "id", "filters")
suback = constructor("SUBACK", "id", "reasons")
unsubscribe = constructor("UNSUBSCRIBE", "id", "filters")
unsuback = constructor("UNSUBACK", "id", "reasons")
pingreq, pingresp = constructor("PINGREQ"), constructor("PINGRESP")
disconnect = constructor("DISCONNECT", "reason")
auth = constructor("AUTH", "reason")


def is_error(reason: int) -> bool:
    """Whether a reason code is one; also as a field to expect."""
    return reason >= 0x80


def will(
    topic: Any, payload: Any = b"gone", qos: int = 0, retain: bool = False, **props: Any
) -> Any:
    """The `will` of a CONNECT."""
    return {"topic": topic, "payload": payload, "qos": qos, "retain": retain, **props}


def to(
    filter: Any,
    qos: int = 0,
    *,
    no_local: bool = False,
    retain_as_published: bool = False,
    retain_handling: int = 0,
    reserved: int = 0,
) -> tuple[Any, int]:
    """One of the `filters` of a SUBSCRIBE, with its options."""
    flags = no_local << 2 | retain_as_published << 3 | retain_handling << 4 | reserved << 6
    return filter, qos | flags


# --- encoding -------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """A variable byte integer in the least number of bytes."""
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(out)


def data(value: Any) -> bytes:
    """Length and bytes; text becomes UTF-8, bytes stay as they are."""
    raw = value.encode() if isinstance(value, str) else bytes(value)
    return struct.pack(">H", len(raw)) + raw


_ENCODE: dict[str, Callable[[Any], bytes]] = {
    "byte": lambda v: struct.pack(">B", v),
    "two": lambda v: struct.pack(">H", v),
    "four": lambda v: struct.pack(">I", v),
    "varint": varint,
    "text": data,
    "data": data,
    "pair": lambda v: data(v[0]) + data(v[1]),
}


def properties(fields: Mapping[str, Any]) -> bytes:
    """The properties among the fields, with their length; a list repeats one."""
    out = b""
    for name, value in fields.items():
        if name in PROPERTIES and value is not None:
            number, kind, _ = PROPERTIES[name]
            for one in value if isinstance(value, list) else [value]:
                out += bytes([number]) + _ENCODE[kind](one)
    return varint(len(out)) + out


def _first_flags(p: Packet) -> int:
    if p.flags is not None:
        return int(p.flags)
    if p.kind == "PUBLISH":
        return bool(p.dup) << 3 | (p.qos or 0) << 1 | bool(p.retain)
    return FLAGS.get(p.kind, 0)


def _body(p: Packet, version: int) -> bytes:
    props = properties(p.fields) if version == 5 else b""
    reason = bytes([p.reason or 0])
    if p.kind == "CONNECT":
        return _connect_body(p, version)
    if p.kind == "CONNACK":
        present = int(bool(p.session_present)) if p.ack_flags is None else p.ack_flags
        return bytes([present]) + reason + props
    if p.kind == "PUBLISH":
        number = struct.pack(">H", p.id or 0) if p.id is not None or p.qos else b""
        return data(p.topic or "") + number + props + _raw(p.payload or b"")
    if p.kind in ACKS:
        short = version < 5 or (not p.reason and len(props) == 1)
        return struct.pack(">H", p.id or 0) + (b"" if short else reason + props)
    if p.kind == "SUBSCRIBE":
        entries = b"".join(data(name) + bytes([options]) for name, options in p.filters or [])
        return struct.pack(">H", p.id or 0) + props + entries
    if p.kind == "UNSUBSCRIBE":
        return struct.pack(">H", p.id or 0) + props + b"".join(map(data, p.filters or []))
    if p.kind in ("SUBACK", "UNSUBACK"):
        reasons = b"" if p.kind == "UNSUBACK" and version < 5 else bytes(p.reasons or [])
        return struct.pack(">H", p.id or 0) + props + reasons
    if p.kind in ("DISCONNECT", "AUTH") and version == 5 and (p.reason or len(props) > 1):
        return reason + props
    return b""


def _raw(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _connect_body(p: Packet, version: int) -> bytes:
    name = p.protocol_name if p.protocol_name is not None else "MQIsdp" if version == 3 else "MQTT"
    flags = (0 if p.clean_start is False else 2) if p.connect_flags is None else p.connect_flags
    payload = data(p.client_id if p.client_id is not None else "")
    if p.will:
        payload += (properties(p.will) if version == 5 else b"") + data(p.will["topic"])
        payload += data(p.will["payload"])
        if p.connect_flags is None:
            flags |= 4 | p.will["qos"] << 3 | p.will["retain"] << 5
    for bit, text in ((0x80, p.user_name), (0x40, p.password)):
        if text is not None:
            payload += data(text)
            flags |= bit if p.connect_flags is None else 0
    level = version if p.level is None else p.level
    head = data(name) + bytes([level, flags]) + struct.pack(">H", p.keep_alive or 0)
    return head + (properties(p.fields) if version == 5 else b"") + payload


# --- decoding -------------------------------------------------------------------------------------


def frame_size(buffer: bytes) -> int:
    """The size of the packet that `buffer` begins with; 0 while that is not known or not there."""
    size = shift = 0
    for index, byte in enumerate(buffer[1:5], 2):
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return index + size if len(buffer) >= index + size else 0
    if len(buffer) >= 5:
        raise Malformed(f"a remaining length of more than four bytes: {buffer[:8].hex(' ')}")
    return 0


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.raw):
            raise Malformed(f"ends too early: {self.raw.hex(' ')}")
        self.at += count
        return self.raw[self.at - count : self.at]

    def left(self) -> int:
        return len(self.raw) - self.at

    def byte(self) -> int:
        return self.take(1)[0]

    def two(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def four(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def varint(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                if shift and not byte:
                    raise Malformed("a variable byte integer longer than it must be")
                return value
        raise Malformed("a variable byte integer of more than four bytes")

    def data(self) -> bytes:
        return self.take(self.two())

    def text(self) -> str:
        raw = self.data()
        try:
            text = raw.decode()  # refuses surrogates and over-long forms
        except UnicodeDecodeError as error:
            raise Malformed(f"no UTF-8: {raw.hex(' ')}") from error
        if "\0" in text:
            raise Malformed(f"U+0000 in {text!r}")
        return text

    def pair(self) -> tuple[str, str]:
        return self.text(), self.text()

    def properties(self, where: str, fields: dict[str, Any]) -> None:
        part = _Reader(self.take(self.varint()))
        while part.left():
            number = part.varint()
            name = PROPERTY_NAMES.get(number, "")
            if not name or where not in PROPERTIES[name][2]:
                raise Malformed(f"property {number:#04x} {name} in {where}")
            value = getattr(part, PROPERTIES[name][1])()
            if name in REPEATED:
                fields.setdefault(name, []).append(value)
            elif name in fields:
                raise Malformed(f"{name} twice in {where}")
            else:
                fields[name] = value


def decode(raw: bytes, version: int) -> Packet:
    """A whole packet.

    Raises:
        Malformed: It is none, or one that nobody may send.
    """
    kind = KINDS[(raw[0] >> 4) - 1] if raw[0] >> 4 else ""
    flags = raw[0] & 0x0F
    if not kind or (kind == "AUTH" and version < 5):
        raise Malformed(f"packet type {raw[0] >> 4}")
    if kind != "PUBLISH" and flags != FLAGS.get(kind, 0):
        raise Malformed(f"flags {flags:#x} of {kind}")
    reader = _Reader(raw)
    reader.take(1)
    if reader.varint() != reader.left():
        raise Malformed(f"remaining length: {raw.hex(' ')}")
    try:
        fields = _fields(kind, flags, reader, version)
    except Malformed as error:
        raise Malformed(f"{kind}: {error}") from None
    if reader.left():
        raise Malformed(f"{kind} with {reader.left()} bytes too many: {raw.hex(' ')}")
    _check_reasons(kind, fields, version)
    return Packet(kind, fields)


def _fields(kind: str, flags: int, r: _Reader, version: int) -> dict[str, Any]:
    f: dict[str, Any] = {}
    if kind == "CONNECT":
        return _connect_fields(r)
    if kind == "CONNACK":
        ack_flags, f["reason"] = r.byte(), r.byte()
        if ack_flags & 0xFE:
            raise Malformed(f"acknowledge flags {ack_flags:#04x}")
        f["session_present"] = bool(ack_flags)
    elif kind == "PUBLISH":
        f.update(dup=bool(flags & 8), qos=flags >> 1 & 3, retain=bool(flags & 1), topic=r.text())
        if f["qos"] == 3 or (f["dup"] and not f["qos"]):
            raise Malformed(f"flags {flags:#x}")
        f["id"] = r.two() if f["qos"] else None
    elif kind not in ("PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"):
        f["id"] = r.two()
    if f.get("id") == 0:
        raise Malformed("packet identifier 0")
    if kind in (*ACKS, "DISCONNECT", "AUTH"):
        f["reason"] = r.byte() if version == 5 and r.left() else 0
    # Only acknowledgements, DISCONNECT and AUTH may leave out the length of no properties.
    if version == 5 and (r.left() or kind in ("CONNACK", "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE")):
        r.properties(kind, f)
    if kind == "PUBLISH":
        f["payload"] = r.take(r.left())
    elif kind == "SUBSCRIBE":
        f["filters"] = [(r.text(), r.byte()) for _ in iter(r.left, 0)]
    elif kind == "UNSUBSCRIBE":
        f["filters"] = [r.text() for _ in iter(r.left, 0)]
    elif kind in ("SUBACK", "UNSUBACK"):
        f["reasons"] = list(r.take(r.left()))
    if kind in ("SUBSCRIBE", "UNSUBSCRIBE") and not f["filters"]:
        raise Malformed("no topic filter")
    return f


def _connect_fields(r: _Reader) -> dict[str, Any]:
    f: dict[str, Any] = {"protocol_name": r.text(), "level": r.byte()}
    flags = r.byte()
    if (f["protocol_name"], f["level"]) not in (("MQTT", 4), ("MQTT", 5), ("MQIsdp", 3)):
        raise Malformed(f"protocol {f['protocol_name']!r}, level {f['level']}")
    if flags & 1 or flags >> 3 & 3 == 3 or (not flags & 4 and flags & 0x38):
        raise Malformed(f"connect flags {flags:#04x}")
    f["clean_start"], f["keep_alive"] = bool(flags & 2), r.two()
    if f["level"] == 5:
        r.properties("CONNECT", f)
    f["client_id"] = r.text()
    if flags & 4:
        f["will"] = will("", b"", flags >> 3 & 3, bool(flags & 0x20))
        if f["level"] == 5:
            r.properties("WILL", f["will"])
        f["will"].update(topic=r.text(), payload=r.data())
    f["user_name"] = r.text() if flags & 0x80 else None
    f["password"] = r.data() if flags & 0x40 else None
    return f


def _check_reasons(kind: str, fields: Mapping[str, Any], version: int) -> None:
    reasons: Iterable[int] = fields.get("reasons", [fields.get("reason", 0)])
    allowed: Sequence[int] | set[int] = REASONS.get(kind, {0})
    if version < 5:
        allowed = {"CONNACK": range(6), "SUBACK": (0, 1, 2, 0x80)}.get(kind, (0,))
    for reason in reasons:
        if reason not in allowed:
            raise Malformed(f"reason {reason:#04x} in {kind}")
