"""What comes first is no CONNECT, or claims to be monstrous, or comes in crumbs, or not at all."""

from __future__ import annotations

from collections.abc import Callable

from conformance.packets import connack, connect, varint

from .arena import Arena
from .attack import WAITS, Attack, carry_out, dies
from .table import LEVELS, valid

MIB = 1 << 20
LARGEST = 268_435_455  # bytes that a remaining length can claim

SILENTLY = dies(0x81, 0x82, told=False)  # [MQTT-3.14.0-1]: no DISCONNECT before CONNACK


def test_first_packet_is_not_connect(arena: Arena) -> None:
    """Every other packet, of clients and servers, of both versions [MQTT-3.1.0-1]."""
    firsts = {
        f"{name} first": (packet.encode(level), level)
        for level in LEVELS
        for name, packet, _ in valid(level)
        if packet.kind != "CONNECT"
    }
    firsts |= {
        f"type {kind} first": (bytes([kind << 4 | 2, 2, 0, 1]), 5)
        for kind in range(16)
        if kind != 1
    }
    firsts |= {
        f"empty type {kind} first": (bytes([kind << 4, 0]), 5) for kind in range(16) if kind != 1
    }
    count = carry_out(
        arena, (Attack(name, level, raw, SILENTLY, False) for name, (raw, level) in firsts.items())
    )
    assert count > 40


def test_first_packet_of_another_protocol(arena_with: Callable[..., Arena]) -> None:
    """Browsers, TLS, SSH and others who have the wrong port: at once, or when their time is up."""
    arena = arena_with(connect_timeout="500ms")
    others = {
        "HTTP": b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n",
        "POST": b"POST /mqtt HTTP/1.1\r\nHost: broker\r\nContent-Length: 0\r\n\r\n",
        "TLS": bytes.fromhex("16030100f8010000f40303") + bytes(range(1, 238)),
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "AMQP": b"AMQP\x00\x01\x00\x00",
        "PROXY": b"PROXY TCP4 10.0.0.1 10.0.0.2 5 1883\r\n",
        "zeros": bytes(1000),
        "ones": b"\xff" * 1000,
    }
    carry_out(arena, (Attack(name, 5, raw, SILENTLY, False) for name, raw in others.items()))


def test_first_packet_of_connect_in_disguise(arena: Arena) -> None:
    """Reserved flags of the fixed header [MQTT-3.1.1] of a CONNECT that is otherwise right."""
    right = {level: connect("c").encode(level) for level in LEVELS}
    carry_out(
        arena,
        (
            Attack(f"flags {flags:#x}", level, bytes([0x10 | flags]) + raw[1:], dies(0x81), False)
            for level, raw in right.items()
            for flags in range(1, 16)
        ),
    )


def test_first_packet_claims_256_megabytes(arena_with: Callable[..., Arena]) -> None:
    """A broker with the default limit refuses as soon as it knows; nothing is reserved."""
    arena = arena_with(alone=True)
    before = arena.backend.memory()
    claims = [
        Attack(f"{first:#x} claims 256 MB", 5, bytes([first]) + varint(LARGEST), dies(0x95), False)
        for first in (0x10, 0x30, 0x82)
    ]
    carry_out(arena, claims * 300)
    assert arena.backend.memory() - before < 8 * MIB


def test_first_packet_claims_256_megabytes_that_are_allowed(
    arena_with: Callable[..., Arena],
) -> None:
    """Where packets may be so large, memory follows what came, not what was claimed."""
    arena = arena_with(alone=True, maximum_packet_size=LARGEST)
    arena.bystanders.served()
    before = arena.backend.memory()
    head = connect("c").encode(5)[2:]
    claims = [
        Attack("claims 250 MB", 5, b"\x10" + varint(250_000_000) + head, WAITS, False),
        Attack("claims 250 MB later", 4, b"\x30" + varint(250_000_000) + b"\0\3a/b", WAITS),
    ]
    carry_out(arena, claims * 200)
    assert arena.backend.memory() - before < 8 * MIB


def test_first_packet_in_crumbs(arena: Arena) -> None:
    """Byte by byte, and many at a time; it is answered when it is whole."""
    ends = arena.open(32)
    raws = [connect(f"slow-{i}").encode(LEVELS[i % 2]) for i in range(len(ends))]
    for at in range(max(map(len, raws))):
        for end, raw in zip(ends, raws, strict=True):
            end.send(raw[at : at + 1])
        if at % 5 == 0:
            arena.bystanders.served()
    for i, end in enumerate(ends):
        arena.hear(end, LEVELS[i % 2], connack(reason=0))


def test_first_packet_does_not_come(arena_with: Callable[..., Arena]) -> None:
    """Silence, and half a CONNECT: both are over after the time that is allowed."""
    arena = arena_with(connect_timeout="500ms")
    ends = arena.open(50)
    for end in ends[::2]:
        end.send(connect("half").encode(5)[:9])
    arena.wait(lambda: all(end.ended for end in ends), "the end of the silent ones", within=5)
    assert not any(end.received for end in ends)
