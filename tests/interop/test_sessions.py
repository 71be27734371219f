"""Connections that begin, end and break, and what outlives them."""

from __future__ import annotations

import pytest

from .brokers import Broker
from .line import Line
from .stage import Clients, Message, RefusedError, until
from .suite import needs, with_users

MARK = b"that was all"


def test_will_of_a_broken_connection(clients: Clients, broker: Broker) -> None:
    """When a connection breaks, the broker publishes the client's will, and retains it."""
    watcher = clients.connect("watcher")
    watcher.subscribe("status/#", 1)
    with Line(broker.host, broker.port) as line:
        will = Message("status/device", b"gone", 1, retain=True)
        clients.connect("device", at=line.address, will=will)
        line.cut()
        got = watcher.receive()
        assert (got.topic, got.payload, got.qos) == ("status/device", b"gone", 1)
    late = clients.connect("late")
    late.subscribe("status/#", 1)
    got = late.receive()
    assert (got.payload, got.retain) == (b"gone", True)


@needs("goodbye")
def test_no_will_after_a_goodbye(clients: Clients) -> None:
    """A client that says goodbye has no will any more."""
    watcher = clients.connect("watcher")
    watcher.subscribe("status/#", 1)
    device = clients.connect("device", will=Message("status/device", b"gone", 1))
    device.disconnect()
    # The same identifier again: by now the broker must have dealt with the goodbye.
    again = clients.connect("device", will=Message("status/device", b"gone", 1))
    again.publish(Message("status/device", MARK, 1))
    assert watcher.receive_until(MARK) == []


@pytest.mark.parametrize("ending", ["goodbye", "cut"])
def test_resumed_session(clients: Clients, broker: Broker, ending: str) -> None:
    """Messages of QoS 1 and 2 wait for a client that is away, and arrive once it is back, without
    subscribing again."""
    with Line(broker.host, broker.port) as line:
        reader = clients.connect("reader", at=line.address, clean=False)
        reader.subscribe("news/#", 2)
        if ending == "goodbye":
            reader.disconnect()
        else:
            line.cut()
        writer = clients.connect("writer")
        sent = [Message("news/x", b"%d" % i, 1 + i % 2) for i in range(6)]
        for message in sent:
            writer.publish(message)
    back = clients.connect("reader", clean=False)
    got = [back.receive() for _ in sent]
    assert back.session_present in (True, None)
    for qos in (1, 2):  # between them there is no order: a message of QoS 2 has a longer way
        expected = [m.payload for m in sent if m.qos == qos]
        assert [m.payload for m in got if m.qos == qos] == expected


def test_clean_start_forgets(clients: Clients) -> None:
    """Who starts clean finds nothing of the session that was there."""
    reader = clients.connect("reader", clean=False)
    reader.subscribe("news/#", 1)
    reader.disconnect()
    clients.connect("writer").publish(Message("news/x", b"old", 1))
    fresh = clients.connect("reader")
    assert fresh.session_present in (False, None)
    fresh.subscribe("other", 1)
    writer = clients.connect("writer-2")
    writer.publish(Message("news/x", b"new", 1))
    writer.publish(Message("other", MARK, 1))
    assert fresh.receive_until(MARK) == []


@needs("session present")
def test_session_present(clients: Clients) -> None:
    """The client learns whether the broker still had its session."""
    for expected in (False, True, True):
        client = clients.connect("someone", clean=False)
        assert client.session_present is expected
        client.disconnect()
    assert clients.connect("someone", clean=True).session_present is False


@pytest.mark.parametrize("qos", [1, 2])
def test_unacknowledged_message_comes_again(clients: Clients, broker: Broker, qos: int) -> None:
    """A message whose acknowledgement was lost comes again, marked as such."""
    writer = clients.connect("writer")
    with Line(broker.host, broker.port) as line:
        reader = clients.connect("reader", at=line.address, clean=False)
        reader.subscribe("a", qos)
        line.ignore_client()
        writer.publish(Message("a", b"first", qos))
        until(lambda: line.heard(b"first"), "the broker sends it")
        line.cut()
    # A new object of the library, which does not know of the message: it must not lose it.
    back = clients.connect("reader", clean=False)
    got = back.receive()
    assert (got.payload, got.qos) == (b"first", qos)
    assert got.dup in (True, None)
    writer.publish(Message("a", b"second", qos))
    got = back.receive()
    assert got.payload == b"second"
    assert got.dup in (False, None)


def test_takeover(clients: Clients) -> None:
    """A second connection with the same identifier takes the place of the first one."""
    watcher = clients.connect("watcher")
    watcher.subscribe("status/#", 1)
    will = Message("status/device", b"gone", 1)
    clients.connect("device", will=will)
    clients.connect("device", will=will).publish(Message("status/device", MARK, 1))
    assert [m.payload for m in watcher.receive_until(MARK)] == [b"gone"]


@with_users(ann="secret")
def test_password(clients: Clients) -> None:
    """Who has the right password may come in, and nobody else; the reason says why."""
    welcome = clients.connect("ann-1", user="ann", password="secret")
    welcome.subscribe("a", 1)
    welcome.disconnect()
    with pytest.raises(RefusedError) as refused:
        clients.connect("ann-2", user="ann", password="wrong")
    assert refused.value.code in {4, 5, 0x86, 0x87}
