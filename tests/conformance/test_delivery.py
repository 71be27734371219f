"""Sections 4.3 to 4.6 at the broker: the exchanges of QoS 1 and 2, redelivery, order."""

from __future__ import annotations

from typing import Any

from .broker_role import Broker
from .conversation import Peer
from .packets import puback, pubcomp, publish, pubrec, pubrel
from .suite import timed, v5, v311
from .violations import change, closes, drop, insert, swap, twice

NO_SUBSCRIBERS = 0x10  # a reason code below 0x80; in 3.1.1 there are none


def staying(broker: Broker, qos: int, filter: str = "a") -> Peer:
    """A subscriber whose session outlives the connection; `broker.keeping_session` goes on."""
    watcher = broker.keeping_session("watcher")
    watcher.subscribe(filter, qos)
    return watcher


# --- the broker sends -----------------------------------------------------------------------------

SAME_ID = change("PUBLISH", id=lambda last: last - 1)  # identifiers are given out one by one


@v5("MQTT-4.3.2-1", SAME_ID)
@v5("MQTT-4.3.2-2", change("PUBLISH", dup=True), change("PUBLISH", qos=0), change("PUBLISH", id=0))
@v311("MQTT-4.3.2-1", SAME_ID, change("PUBLISH", dup=True), change("PUBLISH", qos=0))
def test_qos_1_goes_with_an_identifier_of_its_own(broker: Broker) -> None:
    watcher = staying(broker, 1)
    peer = broker.connected("c")
    sent = []
    for number in range(4):
        peer.publish("a", str(number), 1)
        sent.append(watcher.expect(publish("a", str(number), 1, dup=False)).id)
    assert len(set(sent)) == 4


@v5("MQTT-4.3.3-1", SAME_ID)
@v5("MQTT-4.3.3-2", change("PUBLISH", dup=True), change("PUBLISH", qos=1), change("PUBLISH", id=0))
@v311("MQTT-4.3.3-1", SAME_ID, change("PUBLISH", dup=True), change("PUBLISH", qos=1))
def test_qos_2_goes_with_an_identifier_of_its_own(broker: Broker) -> None:
    watcher = staying(broker, 2)
    peer = broker.connected("c")
    sent = []
    for number in range(4):
        peer.publish("a", str(number), 2)
        seen = watcher.expect(publish("a", str(number), 2, dup=False))
        sent.append(seen.id)
        if number % 2:  # an identifier is in use until PUBCOMP
            watcher.send(pubrec(seen.id))
            watcher.expect(pubrel(seen.id))
    assert len(set(sent)) == 4


AGAIN = publish("a", b"x", 1, 1, dup=True)


@v5("MQTT-3.3.1-1", change("PUBLISH", dup=False))
@v311("MQTT-3.3.1-1", change("PUBLISH", dup=False))
@v5("MQTT-3.3.1-3", change("PUBLISH", dup=False))
@v311("MQTT-3.3.1-3", change("PUBLISH", dup=False))
@v5("MQTT-4.3.2-3", drop("PUBLISH"), insert(AGAIN, before="PINGRESP"))
@v311("MQTT-4.3.2-1", drop("PUBLISH"), insert(AGAIN, before="PINGRESP"))
@v5("MQTT-4.4.0-1", drop("PUBLISH"), change("PUBLISH", id=99), twice("PUBLISH"))
@v311("MQTT-4.4.0-1", drop("PUBLISH"), change("PUBLISH", id=99))
def test_qos_1_is_sent_again_until_puback(broker: Broker) -> None:
    watcher = staying(broker, 1)
    broker.connected("c").publish("a")
    sent = watcher.expect(publish("a", b"x", 1, dup=False))
    watcher.abort()
    again = broker.keeping_session("watcher")
    again.expect(publish("a", b"x", 1, sent.id, dup=True))
    again.send(puback(sent.id))
    again.fence()
    again.leave()
    broker.keeping_session("watcher").expect_nothing()


SECOND = AGAIN.but(qos=2)


@v5("MQTT-3.3.1-1", change("PUBLISH", dup=False))
@v311("MQTT-3.3.1-1", change("PUBLISH", dup=False))
@v5("MQTT-4.3.3-3", drop("PUBLISH"))
@v5("MQTT-4.3.3-4", drop("PUBREL", nth=0), change("PUBREL", nth=0, id=99))
@v5("MQTT-4.3.3-5", drop("PUBREL"), insert(pubrel(1), before="PINGRESP"))
@v5("MQTT-4.3.3-6", insert(SECOND, before="PUBREL"), insert(SECOND, after="PUBREL"))
@v311("MQTT-4.3.3-1", drop("PUBLISH"), drop("PUBREL", nth=0), change("PUBREL", nth=0, id=99))
@v311("MQTT-4.3.3-1", drop("PUBREL"), insert(pubrel(1), before="PINGRESP"))
@v311("MQTT-4.3.3-1", insert(SECOND, before="PUBREL"), insert(SECOND, after="PUBREL"))
@v5("MQTT-4.4.0-1", change("PUBLISH", id=99), change("PUBREL", id=99), drop("PUBREL"))
@v311("MQTT-4.4.0-1", change("PUBLISH", id=99), change("PUBREL", id=99), drop("PUBREL"))
def test_qos_2_is_sent_again_until_pubrec_and_pubrel_until_pubcomp(broker: Broker) -> None:
    watcher = staying(broker, 2)
    broker.connected("c").publish("a", b"x", 2)
    sent = watcher.expect(publish("a", b"x", 2, dup=False))
    watcher.abort()
    again = broker.keeping_session("watcher")
    again.expect(publish("a", b"x", 2, sent.id, dup=True))
    again.send(pubrec(sent.id, NO_SUBSCRIBERS))
    again.expect(pubrel(sent.id))
    again.abort()
    third = broker.keeping_session("watcher")
    third.expect(pubrel(sent.id))
    third.expect_nothing()
    third.send(pubcomp(sent.id))
    third.fence()
    third.leave()
    broker.keeping_session("watcher").expect_nothing()


SAME: dict[str, Any] = {
    "payload_format_indicator": 1,
    "response_topic": "answer",
    "correlation_data": b"\x00\xff",
    "content_type": "text/plain",
    "user_property": [("b", "1"), ("a", "2"), ("b", "1")],
}


@v5("MQTT-3.3.2-4", change("PUBLISH", payload_format_indicator=None))
@v5("MQTT-3.3.2-15", change("PUBLISH", response_topic=None))
@v5("MQTT-3.3.2-16", change("PUBLISH", correlation_data=None))
@v5("MQTT-3.3.2-17", change("PUBLISH", user_property=None))
@v5("MQTT-3.3.2-20", change("PUBLISH", content_type=None))
@v5("MQTT-3.3.4-3", change("PUBLISH", nth=0, subscription_identifier=None))
@v5("MQTT-3.3.4-3", change("PUBLISH", subscription_identifier=None))
@v5("MQTT-3.3.1-13", change("PUBLISH", nth=0, retain=False), change("PUBLISH", retain=False))
def test_message_is_the_same_when_it_is_sent_later_or_again(broker: Broker) -> None:
    watcher = broker.keeping_session("watcher")
    watcher.subscribe("a", 1, retain_as_published=True, subscription_identifier=200)
    watcher.leave()
    broker.connected("c").publish("a", b"text", retain=True, **SAME)
    whole = publish("a", b"text", 1, retain=True, subscription_identifier=[200], **SAME)
    later = broker.keeping_session("watcher")
    sent = later.expect(whole.but(dup=False))
    later.abort()
    broker.keeping_session("watcher").expect(whole.but(dup=True, id=sent.id))


@v5("MQTT-3.3.4-9", insert(AGAIN.but(payload=b"1", id=2), before="PINGRESP", nth=0))
@v5("MQTT-3.3.4-9", insert(AGAIN.but(payload=b"3", id=4, dup=False), before="PINGRESP"))
def test_redelivery_keeps_to_the_new_receive_maximum(broker: Broker) -> None:
    watcher = broker.keeping_session("watcher", receive_maximum=2)
    watcher.subscribe("a", 1)
    peer = broker.connected("c")
    for text in (b"0", b"1", b"2", b"3"):
        peer.publish("a", text, 1)
    sent = [watcher.expect(publish("a", text, 1, dup=False)).id for text in (b"0", b"1")]
    watcher.abort()
    again = broker.keeping_session("watcher", receive_maximum=1)
    for text, id in zip((b"0", b"1"), sent, strict=True):
        again.expect(publish("a", text, 1, id, dup=True))
        again.expect_nothing()
        again.send(puback(id))
    again.expect(publish("a", b"2", 1, dup=False))
    again.expect_nothing()


@v5("MQTT-4.4.0-1", insert(AGAIN, before="PINGRESP"), insert(pubrel(2), before="PINGRESP"))
@timed
def test_nothing_is_sent_again_on_the_same_connection(broker: Broker) -> None:
    watcher = staying(broker, 2)
    peer = broker.connected("c")
    peer.publish("a", b"x", 1)
    watcher.expect(publish("a", b"x", 1))
    peer.publish("a", b"y", 2)
    sent = watcher.expect(publish("a", b"y", 2))
    watcher.send(pubrec(sent.id))
    watcher.expect(pubrel(sent.id))
    broker.elapse("1h")
    watcher.expect_nothing()


@v5("MQTT-4.3.3-7", drop("PUBLISH"), closes(instead_of="PUBLISH"))
@timed
def test_qos_2_does_not_expire_once_it_was_sent(broker: Broker) -> None:
    watcher = staying(broker, 2)
    broker.connected("c").publish("a", b"x", 2, message_expiry_interval=5)
    sent = watcher.expect(publish("a", b"x", 2))
    watcher.abort()
    broker.elapse("10s")
    broker.keeping_session("watcher").expect(publish("a", b"x", 2, sent.id, dup=True))


@v5("MQTT-4.4.0-2", insert(AGAIN, before="PINGRESP"), insert(SECOND, before="PINGRESP"))
@v5("MQTT-4.4.0-2", insert(pubrel(2), before="PINGRESP", nth=0))
def test_refused_message_is_not_sent_again(broker: Broker) -> None:
    watcher = staying(broker, 2)
    peer = broker.connected("c")
    peer.publish("a", b"x", 1)
    peer.publish("a", b"y", 2)
    one, two = (watcher.expect(publish("a", b)) for b in (b"x", b"y"))
    watcher.send(puback(one.id, 0x80), pubrec(two.id, 0x97))
    watcher.expect_nothing()
    watcher.leave()
    broker.keeping_session("watcher").expect_nothing()


# --- the broker receives --------------------------------------------------------------------------


@v5("MQTT-4.3.2-4", drop("PUBACK"), change("PUBACK", id=8))
@v5("MQTT-4.3.2-5", drop("PUBLISH"), drop("PUBACK"))
@v311("MQTT-4.3.2-2", drop("PUBACK"), change("PUBACK", id=8), drop("PUBLISH"))
def test_identifier_is_free_after_puback(broker: Broker) -> None:
    watcher = staying(broker, 1)
    peer = broker.connected("c")
    for dup in (False, True, False):
        peer.send(publish("a", b"x", 1, 7, dup=dup))
        peer.expect(puback(7))
        watcher.expect(publish("a", b"x", 1, dup=False))


TWICE = insert(publish("a", b"x", 2, 99), before="PINGRESP", peer="watcher")


@v5("MQTT-4.3.3-8", drop("PUBREC", nth=0), change("PUBREC", nth=0, id=8))
@v5("MQTT-4.3.3-10", drop("PUBREC", nth=1), drop("PUBREC", nth=2), TWICE)
@v5("MQTT-4.3.3-11", drop("PUBCOMP", nth=0), change("PUBCOMP", nth=0, id=8))
@v5("MQTT-4.3.3-12", drop("PUBLISH"), drop("PUBREC"))
@v311("MQTT-4.3.3-2", drop("PUBREC", nth=0), change("PUBREC", nth=0, id=8))
@v311("MQTT-4.3.3-2", drop("PUBREC", nth=1), drop("PUBREC", nth=2), TWICE)
@v311("MQTT-4.3.3-2", drop("PUBCOMP", nth=0), change("PUBCOMP", nth=0, id=8), drop("PUBLISH"))
def test_qos_2_is_handed_on_once(broker: Broker) -> None:
    watcher = staying(broker, 2)
    peer = broker.keeping_session("c")
    for dup in (False, True, False):  # the flag does not matter
        peer.send(publish("a", b"x", 2, 7, dup=dup))
        peer.expect(pubrec(7))
    peer.abort()
    peer = broker.keeping_session("c")
    peer.send(publish("a", b"x", 2, 7, dup=True))
    peer.expect(pubrec(7))
    peer.send(pubrel(7))
    peer.expect(pubcomp(7))
    watcher.expect(publish("a", b"x", 2))
    watcher.expect_nothing()
    peer.publish("a", b"y", 2)
    peer.send(publish("a", b"z", 2, 7, dup=True))
    peer.expect(pubrec(7))
    peer.send(pubrel(7))
    peer.expect(pubcomp(7))
    watcher.expect(publish("a", b"y", 2), publish("a", b"z", 2, dup=False))


@v5("MQTT-4.3.3-9", drop("PUBLISH"), drop("PUBREC"), change("PUBREC", reason=0x91))
def test_identifier_is_free_after_a_refusal(broker: Broker) -> None:
    broker.start(check_payload_format=True)
    watcher = staying(broker, 2)
    peer = broker.connected("c")
    peer.send(publish("a", b"\xff", 2, 7, payload_format_indicator=1))
    peer.expect(pubrec(7, lambda reason: reason >= 0x80))
    peer.send(publish("a", b"text", 2, 7, payload_format_indicator=1))
    peer.expect(pubrec(7, 0))
    peer.send(pubrel(7))
    peer.expect(pubcomp(7, 0))
    watcher.expect(publish("a", b"text", 2))


@v5("MQTT-4.3.3-13", drop("PUBCOMP"), change("PUBCOMP", reason=0x92), closes(instead_of="PUBCOMP"))
@timed
def test_qos_2_is_completed_though_the_message_has_expired(broker: Broker) -> None:
    watcher = staying(broker, 2)
    watcher.leave()
    peer = broker.connected("c")
    peer.send(publish("a", b"x", 2, 7, message_expiry_interval=1))
    peer.expect(pubrec(7, 0))
    broker.elapse("5s")
    peer.send(pubrel(7))
    peer.expect(pubcomp(7, 0))
    broker.keeping_session("watcher").expect_nothing()


@v5("MQTT-4.5.0-1", drop("PUBLISH"), drop("PUBLISH", peer="absent+", nth=0))
@v5("MQTT-4.5.0-1", drop("PUBLISH", peer="present"))
@v311("MQTT-4.5.0-1", drop("PUBLISH"), drop("PUBLISH", peer="absent+", nth=0))
@v311("MQTT-4.5.0-1", drop("PUBLISH", peer="present"))
def test_message_joins_the_sessions_of_its_subscribers(broker: Broker) -> None:
    absent, present = (broker.keeping_session(name) for name in ("absent", "present"))
    for peer, filter in ((absent, "a/#"), (present, "+/b")):
        peer.subscribe(filter, 2)
    absent.leave()
    publisher = broker.connected("c")
    publisher.publish("a/b", b"1", 1)
    publisher.publish("a/b", b"2", 2)
    both = publish("a/b", b"1", 1), publish("a/b", b"2", 2)
    present.expect_all(*both)
    broker.keeping_session("absent").expect_all(*both)


# --- order ----------------------------------------------------------------------------------------

OTHER_ORDER = [swap("PUBLISH", "PUBLISH", peer=f"{name}{qos}") for name in "ab" for qos in "012"]


@v5("MQTT-4.6.0-5", *OTHER_ORDER, swap("PUBLISH", "PUBLISH", peer="b2+"))
@v5("MQTT-4.6.0-6", *OTHER_ORDER, swap("PUBLISH", "PUBLISH", peer="b1+"))
@v311("MQTT-4.6.0-5", *OTHER_ORDER, swap("PUBLISH", "PUBLISH", peer="b1+"))
@v311("MQTT-4.6.0-6", *OTHER_ORDER, swap("PUBLISH", "PUBLISH", peer="b2+"))
def test_messages_of_a_topic_stay_in_order(broker: Broker) -> None:
    a0, a1, a2, b0, b1, b2 = (broker.keeping_session(n + q) for n in "ab" for q in "012")
    for peer, qos in ((a0, 0), (a1, 1), (a2, 2)):
        peer.subscribe("t", qos)
    for peer, qos in ((b0, 0), (b1, 1), (b2, 2)):
        peer.subscribe("#", qos)
    publisher = broker.connected("c")
    texts = [str(number).encode() for number in range(1, 6)]
    publisher.send(*(publish("t", text, 2, int(text)) for text in texts))
    publisher.expect(*(pubrec(int(text)) for text in texts))
    publisher.send(*(pubrel(int(text)) for text in texts))
    publisher.expect(*(pubcomp(int(text)) for text in texts))
    for peer, qos in ((a0, 0), (b0, 0), (a1, 1), (b1, 1), (a2, 2), (b2, 2)):
        peer.expect(*(publish("t", text, qos) for text in texts))
    for peer, qos in ((b1, 1), (b2, 2)):
        peer.abort()
        again = broker.keeping_session(peer.name)
        again.expect(*(publish("t", text, qos, dup=True) for text in texts))


@v311("MQTT-4.6.0-6", swap("PUBLISH", "PUBLISH"), swap("PUBREL", "PUBREL"))
@v311("MQTT-4.6.0-6", swap("PUBACK", "PUBACK"), swap("PUBREC", "PUBREC"))
def test_broker_follows_the_rules_of_order(broker: Broker) -> None:
    watcher = staying(broker, 2)
    peer = broker.connected("c")
    peer.send(*(publish("a", str(id), 1, id) for id in (9, 3)))
    peer.expect(puback(9), puback(3))
    peer.send(*(publish("a", str(id), 2, id) for id in (8, 2, 5)))
    peer.expect(pubrec(8), pubrec(2), pubrec(5))
    peer.send(*(pubrel(id) for id in (8, 2, 5)))
    peer.expect(pubcomp(8), pubcomp(2), pubcomp(5))
    sent = [watcher.expect(publish("a", text)).id for text in "93825"]
    watcher.abort()
    again = broker.keeping_session("watcher")
    again.expect(*(publish("a", t, id=id, dup=True) for t, id in zip("93825", sent, strict=True)))
    again.send(pubrec(sent[3]), pubrec(sent[4]), pubrec(sent[2]))
    again.expect(pubrel(sent[3]), pubrel(sent[4]), pubrel(sent[2]))
