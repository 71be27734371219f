"""Variable byte integers that are too long, not in their shortest form, or cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.packets import connect, publish, subscribe, to, varint

from .arena import Arena
from .attack import MALFORMED, TOO_LARGE, WAITS, Attack, carry_out, dies, lives
from .table import LEVELS, framed


def _longer(raw: bytes, size: int) -> bytes:
    """The same number in more bytes."""
    return bytes([*(b | 0x80 for b in raw), *([0x80] * (size - len(raw) - 1)), 0])


def test_length_of_more_than_four_bytes(arena: Arena) -> None:
    """A fifth byte, or more, whatever it is: malformed as soon as the fourth goes on."""
    tails = [b"\xff\xff\xff\xff", b"\x80\x80\x80\x80", b"\xff\xff\xff\xff\x7f", b"\x80" * 1000]
    carry_out(
        arena,
        (
            Attack(f"{first:#x} {tail[:6].hex()}", level, bytes([first]) + tail, outcome, connected)
            for level in LEVELS
            for tail in tails
            for first in (0x10, 0x30, 0x62, 0xC0)
            for connected, outcome in ((True, dies(MALFORMED)), (False, dies(0, told=False)))
        ),
    )


def test_length_in_too_many_bytes(arena: Arena) -> None:
    """Not the shortest form [MQTT-1.5.5-1]."""

    def attacks() -> Iterator[Attack]:
        for level in LEVELS:
            for raw in (b"\xc0\0", publish("a").encode(level)):
                for size in (2, 3, 4):
                    long = raw[:1] + _longer(raw[1:2], size) + raw[2:]
                    yield Attack(f"{raw[0]:#x} in {size}", level, long, dies(MALFORMED))
            raw = connect("c").encode(level)
            long = raw[:1] + _longer(raw[1:2], 2) + raw[2:]
            yield Attack("CONNECT", level, long, dies(MALFORMED, told=False), False)

    carry_out(arena, attacks())


def test_length_that_is_truncated(arena: Arena) -> None:
    """The rest of the integer does not come."""
    carry_out(
        arena,
        (
            Attack(f"{first:#x} {part!r}", level, bytes([first]) + part, WAITS, connected)
            for level in LEVELS
            for part in (b"", b"\x80", b"\xff\xff", b"\xff\xff\xff")
            for first, connected in ((0x10, False), (0x30, True), (0x82, True))
        ),
    )


def test_length_of_every_size_is_understood(arena_with: Callable[..., Arena]) -> None:
    """At the edges between one, two, three and four bytes, and at the server's limit."""
    limit = 3_000_000
    arena = arena_with(maximum_packet_size=limit)

    def attacks() -> Iterator[Attack]:
        for level in LEVELS:
            over = 3 + (level == 5)  # topic and properties
            for edge in (127, 128, 16_383, 16_384, 2_097_151, 2_097_152):
                raw = publish("t", bytes(edge - over)).encode(level)
                assert len(raw) == 1 + len(varint(edge)) + edge
                yield Attack(f"{edge} bytes", level, raw, lives())
            largest = publish("t", bytes(limit - over - 5)).encode(level)
            assert len(largest) == limit
            yield Attack("as large as may be", level, largest, lives())
            more = publish("t", bytes(limit - over - 4)).encode(level)
            yield Attack("one more byte", level, more, dies(TOO_LARGE))

    carry_out(arena, attacks())


def test_length_of_properties(arena: Arena) -> None:
    """The property length: over-long, cut, beyond the packet, short of it; and inside."""
    five = [
        ("not the shortest", b"\x80\x00", MALFORMED),
        ("five bytes", b"\x80\x80\x80\x80\x01", MALFORMED),
        ("all ones", b"\xff\xff\xff\xff", MALFORMED),
        ("cut", b"\x80", MALFORMED),
        ("beyond the packet", b"\x05", MALFORMED),
        ("far beyond the packet", b"\xff\xff\xff\x7f", MALFORMED),
        ("ends within a property", b"\x02\x02\x00\x00\x00\x01", MALFORMED),
    ]
    heads = {
        "PUBLISH": (0x32, b"\0\1t\0\7"),
        "SUBSCRIBE": (0x82, b"\0\7"),
        "UNSUBSCRIBE": (0xA2, b"\0\7"),
        "PUBACK": (0x40, b"\0\7\0"),
        "PUBREL": (0x62, b"\0\7\0"),
        "DISCONNECT": (0xE0, b"\0"),
    }

    def attacks() -> Iterator[Attack]:
        for name, (first, head) in heads.items():
            for what, length, reason in five:
                raw = framed(first, head + length)
                yield Attack(f"{name}, properties: {what}", 5, raw, dies(reason))
        begin = connect("c").encode(5)[2:12]
        for what, length, reason in five:
            raw = framed(0x10, begin + length)
            yield Attack(f"CONNECT, properties: {what}", 5, raw, dies(reason, told=True), False)
        for what, number in (
            ("five bytes", b"\x80\x80\x80\x80\x01"),
            ("not the shortest", b"\x81\x00"),
            ("cut", b"\x81"),
        ):
            props = b"\x0b" + number
            raw = framed(0x82, b"\0\7" + varint(len(props)) + props + b"\0\1t\0")
            yield Attack(f"subscription identifier: {what}", 5, raw, dies(MALFORMED))
        largest = subscribe(7, [to("t")], subscription_identifier=268_435_455)
        yield Attack("the largest identifier", 5, largest.encode(5), lives("SUBACK"))

    carry_out(arena, attacks())
