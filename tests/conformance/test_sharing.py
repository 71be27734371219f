"""Shared subscriptions."""

from __future__ import annotations

from .broker_role import Broker
from .conversation import Peer
from .packets import Packet, connack, connect, puback, publish, pubrec
from .suite import v5
from .test_topics import expect_no_filters
from .violations import change, drop, insert, twice


@v5("MQTT-4.8.2-1", change("SUBACK", reasons=[0]), change("SUBACK", reasons=[0], nth=0))
def test_share_name_has_a_character_at_least(broker: Broker) -> None:
    expect_no_filters(broker, "$share//a", "$share//", "$share/")


@v5("MQTT-4.8.2-1", drop("PUBLISH"), twice("PUBLISH"))
@v5("MQTT-4.8.2-1", insert(publish("x/$share/g/a", b"x"), before="PINGRESP"))
def test_what_begins_with_share_is_shared(broker: Broker) -> None:
    peers = [broker.connected(f"c{n}") for n in range(2)]
    for peer in peers:
        peer.subscribe("$share/g/a/+")
    other = broker.connected("other")
    for topic in ("a/b", "a", "g/a/b", "x/$share/g/a"):
        other.publish(topic)
    assert [packet.topic for peer in peers for packet in peer.heard()] == ["a/b"]


@v5("MQTT-4.8.2-2", change("SUBACK", reasons=[0]), change("SUBACK", reasons=[0], nth=0))
def test_share_name_has_no_wildcard_and_a_filter_follows(broker: Broker) -> None:
    names = ("$share/+/a", "$share/#/a", "$share/g+/a", "$share/a#b/a", "$share/#")
    expect_no_filters(broker, *names, "$share/g", "$share/g/")


@v5("MQTT-4.8.2-2", drop("PUBLISH"), drop("PUBLISH", nth=0), twice("PUBLISH"))
def test_share_name_ends_at_the_next_slash(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.subscribe("$share/g//a")  # the filter is /a
    peer.subscribe("$share/ä $/b/#")
    other = broker.connected("other")
    for topic in ("a", "/a", "g//a", "b/c"):
        other.publish(topic)
    peer.expect(publish("/a"), publish("b/c"))
    peer.expect_nothing()


# --- quality of service ---------------------------------------------------------------------------


@v5("MQTT-4.8.2-3", change("PUBLISH", qos=2, id=9, peer="c0"), change("PUBLISH", qos=2, peer="c1"))
@v5("MQTT-4.8.2-3", change("PUBLISH", qos=0, id=None, peer="c2"), drop("PUBLISH"))
def test_each_member_has_the_qos_that_it_was_granted(broker: Broker) -> None:
    peers = [broker.connected(f"c{qos}") for qos in range(3)]
    for qos, peer in enumerate(peers):
        peer.subscribe("$share/g/a", qos)
    other = broker.connected("other")
    for number in range(9):
        other.publish("a", bytes([number]), 2)
    got = [peer.heard() for peer in peers]
    for qos, packets in enumerate(got):
        assert all(packet.qos == qos for packet in packets), packets
    assert sorted(packet.payload[0] for packets in got for packet in packets) == list(range(9))


def chosen(broker: Broker, qos: int) -> tuple[Peer, Peer, Packet]:
    """A member with a message under way, then another member; and the message."""
    member = broker.keeping_session("member")
    member.subscribe("$share/g/a", 2)
    broker.connected("other").publish("a", b"x", qos)
    message = member.expect(publish("a", b"x", qos))
    friend = broker.connected("friend")
    friend.subscribe("$share/g/a", 2)
    return member, friend, message


THERE = publish("a", b"x", 2, 1)


@v5("MQTT-4.8.2-4", drop("PUBLISH"), insert(THERE, before="PINGRESP"))
@v5("MQTT-4.8.2-4", change("PUBLISH", id=77), change("PUBLISH", dup=False))
def test_delivery_goes_on_when_the_member_is_back(broker: Broker) -> None:
    member, friend, message = chosen(broker, 2)
    member.abort()
    again = broker.peer("again")
    again.send(connect("member", clean_start=False))
    again.expect(connack(0, session_present=True))
    again.expect(publish("a", b"x", 2, message.id, dup=True))
    friend.expect_nothing()


@v5("MQTT-4.8.2-5", insert(THERE, before="PINGRESP"))
def test_delivery_ends_with_the_session_of_the_member(broker: Broker) -> None:
    member, friend, _ = chosen(broker, 2)
    member.abort()
    again = broker.peer("again")
    again.send(connect("member", clean_start=True))
    again.expect(connack(0, session_present=False))
    again.fence()
    friend.expect_nothing()


@v5("MQTT-4.8.2-6", insert(publish("a", b"x", 1, 1), before="PINGRESP", peer="friend"))
@v5("MQTT-4.8.2-6", insert(publish("a", b"x", 1, 1), before="PINGRESP", peer="member"))
@v5("MQTT-4.8.2-6", insert(publish("a", b"x", 1, 1, dup=True), before="PINGRESP", peer="again"))
def test_a_message_that_a_member_rejects_is_gone(broker: Broker) -> None:
    member, friend, message = chosen(broker, 1)
    member.send(puback(message.id, 0x83))
    member.fence()
    friend.expect_nothing()
    member.leave()
    again = broker.peer("again")
    again.send(connect("member", clean_start=False))
    again.expect(connack(0, session_present=True))
    again.expect_nothing()


@v5("MQTT-4.8.2-6", insert(THERE, before="PINGRESP", peer="friend"))
@v5("MQTT-4.8.2-6", insert(THERE, before="PINGRESP", peer="member"))
def test_a_message_that_a_member_rejects_at_qos_2_is_gone(broker: Broker) -> None:
    member, friend, message = chosen(broker, 2)
    member.send(pubrec(message.id, 0x97))
    member.fence()
    friend.expect_nothing()
