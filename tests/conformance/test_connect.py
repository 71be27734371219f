"""CONNECT, as the broker takes it."""

from __future__ import annotations

from .broker_role import Broker
from .packets import (
    ABSENT,
    ANY,
    NOT_UTF8,
    connack,
    connect,
    data,
    disconnect,
    pingreq,
    pingresp,
    puback,
    publish,
    suback,
    subscribe,
    to,
    will,
)
from .suite import timed, v5, v311
from .violations import answers, change, closes, drop, ignores, insert, late, replace

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ACCEPTED = connack(0)


@v5("MQTT-3.1.0-1", answers(pingresp()), ignores())
@v311("MQTT-3.1.0-1", answers(pingresp()), ignores())
def test_first_packet_must_be_connect(broker: Broker) -> None:
    for packet in (pingreq(), publish("a", b"x"), subscribe(1, [to("a")]), disconnect()):
        peer = broker.peer()
        peer.send(packet)
        peer.expect_closed()


@v5("MQTT-3.1.0-2", answers(ACCEPTED), ignores(), change("DISCONNECT", reason=0x81))
@v311("MQTT-3.1.0-2", answers(ACCEPTED), ignores())
def test_second_connect_is_a_protocol_error(broker: Broker) -> None:
    peer = broker.connected("twice")
    peer.send(connect("twice"))
    peer.expect_error(0x82)


@v5("MQTT-3.1.2-1", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-1", answers(ACCEPTED), ignores())
def test_protocol_name_must_be_mqtt(broker: Broker) -> None:
    for name in ("MQTX", "mqtt", "", b"MQ\xffT"):
        peer = broker.peer(level=4)  # whatever the level: the answer, if any, is one of 3.1.1
        peer.send(connect("c", protocol_name=name).encode(broker.level))
        peer.expect_refused(connack(1))


@v5("MQTT-3.1.2-2", answers(ACCEPTED), change("CONNACK", reason=0x81))
@v311("MQTT-3.1.2-2", answers(ACCEPTED), drop("CONNACK"), change("CONNACK", reason=2))
def test_unknown_protocol_level_is_refused(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", level=6 if broker.level == 5 else 2))
    peer.expect_rejected(0x84, 1)


@v5("MQTT-3.1.2-3", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-3", answers(ACCEPTED), ignores())
def test_reserved_connect_flag_must_be_0(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", connect_flags=0x03))
    peer.expect_rejected(0x81)


# --- flags against payload ------------------------------------------------------------------------


@v5("MQTT-3.1.2-9", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-9", answers(ACCEPTED), ignores())
def test_will_flag_needs_will_fields(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", connect_flags=0x06))
    peer.expect_rejected(0x81)
    peer = broker.peer()
    peer.send(connect("c", connect_flags=0x06, will=will("t", b"12345"), cut=4))
    peer.expect_rejected(0x81)


@v5("MQTT-3.1.2-11", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-13", answers(ACCEPTED), ignores())
def test_no_will_no_will_qos(broker: Broker) -> None:
    for qos in (1, 2):
        peer = broker.peer()
        peer.send(connect("c", connect_flags=0x02 | qos << 3))
        peer.expect_rejected(0x81)


@v5("MQTT-3.1.2-13", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-15", answers(ACCEPTED), ignores())
def test_no_will_no_will_retain(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", connect_flags=0x22))
    peer.expect_rejected(0x81)


@v311("MQTT-3.1.2-11", answers(ACCEPTED), ignores())
def test_no_will_nothing_of_a_will(broker: Broker) -> None:
    for broken in (
        connect("c", connect_flags=0x0A),
        connect("c", connect_flags=0x22),
        connect("c", connect_flags=0x02, will=will("t")),
    ):
        peer = broker.peer()
        peer.send(broken)
        peer.expect_closed()


@v5("MQTT-3.1.2-12", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-14", answers(ACCEPTED), ignores())
def test_will_qos_is_0_1_or_2(broker: Broker) -> None:
    for qos in (0, 1, 2):
        broker.connected(f"c{qos}", will=will("t", qos=qos))
    peer = broker.peer()
    peer.send(connect("c", will=will("t", qos=3)))
    peer.expect_rejected(0x81)


@v5("MQTT-3.1.2-16", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-18", answers(ACCEPTED), ignores())
def test_no_user_name_flag_no_user_name(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", user_name="u", connect_flags=0x02))
    peer.expect_rejected(0x81)


@v5("MQTT-3.1.2-17", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-19", answers(ACCEPTED), ignores())
def test_user_name_flag_needs_a_user_name(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", connect_flags=0x82))
    peer.expect_rejected(0x81)


@v5("MQTT-3.1.2-18", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-20", answers(ACCEPTED), ignores())
def test_no_password_flag_no_password(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", user_name="u", password=b"p", connect_flags=0x82))
    peer.expect_rejected(0x81)


@v5("MQTT-3.1.2-19", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.2-21", answers(ACCEPTED), ignores())
def test_password_flag_needs_a_password(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", user_name="u", connect_flags=0xC2))
    peer.expect_rejected(0x81)


@v311("MQTT-3.1.2-22", answers(ACCEPTED), ignores())
def test_no_password_without_a_user_name(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", password=b"p"))
    peer.expect_closed()


# --- the payload ----------------------------------------------------------------------------------


@v5("MQTT-3.1.3-1", change("PUBLISH", topic="payload", payload=b"topic"), drop("PUBLISH"))
@v311("MQTT-3.1.3-1", change("PUBLISH", topic="payload", payload=b"topic"), drop("PUBLISH"))
def test_payload_fields_come_in_order(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("#")
    fields = ("id", "topic", "payload", "user", "password")
    no_properties = b"\0" if broker.level == 5 else b""
    head = data("MQTT") + bytes([broker.level, 0xC6, 0, 0]) + no_properties
    will_properties = [b"", no_properties, b"", b"", b""]
    payload = b"".join(p + data(f) for p, f in zip(will_properties, fields, strict=True))
    peer = broker.peer()
    peer.send(bytes([0x10, len(head + payload)]) + head + payload)
    peer.expect(connack(0))
    peer.abort()
    watcher.expect(publish("topic", b"payload"))


@v5("MQTT-3.1.3-2", change("CONNACK", session_present=False), drop("PUBLISH"))
@v311("MQTT-3.1.3-2", change("CONNACK", session_present=False), drop("PUBLISH"))
def test_client_identifier_names_the_session(broker: Broker) -> None:
    mine = broker.keeping_session("mine")
    mine.subscribe("a", 1)
    mine.leave()
    other = broker.peer("other")
    other.send(connect("other", clean_start=False))
    other.expect(connack(0, session_present=False))
    other.publish("a")
    again = broker.peer("again")
    again.send(connect("mine", clean_start=False))
    again.expect(connack(0, session_present=True), publish("a", qos=1))


@v5("MQTT-3.1.3-3", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.3-3", answers(ACCEPTED), ignores())
def test_client_identifier_must_be_there(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("", cut=2))
    peer.expect_rejected(0x81)


@v5("MQTT-3.1.3-4", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.3-4", answers(ACCEPTED), ignores())
def test_client_identifier_must_be_utf8(broker: Broker) -> None:
    for wrong in (NOT_UTF8, b"\xc0\x80", b"a\xff", b"nul\0"):
        peer = broker.peer()
        peer.send(connect(wrong))
        peer.expect_rejected(0x81)


@v5("MQTT-3.1.3-5", replace("CONNACK", connack(0x85)), closes(instead_of="CONNACK"))
@v311("MQTT-3.1.3-5", replace("CONNACK", connack(2)), closes(instead_of="CONNACK"))
def test_plain_client_identifiers_are_taken(broker: Broker) -> None:
    for client_id in ("a", LETTERS[:23], LETTERS[23:46], LETTERS[-23:]):
        broker.connected(client_id)


@v5(
    "MQTT-3.1.3-6",
    change("CONNACK", assigned_client_identifier=None),
    change("CONNACK", nth=0, assigned_client_identifier="same")
    + change("CONNACK", nth=1, assigned_client_identifier="same"),
)
@v311("MQTT-3.1.3-6", closes(instead_of="PINGRESP"))
def test_empty_client_identifiers_get_unique_ones(broker: Broker) -> None:
    peers = [broker.peer(), broker.peer()]
    seen = set()
    for peer in peers:
        peer.send(connect(""))
        answer = peer.expect(connack(0, session_present=False))
        if broker.level == 5:
            assert answer.assigned_client_identifier, "none was assigned"
            seen.add(answer.assigned_client_identifier)
            peer.expect_nothing()
    assert len(seen) == (2 if broker.level == 5 else 0)
    for peer in peers:  # with one identifier the second would have taken over the first
        peer.fence()


@v5("MQTT-3.1.3-7", change("CONNACK", nth=0, assigned_client_identifier=None))
@v5("MQTT-3.1.3-7", change("CONNACK", session_present=False))
def test_assigned_client_identifier_is_as_good_as_any(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("", session_expiry_interval=60))
    answer = peer.expect(connack(0, assigned_client_identifier=ANY))
    peer.leave()
    again = broker.peer()
    again.send(connect(answer.assigned_client_identifier, clean_start=False))
    again.expect(connack(0, session_present=True, assigned_client_identifier=ABSENT))


@v311("MQTT-3.1.3-7", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.3-8", answers(ACCEPTED), change("CONNACK", reason=5), drop("closed"))
@v311("MQTT-3.1.3-9", answers(ACCEPTED), change("CONNACK", reason=5), drop("closed"))
def test_empty_client_identifier_cannot_keep_a_session(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("", clean_start=False))
    peer.expect_rejected(0x85, 2)


@v5("MQTT-3.1.3-11", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.3-10", answers(ACCEPTED), ignores())
def test_will_topic_must_be_utf8(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", will=will(NOT_UTF8)))
    peer.expect_rejected(0x81)


@v5("MQTT-3.1.3-12", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.3-11", answers(ACCEPTED), ignores())
def test_user_name_must_be_utf8(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", user_name=NOT_UTF8))
    peer.expect_rejected(0x81)


# --- what the broker does -------------------------------------------------------------------------


@v5("MQTT-3.1.4-1", answers(ACCEPTED), ignores())
@v311("MQTT-3.1.4-1", answers(ACCEPTED), insert(connack(5), before="closed"))
def test_malformed_connect_is_refused(broker: Broker) -> None:
    for broken in (connect("c", tail=b"!"), connect("c", cut=1), connect("c", flags=1)):
        peer = broker.peer()
        peer.send(broken)
        peer.expect_rejected(0x81)
    limits_of_0 = (connect("c", receive_maximum=0), connect("c", maximum_packet_size=0))
    for wrong in limits_of_0 if broker.level == 5 else ():
        peer = broker.peer()
        peer.send(wrong)
        peer.expect_rejected(0x82)  # by which the answer is not bound


@v5("MQTT-3.1.4-2", answers(ACCEPTED), drop("closed"))
def test_unwelcome_clients_are_closed(broker: Broker) -> None:
    broker.start(allow_anonymous=False)
    peer = broker.peer()
    peer.send(connect("c"))
    peer.expect_rejected(0x87, 5)


@v5("MQTT-3.1.4-3", drop("closed"), change("DISCONNECT", reason=0), drop("CONNACK"))
@v311("MQTT-3.1.4-2", drop("closed"), drop("CONNACK"))
def test_second_connection_takes_over(broker: Broker) -> None:
    first = broker.connected("same")
    second = broker.peer("second")
    second.send(connect("same"))
    first.expect_error(0x8E)
    second.expect(connack(0))
    second.fence()


@v5("MQTT-3.1.4-4", change("CONNACK", session_present=True))
@v5("MQTT-3.1.2-4", change("CONNACK", session_present=True))
@v5("MQTT-3.1.2-4", insert(publish("a", b"x"), before="PINGRESP"))
@v311("MQTT-3.1.4-3", change("CONNACK", session_present=True))
@v311("MQTT-3.1.2-6", insert(publish("a", b"x"), before="PINGRESP"))
def test_clean_start_discards_the_session(broker: Broker) -> None:
    peer = broker.keeping_session("c")
    peer.subscribe("a", 1)
    peer.leave()
    other = broker.connected("other")
    other.publish("a")  # waits for the session
    again = broker.peer()
    again.send(connect("c", clean_start=True))
    again.expect(connack(0, session_present=False))
    other.publish("a")  # and the subscription is gone, too
    again.expect_nothing()


@v5("MQTT-3.1.4-5", drop("CONNACK"), change("CONNACK", reason=0x87))
@v311("MQTT-3.1.4-4", drop("CONNACK"), change("CONNACK", reason=5))
def test_good_connect_is_acknowledged(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", keep_alive=10, user_name="u", password=b"p", will=will("t")))
    peer.expect(connack(0))


@v5("MQTT-3.1.4-6", insert(publish("a", b"x"), before="PINGRESP"))
@v311("MQTT-3.1.4-5", insert(publish("a", b"x"), before="PINGRESP"))
def test_nothing_after_a_refused_connect_counts(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("a")
    peer = broker.peer()
    peer.send(connect("c", connect_flags=0x03), publish("a", b"x"))
    peer.expect_rejected(0x81)
    watcher.expect_nothing()


# --- sessions -------------------------------------------------------------------------------------


@v5("MQTT-3.1.2-5", change("CONNACK", session_present=False), drop("PUBLISH"))
@v311("MQTT-3.1.2-4", change("CONNACK", session_present=False), drop("PUBLISH"))
@v311("MQTT-3.1.2-5", drop("PUBLISH"), change("PUBLISH", payload=b"one"))
def test_session_goes_on(broker: Broker) -> None:
    peer = broker.keeping_session("c")
    peer.subscribe("a/+", 2)
    peer.abort()
    other = broker.connected("other")
    other.publish("a/b", b"one", 1)
    other.publish("a/c", b"two", 2)
    again = broker.peer()
    again.send(connect("c", clean_start=False))
    again.expect(
        connack(0, session_present=True),
        publish("a/b", b"one", 1),
        publish("a/c", b"two", 2),
    )


@v5("MQTT-3.1.2-6", change("CONNACK", session_present=True), drop("CONNACK"), drop("PUBLISH"))
def test_without_a_session_there_is_a_new_one(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", clean_start=False))
    peer.expect(connack(0, session_present=False))
    peer.subscribe("a")
    peer.send(publish("a", b"x"))
    peer.expect(publish("a", b"x"))


@v5("MQTT-3.1.2-23", change("CONNACK", nth=1, session_present=False))
@v5("MQTT-3.1.2-23", change("CONNACK", session_present=True))
@timed
def test_session_is_stored_until_it_expires(broker: Broker) -> None:
    for waited, present in (("9s", True), ("11s", False)):
        peer = broker.connected("c", clean_start=False, session_expiry_interval=10)
        peer.abort()
        broker.elapse(waited)
        again = broker.peer()
        again.send(connect("c", clean_start=False))
        again.expect(connack(0, session_present=present))
        again.leave()


@v5("MQTT-3.1.2-22", drop("closed"), late("DISCONNECT", 5), late("DISCONNECT", -5))
@v311("MQTT-3.1.2-24", drop("closed"), late("closed", 5), late("closed", -5))
@timed
def test_silence_beyond_keep_alive_ends_the_connection(broker: Broker) -> None:
    peer = broker.connected("c", keep_alive=10)
    broker.elapse("14s")
    peer.fence()
    peer.expect_error(0x8D, after="14.9s", within="15.1s")


# --- what CONNECT announces -----------------------------------------------------------------------


@v5("MQTT-3.1.2-24", change("PUBLISH", nth=0, payload=b"x" * 100))
@v5("MQTT-3.1.2-25", drop("PUBLISH"), closes(instead_of="PUBLISH"))
def test_maximum_packet_size_of_the_client(broker: Broker) -> None:
    peer = broker.connected("small", maximum_packet_size=40, receive_maximum=1)
    peer.subscribe("a", 1)
    other = broker.connected("other")
    other.publish("a", b"x" * 100)  # not sent, and takes no place in the window
    other.publish("a", b"fits")
    seen = peer.expect(publish("a", qos=1))
    assert len(seen.encode(5)) <= 40
    assert seen.payload == b"fits"


@v5("MQTT-3.1.2-29", change("SUBACK", reason_string="no"))
@v5("MQTT-3.1.2-29", change("PUBACK", user_property=[("a", "b")]))
def test_no_explanations_unless_wanted(broker: Broker) -> None:
    peer = broker.connected("c", request_problem_information=0)
    peer.send(subscribe(1, [to("a")]), publish("nobody/listens", b"x", 1, 7))
    peer.expect(suback(1, [0], reason_string=ABSENT, user_property=ABSENT))
    peer.expect(puback(7, reason_string=ABSENT, user_property=ABSENT))
