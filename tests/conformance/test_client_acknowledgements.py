"""PUBACK, PUBREC, PUBREL and PUBCOMP, as the client sends them."""

from __future__ import annotations

from .client_role import Client
from .packets import puback, pubcomp, publish, pubrec, pubrel
from .suite import v5, v311
from .test_acknowledgements import PAIRS, SMALL, WORDS, expect_small
from .violations import change


@v5("MQTT-3.4.2-1", change("PUBACK", reason=0x92), change("PUBACK", reason=0x01))
@v5("MQTT-3.5.2-1", change("PUBREC", reason=0x92), change("PUBREC", reason=0x01))
@v5("MQTT-3.6.2-1", change("PUBREL", reason=0x91), change("PUBREL", nth=0, reason=0x10))
@v5("MQTT-3.7.2-1", change("PUBCOMP", reason=0x91), change("PUBCOMP", nth=0, reason=0x10))
def test_client_acknowledges_with_a_reason_of_the_packet(client: Client) -> None:
    server = client.connected()
    server.send(publish("a", b"x", 1, 5), publish("a", b"x", 2, 6))
    server.expect(puback(5), pubrec(6))  # the decoder of the tests knows the reasons
    server.send(pubrel(6))
    server.expect(pubcomp(6))
    server.send(pubrel(7))  # of which nothing is known
    server.expect(pubcomp(7))
    client.publish("a", b"x", 2)
    sent = server.expect(publish("a", b"x", 2))
    server.send(pubrec(sent.id))
    server.expect(pubrel(sent.id))
    server.send(pubrec(sent.id + 1))
    server.expect(pubrel(sent.id + 1))


@v5("MQTT-3.4.2-2", change("PUBACK", reason_string=WORDS))
@v5("MQTT-3.4.2-3", change("PUBACK", user_property=PAIRS))
@v5("MQTT-3.5.2-2", change("PUBREC", reason_string=WORDS))
@v5("MQTT-3.5.2-3", change("PUBREC", user_property=PAIRS))
@v5("MQTT-3.6.2-2", change("PUBREL", reason_string=WORDS))
@v5("MQTT-3.6.2-3", change("PUBREL", user_property=PAIRS))
@v5("MQTT-3.7.2-2", change("PUBCOMP", reason_string=WORDS))
@v5("MQTT-3.7.2-3", change("PUBCOMP", user_property=PAIRS))
def test_client_acknowledges_within_the_servers_maximum(client: Client) -> None:
    server = client.connected(answer={"maximum_packet_size": SMALL})
    server.send(publish("a", b"x", 1, 5))
    expect_small(server, puback(5))
    server.send(publish("a", b"x", 2, 6))
    expect_small(server, pubrec(6))
    server.send(pubrec(7))
    expect_small(server, pubrel(7))
    server.send(pubrel(8))
    expect_small(server, pubcomp(8))


@v5("MQTT-3.6.1-1", change("PUBREL", flags=0), change("PUBREL", flags=3))
@v311("MQTT-3.6.1-1", change("PUBREL", flags=0), change("PUBREL", flags=3))
def test_flags_of_the_clients_pubrel_are_0010(client: Client) -> None:
    server = client.connected()
    client.publish("a", b"x", 2)
    sent = server.expect(publish("a", b"x", 2))
    server.send(pubrec(sent.id))
    server.expect(pubrel(sent.id))  # the decoder of the tests looks at the flags
