"""Packet identifiers: used again and again, and used up, in both directions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conformance.packets import (
    connack,
    connect,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    to,
)

from .arena import Arena
from .table import LEVELS

MIB = 1 << 20
MILLION = 1_000_000
IDENTIFIERS = 65_535


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_qos_2_identifier_a_million_times(
    arena_with: Callable[..., Arena], level: int
) -> None:
    """[MQTT-4.3.3-10]: without PUBREL it is one message; each is answered, memory is flat."""
    arena = arena_with(alone=True)
    reader = arena.connected(level, "reader")
    reader.send(subscribe(1, [to("same/t", 2)]).encode(level))
    arena.hear(reader, level, suback(1, [2]))
    end = arena.connected(level, "sender")
    once = publish("same/t", b"x", 2, 7).encode(level)
    again = publish("same/t", b"x", 2, 7, dup=True).encode(level)
    end.send(once)
    arena.hear(end, level, pubrec(7, 0))
    (message,) = arena.hear(reader, level, publish("same/t", b"x", 2))
    reader.send(pubrec(message.id).encode(level))
    arena.hear(reader, level, pubrel(message.id))
    answer = pubrec(7).encode(level)
    before = 0
    burst = 10_000
    for round_ in range(MILLION // burst):
        end.send((once if round_ % 2 else again) * burst)
        arena.wait(lambda: len(end.received) >= burst * len(answer), "the answers")
        assert bytes(end.received) == answer * burst
        end.received.clear()
        if round_ == 5:
            before = arena.backend.memory()
        if round_ % 20 == 0:
            arena.bystanders.served()
    assert arena.backend.memory() - before < 4 * MIB
    end.send(pubrel(7).encode(level))
    arena.hear(end, level, pubcomp(7, 0))
    arena.bystanders.served()
    assert reader.take(level) == []


def test_identifiers_exhausted_by_a_client_of_5(arena: Arena) -> None:
    """[MQTT-3.3.4-7]: one more than the receive maximum, without PUBREL, is the end: 0x93."""
    end = arena.connected(5, "greedy")
    publishes = b"".join(publish("q/t", b"x", 2, 1 + i).encode(5) for i in range(1024))
    end.send(publishes)
    arena.hear(end, 5, *(pubrec(1 + i) for i in range(1024)))
    end.send(publish("q/t", b"x", 2, 5, dup=True).encode(5))  # is no new one
    arena.hear(end, 5, pubrec(5))
    end.send(publish("q/t", b"x", 2, 1025).encode(5))
    arena.wait(lambda: end.ended, "the end")
    assert [p.reason for p in end.take(5)] == [0x93]


@pytest.mark.parametrize("level", LEVELS)
def test_identifiers_exhausted_by_a_client(arena_with: Callable[..., Arena], level: int) -> None:
    """All 65,535 at QoS 2 without PUBREL: taken, remembered in little memory, released again."""
    arena = arena_with(alone=True, receive_maximum=IDENTIFIERS)
    end = arena.connected(level, "greedy", clean_start=True)
    before = arena.backend.memory()
    # In 5.0 PUBREC says that nobody subscribes, in the short form.
    received = (b"\x50\x03", b"\x10") if level == 5 else (b"\x50\x02", b"")
    completed = (b"\x70\x02", b"")
    for packet, ack in ((publish("q/t", b"x", 2), received), (pubrel(), completed)):
        for start in range(1, IDENTIFIERS + 1, 4096):
            numbers = range(start, min(start + 4096, IDENTIFIERS + 1))
            end.send(b"".join(packet.but(id=i).encode(level) for i in numbers))
            expected = b"".join(ack[0] + i.to_bytes(2, "big") + ack[1] for i in numbers)
            arena.wait(lambda: len(end.received) >= len(expected) or end.ended, "the answers")  # noqa: B023
            assert end.received == expected
            end.received.clear()
            arena.bystanders.served()
    assert arena.backend.memory() - before < 8 * MIB


@pytest.mark.parametrize("level", LEVELS)
def test_identifiers_exhausted_by_the_broker(arena_with: Callable[..., Arena], level: int) -> None:
    """A reader that acknowledges nothing gets 65,535 messages, each with a number of its own.

    What is more waits, and comes when an identifier is free again.
    """
    arena = arena_with(max_in_flight=100_000, max_queued=100_000)
    reader = arena.one()
    reader.send(connect("reader").encode(level) + subscribe(1, [to("x/t", 1)]).encode(level))
    arena.hear(reader, level, connack(0), suback(1, [1]))
    sender = arena.connected(5, "sender")
    extra = 1000
    total = IDENTIFIERS + extra
    for start in range(0, total, 1000):
        count = min(1000, total - start)
        raw = b"".join(
            publish("x/t", b"%d" % (start + i), 1, 1 + i).encode(5) for i in range(count)
        )
        sender.send(raw)
        arena.wait(lambda count=count: len(sender.received) >= 4 * count, "PUBACK")
        sender.received.clear()

    def size(numbers: range) -> int:
        return sum(2 + 5 + 2 + (level == 5) + len(str(i)) for i in numbers)

    expected = size(range(IDENTIFIERS))
    arena.wait(lambda: len(reader.received) >= expected, "all identifiers")
    arena.bystanders.served()
    heard = reader.take(level)
    assert len(heard) == IDENTIFIERS
    assert len({p.id for p in heard}) == IDENTIFIERS
    assert [p.payload for p in heard] == [b"%d" % i for i in range(IDENTIFIERS)]
    free = [p.id for p in heard[100 : 100 + extra]]
    reader.send(b"".join(puback(i).encode(level) for i in free))
    expected = size(range(IDENTIFIERS, total))
    arena.wait(lambda: len(reader.received) >= expected, "what waited")
    rest = reader.take(level)
    assert [p.payload for p in rest] == [b"%d" % i for i in range(IDENTIFIERS, total)]
    assert sorted(p.id for p in rest) == sorted(free)
