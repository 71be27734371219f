"""What a client has announced, and the broker keeps to: aliases, information, its quota."""

from __future__ import annotations

from .broker_role import Broker
from .conversation import Peer
from .packets import (
    ABSENT,
    ANY,
    connack,
    connect,
    pingreq,
    pingresp,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    to,
    unsuback,
    unsubscribe,
)
from .suite import v5
from .violations import change, closes, drop, insert, replace


def topics_of(peer: Peer, topics: list[str]) -> list[int]:
    """The aliases under which these topics come, which they must go by."""
    known: dict[int, str] = {}
    aliases = []
    for topic in topics:
        seen = peer.expect(publish(ANY, b"x"))
        alias = seen.topic_alias or 0
        if seen.topic and alias:
            known[alias] = seen.topic
        assert (seen.topic or known.get(alias)) == topic
        aliases.append(alias)
    return aliases


@v5("MQTT-3.1.2-26", change("PUBLISH", topic="c", topic_alias=3))
@v5("MQTT-3.1.2-26", change("PUBLISH", nth=1, topic="b", topic_alias=65535))
def test_broker_keeps_to_the_topic_alias_maximum(broker: Broker) -> None:
    peer = broker.connected(topic_alias_maximum=2)
    peer.subscribe("+")
    other = broker.connected()
    topics = ["a", "b", "c", "a", "b", "c"]
    for topic in topics:
        other.publish(topic)
    assert max(topics_of(peer, topics)) <= 2


@v5("MQTT-3.1.2-27", change("PUBLISH", topic_alias=1), change("PUBLISH", nth=1, topic_alias=1))
def test_no_topic_alias_where_none_is_wanted(broker: Broker) -> None:
    other = broker.connected()
    for maximum in (None, 0):
        peer = broker.connected(topic_alias_maximum=maximum)
        peer.subscribe("a")
        for _ in range(2):
            other.publish("a")
            peer.expect(publish("a", b"x", topic_alias=ABSENT))


@v5("MQTT-3.1.2-28", change("CONNACK", response_information="here"))
@v5("MQTT-3.1.2-28", change("CONNACK", nth=0, response_information="here"))
def test_no_response_information_unless_wanted(broker: Broker) -> None:
    broker.start(response_information="replies/")
    for wishes in ({}, {"request_response_information": 0}):
        peer = broker.peer()
        peer.send(connect(peer.name, **wishes))
        peer.expect(connack(0, response_information=ABSENT))


# --- flow control ---------------------------------------------------------------------------------


@v5("MQTT-4.9.0-1", insert(publish("a", b"2", 1, 300), after="PUBLISH", nth=1, peer="client"))
@v5("MQTT-4.9.0-1", drop("PUBLISH", nth=0, peer="client"))
@v5("MQTT-4.9.0-2", insert(publish("a", b"2", 1, 300), before="PINGRESP", peer="client"))
@v5("MQTT-4.9.0-2", insert(publish("a", b"4", 2, 300), before="PINGRESP", nth=1, peer="client"))
def test_broker_keeps_to_its_quota(broker: Broker) -> None:
    peer = broker.connected("client", receive_maximum=2)
    peer.subscribe("a", 2)
    other = broker.connected("other")
    for payload, qos in ((b"0", 1), (b"1", 2), (b"2", 1), (b"3", 2), (b"4", 2)):
        other.publish("a", payload, qos)
    first = peer.expect(publish("a", b"0", 1))
    second = peer.expect(publish("a", b"1", 2))
    peer.fence()
    peer.send(puback(first.id))
    peer.expect(publish("a", b"2", 1))
    peer.send(pubrec(second.id))
    peer.expect(pubrel(second.id))  # gives nothing back yet
    peer.fence()
    peer.send(pubcomp(second.id))
    third = peer.expect(publish("a", b"3", 2))
    peer.send(pubrec(third.id, 0x80))  # it is over with that
    peer.expect(publish("a", b"4", 2))
    peer.fence()


@v5("MQTT-4.9.0-1", drop("PUBLISH"), drop("PUBLISH", nth=2))
@v5("MQTT-4.9.0-1", insert(publish("a", b"1", 1, 300), before="PINGRESP", nth=0))
@v5("MQTT-4.9.0-1", insert(publish("a", b"1", 1, 300), before="PINGRESP"))
def test_quota_begins_anew_with_each_connection(broker: Broker) -> None:
    broker.keeping_session("client", receive_maximum=1).subscribe("a", 1)
    other = broker.connected("other")
    other.publish("a", b"0")
    other.publish("a", b"1")
    peer = broker.keeping_session("client", receive_maximum=1)
    peer.expect(publish("a", b"0", 1))
    peer.fence()
    peer.abort()
    peer = broker.keeping_session("client", receive_maximum=2)
    peer.expect(publish("a", b"0", 1), publish("a", b"1", 1))
    peer.abort()
    peer = broker.keeping_session("client", receive_maximum=1)  # for what is sent again, too
    seen = peer.expect(publish("a", b"0", 1, dup=True))
    peer.fence()
    peer.send(puback(seen.id))
    peer.expect(publish("a", b"1", 1, dup=True))


@v5("MQTT-4.9.0-3", drop("SUBACK"), drop("UNSUBACK"), drop("PINGRESP"), drop("PUBACK"))
@v5("MQTT-4.9.0-3", drop("PUBREC"), drop("PUBCOMP"), closes(instead_of="PUBREC"))
@v5("MQTT-4.9.0-3", replace("PUBACK", pingresp()))
def test_broker_answers_with_no_quota_left(broker: Broker) -> None:
    peer = broker.connected("client", receive_maximum=1)
    peer.subscribe("a", 1)
    other = broker.connected("other")
    other.publish("a", b"0")
    other.publish("a", b"1")
    peer.expect(publish("a", b"0", 1))  # and is not acknowledged
    peer.send(subscribe(10, [to("b", 1)]))
    peer.expect(suback(10, [1]))
    peer.send(publish("c", b"x", 1, 11))
    peer.expect(puback(11))
    peer.send(publish("c", b"x", 2, 12))
    peer.expect(pubrec(12))
    peer.send(pubrel(12))
    peer.expect(pubcomp(12))
    peer.send(unsubscribe(13, ["b"]))
    peer.expect(unsuback(13, [0]))
    peer.send(pingreq())
    peer.expect(pingresp())
