"""Retained messages, and the RETAIN flag."""

from __future__ import annotations

from .broker_role import Broker
from .packets import publish
from .suite import v5, v311
from .violations import change, drop, insert, twice


@v5("MQTT-3.3.1-5", drop("PUBLISH"), change("PUBLISH", payload=b"one"))
@v5("MQTT-3.3.1-5", insert(publish("a", b"one", 1, 9, retain=True), before="PUBLISH"))
@v311("MQTT-3.3.1-5", drop("PUBLISH"), change("PUBLISH", qos=0), change("PUBLISH", qos=2))
@v311("MQTT-3.3.1-6", drop("PUBLISH"), change("PUBLISH", payload=b"one"))
@v311("MQTT-3.3.1-6", insert(publish("a", b"one", 1, 9, retain=True), before="PUBLISH"))
@v311("MQTT-3.3.1-8", change("PUBLISH", retain=False))
def test_latest_retained_message_is_kept(broker: Broker) -> None:
    peer = broker.connected("c")
    for payload, qos in ((b"one", 2), (b"two", 1)):
        peer.publish("a", payload, qos, retain=True)
    peer.leave()
    later = broker.connected("later")
    later.subscribe("+", 2)
    later.expect(publish("a", b"two", 1, retain=True, dup=False))
    later.expect_nothing()


@v311("MQTT-3.3.1-7", change("PUBLISH", payload=b"one"))
@v311("MQTT-3.3.1-7", insert(publish("a", b"one", 1, 9, retain=True), before="PINGRESP"))
def test_qos_0_replaces_what_was_retained(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.publish("a", b"one", 1, retain=True)
    peer.publish("a", b"two", 0, retain=True)
    peer.leave()
    later = broker.connected("later")
    later.subscribe("a", 1)
    later.expect(publish("a", b"two", 0, retain=True))
    later.expect_nothing()


@v5("MQTT-3.3.1-6", drop("PUBLISH"), insert(publish("a", retain=True), before="PINGRESP"))
@v311("MQTT-3.3.1-10", drop("PUBLISH"), insert(publish("a", retain=True), before="PINGRESP"))
@v5("MQTT-3.3.1-6", insert(publish("a", b"old", retain=True), before="PINGRESP"))
@v311("MQTT-3.3.1-10", insert(publish("a", b"old", retain=True), before="PINGRESP"))
def test_empty_retained_message_removes_the_one_before(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.publish("a", b"old", retain=True)
    watcher = broker.connected("watcher")
    watcher.subscribe("b", 1)
    watcher.subscribe("a", 1)
    watcher.expect(publish("a", b"old", 1, retain=True))
    peer.publish("a", b"", retain=True)
    watcher.expect(publish("a", b"", 1, retain=False))
    later = broker.connected("later")
    later.subscribe("a")
    later.expect_nothing()


@v5("MQTT-3.3.1-7", insert(publish("a", b"", retain=True), before="PINGRESP"))
@v311("MQTT-3.3.1-11", insert(publish("a", b"", retain=True), before="PINGRESP"))
def test_empty_message_is_not_retained(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.publish("a", b"", retain=True)
    peer.publish("b", b"", 2, retain=True)
    later = broker.connected("later")
    later.subscribe("#")
    later.expect_nothing()


@v5("MQTT-3.3.1-8", drop("PUBLISH"), change("PUBLISH", payload=b"new"))
@v5("MQTT-3.3.1-8", insert(publish("b", b"new", retain=True), before="PINGRESP"))
@v311("MQTT-3.3.1-12", drop("PUBLISH"), change("PUBLISH", payload=b"new"))
@v311("MQTT-3.3.1-12", insert(publish("b", b"new", retain=True), before="PINGRESP"))
def test_without_retain_nothing_is_kept_or_replaced(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.publish("a", b"kept", retain=True)
    for payload in (b"new", b""):
        peer.publish("a", payload)
        peer.publish("b", payload, 2)
    later = broker.connected("later")
    later.subscribe("#")
    later.expect(publish("a", b"kept", retain=True))
    later.expect_nothing()


# --- what a subscription gets ---------------------------------------------------------------------

ONE, TWO = (publish(topic, b"x", 1, retain=True) for topic in ("a/1", "a/2"))
SENT = insert(ONE.but(id=9), before="PINGRESP")


def retaining(broker: Broker) -> None:
    """Two topics have a retained message."""
    peer = broker.connected("c")
    peer.publish("a/1", retain=True)
    peer.publish("a/2", retain=True)


@v5("MQTT-3.3.1-9", drop("PUBLISH", nth=0), drop("PUBLISH"), SENT)
def test_retain_handling_0_sends_with_each_subscribe(broker: Broker) -> None:
    retaining(broker)
    peer = broker.connected("later")
    for _ in range(2):
        peer.subscribe("a/+", 1, retain_handling=0)
        peer.expect_all(ONE, TWO)
    peer.expect_nothing()


@v5("MQTT-3.3.1-10", drop("PUBLISH"), drop("PUBLISH", nth=0), SENT, twice("PUBLISH"))
@v5("MQTT-3.3.1-10", insert(ONE.but(id=9), before="PINGRESP", nth=0))
def test_retain_handling_1_sends_with_the_first_subscribe(broker: Broker) -> None:
    retaining(broker)
    peer = broker.connected("later")
    peer.subscribe("a/+", 1, retain_handling=1)
    peer.expect_all(ONE, TWO)
    peer.subscribe("a/+", 1, retain_handling=1)
    peer.subscribe("a/+", 0, retain_handling=1)
    peer.expect_nothing()
    peer.subscribe("a/1", 1, retain_handling=1)  # another subscription, which did not exist
    peer.expect(ONE)
    peer.expect_nothing()


@v5("MQTT-3.3.1-11", SENT)
def test_retain_handling_2_sends_nothing(broker: Broker) -> None:
    retaining(broker)
    peer = broker.connected("later")
    for _ in range(2):
        peer.subscribe("a/+", 1, retain_handling=2)
    peer.expect_nothing()


@v5("MQTT-3.3.1-12", change("PUBLISH", retain=True))
@v311("MQTT-3.3.1-9", change("PUBLISH", retain=True), change("PUBLISH", nth=0, retain=True))
def test_established_subscription_gets_retain_0(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("a", 1)
    peer = broker.connected("c")
    for qos in (0, 1, 2):
        peer.publish("a", b"x", qos, retain=True)
        peer.publish("a", b"x", qos)
        for _ in range(2):
            watcher.expect(publish("a", b"x", min(qos, 1), retain=False))


@v5("MQTT-3.3.1-13", change("PUBLISH", retain=True))
@v5("MQTT-3.3.1-13", change("PUBLISH", nth=0, retain=False))
def test_retain_as_published(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("a", 1, retain_as_published=True)
    peer = broker.connected("c")
    for qos in (0, 1, 2):
        for retain in (True, False):
            peer.publish("a", b"x", qos, retain=retain)
            watcher.expect(publish("a", b"x", min(qos, 1), retain=retain))
