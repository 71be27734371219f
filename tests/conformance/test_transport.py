"""A connection is an ordered stream of bytes, however it is cut."""

from __future__ import annotations

from .broker_role import Broker
from .client_role import Client, message
from .packets import (
    connack,
    connect,
    disconnect,
    pingreq,
    pingresp,
    puback,
    publish,
    suback,
    subscribe,
    to,
)
from .suite import v5, v311
from .violations import change, closes, drop, swap


@v5("MQTT-4.2-1", drop("PUBLISH"), swap("PUBLISH", "PINGRESP"), closes(instead_of="SUBACK"))
@v311("MQTT-7.1.1-1", drop("PUBLISH"), swap("PUBLISH", "PINGRESP"), closes(instead_of="SUBACK"))
@v311("MQTT-7.0.0-2", closes(instead_of="CONNACK"), closes(instead_of="PUBLISH"))
def test_broker_takes_a_stream_of_bytes(broker: Broker) -> None:
    packets = (connect("c"), subscribe(1, [to("a", 1)]), publish("a", b"x", 1, 2), pingreq())
    stream = b"".join(packet.encode(broker.level) for packet in packets)
    for size in (1, 3, len(stream)):
        peer = broker.peer()
        for at in range(0, len(stream), size):
            peer.send(stream[at : at + size])
        peer.expect(connack(0), suback(1, [1]))
        peer.expect_all(puback(2), publish("a", b"x", 1))
        peer.expect(pingresp())
        peer.send(disconnect())
        peer.expect_closed()


@v5("MQTT-4.2-1", drop("MESSAGE"), change("PUBACK", id=8))
@v311("MQTT-7.1.2-1", drop("MESSAGE"), change("PUBACK", id=8))
def test_client_takes_a_stream_of_bytes(client: Client) -> None:
    server = client.connected()
    stream = b"".join(publish("a", b"x", 1, id).encode(client.level) for id in (5, 6))
    for at in range(len(stream)):
        server.send(stream[at : at + 1])
    server.expect(puback(5), puback(6))
    client.expect(message("a", b"x", 1), message("a", b"x", 1))
