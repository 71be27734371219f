"""The client engine as Python drives it: virtual time, no network."""

import re

import pytest

import mqttwin as mt
from mqttwin import _core

SECOND = 1_000_000_000
CONNACK = bytes([0x20, 3, 0, 0, 0])


def online(connack=CONNACK, **options):
    engine = _core.ClientEngine("a", **options)
    engine.connect(0)
    assert engine.take_output() == [("open", b"")]
    engine.open(0)
    engine.take_output()
    engine.receive(0, connack)
    assert engine.phase == "online"
    engine.take_events()
    return engine


def sent(engine):
    """What the engine sends, in one piece."""
    output = engine.take_output()
    assert all(kind == "send" for kind, _ in output)
    assert len(output) <= 1
    return output[0][1] if output else b""


def test_from_connect_to_disconnect():
    engine = _core.ClientEngine("a")
    assert (engine.phase, engine.next_deadline) == ("idle", None)
    engine.connect(0)
    assert engine.take_output() == [("open", b"")]
    assert engine.next_deadline == 30 * SECOND
    engine.open(0)
    assert engine.take_output() == [("send", b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a")]
    engine.receive(0, CONNACK[:2])
    assert engine.take_events() == []
    engine.receive(0, memoryview(CONNACK[2:]))
    assert engine.take_events() == [
        ("connack", {"session_present": False, "reason": 0, "properties": {}}),
        ("connected", {"session_present": False}),
    ]
    engine.disconnect(1, 4, {"reason_string": "enough"})
    assert engine.take_output() == [("send", b"\xe0\x0b\x04\x09\x1f\x00\x06enough"), ("close", b"")]
    assert engine.take_events() == [("disconnected", {"cause": "by_command", "reason": 4})]
    engine.closed(1)
    assert engine.phase == "idle"


def wait(engine):
    """Lets time pass until the engine says something; when, and what. A deadline may be early."""
    while not (output := engine.take_output()):
        now = engine.next_deadline
        engine.timeout(now)
    return now, output


def test_keep_alive_in_virtual_time():
    engine = online(keep_alive=60, ping_timeout=20 * SECOND)
    assert wait(engine) == (60 * SECOND, [("send", b"\xc0\x00")])
    engine.receive(61 * SECOND, b"\xd0\x00")
    assert wait(engine) == (120 * SECOND, [("send", b"\xc0\x00")])
    assert wait(engine) == (140 * SECOND, [("abort", b"")])
    assert engine.take_events() == [("disconnected", {"cause": "ping_timeout", "reason": 0})]


@pytest.mark.parametrize("version", [3, 4, 5])
def test_messages_both_ways(version):
    engine = online(CONNACK if version == 5 else CONNACK[:1] + b"\x02\0\0", version=version)
    none = b"\0" if version == 5 else b""
    length = bytes([6 + len(none)])
    assert engine.publish(1, "t", b"x") == 0
    assert engine.publish(1, "t", b"x", 1) == 1
    assert engine.publish(1, "t", b"x", 2, True) == 2
    expected = b"\x30" + bytes([4 + len(none)]) + b"\0\x01t" + none + b"x"
    expected += b"\x32" + length + b"\0\x01t\0\x01" + none + b"x"
    expected += b"\x35" + length + b"\0\x01t\0\x02" + none + b"x"
    assert sent(engine) == expected
    engine.receive(2, b"\x40\x02\0\x01\x50\x02\0\x02")
    assert sent(engine) == b"\x62\x02\0\x02"
    engine.receive(3, b"\x70\x02\0\x02")
    answers = [event for kind, event in engine.take_events() if kind == "acknowledged"]
    assert [(a["token"], a["qos"], a["reason"]) for a in answers] == [(1, 1, 0), (2, 2, 0)]
    engine.receive(4, b"\x33" + length + b"\0\x01u\0\x09" + none + b"y")
    assert sent(engine) == b"\x40\x02\0\x09"
    assert engine.take_events() == [
        (
            "message",
            {
                "topic": "u",
                "payload": b"y",
                "qos": 1,
                "retain": True,
                "duplicate": False,
                "packet_id": 9,
                "properties": {},
            },
        )
    ]


ALL = {
    "payload_format_indicator": 1,
    "message_expiry_interval": 3600,
    "content_type": "text/plain",
    "response_topic": "answers",
    "correlation_data": b"\0\1",
    "user_properties": [("a", "1"), ("a", "2"), ("ü", "")],
}


def test_properties_come_back_as_they_went():
    engine = online()
    engine.publish(0, "t", b"x", properties=ALL)
    engine.receive(1, sent(engine))
    ((kind, event),) = engine.take_events()
    assert kind == "message"
    assert event["properties"] == ALL


def test_subscription_identifiers_of_a_message():
    engine = online()
    engine.receive(1, b"\x30\x09\0\x01t\x05\x0b\x07\x0b\x80\x01x")
    ((_, event),) = engine.take_events()
    assert event["properties"] == {"subscription_identifiers": [7, 128]}


def test_user_properties_may_be_a_mapping():
    engine = online()
    engine.publish(0, "t", properties={"user_properties": {"k": "v"}, "content_type": None})
    assert sent(engine) == b"\x30\x0b\0\x01t\x07\x26\0\x01k\0\x01v"


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"nonsense": 1}, '"nonsense" is none that may stand here'),
        ({"server_keep_alive": 1}, "none that may stand here"),
        ({"subscription_identifier": 1}, "none that may stand here"),
        ({"payload_format_indicator": 2}, "must be from 0 to 1"),
        ({"message_expiry_interval": -1}, "must be from 0 to 4294967295"),
        ({"message_expiry_interval": 2**32}, "must be from 0"),
        ({"message_expiry_interval": 2**100}, "must be from 0"),
        ({"message_expiry_interval": "1"}, "must be a whole number"),
        ({"content_type": b"x"}, "must be a str"),
        ({"content_type": "\0"}, "MQTT-1.5.4-2"),
        ({"content_type": "\ud800"}, "MQTT-1.5.4-1"),
        ({"content_type": "x" * 65536}, "65,535"),
        ({"correlation_data": "x"}, "must be bytes"),
        ({"user_properties": [("a",)]}, "pairs"),
        ({"user_properties": [("a", 1)]}, "must be a str"),
        ({1: 2}, "must be a str"),
    ],
)
def test_properties_that_do_not_exist(properties, said):
    engine = online()
    with pytest.raises(ValueError, match=r"^propert|^user_prop") as error:
        engine.publish(0, "t", properties=properties)
    assert said in str(error.value)
    assert engine.take_output() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"version": 6}, "version: must be from 3 to 5"),
        ({"keep_alive": 65536}, "keep_alive"),
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"version": 4, "password": b"x"}, "MQTT-3.1.2-22"),
        ({"version": 4, "auth_method": "M"}, "needs MQTT 5.0"),
        ({"auth_data": b"x"}, "needs an auth_method"),
        ({"properties": {"session_expiry_interval": 1}}, "only user_properties"),
        ({"will": ("w", b"", 3, False, {})}, "qos"),
        ({"will": ("w", b"", 0, False, {"topic_alias": 1})}, "topic_alias"),
        ({"user_name": "a\0"}, "user_name"),
    ],
)
def test_options_that_cannot_be(options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        _core.ClientEngine("a", **options)


def test_what_the_protocol_does_not_allow():
    engine = online()
    for call, reason, clause in (
        (lambda: engine.publish(0, "a/#"), 0x90, "MQTT-4.7.0-1"),
        (lambda: engine.publish(0, "t", properties={"topic_alias": 1}), 0x94, "MQTT-3.3.2-9"),
        (lambda: engine.subscribe(0, []), 0x82, "MQTT-3.8.3-2"),
        (lambda: engine.subscribe(0, [("$share/g/t", 0, True, False, 0)]), 0x82, "MQTT-3.8.3-4"),
        (lambda: engine.unsubscribe(0, []), 0x82, "MQTT-3.10.3-2"),
    ):
        with pytest.raises(mt.ProtocolError) as error:
            call()
        assert (error.value.reason_code, error.value.clause) == (reason, clause)
    with pytest.raises(ValueError, match="reason code"):
        engine.disconnect(0, 0x8B)
    assert engine.take_output() == []


def test_commands_need_a_connection():
    engine = _core.ClientEngine("a")
    for call in (
        lambda: engine.publish(0, "t"),
        lambda: engine.subscribe(0, [("t", 0, False, False, 0)]),
        lambda: engine.unsubscribe(0, ["t"]),
    ):
        with pytest.raises(ConnectionError):
            call()
    assert engine.publish(0, "t", b"x", 1) == 1  # waits
    assert engine.queued == 1
    engine.reset(0)
    assert engine.take_events() == [("dropped", {"token": 1, "qos": 1, "why": "offline"})]


def test_lists():
    engine = online()
    properties = {"subscription_identifier": 5, "user_properties": [("k", "v")]}
    assert engine.subscribe(0, [("a", 2, True, True, 2)], properties) == 1
    assert engine.unsubscribe(0, ["a", "b"]) == 2
    assert sent(engine) == (
        b"\x82\x10\0\x01\x09\x0b\x05\x26\0\x01k\0\x01v\0\x01a\x2e\xa2\x09\0\x02\0\0\x01a\0\x01b"
    )
    engine.receive(1, b"\x90\x04\0\x01\0\x02\xb0\x05\0\x02\0\0\x11")
    assert engine.take_events() == [
        ("suback", {"packet_id": 1, "reasons": [2], "properties": {}}),
        ("unsuback", {"packet_id": 2, "reasons": [0, 0x11], "properties": {}}),
    ]


def test_enhanced_authentication():
    engine = _core.ClientEngine("a", auth_method="M", auth_data=b"1")
    engine.set_auth_data(b"2")
    engine.connect(0)
    engine.open(0)
    assert b"\x15\0\x01M\x16\0\x012" in engine.take_output()[1][1]
    assert not engine.authenticate(0, b"nobody asked")
    engine.receive(0, b"\xf0\x0a\x18\x08\x15\0\x01M\x16\0\x01?")
    data = {"authentication_method": "M", "authentication_data": b"?"}
    assert engine.take_events() == [("auth", {"reason": 0x18, "properties": data})]
    assert engine.authenticate(0, b"!")
    assert sent(engine) == b"\xf0\x0a\x18\x08\x15\0\x01M\x16\0\x01!"
    engine.receive(0, b"\x20\x07\0\0\x04\x15\0\x01M")
    assert engine.phase == "online"
    assert engine.reauthenticate(0, b"3")
    assert sent(engine) == b"\xf0\x0a\x19\x08\x15\0\x01M\x16\0\x013"


def test_what_a_server_did_wrong():
    engine = online()
    engine.receive(1, b"\xf1\x00")
    (fault, over) = engine.take_events()
    assert fault[0] == "fault"
    assert fault[1]["reason"] == 0x82
    assert fault[1]["clause"].startswith("MQTT-")
    assert over == ("disconnected", {"cause": "protocol_fault", "reason": fault[1]["reason"]})
    assert engine.take_output() == [("send", b"\xe0\x01\x82"), ("close", b"")]


def test_a_session_goes_on():
    engine = online(session_expiry=100)
    engine.publish(0, "t", b"x", 1)
    engine.take_output()
    engine.closed(1)
    engine.connect(2)
    engine.open(2)
    engine.take_output()
    engine.receive(2, b"\x20\x03\x01\x00\x00")
    assert sent(engine) == b"\x3a\x07\0\x01t\0\x01\0x"
    assert engine.in_flight == 1


def test_topic_aliases():
    engine = online(b"\x20\x06\0\0\x03\x22\0\x05", outbound_topic_aliases=5, topic_alias_maximum=5)
    engine.publish(0, "topic", b"x")
    first = sent(engine)
    engine.publish(0, "topic", b"x")
    second = sent(engine)
    assert len(second) == len(first) - len("topic")
    engine.receive(1, first + second)
    events = engine.take_events()
    assert [event["topic"] for _, event in events] == ["topic", "topic"]


def test_names_of_reasons():
    assert _core.reason_name(0x87) == "Not authorized"
    assert _core.reason_name(0x07) == _core.reason_name(-1) == "unknown reason code"
