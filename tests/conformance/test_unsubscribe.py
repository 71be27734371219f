"""UNSUBSCRIBE and UNSUBACK, PINGREQ and PINGRESP, as the broker takes and sends them."""

from __future__ import annotations

from .broker_role import Broker
from .conversation import Peer
from .packets import (
    ABSENT,
    NOT_UTF8,
    connack,
    connect,
    pingreq,
    pingresp,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    unsuback,
    unsubscribe,
)
from .suite import v5, v311
from .violations import answers, change, closes, drop, ignores, insert, twice

DONE = unsuback(1, [0])


def unsubscribed(peer: Peer, id: int, *filters: str, reasons: list[int]) -> None:
    """UNSUBSCRIBE, and UNSUBACK with the reason codes that 5.0 has."""
    peer.send(unsubscribe(id, filters))
    peer.expect(unsuback(id, reasons) if peer.version == 5 else unsuback(id))


# --- what is no UNSUBSCRIBE -----------------------------------------------------------------------


@v5("MQTT-3.10.1-1", answers(DONE), ignores())
@v311("MQTT-3.10.1-1", answers(DONE), ignores())
def test_flags_of_unsubscribe_are_0010(broker: Broker) -> None:
    for flags in (0, 1, 3, 6, 10, 15):
        peer = broker.connected()
        peer.send(unsubscribe(1, ["a"], flags=flags))
        peer.expect_error(0x81)


@v5("MQTT-3.10.3-1", answers(DONE), ignores())
@v311("MQTT-3.10.3-1", answers(DONE), ignores())
def test_filters_of_unsubscribe_must_be_utf8(broker: Broker) -> None:
    for wrong in (NOT_UTF8, b"a/\xff", b"\xc0\xaf"):
        peer = broker.connected()
        peer.send(unsubscribe(1, ["good", wrong]))
        peer.expect_error(0x81)


@v311("MQTT-3.10.3-1", answers(DONE), ignores())
def test_filters_of_unsubscribe_are_packed(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(unsubscribe(1, ["a", "b"], tail=b"\0"))
    peer.expect_closed()


@v5("MQTT-3.10.3-2", answers(unsuback(1, [])), ignores())
@v311("MQTT-3.10.3-2", answers(unsuback(1)), ignores())
def test_unsubscribe_needs_a_filter(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(unsubscribe(1, []))
    peer.expect_denied()


# --- what it does ---------------------------------------------------------------------------------


@v5("MQTT-3.10.4-1", drop("PUBLISH"), drop("PUBLISH", nth=0))
@v5("MQTT-3.10.4-1", insert(publish("a/c", b"x"), before="PINGRESP"))
@v311("MQTT-3.10.4-1", drop("PUBLISH"), drop("PUBLISH", nth=0))
@v311("MQTT-3.10.4-1", insert(publish("a/c", b"x"), before="PINGRESP"))
def test_unsubscribe_compares_filters_literally(broker: Broker) -> None:
    peer = broker.connected("c")
    other = broker.connected("other")
    peer.subscribe("a/+")
    peer.subscribe("b/c")
    similar = ("a/#", "a/c", "A/+", "a/+/", "/a/+", "+/c", "b/+", "#")
    unsubscribed(peer, 9, *similar, reasons=[0x11] * len(similar))
    other.publish("a/c")
    other.publish("b/c")
    peer.expect(publish("a/c"), publish("b/c"))
    unsubscribed(peer, 10, "a/+", reasons=[0])
    other.publish("a/c")
    peer.expect_nothing()
    other.publish("b/c")
    peer.expect(publish("b/c"))


@v5("MQTT-3.10.4-2", insert(publish("a", b"x", 1, 9), before="PINGRESP"))
@v311("MQTT-3.10.4-2", insert(publish("a", b"x", 1, 9), before="PINGRESP"))
def test_unsubscribe_stops_new_messages(broker: Broker) -> None:
    peer = broker.keeping_session("c")
    peer.subscribe("a", 2)
    unsubscribed(peer, 9, "a", reasons=[0])
    other = broker.connected("other")
    other.publish("a", b"x", 1)
    peer.fence()
    peer.leave()
    other.publish("a", b"y", 2)  # nor does it wait for the session
    broker.keeping_session("c").expect_nothing()


@v5("MQTT-3.10.4-3", drop("PUBREL"), drop("PUBLISH"), drop("PUBLISH", nth=-2))
@v311("MQTT-3.10.4-3", drop("PUBREL"), drop("PUBLISH"), drop("PUBLISH", nth=-2))
def test_unsubscribe_lets_deliveries_finish(broker: Broker) -> None:
    peer = broker.keeping_session("c")
    peer.subscribe("a", 2)
    other = broker.connected("other")
    other.publish("a", b"one", 1)
    other.publish("a", b"two", 2)
    other.publish("a", b"three", 2)
    peer.expect(publish("a", b"one", 1), publish("a", b"two", 2))
    third = peer.expect(publish("a", b"three", 2))
    unsubscribed(peer, 9, "a", reasons=[0])
    peer.send(pubrec(third.id))
    peer.expect(pubrel(third.id))
    peer.send(pubcomp(third.id))
    peer.fence()
    peer.abort()
    again = broker.peer("again")
    again.send(connect("c", clean_start=False))
    again.expect(connack(0, session_present=True))
    again.expect(publish("a", b"one", 1, dup=True), publish("a", b"two", 2, dup=True))


# --- the answer -----------------------------------------------------------------------------------


@v5("MQTT-3.10.4-4", drop("UNSUBACK"), closes(instead_of="UNSUBACK"))
@v5("MQTT-3.10.4-5", change("UNSUBACK", id=8), drop("UNSUBACK", nth=0))
@v311("MQTT-3.10.4-4", drop("UNSUBACK"), change("UNSUBACK", id=8))
@v311("MQTT-3.10.4-5", drop("UNSUBACK", nth=0), closes(instead_of="UNSUBACK", nth=0))
def test_unsubscribe_is_answered(broker: Broker) -> None:
    peer = broker.connected()
    unsubscribed(peer, 7, "nothing/of/that/kind", reasons=[0x11])
    peer.subscribe("a", 1)
    unsubscribed(peer, 0x0701, "a", reasons=[0])
    unsubscribed(peer, 65535, "a", reasons=[0x11])


@v5("MQTT-3.10.4-6", twice("UNSUBACK"), insert(publish("b", b"x"), before="PINGRESP"))
@v5("MQTT-3.10.4-6", change("UNSUBACK", reasons=[0, 0x11, 0, 0]))
@v5("MQTT-3.11.3-1", change("UNSUBACK", reasons=[0, 0, 0x11, 0x11]))
@v5("MQTT-3.11.3-2", change("UNSUBACK", reasons=[0, 0x11, 0]))
@v5("MQTT-3.11.3-2", change("UNSUBACK", reasons=[0, 0x10, 0, 0x11]))
@v311("MQTT-3.10.4-6", twice("UNSUBACK"), insert(publish("b", b"x"), before="PINGRESP"))
def test_several_filters_are_as_many_unsubscribes(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.subscribe("a")
    peer.subscribe("b")
    unsubscribed(peer, 9, "a", "no", "b", "a", reasons=[0, 0x11, 0, 0x11])
    other = broker.connected("other")
    other.publish("a")
    other.publish("b")
    peer.expect_nothing()


@v5("MQTT-3.11.2-1", change("UNSUBACK", reason_string="a reason of many words"))
@v5("MQTT-3.11.2-1", change("UNSUBACK", nth=0, reason_string="a reason of many words"))
@v5("MQTT-3.11.2-2", change("UNSUBACK", user_property=[("a key", "a value of some length")]))
def test_unsuback_stays_within_the_clients_maximum(broker: Broker) -> None:
    peer = broker.connected("c", maximum_packet_size=20)
    peer.send(unsubscribe(2, ["a#"]))  # worth an explanation
    peer.expect_denied(unsuback(2, [0x8F], reason_string=ABSENT))
    peer = broker.connected("c", maximum_packet_size=20)
    peer.send(unsubscribe(1, ["a"]))
    assert len(peer.expect(unsuback(1, [0x11])).encode(5)) <= 20


# --- PINGREQ --------------------------------------------------------------------------------------


@v5("MQTT-3.12.4-1", drop("PINGRESP"), closes(instead_of="PINGRESP"), twice("PINGRESP"))
@v311("MQTT-3.12.4-1", drop("PINGRESP"), closes(instead_of="PINGRESP"), twice("PINGRESP"))
def test_pingreq_is_answered(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(pingreq(), pingreq())
    peer.expect(pingresp(), pingresp())
    peer.publish("a", b"x", 1)
    peer.send(pingreq())
    peer.expect(pingresp())
    peer.publish("a", b"x", 1)
