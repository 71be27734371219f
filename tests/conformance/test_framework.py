"""The suite's own tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from . import packets as p
from .broker_role import Broker
from .conftest import show_that_it_can_fail
from .conversation import CLOSED, Event, Framing
from .lines import Replay
from .packets import Malformed, Packet, connack, decode, pingreq, publish
from .suite import v5
from .table import code_problem, named_in, sides_of
from .violations import DoesNotApply, Violation, answers, change, drop, ignores, insert, swap

EVERY = [
    p.connect("c", False, 10, p.will("t", b"w", 2, True, user_property=[("a", "b")]), "u", b"p"),
    p.connack(0, True, assigned_client_identifier="x", user_property=[("a", "b"), ("a", "b")]),
    p.publish("a/b", b"payload", 1, 7, True, True, subscription_identifier=[1, 300]),
    p.publish("ä", b"", topic_alias=3, correlation_data=b"\0\1", message_expiry_interval=9),
    *(Packet(kind, {"id": 9, "reason": 0}) for kind in p.ACKS),
    p.puback(9, 0x10, reason_string="nobody"),
    p.subscribe(3, [p.to("a/#", 1, no_local=True), p.to("+", 2, retain_handling=2)]),
    p.suback(3, [1, 0x80]),
    p.unsubscribe(4, ["a", "b"]),
    p.unsuback(4, [0, 0x11]),
    p.pingreq(),
    p.pingresp(),
    p.disconnect(0x8E, server_reference="there"),
    p.auth(0x18, authentication_method="m", authentication_data=b"d"),
]


@pytest.mark.parametrize("packet", EVERY, ids=str)
def test_packets_survive_the_wire(packet: Packet) -> None:
    raw = packet.encode(5)
    assert p.frame_size(raw) == len(raw)
    assert packet.differs(decode(raw, 5)) == ""


@pytest.mark.parametrize(
    "packet",
    [q for q in EVERY if q.kind != "AUTH" and not any(n in p.PROPERTIES for n in q.fields)],
    ids=str,
)
def test_packets_of_311_survive_the_wire(packet: Packet) -> None:
    fields = {name: v for name, v in packet.fields.items() if name not in ("reason", "reasons")}
    raw = Packet(packet.kind, fields).encode(4)
    assert (
        Packet(packet.kind, {**fields, "will": p.ANY} if packet.will else fields).differs(
            decode(raw, 4)
        )
        == ""
    )


@pytest.mark.parametrize(
    "broken",
    [
        p.connack(0, flags=1),
        p.connack(0, ack_flags=2),
        p.connack(0, tail=b"!"),
        p.connack(0, cut=1),
        p.connack(0x05),
        p.connack(0, topic_alias=1),
        p.connack(0, receive_maximum=[1, 2]),
        p.connack(0, reason_string=b"\xff"),
        p.publish("a", qos=3, id=1),
        p.publish("a", qos=1, id=0),
        p.publish(b"a\xed\xa0\x80"),
        p.publish("a\0"),
        p.puback(0),
        p.pingresp(length=b"\x80\x00"),
        p.subscribe(1, []),
        p.connect("c", connect_flags=1),
    ],
    ids=str,
)
def test_decoder_is_strict(broken: Packet) -> None:
    with pytest.raises(Malformed):
        decode(broken.encode(5), 5)


def test_frames_are_cut_wherever_the_bytes_are() -> None:
    stream = pingreq().encode(5) + publish("a", b"x" * 200).encode(5)
    for size in range(1, 8):
        framing, out = Framing(), []
        for at in range(0, len(stream), size):
            framing.feed(stream[at : at + size])
            while (frame := framing.pop()) is not None:
                out.append(frame)
        assert b"".join(out) == stream  # type: ignore[arg-type]
        assert len(out) == 2


def test_a_connection_must_not_end_within_a_packet() -> None:
    framing = Framing()
    framing.feed(b"\x20\x02\x00")
    framing.ended = True
    with pytest.raises(Malformed):
        framing.pop()


# --- violations -----------------------------------------------------------------------------------

HEARD = [
    Event("a", 5, 1.0, connack(0).encode(5)),
    Event("b", 5, 2.0, connack(0).encode(5)),
    Event("b", 5, 3.0, publish("x", b"y").encode(5)),
    Event("a", 5, 4.0, p.disconnect(0x82).encode(5)),
    Event("a", 5, 5.0, CLOSED),
]


def _kinds(violation: Violation, heard: list[Event] = HEARD) -> list[str]:
    return [event.kind for event in violation(heard)]


def test_violations_change_what_they_name() -> None:
    assert _kinds(drop("CONNACK")) == ["CONNACK", "PUBLISH", "DISCONNECT", "closed"]
    assert drop("CONNACK", peer="a")(HEARD)[0].peer == "b"
    assert _kinds(ignores()) == ["CONNACK", "CONNACK", "PUBLISH"]
    assert _kinds(answers(p.pingresp()))[3:] == ["PINGRESP"]
    assert _kinds(insert(pingreq(), before="PUBLISH"))[2:4] == ["PINGREQ", "PUBLISH"]
    assert [e.at for e in swap("CONNACK", "PUBLISH", peer="b")(HEARD)] == [e.at for e in HEARD]
    changed = change("PUBLISH", topic="z", topic_alias=1)(HEARD)[2].what
    assert isinstance(changed, bytes)
    assert publish("z", b"y", topic_alias=1).differs(decode(changed, 5)) == ""


@pytest.mark.parametrize("violation", [drop("PUBACK"), change("PUBLISH", topic="x")], ids=str)
def test_a_violation_must_apply(violation: Violation) -> None:
    with pytest.raises(DoesNotApply):
        violation(HEARD)


def _stage(test: Any, heard: list[Event]) -> Broker:
    stage = Broker(Replay(heard), 5)
    test(stage)
    return stage


def test_a_test_that_cannot_fail_is_found_out() -> None:
    heard = [Event("c", 5, 1.0, connack(0).encode(5))]

    @v5("MQTT-3.1.4-5", drop("CONNACK"))
    def good(broker: Broker) -> None:
        broker.connected("c")

    @v5("MQTT-3.1.4-5", drop("CONNACK"))
    def bad(broker: Broker) -> None:
        peer = broker.peer("c")
        peer.line.next(1)
        peer.stage.transcript += heard

    show_that_it_can_fail(good, "broker", "5.0", _stage(good, heard))
    with pytest.raises(pytest.fail.Exception, match="cannot fail: it accepts drop"):
        show_that_it_can_fail(bad, "broker", "5.0", _stage(bad, heard))


# --- the table ------------------------------------------------------------------------------------

CODE = """\
// [MQTT-1.0.0-1], 3.1.1 [MQTT-2.0.0-1], [MQTT-2.0.0-2]: why.
// And [MQTT-1.0.0-2] (3.1.1:
// [MQTT-2.0.0-3]), [MQTT-2.0.0-4] of 3.1.1.
fail({"MQTT-1.0.0-3", "MQTT-2.0.0-5"}, v5() ? "MQTT-1.0.0-4" : "MQTT-2.0.0-6");
fail("MQTT-3.0.0-1");
"""


def test_code_names_statements_of_one_version(tmp_path: Path) -> None:
    file = tmp_path / "code.cpp"
    file.write_text(CODE)
    both = {(version, "MQTT-3.0.0-1") for version in ("5.0", "3.1.1")}
    new = {("5.0", f"MQTT-1.0.0-{number}") for number in range(1, 5)}
    old = {("3.1.1", f"MQTT-2.0.0-{number}") for number in range(1, 7)}
    assert named_in(str(file)) == both | new | old
    assert code_problem(str(file), frozenset({("3.1.1", "MQTT-1.0.0-1")}))
    assert not code_problem(str(file), frozenset({("5.0", "MQTT-1.0.0-1")}))
    assert code_problem(f"{file}: fail", frozenset({("5.0", "MQTT-1.0.0-1")}))  # need not be said
    assert not code_problem(f"{file}: fail", frozenset({("5.0", "MQTT-9.0.0-1")}))


def test_code_is_that_of_one_side_or_of_both() -> None:
    assert sides_of("cpp/src/broker/wills.cpp: due") == {"broker"}
    assert sides_of("cpp/src/client/client.cpp") == {"client"}
    assert sides_of("cpp/src/wire/decode_connect.cpp") == {"broker"}
    assert sides_of("cpp/src/wire/utf8.hpp") == {"broker", "client"}
