"""PUBLISH, as the broker takes it and hands it on; retained messages are in `test_retain.py`."""

from __future__ import annotations

from typing import Any

from .broker_role import Broker
from .conversation import Peer
from .packets import (
    ABSENT,
    NOT_UTF8,
    connack,
    connect,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    to,
)
from .suite import timed, v5, v311
from .violations import answers, change, closes, drop, ignores, insert, replace, twice


def watching(broker: Broker, filter: str = "#", qos: int = 2, **fields: int) -> Peer:
    """Somebody who has subscribed; fields are those of CONNECT."""
    watcher = broker.connected("watcher", **fields)
    watcher.subscribe(filter, qos)
    return watcher


# --- flags ----------------------------------------------------------------------------------------


@v5("MQTT-3.3.1-2", change("PUBLISH", dup=True))
@v311("MQTT-3.3.1-2", change("PUBLISH", dup=True))
@v5("MQTT-4.3.1-1", change("PUBLISH", dup=True), change("PUBLISH", qos=1, id=1), drop("PUBLISH"))
@v311("MQTT-4.3.1-1", change("PUBLISH", dup=True), change("PUBLISH", qos=1, id=1), drop("PUBLISH"))
def test_qos_0_goes_without_dup(broker: Broker) -> None:
    watcher = watching(broker, "a", 0)
    peer = broker.connected("c")
    peer.send(publish("a", b"1"), publish("a", b"2", 1, 7, dup=True))
    peer.expect(puback(7))
    watcher.expect(publish("a", b"1", 0, dup=False), publish("a", b"2", 0, dup=False))


@v5("MQTT-3.3.1-3", change("PUBLISH", dup=True))
@v311("MQTT-3.3.1-3", change("PUBLISH", dup=True))
def test_dup_is_not_handed_on(broker: Broker) -> None:
    watcher = watching(broker)
    peer = broker.connected("c")
    peer.send(publish("a", b"x", 1, 7, dup=True))
    peer.expect(puback(7))
    watcher.expect(publish("a", b"x", 1, dup=False))
    peer.publish("a", b"y", 2, dup=True)
    watcher.expect(publish("a", b"y", 2, dup=False))


@v5("MQTT-3.3.1-4", ignores(), answers(puback(1)), change("PUBLISH", qos=3, id=1))
@v311("MQTT-3.3.1-4", ignores(), answers(puback(1)), change("PUBLISH", qos=3, id=1))
def test_there_is_no_qos_3(broker: Broker) -> None:
    watcher = watching(broker)
    broker.connected("other").publish("a", b"x", 2)
    watcher.expect(publish("a", b"x", 2))
    peer = broker.connected("c")
    peer.send(publish("a", b"x", 3, 1))
    peer.expect_error()


# --- topic ----------------------------------------------------------------------------------------


@v5("MQTT-3.3.2-1", ignores(), change("PUBLISH", topic=b"\xff"), change("PUBLISH", topic="b"))
@v311("MQTT-3.3.2-1", ignores(), change("PUBLISH", topic=b"\xff"), change("PUBLISH", topic="b"))
def test_topic_name_comes_first_and_is_utf8(broker: Broker) -> None:
    watcher = watching(broker)
    broker.connected("other").publish("ä/€/𝄞")
    watcher.expect(publish("ä/€/𝄞"))
    for broken in (b"\x30\x00", b"\x30\x03\x00\x05a", publish(NOT_UTF8), publish(b"\xff")):
        peer = broker.connected()
        peer.send(broken)
        peer.expect_error()


@v5("MQTT-3.3.2-2", ignores(), answers(puback(1)))
@v311("MQTT-3.3.2-2", ignores(), answers(puback(1)))
def test_topic_name_has_no_wildcards(broker: Broker) -> None:
    for topic in ("#", "a/#", "+", "a/+/b", "a+"):
        peer = broker.connected()
        peer.send(publish(topic, b"x", 1, 1))
        peer.expect_error()


@v5("MQTT-3.3.2-3", change("PUBLISH", topic="a/b"), insert(publish("b"), before="PINGRESP"))
@v311("MQTT-3.3.2-3", change("PUBLISH", topic="a/b"), insert(publish("b"), before="PINGRESP"))
def test_subscriber_gets_what_its_filter_matches(broker: Broker) -> None:
    watcher = watching(broker, "a/+/c")
    peer = broker.connected("c")
    for topic in ("a/b", "a/b/c/d", "b", "a/b/c"):
        peer.publish(topic, topic)
    watcher.expect(publish("a/b/c", b"a/b/c"))
    watcher.expect_nothing()


# --- properties that go through -------------------------------------------------------------------

PAIRS = [("b", "1"), ("a", "2"), ("b", "1"), ("a", ""), ("", "ü")]
ALL: dict[str, Any] = {
    "payload_format_indicator": 1,
    "response_topic": "answer/ü",
    "correlation_data": b"\x00\xff\x01",
    "content_type": "text/plain; ü",
    "user_property": PAIRS,
}
NONE = dict.fromkeys(ALL, ABSENT)


@v5("MQTT-3.3.2-4", change("PUBLISH", payload_format_indicator=None, nth=0))
@v5("MQTT-3.3.2-4", change("PUBLISH", payload_format_indicator=0))
@v5("MQTT-3.3.2-15", change("PUBLISH", response_topic=None, nth=0))
@v5("MQTT-3.3.2-15", change("PUBLISH", response_topic="answer/u"))
@v5("MQTT-3.3.2-16", change("PUBLISH", correlation_data=None, nth=0))
@v5("MQTT-3.3.2-16", change("PUBLISH", correlation_data=b"\x00"))
@v5("MQTT-3.3.2-17", change("PUBLISH", user_property=None, nth=0))
@v5("MQTT-3.3.2-17", change("PUBLISH", user_property=lambda pairs: pairs[:-1]))
@v5("MQTT-3.3.2-17", change("PUBLISH", user_property=[*PAIRS, ("server", "x")]))
@v5("MQTT-3.3.2-18", change("PUBLISH", user_property=lambda pairs: pairs[::-1], nth=0))
@v5("MQTT-3.3.2-18", change("PUBLISH", user_property=sorted(PAIRS)))
@v5("MQTT-3.3.2-20", change("PUBLISH", content_type=None, nth=0))
@v5("MQTT-3.3.2-20", change("PUBLISH", content_type="text/plain; u"))
def test_properties_of_a_message_go_through(broker: Broker) -> None:
    watcher = watching(broker)
    peer = broker.connected("c")
    peer.publish("a", b"text", retain=True, **ALL)
    peer.publish("b", b"text")
    peer.publish("c", b"\xff", payload_format_indicator=0)
    watcher.expect(publish("a", b"text", **ALL), publish("b", **NONE))
    watcher.expect(publish("c", payload_format_indicator=0))
    later = broker.connected("later")
    later.subscribe("a", 2)
    later.expect(publish("a", b"text", retain=True, **ALL))


@v5("MQTT-3.3.2-13", ignores(), answers(puback(1)), change("PUBLISH", response_topic=b"\xff"))
def test_response_topic_is_utf8(broker: Broker) -> None:
    watcher = watching(broker)
    broker.connected("other").publish("a", response_topic="ü")
    watcher.expect(publish("a", response_topic="ü"))
    peer = broker.connected("c")
    peer.send(publish("a", b"x", 1, 1, response_topic=NOT_UTF8))
    peer.expect_error()


@v5("MQTT-3.3.2-14", ignores(), answers(puback(1)))
def test_response_topic_has_no_wildcards(broker: Broker) -> None:
    for topic in ("#", "a/#", "+/b"):
        peer = broker.connected()
        peer.send(publish("a", b"x", 1, 1, response_topic=topic))
        peer.expect_error()


@v5("MQTT-3.3.2-19", ignores(), answers(puback(1)), change("PUBLISH", content_type=b"\xff"))
def test_content_type_is_utf8(broker: Broker) -> None:
    watcher = watching(broker)
    broker.connected("other").publish("a", content_type="ü")
    watcher.expect(publish("a", content_type="ü"))
    peer = broker.connected("c")
    peer.send(publish("a", b"x", 1, 1, content_type=NOT_UTF8))
    peer.expect_error()


# --- message expiry -------------------------------------------------------------------------------

OLD = publish("a", b"old", 1, 9)


@v5("MQTT-3.3.2-5", insert(OLD, before="PUBLISH", nth=0), insert(OLD, before="PINGRESP", nth=0))
@v5("MQTT-3.3.2-5", insert(OLD.but(retain=True), before="PUBLISH"))
@v5("MQTT-3.3.2-5", insert(OLD.but(retain=True), before="PINGRESP"))
@timed
def test_message_expires_where_it_waits(broker: Broker) -> None:
    watcher = broker.keeping_session("watcher")
    watcher.subscribe("a", 1)
    watcher.leave()
    peer = broker.connected("c")
    peer.publish("a", b"old", retain=True, message_expiry_interval=5)
    peer.publish("b", b"young", retain=True, message_expiry_interval=60)
    peer.publish("a", b"young", message_expiry_interval=60)
    broker.elapse("6s")
    back = broker.keeping_session("watcher")
    back.expect(publish("a", b"young", 1))
    back.expect_nothing()
    later = broker.connected("later")
    later.subscribe("+", 1)
    later.expect(publish("b", b"young", 1, retain=True))
    later.expect_nothing()


@v5("MQTT-3.3.2-6", change("PUBLISH", message_expiry_interval=100, peer="watcher+"))
@v5("MQTT-3.3.2-6", change("PUBLISH", message_expiry_interval=None, peer="watcher+"))
@v5("MQTT-3.3.2-6", change("PUBLISH", message_expiry_interval=100))
@v5("MQTT-3.3.2-6", change("PUBLISH", message_expiry_interval=10))
@v5("MQTT-3.3.2-6", change("PUBLISH", message_expiry_interval=None, peer="there"))
@timed
def test_time_of_waiting_is_taken_from_the_expiry(broker: Broker) -> None:
    watcher = broker.keeping_session("watcher")
    watcher.subscribe("a", 1)
    watcher.leave()
    there = broker.connected("there")
    there.subscribe("a", 0)
    broker.connected("c").publish("a", b"x", retain=True, message_expiry_interval=100)
    there.expect(publish("a", b"x", message_expiry_interval=lambda left: left in (99, 100)))
    broker.elapse("10s")
    waited = publish("a", b"x", message_expiry_interval=lambda left: left in (89, 90))
    broker.keeping_session("watcher").expect(waited)
    later = broker.connected("later")
    later.subscribe("a")
    later.expect(waited)


# --- topic aliases --------------------------------------------------------------------------------


@v5("MQTT-3.3.2-7", ignores(), answers(puback(1)))
@v5("MQTT-3.3.2-7", insert(publish("a", b"x", 1, 9), before="PINGRESP"))
def test_topic_aliases_end_with_the_connection(broker: Broker) -> None:
    watcher = watching(broker)
    peer = broker.keeping_session("c")
    peer.publish("a", topic_alias=1)
    peer.publish("", topic_alias=1)
    watcher.expect(publish("a"), publish("a"))
    peer.leave()
    again = broker.keeping_session("c")
    again.send(publish("", b"x", 1, 1, topic_alias=1))
    again.expect_error()
    watcher.expect_nothing()


@v5("MQTT-3.3.2-7", change("PUBLISH", topic=""))
def test_aliases_to_a_client_are_told_on_each_connection(broker: Broker) -> None:
    peer = broker.connected("c")
    for _ in range(2):
        watcher = broker.keeping_session("watcher", topic_alias_maximum=5)
        watcher.subscribe("a", 1)
        peer.publish("a")
        seen = watcher.expect(publish("a"))
        watcher.send(puback(seen.id))
        watcher.leave()


@v5("MQTT-3.3.2-8", ignores(), answers(puback(1)))
def test_topic_alias_0_is_an_error(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.send(publish("a", b"x", 1, 1, topic_alias=0))
    peer.expect_error()


@v5("MQTT-3.3.2-8", change("PUBLISH", topic_alias=0))
@v5("MQTT-3.3.2-11", change("PUBLISH", topic_alias=3), change("PUBLISH", topic_alias=65535))
def test_aliases_to_a_client_are_within_its_maximum(broker: Broker) -> None:
    watcher = watching(broker, topic_alias_maximum=2)
    peer = broker.connected("c")
    known: dict[int, str] = {}
    for topic in "abcdabcd":
        peer.publish(topic, topic)
        seen = watcher.expect(publish(payload=topic.encode()))
        if seen.topic_alias is not None:
            assert 1 <= seen.topic_alias <= 2, seen
            known[seen.topic_alias] = seen.topic or known[seen.topic_alias]
        assert topic == seen.topic or topic == known[seen.topic_alias]


@v5("MQTT-3.3.2-12", drop("PUBLISH"), closes(instead_of="PUBACK"))
@v5("MQTT-3.3.2-12", change("PUBLISH", topic="t/1"))
def test_every_announced_topic_alias_is_taken(broker: Broker) -> None:
    watcher = watching(broker, qos=0)
    peer = broker.peer()
    peer.send(connect("c"))
    most = peer.expect(connack(0)).topic_alias_maximum or 0
    for alias in range(1, most + 1):
        peer.publish(f"t/{alias}", topic_alias=alias)
        watcher.expect(publish(f"t/{alias}", topic_alias=ABSENT))
    for alias in range(most, 0, -1):
        peer.publish("", b"y", topic_alias=alias)
        watcher.expect(publish(f"t/{alias}", b"y"))
    if most:
        peer.publish("other", topic_alias=most)  # from now on stands for that
        peer.publish("", topic_alias=most)
        watcher.expect(publish("other"), publish("other"))


# --- what is done about a PUBLISH -----------------------------------------------------------------


@v5("MQTT-3.3.4-1", insert(puback(1), before="PUBACK"), drop("PUBACK"), drop("PUBREC"))
@v5("MQTT-3.3.4-1", replace("PUBACK", pubrec(2)), replace("PUBREC", puback(3)))
@v311("MQTT-3.3.4-1", insert(puback(1), before="PUBACK"), drop("PUBACK"), drop("PUBREC"))
@v311("MQTT-3.3.4-1", replace("PUBACK", pubrec(2)), replace("PUBREC", puback(3)))
def test_answer_to_publish_goes_by_its_qos(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.send(publish("a"))
    peer.expect_nothing()
    peer.send(publish("a"), publish("a", b"x", 1, 2), publish("a", b"x", 2, 3))
    peer.expect_all(puback(2), pubrec(3))
    peer.expect_nothing()


@v5("MQTT-3.3.4-2", change("PUBLISH", qos=1), drop("PUBLISH"))
@v311("MQTT-3.3.5-1", change("PUBLISH", qos=1), drop("PUBLISH"))
def test_overlapping_subscriptions_give_the_highest_qos(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    for filter, qos in (("a/#", 0), ("a/b", 2), ("+/b", 1)):
        watcher.subscribe(filter, qos)
    broker.connected("c").publish("a/b", b"x", 2)
    assert 2 in [copy.qos for copy in watcher.heard()]  # one copy, or more


@v5("MQTT-3.3.4-3", change("PUBLISH", subscription_identifier=None))
@v5("MQTT-3.3.4-3", change("PUBLISH", subscription_identifier=[300, 1, 7]))
@v5("MQTT-3.3.4-4", change("PUBLISH", subscription_identifier=[1]))
@v5("MQTT-3.3.4-4", change("PUBLISH", subscription_identifier=[300]))
@v5("MQTT-3.3.4-5", twice("PUBLISH", subscription_identifier=None))
@v5(
    "MQTT-3.3.4-5",
    change("PUBLISH", subscription_identifier=[1]) + twice("PUBLISH", subscription_identifier=None),
)
def test_subscription_identifiers_come_with_the_message(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    for filter, identifier in (("a/#", 1), ("a/+", 300), ("b", 7)):
        watcher.subscribe(filter, 1, subscription_identifier=identifier)
    broker.connected("c").publish("a/b")
    copies = watcher.heard()
    assert all(copy.subscription_identifier for copy in copies), copies
    found = [identifier for copy in copies for identifier in copy.subscription_identifier]
    assert sorted(found) == [1, 300], copies  # in one copy or in two


@v5("MQTT-3.3.4-6", ignores(), answers(puback(1)))
def test_clients_send_no_subscription_identifier(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.send(publish("a", b"x", 1, 1, subscription_identifier=1))
    peer.expect_error()


@v311("MQTT-3.3.5-2", drop("PUBACK"), drop("PUBREC"))
@v311("MQTT-3.3.5-2", replace("PUBACK", b"\x40\x03\x00\x01\x87"))
@v311("MQTT-3.3.5-2", insert(publish("$SYS/x"), before="PINGRESP"))
def test_unwanted_publish_is_acknowledged_or_ends_the_connection(broker: Broker) -> None:
    watcher = watching(broker, "$SYS/x")
    for qos, answer in ((1, puback(1)), (2, pubrec(1))):
        peer = broker.connected()
        peer.send(publish("$SYS/x", b"x", qos, 1))
        peer.expect_denied(answer)
    watcher.expect_nothing()


# --- receive maximum ------------------------------------------------------------------------------


@v5("MQTT-3.3.4-9", insert(publish("a", b"2", 1, 99), before="PINGRESP", nth=0))
@v5("MQTT-3.3.4-9", insert(publish("a", b"2", 1, 99), before="PINGRESP", nth=1))
@v5("MQTT-3.3.4-9", insert(publish("a", b"3", 1, 99), before="PINGRESP", nth=2))
@v5("MQTT-3.3.4-9", insert(publish("a", b"5", 1, 99), before="PINGRESP"))
def test_broker_keeps_to_the_receive_maximum(broker: Broker) -> None:
    watcher = watching(broker, receive_maximum=2)
    peer = broker.connected("c")
    for number, qos in enumerate((1, 2, 1, 2, 1, 1)):
        peer.publish("a", str(number), qos)
    one = watcher.expect(publish("a", b"0", 1))
    two = watcher.expect(publish("a", b"1", 2))
    watcher.expect_nothing()
    watcher.send(pubrec(two.id))
    watcher.expect(pubrel(two.id))
    watcher.expect_nothing()
    watcher.send(pubcomp(two.id))
    watcher.expect(publish("a", b"2", 1))
    watcher.expect_nothing()
    watcher.send(puback(one.id))
    four = watcher.expect(publish("a", b"3", 2))
    watcher.send(pubrec(four.id, 0x80))
    watcher.expect(publish("a", b"4", 1))
    watcher.expect_nothing()


@v5("MQTT-3.3.4-10", drop("SUBACK"), drop("PUBACK", peer="watcher"), drop("PUBREC"))
@v5("MQTT-3.3.4-10", drop("PINGRESP"), drop("PUBREL"))
def test_a_full_window_holds_up_nothing_else(broker: Broker) -> None:
    watcher = watching(broker, receive_maximum=1)
    peer = broker.connected("c")
    peer.publish("a", b"1", 2)
    peer.publish("a", b"2", 2)
    first = watcher.expect(publish("a", b"1", 2))
    watcher.fence()
    watcher.send(subscribe(7, [to("b")]), publish("c", b"", 1, 8), publish("c", b"", 2, 9))
    watcher.expect(suback(7))
    watcher.expect_all(puback(8), pubrec(9))
    watcher.send(pubrec(first.id))
    watcher.expect(pubrel(first.id))
