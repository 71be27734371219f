"""How long a session lasts, and what is none of it."""

from __future__ import annotations

from .broker_role import Broker
from .packets import connack, connect, disconnect, pubcomp, publish, pubrec, pubrel
from .suite import timed, v5, v311
from .violations import answers, change, drop, insert


@v5("MQTT-4.1.0-1", drop("PUBLISH", peer="c"), change("PUBCOMP", reason=0x92))
@v5("MQTT-4.1.0-1", insert(publish("b", b"x"), before="PINGRESP"))
@v311("MQTT-4.1.0-2", drop("PUBLISH", peer="c"))
@v311("MQTT-4.1.0-2", insert(publish("b", b"x"), before="PINGRESP"))
@timed
def test_session_lasts_as_long_as_its_connection(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("b")
    for interval in (None, 1):  # none: with the connection; 1 s after it
        peer = broker.connected("c", session_expiry_interval=interval)
        peer.subscribe("a", 1)
        peer.send(publish("b", b"x", 2, 5))
        peer.expect(pubrec(5))
        watcher.expect(publish("b", b"x"))
        broker.elapse("2h")
        broker.connected("other").publish("a")
        peer.expect(publish("a", b"x", 1))
        peer.send(publish("b", b"x", 2, 5, dup=True))
        peer.expect(pubrec(5))
        peer.send(pubrel(5))
        peer.expect(pubcomp(5, 0))
        watcher.expect_nothing()  # it is known as the same message
        peer.leave()


@v311("MQTT-4.1.0-1", change("CONNACK", session_present=False), drop("PUBLISH"))
@v311("MQTT-4.1.0-1", drop("PUBREL"), change("PUBLISH", nth=2, dup=False))
@timed
def test_session_is_stored_as_long_as_it_lasts(broker: Broker) -> None:
    peer = broker.keeping_session("c")
    peer.subscribe("a", 2)
    other = broker.connected("other")
    other.publish("a", b"one", 2)
    other.publish("a", b"two", 2)
    one = peer.expect(publish("a", b"one", 2)).id
    two = peer.expect(publish("a", b"two", 2)).id
    peer.send(pubrec(one))
    peer.expect(pubrel(one))
    peer.abort()
    broker.elapse("2h")
    other.publish("a", b"three", 1)
    again = broker.peer("again")
    again.send(connect("c", clean_start=False))
    again.expect(connack(0, session_present=True), pubrel(one))
    again.expect(publish("a", b"two", 2, two, dup=True), publish("a", b"three", 1))


@v5("MQTT-4.1.0-2", change("CONNACK", session_present=True))
@v5("MQTT-4.1.0-2", insert(publish("a", b"x", 1, 300), before="PINGRESP"))
@timed
def test_session_is_discarded_when_it_has_expired(broker: Broker) -> None:
    other = broker.connected("other")
    for interval, says_at_the_end, wait in (
        (10, None, "11s"),
        (0, None, "0s"),
        (1000, 10, "11s"),  # DISCONNECT has the last word
        (1000, 0, "0s"),
    ):
        peer = broker.connected("c", session_expiry_interval=interval)
        peer.subscribe("a", 1)
        peer.leave(session_expiry_interval=says_at_the_end)
        broker.elapse(wait)
        again = broker.peer("c")
        again.send(connect("c", clean_start=False))
        again.expect(connack(0, session_present=False))
        other.publish("a")
        again.expect_nothing()
        again.leave()


@v5("MQTT-4.1.0-2", change("CONNACK", session_present=False), drop("PUBLISH"))
@timed
def test_session_is_there_until_it_has_expired(broker: Broker) -> None:
    for interval, wait in ((10, "9s"), (0xFFFFFFFF, "2000000h")):  # the latter: never
        peer = broker.connected("c", session_expiry_interval=interval)
        peer.subscribe("a", 1)
        peer.leave()
        broker.elapse(wait)
        broker.connected("other").publish("a")
        again = broker.peer("c")
        again.send(connect("c", clean_start=False))
        again.expect(connack(0, session_present=True), publish("a", b"x", 1))
        again.leave()


@v311("MQTT-3.1.2-7", drop("PUBLISH"), change("PUBLISH", payload=b"else"))
def test_retained_messages_outlive_the_session(broker: Broker) -> None:
    peer = broker.connected("c", clean_start=True)
    peer.publish("a", b"kept", 1, retain=True)
    peer.leave()
    broker.connected("c", clean_start=True).leave()
    later = broker.connected("later")
    later.subscribe("a")
    later.expect(publish("a", b"kept", retain=True))


@v5("MQTT-3.1.3-8", answers(connack(0)), drop("closed"))
def test_rejected_client_identifiers_are_closed(broker: Broker) -> None:
    """Ours rejects none but those that are no UTF-8."""
    for wrong in (b"c\xed\xa0\x80", b"c\0", b"\xff"):
        peer = broker.peer()
        peer.send(connect(wrong))
        peer.expect_refused(connack(0x85), connack(0x81))
        peer = broker.peer()
        peer.send(connect(wrong), disconnect())
        peer.expect_refused(connack(0x85), connack(0x81))
