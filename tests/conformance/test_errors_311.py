"""Errors of 3.1.1, as the broker handles them: the connection ends."""

from __future__ import annotations

from .broker_role import Broker
from .packets import (
    connack,
    connect,
    disconnect,
    pingreq,
    pingresp,
    puback,
    publish,
    pubrel,
    suback,
    subscribe,
    to,
)
from .suite import v311
from .violations import answers, drop, ignores, insert

WRONG = (  # of a client
    b"\x00\x00",  # packet type 0
    b"\xf0\x00",  # packet type 15
    connack(0),
    suback(1, [0]),
    pingresp(),
    publish("a", b"x", 3, 1),
    publish("a", b"x", 1, 0),
    pubrel(1, flags=0),
    subscribe(0, [to("a")]),
    disconnect(flags=1),
    pingreq(tail=b"!"),
    b"\x30\xff\xff\xff\xff\x01",  # a remaining length of five bytes
    connect("c"),
)


@v311("MQTT-4.8.0-1", answers(connack(0)), ignores(), drop("closed", nth=0))
@v311("MQTT-4.8.0-1", insert(publish("a", b"x"), before="PINGRESP"))
def test_broker_ends_what_breaks_the_protocol(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("#")
    for wrong in WRONG:
        peer = broker.connected()
        peer.send(wrong, publish("a", b"x"))  # what follows does not count
        peer.expect_closed()
    watcher.expect_nothing()


@v311("MQTT-4.8.0-2", answers(puback(7)), ignores())
@v311("MQTT-4.8.0-2", insert(publish("a", b"x"), before="PINGRESP"))
def test_broker_ends_what_is_too_large_for_it(broker: Broker) -> None:
    broker.start(maximum_packet_size=1000)
    watcher = broker.connected("watcher")
    watcher.subscribe("#")
    peer = broker.connected()
    peer.send(publish("a", b"x" * 1000, 1, 7))
    peer.expect_closed()
    watcher.expect_nothing()


@v311("MQTT-4.8.0-2", answers(puback(7)), ignores())
def test_broker_ends_what_it_has_no_room_to_retain(broker: Broker) -> None:
    broker.start(max_retained=1)
    peer = broker.connected()
    peer.publish("a", retain=True)
    peer.send(publish("b", b"x", 1, 7, retain=True))
    peer.expect_closed()
