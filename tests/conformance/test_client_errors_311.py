"""Errors of 3.1.1, as the client handles them: the connection ends."""

from __future__ import annotations

from .client_role import Client
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
    unsuback,
    unsubscribe,
)
from .suite import v311
from .violations import drop, replace

WRONG = (  # of a server
    b"\x00\x00",  # packet type 0
    b"\xf0\x00",  # packet type 15
    connect("c"),
    connack(0),
    subscribe(1, [to("a")]),
    unsubscribe(1, ["a"]),
    pingreq(),
    pingresp(tail=b"!"),
    disconnect(),
    suback(9, [0]),  # which nobody has asked for
    unsuback(9),
    publish("a", b"x", 3, 1),
    publish("a", b"x", 1, 0),
    pubrel(1, flags=0),
    puback(1, cut=1),
    b"\x30\xff\xff\xff\xff\x01",  # a remaining length of five bytes
)


@v311("MQTT-4.8.0-1", drop("closed"), drop("closed", nth=0), replace("closed", puback(1)))
def test_client_ends_what_breaks_the_protocol(client: Client) -> None:
    client.start()
    for wrong in WRONG:
        server = client.welcome()
        server.send(wrong)
        server.expect_closed()
        client.connect()


@v311("MQTT-4.8.0-2", drop("closed"), replace("closed", puback(7)))
def test_client_ends_what_is_too_large_for_it(client: Client) -> None:
    server = client.connected(maximum_packet_size=1000)
    server.send(publish("a", b"x" * 1000, 1, 7))
    server.expect_closed()
