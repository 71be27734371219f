"""Will messages."""

from __future__ import annotations

from .broker_role import Broker
from .conversation import Peer
from .packets import ABSENT, connack, connect, publish, will
from .suite import timed, v5, v311
from .violations import change, drop, insert, late, twice

THERE = publish("will", b"gone")


def watching(broker: Broker) -> Peer:
    """Somebody who is told."""
    watcher = broker.connected("watcher")
    watcher.subscribe("will", 2)
    return watcher


@v5("MQTT-3.1.2-7", drop("PUBLISH"), change("PUBLISH", payload=b"else"))
@v311("MQTT-3.1.2-8", drop("PUBLISH"), change("PUBLISH", payload=b"else"))
def test_will_is_published_when_the_connection_breaks(broker: Broker) -> None:
    watcher = watching(broker)
    broker.connected("c", will=will("will", b"gone", 1)).abort()
    watcher.expect(publish("will", b"gone", 1, retain=False))


@v5("MQTT-3.1.2-8", drop("PUBLISH"), late("PUBLISH", -4), late("PUBLISH", 9))
@timed
def test_will_waits_for_its_delay(broker: Broker) -> None:
    watcher = watching(broker)
    late_will = will("will", b"gone", will_delay_interval=5)
    broker.connected("c", session_expiry_interval=60, will=late_will).abort()
    watcher.expect(publish("will", b"gone"), after="4.9s", within="6s")


@v5("MQTT-3.1.2-8", drop("PUBLISH"), late("PUBLISH", 9))
@timed
def test_will_does_not_outlive_its_session(broker: Broker) -> None:
    watcher = watching(broker)
    late_will = will("will", b"gone", will_delay_interval=60)
    broker.connected("c", session_expiry_interval=5, will=late_will).abort()
    watcher.expect(publish("will", b"gone"), after="4.9s", within="6s")


@v5("MQTT-3.1.2-10", insert(THERE, before="PINGRESP"), twice("PUBLISH"))
@v311("MQTT-3.1.2-10", insert(THERE, before="PINGRESP"), twice("PUBLISH"))
def test_will_is_gone_after_it_was_published(broker: Broker) -> None:
    watcher = watching(broker)
    broker.keeping_session("c", will=will("will")).abort()
    watcher.expect(publish("will"))
    again = broker.keeping_session("c")
    again.abort()
    broker.keeping_session("c").leave()  # the broker has seen the end of the one before
    watcher.expect_nothing()


@v5("MQTT-3.14.4-3", insert(THERE, before="PINGRESP"))
@v311("MQTT-3.14.4-3", insert(THERE, before="PINGRESP"))
def test_disconnect_discards_the_will(broker: Broker) -> None:
    watcher = watching(broker)
    broker.connected("c", will=will("will")).leave()
    watcher.expect_nothing()


@v311("MQTT-3.1.2-12", insert(THERE, before="PINGRESP"))
def test_no_will_flag_no_will(broker: Broker) -> None:
    watcher = watching(broker)
    broker.connected("c").abort()
    broker.connected("c").leave()
    watcher.expect_nothing()


@v5("MQTT-3.1.2-14", insert(publish("will", b"gone", retain=True), before="PINGRESP"))
@v5("MQTT-3.1.2-14", change("PUBLISH", retain=True))
@v311("MQTT-3.1.2-16", insert(publish("will", b"gone", retain=True), before="PINGRESP"))
def test_will_without_retain_is_not_kept(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("will", retain_as_published=broker.level == 5)
    broker.connected("c", will=will("will", retain=False)).abort()
    watcher.expect(publish("will", retain=False))
    later = broker.connected("later")
    later.subscribe("will")
    later.expect_nothing()


@v5("MQTT-3.1.2-15", drop("PUBLISH"), change("PUBLISH", retain=False))
@v311("MQTT-3.1.2-17", drop("PUBLISH"), change("PUBLISH", retain=False))
def test_will_with_retain_is_kept(broker: Broker) -> None:
    watcher = watching(broker)
    broker.connected("c", will=will("will", retain=True)).abort()
    watcher.expect(publish("will"))
    later = broker.connected("later")
    later.subscribe("will")
    later.expect(publish("will", b"gone", retain=True))


@v5("MQTT-3.1.3-9", insert(THERE, before="PINGRESP"))
@timed
def test_will_is_not_sent_when_the_client_is_back_in_time(broker: Broker) -> None:
    watcher = watching(broker)
    late_will = will("will", b"gone", will_delay_interval=5)
    broker.connected("c", session_expiry_interval=60, will=late_will).abort()
    broker.elapse("4s")
    again = broker.peer()
    again.send(connect("c", clean_start=False))
    again.expect(connack(0, session_present=True))
    broker.elapse("10s")
    watcher.expect_nothing()


@v5("MQTT-3.1.3-10", change("PUBLISH", user_property=lambda pairs: pairs[::-1]))
@v5("MQTT-3.1.3-10", change("PUBLISH", user_property=None))
def test_user_properties_of_a_will_keep_their_order(broker: Broker) -> None:
    watcher = watching(broker)
    pairs = [("b", "1"), ("a", "2"), ("b", "1"), ("a", "")]
    broker.connected("c", will=will("will", user_property=pairs)).abort()
    watcher.expect(publish("will", user_property=pairs, reason_string=ABSENT))
