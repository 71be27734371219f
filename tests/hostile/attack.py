"""Attacks: bytes that are sent on a connection, and what has to become of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from conformance.packets import Malformed, Packet, connect, pingreq

from .arena import Arena

MALFORMED, PROTOCOL_ERROR, TOO_LARGE = 0x81, 0x82, 0x95
NAME_INVALID, FILTER_INVALID = 0x90, 0x8F
BATCH = {"virtual": 4096, "tcp": 128}  # attackers at a time


@dataclass(frozen=True)
class Outcome:
    """What has to become of a connection.

    Attributes:
        reasons: With one of these reasons it ends; none: it does not.
        lives: It may live on: PINGREQ is answered after everything else.
        told: Whether the reason is said: in DISCONNECT, or in CONNACK before that. None: it may be.
        answers: The packets that have to come first, by kind; None: whatever.
    """

    reasons: frozenset[int] = frozenset()
    lives: bool = False
    told: bool | None = None
    answers: tuple[str, ...] | None = None


def dies(*reasons: int, told: bool | None = None) -> Outcome:
    """It ends, with one of these reasons."""
    return Outcome(frozenset(reasons), told=told, answers=())


def lives(*answers: str) -> Outcome:
    """Nothing is wrong; these kinds of packets come in answer."""
    return Outcome(lives=True, answers=answers)


def either(*reasons: int) -> Outcome:
    """It lives, or dies with one of these reasons: both may be right, nothing else is."""
    return Outcome(frozenset(reasons), lives=True)


LEAVES = Outcome(frozenset((0,)), told=False, answers=())  # ends without a word
WAITS = Outcome(answers=())  # for the rest of a packet: silent, and still there


@dataclass(frozen=True)
class Attack:
    """Bytes on a new connection, or after CONNECT and CONNACK (`connected`)."""

    name: str
    level: int
    raw: bytes
    outcome: Outcome
    connected: bool = True
    opening: bytes = b""  # sent after CONNACK; answered before `raw` goes out
    opened: tuple[str, ...] = ()  # by these kinds of packets

    def __str__(self) -> str:
        hex_ = self.raw[:60].hex(" ") + ("…" if len(self.raw) > 60 else "")
        when = "after" if self.connected else "at"
        return f"{self.name} (level {self.level}, {when} CONNECT): {hex_}"


class _Attacker:
    def __init__(self, attack: Attack, end: Any) -> None:
        self.attack, self.end = attack, end
        self.level = attack.level
        self.heard: list[Packet] = []
        self.problem = ""
        self.lived = False  # to the end of its attack: what comes later is another's doing

    def listen(self, count: int = 0) -> bool:
        """Takes what has come; whether that is the end of it, or at least so many packets.

        Messages do not count: they are other attackers'.
        """
        if not self.attack.connected and len(self.end.received) > 1 and not self.heard:
            # A changed CONNECT may ask for the other version, which CONNACK's length tells.
            self.level = 4 if self.end.received[1] == 2 else 5
        try:
            heard = self.end.take(self.level)
        except Malformed as error:
            self.problem = f"the broker sent {error}"
            heard = []
        if not self.lived:
            self.heard += [packet for packet in heard if packet.kind != "PUBLISH"]
        return bool(self.end.ended or self.problem or (count and len(self.heard) >= count))

    def decided(self) -> bool:
        """Whether it is over, or has survived."""
        over = self.listen()
        pings = (self.attack.outcome.answers or ()).count("PINGRESP") + 1
        at = [i for i, packet in enumerate(self.heard) if packet.kind == "PINGRESP"]
        if len(at) >= pings:
            self.lived = True
            del self.heard[at[pings - 1] + 1 :]
        return over or self.lived

    def judge(self) -> str:
        """What is wrong; '' for nothing."""
        attack, outcome = self.attack, self.attack.outcome
        kinds = [packet.kind for packet in self.heard]
        if self.problem:
            return self.problem
        if self.lived or not self.end.ended:
            if outcome == WAITS:
                return f"{kinds} came" if kinds else ""
            if not outcome.lives:
                return f"lives: {self.heard}"
            answers = kinds[:-1]
            right = outcome.answers is None or tuple(answers) == outcome.answers
            return "" if right else f"{answers} instead of {outcome.answers}"
        if not outcome.reasons:
            return f"ended after {self.heard}"
        last = self.heard[-1] if self.heard else None
        told = last is not None and last.kind == ("DISCONNECT" if attack.connected else "CONNACK")
        if told and last is not None:
            kinds.pop()
            known = last.reason in outcome.reasons or self.level < 5
            if not known:
                return f"{last}, not one of {sorted(map(hex, outcome.reasons))}"
        wanted = attack.level == 5 if attack.connected else None
        if outcome.told is not None:
            wanted = outcome.told
        if (
            wanted is not None
            and wanted != told
            and not (outcome.lives and "DISCONNECT" not in kinds)
        ):
            return f"was {'not ' * (not told)}told: {self.heard}"
        if outcome.answers is not None and not outcome.lives and tuple(kinds) != outcome.answers:
            return f"{kinds} came before the end"
        return ""


def carry_out(arena: Arena, attacks: Iterable[Attack]) -> int:
    """Carries out attacks, many at a time; returns how many.

    Raises:
        AssertionError: Something else became of one, or a bystander was not served.
    """
    stream: Iterator[Attack] = iter(attacks)
    count, problems = 0, []
    while batch := list(islice(stream, BATCH[arena.name])):
        count += len(batch)
        attackers = [_Attacker(a, e) for a, e in zip(batch, arena.open(len(batch)), strict=True)]
        problems += _carry_out(arena, attackers)
    assert not problems, "\n".join([f"{len(problems)} of {count} attacks:", *problems[:20]])
    return count


def _carry_out(arena: Arena, attackers: Sequence[_Attacker]) -> list[str]:
    for number, a in enumerate(attackers):
        if a.attack.connected:
            a.end.send(connect(f"attacker-{number}").encode(a.attack.level))
    connected = [a for a in attackers if a.attack.connected]
    arena.wait(lambda: all(a.listen(count=1) for a in connected), "CONNACK")
    for a in connected:
        if [p.kind for p in a.heard] != ["CONNACK"] or a.end.ended:
            a.problem = f"no CONNACK but {a.heard}"
        a.heard.clear()
        if a.attack.opening:
            a.end.send(a.attack.opening)
    opened = [a for a in connected if a.attack.opened]
    arena.wait(lambda: all(a.listen(count=len(a.attack.opened)) for a in opened), "the opening")
    for a in opened:
        kinds = tuple(p.kind for p in a.heard)
        if kinds != a.attack.opened:
            a.problem = f"{a.heard} in answer to the opening"
        a.heard.clear()
    for a in attackers:
        ping = pingreq().encode(a.attack.level) if a.attack.outcome.lives else b""
        a.end.send(a.attack.raw + ping)
    arena.bystanders.served()
    waited = [a for a in attackers if a.attack.outcome != WAITS]

    def all_decided() -> bool:
        waited[:] = [a for a in waited if not a.decided()]
        return not waited

    try:
        arena.wait(all_decided, "the outcome", within=5)
    except AssertionError:
        for a in waited:
            a.problem = a.problem or f"undecided: {a.heard}"
    for a in attackers:
        a.decided()
    problems = [f"{a.attack}: {problem}" for a in attackers if (problem := a.judge())]
    for a in attackers:
        a.end.abort()
    arena.bystanders.served()
    return problems
