"""Packets of the wrong direction, with wrong flags, or twice: in every state of a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from conformance.packets import (
    FLAGS,
    KINDS,
    auth,
    connack,
    connect,
    pingresp,
    publish,
    suback,
    subscribe,
    to,
    unsuback,
)

import mqttwin as mt

from .arena import Arena
from .attack import MALFORMED, PROTOCOL_ERROR, Attack, carry_out, dies, lives
from .table import LEVELS, valid


class State(NamedTuple):
    """How far a connection has got: what was said, and what kinds of packets answered it."""

    name: str
    opening: Callable[[int], bytes]
    opened: tuple[str, ...]


def _several(*packets: object) -> Callable[[int], bytes]:
    return lambda level: b"".join(p.encode(level) for p in packets)


STATES = [
    State("idle", lambda level: b"", ()),
    State("subscribed", _several(subscribe(1, [to("own/#", 2)])), ("SUBACK",)),
    State("receiving QoS 2", _several(publish("q2/t", b"x", 2, 3)), ("PUBREC",)),
    State(
        "many at once",
        _several(*(publish("q2/t", b"x", 2, i) for i in range(1, 50))),
        ("PUBREC",) * 49,
    ),
]

# [MQTT-2.2.1]: who sends what, of table 2-1.
SERVERS_ONLY = {
    "CONNACK": connack(0),
    "SUBACK": suback(1, [0]),
    "UNSUBACK": unsuback(1, [0]),
    "PINGRESP": pingresp(),
}
WRONG = (MALFORMED, PROTOCOL_ERROR)


def _in_every_state(
    what: Callable[[int], Iterator[tuple[str, bytes, object]]],
) -> Iterator[Attack]:
    for state in STATES:
        for level in LEVELS:
            for name, raw, outcome in what(level):
                yield Attack(
                    f"{state.name}: {name}",
                    level,
                    raw,
                    outcome,
                    opening=state.opening(level),
                    opened=state.opened,
                )


def test_packets_of_the_wrong_direction(arena: Arena) -> None:
    """What only servers send."""
    carry_out(
        arena,
        _in_every_state(
            lambda level: (
                (kind, packet.encode(level), dies(*WRONG)) for kind, packet in SERVERS_ONLY.items()
            )
        ),
    )


def test_packets_of_reserved_types(arena: Arena) -> None:
    """Type 0, and 15 before 5.0 (3.1.1: table 2.1)."""

    def reserved(level: int) -> Iterator[tuple[str, bytes, object]]:
        for flags in range(16):
            yield f"type 0, flags {flags}", bytes([flags, 0]), dies(*WRONG)
            if level < 5:
                yield f"type 15, flags {flags}", bytes([0xF0 | flags, 0]), dies(*WRONG)

    carry_out(arena, _in_every_state(reserved))


def test_packets_with_wrong_reserved_flags(arena: Arena) -> None:
    """[MQTT-2.1.3-1], 3.1.1 [MQTT-2.2.2-2]: fixed bits of all but PUBLISH, each other value."""

    def wrong(level: int) -> Iterator[tuple[str, bytes, object]]:
        for name, packet, _ in valid(level):
            if packet.kind == "PUBLISH":
                continue
            raw = packet.encode(level)
            for flags in set(range(16)) - {FLAGS.get(packet.kind, 0)}:
                mutant = bytes([raw[0] & 0xF0 | flags]) + raw[1:]
                allowed = WRONG if packet.kind == "CONNECT" else (MALFORMED,)
                yield f"{name} with {flags:#x}", mutant, dies(*allowed)

    carry_out(arena, _in_every_state(wrong))


def test_publish_with_wrong_flags(arena: Arena) -> None:
    """QoS 3 [MQTT-3.3.1-4], and a duplicate of QoS 0 [MQTT-3.3.1-2]."""

    def wrong(level: int) -> Iterator[tuple[str, bytes, object]]:
        for flags in (0x6, 0x7, 0xE, 0xF, 0x8, 0x9):
            qos = 3 if flags & 6 == 6 else 0
            raw = publish("a/t", b"x", 1 if qos else 0, 5 if qos else None, flags=flags)
            yield f"PUBLISH with {flags:#x}", raw.encode(level), dies(MALFORMED)

    carry_out(arena, _in_every_state(wrong))


def test_second_connect(arena: Arena) -> None:
    """[MQTT-3.1.0-2]: the same, another one, of the other version, or a broken one."""

    def second(level: int) -> Iterator[tuple[str, bytes, object]]:
        for other in LEVELS:
            yield f"CONNECT of {other}", connect("another").encode(other), dies(PROTOCOL_ERROR)
        yield "nobody's CONNECT", connect("").encode(level), dies(PROTOCOL_ERROR)
        yield "empty CONNECT", b"\x10\x00", dies(*WRONG)

    carry_out(arena, _in_every_state(second))


def test_second_connect_in_the_same_write(arena: Arena) -> None:
    """Both in one piece: the first is answered, the second is the end."""
    for level in LEVELS:
        end = arena.one()
        end.send(connect("twice").encode(level) * 2)
        arena.wait(lambda end=end: end.ended, "the end")
        kinds = [packet.kind for packet in end.take(level)]
        assert kinds == (["CONNACK", "DISCONNECT"] if level == 5 else ["CONNACK"])
        arena.bystanders.served()


def test_auth_without_a_method(arena: Arena) -> None:
    """AUTH where CONNECT named no method [MQTT-4.12.0-7]; before 5.0 there is none."""

    def some(level: int) -> Iterator[tuple[str, bytes, object]]:
        reasons = (MALFORMED, PROTOCOL_ERROR, 0x8C)
        for reason in (0x00, 0x18, 0x19, 0x1A, 0xFF):
            raw = auth(reason, authentication_method="SCRAM-SHA-256", authentication_data=b"x")
            yield f"AUTH {reason:#x}", raw.encode(5), dies(*reasons)
        yield "empty AUTH", b"\xf0\x00", dies(*reasons)

    carry_out(arena, _in_every_state(some))


def test_acknowledgements_of_nothing(arena: Arena) -> None:
    """Identifiers that nobody uses, all of them: nobody is hurt, and answers say so."""

    def unknown(level: int) -> Iterator[tuple[str, bytes, object]]:
        answers = {4: (), 5: ("PUBREL",), 6: ("PUBCOMP",), 7: ()}
        for number, answer in answers.items():
            for identifier in (999, 65_535):
                raw = bytes(
                    [number << 4 | FLAGS.get(KINDS[number - 1], 0), 2, *divmod(identifier, 256)]
                )
                yield f"{KINDS[number - 1]} {identifier}", raw, lives(*answer)
            zero = bytes([number << 4 | FLAGS.get(KINDS[number - 1], 0), 2, 0, 0])
            yield f"{KINDS[number - 1]} 0", zero, dies(*WRONG)

    carry_out(arena, _in_every_state(unknown))


def test_acknowledgements_of_the_wrong_kind(arena: Arena) -> None:
    """PUBACK for QoS 2, PUBREC for QoS 1, PUBCOMP before PUBREC."""
    for level in LEVELS:
        for qos, ack in ((2, 4), (1, 5), (1, 7), (2, 7)):
            name = f"wrong-{level}-{qos}-{ack}"
            end = arena.connected(level, name)
            end.send(subscribe(1, [to(name, qos)]).encode(level))
            arena.hear(end, level, suback(1, [qos]))
            end.send(publish(name, b"x", 0).encode(level))
            arena.hear(end, level, publish(name, b"x", 0))
            other = arena.connected(5, name + "-publisher")
            other.send(publish(name, b"x", qos, 1).encode(5))
            (message,) = arena.hear(end, level, publish(name, b"x", qos))
            end.send(bytes([ack << 4, 2, *divmod(message.id, 256)]))
            arena.wait(lambda end=end: end.ended, "the end")
            assert [p.reason for p in end.take(level)] == ([PROTOCOL_ERROR] if level == 5 else [])
            arena.bystanders.served()


def test_everything_wrong_during_an_authentication(
    arena_with: Callable[..., Arena], tmp_path: Path
) -> None:
    """[MQTT-3.1.2-30]: between CONNECT and CONNACK there are AUTH and DISCONNECT, nothing else."""
    users = tmp_path / "users"
    record = mt._core.make_user_record("pencil", b"0123456789abcdef", 4096)
    users.write_text(mt._core.user_line("user", record) + "\n")
    arena = arena_with(users=str(users), allow_anonymous=True)
    scram = mt._core.ScramClient("user", "pencil", nonce="fyko")
    method = {"authentication_method": "SCRAM-SHA-256"}
    hello = connect("scram", authentication_data=scram.first(), **method).encode(5)
    wrong = {name: p.encode(5) for name, p, _ in valid(5) if p.kind != "DISCONNECT"}
    wrong |= {f"a server's {kind}": packet.encode(5) for kind, packet in SERVERS_ONLY.items()}
    wrong |= {
        "AUTH of another method": auth(0x18, authentication_method="X").encode(5),
        "AUTH without a method": auth(0x18, authentication_data=b"x").encode(5),
        "AUTH that re-authenticates": auth(0x19, authentication_data=b"x", **method).encode(5),
        "AUTH that has succeeded": auth(0, authentication_data=b"x", **method).encode(5),
        "AUTH with nonsense": auth(0x18, authentication_data=b"\xff\0", **method).encode(5),
        "AUTH with flags": b"\xf1" + auth(0x18, authentication_data=b"x", **method).encode(5)[1:],
        "AUTH that is cut": auth(0x18, authentication_data=b"x", cut=3, **method).encode(5),
        "an over-long length": b"\xf0\xff\xff\xff\xff",
    }
    for name, raw in wrong.items():
        end = arena.one()
        end.send(hello)
        arena.hear(end, 5, auth(0x18, **method))
        end.send(raw)
        arena.wait(lambda end=end: end.ended, f"the end after {name}")
        (answer,) = end.take(5)
        reasons = {MALFORMED, PROTOCOL_ERROR, 0x87, 0x8C}
        assert (answer.kind, answer.reason in reasons) == ("CONNACK", True), f"{name}: {answer}"
        arena.bystanders.served()
