"""5,000 user properties in a packet: dear, but not ten times as dear as an equally large one."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
from conformance.packets import Packet, puback, publish, suback, subscribe, to, varint

from .arena import Arena
from .attack import Attack, carry_out, lives
from .table import framed, valid

COUNT = 5000
FACTOR = 10  # times the processor time of a plain packet of the same size, at most
ROUNDS, PACKETS = 9, 400

PROPERTIES = [(f"k{i % 10}", "v") for i in range(COUNT)]


def many_properties(topic: str) -> bytes:
    """A PUBLISH with very many user properties."""
    return publish(topic, b"", user_property=PROPERTIES).encode(5)


def plain(topic: str) -> bytes:
    """A PUBLISH of the same size with all of it in the payload."""
    size = len(many_properties(topic))
    raw = publish(topic, bytes(size - len(topic) - 7)).encode(5)
    assert abs(len(raw) - size) < 4
    return raw


@pytest.mark.parametrize("readers", [0, 1])
def test_user_properties_cost_no_more_than_ten_times(
    arena_with: Callable[..., Arena], readers: int, record_property: Callable[[str, Any], None]
) -> None:
    """Processor time of the server, medians of interleaved rounds; with and without a reader."""
    arena = arena_with(alone=True)
    sender = arena.connected(5, "sender")
    reader = arena.connected(5, "reader")
    if readers:
        reader.send(subscribe(1, [to("many")]).encode(5))
        arena.hear(reader, 5, suback(1, [0]))
    fence = publish("fence", b"", 1, 1).encode(5)

    def cost(raw: bytes) -> float:
        """Seconds for so many packets, one after the other."""
        burst = raw * 20
        began = arena.backend.cpu()
        for _ in range(PACKETS // 20):
            sender.send(burst + fence)
            arena.hear(sender, 5, puback(1))
            if readers:
                arena.wait(lambda: len(reader.received) >= 20 * len(raw), "delivery")
                reader.received.clear()
        return float(arena.backend.cpu() - began)

    kinds = (many_properties("many"), plain("many"))
    costs: dict[bytes, list[float]] = {raw: [] for raw in kinds}
    for round_ in range(ROUNDS + 1):
        for raw in kinds:
            value = cost(raw)
            if round_:  # the first warms up
                costs[raw].append(value)
    dear, cheap = (statistics.median(costs[raw]) for raw in kinds)
    record_property("ratio", dear / cheap)
    print(
        f"{arena.name}, {readers} readers: {dear:.4f} s and {cheap:.4f} s, {dear / cheap:.2f} times"
    )
    assert dear <= FACTOR * cheap


def test_user_properties_in_every_packet(arena: Arena) -> None:
    """Where they are allowed, so many are; the answers are the usual ones."""

    def stuffed(packet: Packet) -> Packet:
        return packet.but(user_property=PROPERTIES)

    carry_out(
        arena,
        (
            Attack(name, 5, stuffed(packet).encode(5), lives(*answers), packet.kind != "CONNECT")
            for name, packet, answers in valid(5)
            if packet.kind not in ("PINGREQ", "DISCONNECT")
        ),
    )


def test_user_properties_are_handed_on(arena: Arena) -> None:
    """All of them, in order [MQTT-3.3.2-17], [MQTT-3.3.2-18]."""
    reader, sender = arena.connected(5, "reader"), arena.connected(5, "sender")
    reader.send(subscribe(1, [to("many")]).encode(5))
    arena.hear(reader, 5, suback(1, [0]))
    pairs = [(f"k{i}", "v" * (i % 3)) for i in range(COUNT)]
    sender.send(publish("many", b"x", user_property=pairs).encode(5))
    arena.hear(reader, 5, publish("many", b"x", user_property=pairs))


def test_user_properties_beyond_any_need(arena: Arena) -> None:
    """As many as a packet of a megabyte holds: empty ones, five bytes each."""
    properties = b"\x26\0\0\0\0" * 200_000
    raw = framed(0x30, b"\0\1t" + varint(len(properties)) + properties)
    assert len(raw) < 1 << 20
    carry_out(arena, [Attack("200,000 properties", 5, raw, lives())] * 5)
