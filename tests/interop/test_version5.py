"""What MQTT 5.0 adds to messages and subscriptions."""

from __future__ import annotations

import pytest

from .brokers import Broker
from .line import Line
from .stage import Clients, Message
from .suite import Case, needs, only

MARK = b"that was all"
TOPICS = ("a/rather/long/topic/1", "a/rather/long/topic/2") * 3
PROPERTIES = {
    "payload_format_indicator": 1,
    "content_type": "text/plain",
    "response_topic": "answers/here",
    "correlation_data": b"a 17",
    "user_properties": [("unit", "°C"), ("place", "roof")],
}


@only("5.0")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_properties_of_a_message(clients: Clients, qos: int) -> None:
    """The properties of a message reach its readers unchanged; its expiry is counted down."""
    reader, writer = clients.connect("reader"), clients.connect("writer")
    reader.subscribe("a", qos)
    sent = {**PROPERTIES, "message_expiry_interval": 60}
    writer.publish(Message("a", b"21", qos, properties=sent))
    got = dict(reader.receive().properties)
    assert 50 <= got.pop("message_expiry_interval") <= 60
    assert got == PROPERTIES


@only("5.0")
def test_properties_of_a_retained_message(clients: Clients) -> None:
    """A retained message keeps its properties."""
    clients.connect("writer").publish(Message("a", b"21", 1, retain=True, properties=PROPERTIES))
    reader = clients.connect("reader")
    reader.subscribe("a", 1)
    got = reader.receive()
    assert got.retain
    assert got.properties == PROPERTIES


@only("5.0")
def test_properties_of_a_will(clients: Clients, broker: Broker) -> None:
    """A will has properties as any message."""
    watcher = clients.connect("watcher")
    watcher.subscribe("status", 1)
    with Line(broker.host, broker.port) as line:
        will = Message("status", b"gone", 1, properties=PROPERTIES)
        clients.connect("device", at=line.address, will=will)
        line.cut()
        got = dict(watcher.receive().properties)
    assert got == PROPERTIES


@only("5.0")
def test_request_and_response(clients: Clients) -> None:
    """Somebody asks; somebody else answers where the question says."""
    asker, answerer = clients.connect("asker"), clients.connect("answerer")
    answerer.subscribe("questions/+", 1)
    asker.subscribe("answers/asker", 1)
    how = {"response_topic": "answers/asker", "correlation_data": b"17"}
    asker.publish(Message("questions/time", b"what time is it?", 1, properties=how))
    question = answerer.receive()
    answer = {"correlation_data": question.properties["correlation_data"]}
    topic = question.properties["response_topic"]
    answerer.publish(Message(topic, b"late", 1, properties=answer))
    got = asker.receive()
    assert (got.payload, got.properties["correlation_data"]) == (b"late", b"17")


@only("5.0")
def test_subscription_identifier(clients: Clients) -> None:
    """A message says which subscription it comes for."""
    reader, writer = clients.connect("reader"), clients.connect("writer")
    reader.subscribe("a/#", 1, identifier=200_000)
    writer.publish(Message("a/b", b"x", 1))
    assert reader.receive().properties["subscription_identifiers"] == [200_000]


@only("5.0")
@needs("subscribe twice")
def test_overlapping_subscription_identifiers(clients: Clients) -> None:
    """A message for two subscriptions names both, in one copy or in two."""
    reader, writer = clients.connect("reader"), clients.connect("writer")
    reader.subscribe("a/#", 1, identifier=1)
    reader.subscribe("a/b", 1, identifier=2)
    writer.publish(Message("a/b", b"x", 1))
    writer.publish(Message("a/c", MARK, 1))
    copies = reader.receive_until(MARK)
    found = [i for copy in copies for i in copy.properties["subscription_identifiers"]]
    assert sorted(found) == [1, 2]


@only("5.0")
@needs("own messages")
def test_no_local(clients: Clients) -> None:
    """A subscription can leave out what the client itself publishes."""
    both, other = clients.connect("both"), clients.connect("other")
    both.subscribe("a", 1, no_local=True)
    both.publish(Message("a", b"mine", 1))
    other.publish(Message("a", MARK, 1))
    assert both.receive_until(MARK) == []


@only("5.0")
def test_retain_as_published(clients: Clients) -> None:
    """A subscription can ask for the retain flag of the publisher."""
    reader, writer = clients.connect("reader"), clients.connect("writer")
    reader.subscribe("a", 1, retain_as_published=True)
    for retain in (True, False):
        writer.publish(Message("a", b"x", 1, retain=retain))
        assert reader.receive().retain is retain


@only("5.0")
@needs("retain handling")
def test_retain_handling(clients: Clients) -> None:
    """A subscription can do without retained messages: always, or where it is not new."""
    writer = clients.connect("writer")
    writer.publish(Message("a", b"kept", 1, retain=True))
    reader = clients.connect("reader")
    reader.subscribe("a", 1, retain_handling=2)
    reader.subscribe("a", 1, retain_handling=1)  # it is there already
    writer.publish(Message("a", MARK, 1))
    assert reader.receive_until(MARK) == []
    reader.subscribe("a", 1, retain_handling=0)
    assert reader.receive().payload == b"kept"


@only("5.0")
@needs("read aliases")
@pytest.mark.parametrize("qos", [0, 1])
def test_topic_aliases_of_the_broker(
    case: Case, clients: Clients, broker: Broker, qos: int
) -> None:
    """The broker replaces topics that come often by aliases, and the reader does not notice."""
    with Line(broker.host, broker.port) as line:
        reader = clients.connect("reader", at=line.address, aliases=True)
        reader.subscribe("a/#", qos)
        writer = clients.connect("writer")
        for topic in TOPICS:
            writer.publish(Message(topic, b"x", qos))
        assert tuple(reader.receive().topic for _ in TOPICS) == TOPICS
        if case.broker == "mqttwin":  # mosquitto 2.0.11 does not do it
            assert [line.heard(topic.encode()) for topic in TOPICS[:2]] == [1, 1]


@only("5.0")
@needs("read aliases", "read aliases with QoS 2")
def test_topic_aliases_of_the_broker_with_qos_2(
    case: Case, clients: Clients, broker: Broker
) -> None:
    """The same with QoS 2, where a message is handed on later than it comes."""
    test_topic_aliases_of_the_broker(case, clients, broker, qos=2)


@only("5.0")
@needs("write aliases")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_topic_aliases_of_the_client(clients: Clients, broker: Broker, qos: int) -> None:
    """A client replaces topics by aliases, and the broker knows what they stand for."""
    reader = clients.connect("reader")
    reader.subscribe("a/#", qos)
    with Line(broker.host, broker.port) as line:
        writer = clients.connect("writer", at=line.address, aliases=True)
        for topic in TOPICS:
            writer.publish(Message(topic, b"x", qos))
        assert tuple(reader.receive().topic for _ in TOPICS) == TOPICS
        assert [line.told(topic.encode()) for topic in TOPICS[:2]] == [1, 1]
