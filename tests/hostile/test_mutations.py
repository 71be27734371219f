"""Every packet that a client may send: cut, lengthened, changed at every byte, and cut in two."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .arena import Arena
from .attack import MALFORMED, WAITS, Attack, Outcome, carry_out, dies, either
from .table import LEVELS, body_of, framed, outcome_of, valid


def _attacks(
    mutants: Callable[[bytes, int, tuple[str, ...]], Iterator[tuple[str, bytes, Outcome]]],
) -> Iterator[Attack]:
    for level in LEVELS:
        for name, packet, answers in valid(level):
            raw = packet.encode(level)
            for what, mutant, outcome in mutants(raw, level, answers):
                yield Attack(f"{name}, {what}", level, mutant, outcome, packet.kind != "CONNECT")


def _cut(raw: bytes, level: int, answers: tuple[str, ...]) -> Iterator[tuple[str, bytes, Outcome]]:
    body = body_of(raw)
    for size in range(len(body)):
        mutant = framed(raw[0], body[:size])
        yield f"cut to {size}", mutant, outcome_of(mutant, level, answers)


def _lengthened(
    raw: bytes, level: int, answers: tuple[str, ...]
) -> Iterator[tuple[str, bytes, Outcome]]:
    for tail in (b"\0", b"\xff", b"a", b"\0\0", b"\0\1a", b"\0\1a\0", raw):
        mutant = framed(raw[0], body_of(raw) + tail)
        yield f"and {tail!r}", mutant, outcome_of(mutant, level, answers)


def _with_a_byte_more(
    raw: bytes, level: int, answers: tuple[str, ...]
) -> Iterator[tuple[str, bytes, Outcome]]:
    body = body_of(raw)
    for at in range(len(body)):
        for more in (b"\0", b"\xff", b"a"):
            mutant = framed(raw[0], body[:at] + more + body[at:])
            yield f"{more!r} at {at}", mutant, _not_certain(mutant, level)


def _with_a_byte_changed(
    raw: bytes, level: int, answers: tuple[str, ...]
) -> Iterator[tuple[str, bytes, Outcome]]:
    body = body_of(raw)
    for at in range(len(body)):
        for other in {0, 0xFF, body[at] ^ 0x80, body[at] ^ 1, ord("#")} - {body[at]}:
            mutant = framed(raw[0], body[:at] + bytes([other]) + body[at + 1 :])
            yield f"{other:#04x} at {at}", mutant, _not_certain(mutant, level)


# What a packet that means something else now may be refused for.
_ELSEWHERE = (0x81, 0x82, 0x84, 0x85, 0x8C, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x99)


def _not_certain(raw: bytes, level: int) -> Outcome:
    """Wrong for the tests' own decoder is wrong; right may mean something else by now."""
    outcome = outcome_of(raw, level, None)
    if outcome.lives or not outcome.reasons:
        return either(*_ELSEWHERE)
    return either(0, *_ELSEWHERE) if 0 in outcome.reasons else dies(*_ELSEWHERE)


def _stopped(
    raw: bytes, level: int, answers: tuple[str, ...]
) -> Iterator[tuple[str, bytes, Outcome]]:
    for size in range(1, len(raw)):
        yield f"its first {size} bytes", raw[:size], WAITS


def test_every_packet_is_itself_valid(arena: Arena) -> None:
    """Of what the table calls valid, all is answered as it says."""

    def as_it_is(
        raw: bytes, level: int, answers: tuple[str, ...]
    ) -> Iterator[tuple[str, bytes, Outcome]]:
        yield "as it is", raw, outcome_of(raw, level, answers)

    assert carry_out(arena, _attacks(as_it_is)) >= 24


def test_every_packet_truncated_at_every_byte(arena: Arena) -> None:
    """The remaining length says that this is all: malformed where something is missing."""
    assert carry_out(arena, _attacks(_cut)) > 500


def test_every_packet_that_stops_at_every_byte(arena: Arena) -> None:
    """The rest does not come: nothing happens, and the abort that follows hurts nobody."""
    assert carry_out(arena, _attacks(_stopped)) > 500


def test_every_packet_extended(arena: Arena) -> None:
    """Something follows inside the packet."""
    assert carry_out(arena, _attacks(_lengthened)) > 100


def test_every_packet_extended_at_every_byte(arena: Arena) -> None:
    """Something stands in between."""
    assert carry_out(arena, _attacks(_with_a_byte_more)) > 1500


def test_every_packet_changed_at_every_byte(arena: Arena) -> None:
    """Something else stands there."""
    assert carry_out(arena, _attacks(_with_a_byte_changed)) > 2000


def test_every_packet_in_two_parts(arena: Arena) -> None:
    """In whatever pieces a valid packet arrives, it is the same packet."""
    for level in LEVELS:
        whole = {}
        for name, packet, answers in valid(level):
            if packet.kind in ("CONNECT", "DISCONNECT"):
                continue
            raw = packet.encode(level)
            for at in range(1, len(raw)):
                whole[f"{name} cut at {at}"] = (raw[:at], raw[at:], answers)
        carry_out(
            arena,
            (
                Attack(name, level, second, outcome_of(first + second, level, answers), True, first)
                for name, (first, second, answers) in whole.items()
            ),
        )


def test_the_first_fault_counts(arena: Arena) -> None:
    """What follows a malformed packet is not looked at."""
    bad = bytes([0x62, 0x01, 0x00])  # PUBREL with one byte
    rest = b"\xc0\x00" * 1000
    carry_out(
        arena,
        [Attack("malformed, then good", level, bad + rest, dies(MALFORMED)) for level in LEVELS],
    )
