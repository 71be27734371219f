"""PUBACK, PUBREC, PUBREL and PUBCOMP, as the broker sends and takes them."""

from __future__ import annotations

from .broker_role import Broker
from .conversation import Peer
from .packets import Packet, disconnect, puback, pubcomp, publish, pubrec, pubrel
from .suite import v5, v311
from .violations import answers, change, ignores

SMALL = 20  # bytes: the maximum packet size of the other side
WORDS = "a reason of many words"  # which has no room in that
PAIRS = [("a key", "a value of some length")]


def expect_small(peer: Peer, packet: Packet) -> Packet:
    """This comes next, and no larger than SMALL."""
    seen = peer.expect(packet)
    assert len(seen.encode(5)) <= SMALL, seen
    return seen


# --- PUBACK and PUBREC ----------------------------------------------------------------------------


@v5("MQTT-3.4.2-1", change("PUBACK", reason=0x92), change("PUBACK", nth=0, reason=0x01))
@v5("MQTT-3.5.2-1", change("PUBREC", reason=0x92), change("PUBREC", nth=0, reason=0x01))
def test_puback_and_pubrec_have_one_of_their_reasons(broker: Broker) -> None:
    broker.start(check_payload_format=True)
    broker.connected("watcher").subscribe("a")
    peer = broker.connected("c")
    for message in (
        publish("a"),
        publish("nobody listens"),
        publish("$SYS/x"),
        publish("a", b"\xff", payload_format_indicator=1),
    ):
        peer.send(message.but(qos=1, id=1), message.but(qos=2, id=2))
        peer.expect_all(puback(1), pubrec(2))  # the decoder of the tests knows the reasons
        peer.send(pubrel(2))
        peer.expect(pubcomp(2))


@v5("MQTT-3.4.2-2", change("PUBACK", reason_string=WORDS))
@v5("MQTT-3.4.2-3", change("PUBACK", user_property=PAIRS))
@v5("MQTT-3.5.2-2", change("PUBREC", reason_string=WORDS))
@v5("MQTT-3.5.2-3", change("PUBREC", user_property=PAIRS))
def test_puback_and_pubrec_stay_within_the_clients_maximum(broker: Broker) -> None:
    peer = broker.connected("c", maximum_packet_size=SMALL)
    peer.send(publish("$SYS/x", b"x", 1, 1))  # of which we say why not
    expect_small(peer, puback(1))
    peer.send(publish("$SYS/x", b"x", 2, 2))
    expect_small(peer, pubrec(2))


# --- PUBREL and PUBCOMP ---------------------------------------------------------------------------


@v5("MQTT-3.6.2-1", change("PUBREL", reason=0x91), change("PUBREL", nth=0, reason=0x10))
@v5("MQTT-3.7.2-1", change("PUBCOMP", reason=0x91), change("PUBCOMP", nth=0, reason=0x10))
def test_pubrel_and_pubcomp_have_one_of_their_reasons(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("a", 2)
    peer = broker.connected("c")
    peer.send(publish("a", b"x", 2, 7))
    peer.expect(pubrec(7))
    peer.send(pubrel(7))
    peer.expect(pubcomp(7))  # the decoder of the tests knows the reasons
    sent = watcher.expect(publish("a", b"x", 2))
    watcher.send(pubrec(sent.id))
    watcher.expect(pubrel(sent.id))
    watcher.send(pubrec(sent.id + 1))  # of which nothing is known
    watcher.expect(pubrel(sent.id + 1))
    peer.send(pubrel(8))
    peer.expect(pubcomp(8))


@v5("MQTT-3.6.2-2", change("PUBREL", reason_string=WORDS))
@v5("MQTT-3.6.2-3", change("PUBREL", user_property=PAIRS))
@v5("MQTT-3.7.2-2", change("PUBCOMP", reason_string=WORDS))
@v5("MQTT-3.7.2-3", change("PUBCOMP", user_property=PAIRS))
def test_pubrel_and_pubcomp_stay_within_the_clients_maximum(broker: Broker) -> None:
    peer = broker.connected("c", maximum_packet_size=SMALL)
    peer.send(pubrec(9))
    expect_small(peer, pubrel(9))
    peer.send(pubrel(8))
    expect_small(peer, pubcomp(8))


@v5("MQTT-3.6.1-1", ignores(), answers(pubcomp(7)), change("PUBREL", flags=0))
@v311("MQTT-3.6.1-1", ignores(), answers(pubcomp(7)), change("PUBREL", flags=0))
def test_flags_of_pubrel_are_0010(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("a", 2)
    broker.connected("other").publish("a", b"x", 2)
    sent = watcher.expect(publish("a", b"x", 2))
    watcher.send(pubrec(sent.id))
    watcher.expect(pubrel(sent.id))  # the decoder of the tests looks at the flags
    for flags in (0, 1, 3, 6, 10, 15):
        peer = broker.connected()
        peer.send(publish("b", b"x", 2, 7))
        peer.expect(pubrec(7))
        peer.send(pubrel(7, flags=flags))
        told = [disconnect(lambda reason: reason >= 0x80)] if broker.level == 5 else []
        peer.expect_refused(*told)
