"""Ten thousand readers that do not read, or never acknowledge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conformance.packets import connect, puback, publish, subscribe, to

from .arena import Arena, allow_many_files, arena_on

MIB = 1 << 20
READERS = 10_000
SPARE = 300  # files that this process needs for other things


def _subscribe_all(arena: Arena, ends: list[Any], qos: int) -> None:
    for start in range(0, len(ends), 500):
        some = ends[start : start + 500]
        for i, end in enumerate(some):
            end.send(connect(f"stalled-{start + i}").encode(4))
            end.send(subscribe(1, [to("flood/t", qos)]).encode(4))
        # CONNACK and SUBACK have 4 and 5 bytes.
        arena.wait(lambda some=some: all(len(e.received) >= 9 for e in some), "SUBACK")
        for end in some:
            end.received.clear()


def test_ten_thousand_readers_that_never_acknowledge(arena_with: Callable[..., Arena]) -> None:
    """Windows and queues are bounded, and messages are stored once for all."""
    readers = min(READERS, allow_many_files() - SPARE)
    arena = arena_with(alone=True, max_in_flight=4, max_queued=16, max_stored_bytes="32MiB")
    ends = arena.open(readers)
    _subscribe_all(arena, ends, 1)
    sender = arena.connected(5, "sender")
    payload = bytes(200)

    def flood(count: int) -> None:
        for _ in range(count):
            sender.send(publish("flood/t", payload, 1, 1).encode(5))
            arena.hear(sender, 5, puback(1))

    flood(24)  # windows and queues are full
    arena.bystanders.served()
    before = arena.backend.memory()
    for _ in range(4):
        flood(15)
        arena.bystanders.served()
    assert arena.backend.memory() - before < 8 * MIB
    size = len(publish("flood/t", payload, 1, 1).encode(4))
    arena.wait(lambda: all(len(end.received) >= 4 * size for end in ends), "four for each")
    assert all(len(end.received) == 4 * size and not end.ended for end in ends)


def test_readers_that_fill_what_all_may_store_together() -> None:
    """Who does not acknowledge may use up `max_stored_bytes`; who does is served nevertheless."""
    with arena_on("virtual", max_stored_bytes="64KiB") as arena:
        ends = arena.open(100)
        _subscribe_all(arena, ends, 1)
        sender = arena.connected(5, "sender")
        for _ in range(200):
            sender.send(publish("flood/t", bytes(200), 1, 1).encode(5))
            arena.hear(sender, 5, puback(1))
        arena.bystanders.served()


@pytest.mark.parametrize("qos", [0, 1])
def test_ten_thousand_readers_that_do_not_read(qos: int) -> None:
    """Over TCP: what waits for them is bounded together, and the others are served.

    Virtual links have no receive window that could be closed.
    """
    readers = min(READERS, allow_many_files() - SPARE)
    limits = {"backlog_mark": "64KiB", "total_backlog": "32MiB"}
    options = {"max_in_flight": 20, "max_queued": 20, "max_stored_bytes": "64MiB"}
    with arena_on("tcp", alone=True, limits=limits, **options) as arena:
        ends: list[Any] = []
        for start in range(0, readers, 500):
            some = arena.backend.open(min(500, readers - start), receive_buffer=4096)
            ends += some
            _subscribe_stalling(arena, some, start, qos)
        sender = arena.connected(5, "sender")
        arena.bystanders.served()
        before = arena.backend.memory()
        payload = bytes(4000)
        for round_ in range(100):
            sender.send(publish("flood/t", payload, 1, 1).encode(5))
            arena.hear(sender, 5, puback(1))
            if round_ % 5 == 0:
                arena.bystanders.served()
        grown = arena.backend.memory() - before
        print(f"{readers} readers, QoS {qos}: {grown / MIB:.1f} MiB")
        # Both caps; a tenth of it would do, because what waits is shared by all of them.
        assert grown < (32 + 64) * MIB
        for end in ends:
            end.abort()


def _subscribe_stalling(arena: Arena, some: list[Any], start: int, qos: int) -> None:
    for i, end in enumerate(some):
        end.send(connect(f"stalled-{start + i}").encode(4))
        end.send(subscribe(1, [to("flood/t", qos)]).encode(4))
    arena.wait(lambda: all(len(end.received) >= 9 for end in some), "SUBACK")
    for end in some:
        end.stall()
