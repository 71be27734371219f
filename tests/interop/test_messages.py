"""Messages that go from one client to another, or to nobody."""

from __future__ import annotations

import hashlib

import pytest

from .stage import Clients, Message
from .suite import needs

MARK = b"that was all"


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_arrive_in_order(clients: Clients, qos: int) -> None:
    """Messages of QoS 0, 1 and 2 arrive, once and in order."""
    reader = clients.connect("reader")
    assert reader.subscribe("a/+/c", qos) == qos
    writer = clients.connect("writer")
    sent = [Message("a/b/c", b"%d" % i, qos) for i in range(5)]
    for message in sent:
        writer.publish(message)
    writer.publish(Message("a/b/c", MARK, qos))
    got = reader.receive_until(MARK)
    assert [(m.topic, m.payload, m.qos) for m in got] == [(m.topic, m.payload, m.qos) for m in sent]
    assert not any(m.retain or m.dup for m in got)


@needs("own messages")
def test_client_reads_its_own_messages(clients: Clients) -> None:
    """A client that subscribes to what it publishes gets it back."""
    both = clients.connect("both")
    both.subscribe("echo/#", 2)
    for qos in (0, 1, 2):
        both.publish(Message("echo/x", b"%d" % qos, qos))
        assert both.receive().payload == b"%d" % qos


@pytest.mark.parametrize(("published", "subscribed"), [(2, 1), (2, 0), (1, 2), (0, 2)])
def test_lower_quality_of_two(clients: Clients, published: int, subscribed: int) -> None:
    """What is published with one QoS and subscribed with another comes with the lower one."""
    reader = clients.connect("reader")
    assert reader.subscribe("q", subscribed) == subscribed
    clients.connect("writer").publish(Message("q", b"x", published))
    assert reader.receive().qos == min(published, subscribed)


def test_every_byte(clients: Clients) -> None:
    """Payloads are bytes and topics are UTF-8; an empty payload is one, too."""
    reader, writer = clients.connect("reader"), clients.connect("writer")
    reader.subscribe("Zürich/#", 1)
    topic = "Zürich/温度/🌡 1"
    for payload in (bytes(range(256)), b"", b"\xff\xfe"):
        writer.publish(Message(topic, payload, 1))
        got = reader.receive()
        assert (got.topic, got.payload) == (topic, payload)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_large_payload(clients: Clients, qos: int) -> None:
    """A message of 1.5 MiB arrives unharmed."""
    payload = bytes(range(251)) * (1536 * 1024 // 251)
    reader, writer = clients.connect("reader"), clients.connect("writer")
    reader.subscribe("large", qos)
    writer.publish(Message("large", payload, qos))
    got = reader.receive()
    assert got.qos == qos
    assert hashlib.sha256(got.payload).digest() == hashlib.sha256(payload).digest()


def test_retained(clients: Clients) -> None:
    """The last retained message greets a new subscriber, with the flag; who is there does not see
    the flag; an empty payload clears it."""
    writer, early, late = (clients.connect(name) for name in ("writer", "early", "late"))
    early.subscribe("state/#", 1)
    for payload in (b"old", b"new"):
        writer.publish(Message("state/lamp", payload, 1, retain=True))
        got = early.receive()
        assert (got.payload, got.retain) == (payload, False)
    late.subscribe("state/#", 1)
    got = late.receive()
    assert (got.topic, got.payload, got.qos, got.retain) == ("state/lamp", b"new", 1, True)

    writer.publish(Message("state/lamp", b"", 1, retain=True))
    last = clients.connect("last")
    last.subscribe("state/#", 1)
    writer.publish(Message("state/lamp", MARK, 1))
    assert last.receive_until(MARK) == []


@needs("unsubscribe")
def test_unsubscribe(clients: Clients) -> None:
    """What is unsubscribed does not come any more, the rest does."""
    reader, writer = clients.connect("reader"), clients.connect("writer")
    reader.subscribe("one", 1)
    reader.subscribe("two", 1)
    writer.publish(Message("one", b"first", 1))
    assert reader.receive().payload == b"first"
    reader.unsubscribe("one")
    writer.publish(Message("one", b"second", 1))
    writer.publish(Message("two", MARK, 1))
    assert reader.receive_until(MARK) == []


def test_shared_subscription(clients: Clients) -> None:
    """The members of a share divide its messages among themselves; others get all of them."""
    members = [clients.connect(f"member-{i}") for i in range(2)]
    for member in members:
        member.subscribe("$share/crew/job/#", 1)
        member.subscribe("all", 1)
    outsider = clients.connect("outsider")
    outsider.subscribe("job/#", 1)
    writer = clients.connect("writer")
    jobs = [b"%d" % i for i in range(10)]
    for job in jobs:
        writer.publish(Message("job/x", job, 1))
    writer.publish(Message("all", MARK, 1))
    writer.publish(Message("job/x", MARK, 1))

    shares = [[m.payload for m in member.receive_until(MARK)] for member in members]
    assert sorted(shares[0] + shares[1], key=int) == jobs
    assert all(shares), "one of them did all the work"
    assert [m.payload for m in outsider.receive_until(MARK)] == jobs
