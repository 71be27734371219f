"""Where the conformance suite cuts a firmware's connection: at the bytes of its first messages.

A *rehearsal* without any fault tells which packets there are: the connection's own, those of the
first messages, and those of a command that the device is sent, with every leg of QoS 2 both ways.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

from ..exchange import Packet
from ..spy import SpiedMessage
from .rig import Failure, Rig, Suite

Way = Literal["up", "down"]
Enough = Callable[[Sequence[SpiedMessage]], bool]

# Where there are more bytes than this, not every one is tried.
MOST_CUTS = 400
# Of a packet, where not every byte is: its header with what follows, and its end.
_HEAD, _TAIL = 8, 2
_LONGEST_WAIT = 3600.0  # s, until enough is published
_SETTLE = 5.0  # s, for acknowledgements
_LEAST_SPAN = 60.0
_KEPT = 10_000  # received messages
_SHOWN = 100  # packets before a failure


@dataclass(frozen=True)
class Place:
    """A byte of the first connection.

    Attributes:
        way: Whose bytes: "up" the device's, "down" the broker's.
        at: So many of them still arrive.
        when: By then they have, where nothing disturbs: seconds since the start.
    """

    way: Way
    at: int
    when: float

    def __str__(self) -> str:
        return f"after {self.at} bytes {self.way}"


@dataclass(frozen=True)
class Command:
    """What the device is sent while connections are cut."""

    at: float
    topic: str
    payload: bytes


@dataclass(frozen=True)
class Rehearsal:
    """What a firmware says and does where nothing disturbs it.

    Attributes:
        packets: Of its first connection, until enough messages are through.
        published: By the device, until then.
        commands: That it was sent.
        obeyed: How often its application got each of them.
        span: Seconds in which it shows that it is at work.
        goes_on: Whether it does so, by publishing again and again.
        stays: Whether it stays connected meanwhile.
        repeated: Topics on which it says the same again although nothing was lost.
    """

    packets: list[Packet]
    published: list[SpiedMessage]
    commands: tuple[Command, ...]
    obeyed: Counter[tuple[str, bytes]]
    span: float
    goes_on: bool
    stays: bool
    repeated: frozenset[str]

    def places(self) -> list[Place]:
        """Every byte, both ways; where these are too many, every packet's beginning and end."""
        found = self._bytes(range)
        if len(found) > MOST_CUTS:
            found = self._bytes(_sample)
        return found[:: -(-len(found) // MOST_CUTS)]

    def starts(self) -> list[Place]:
        """Before each packet: nothing of it arrives."""
        return self._bytes(lambda size: range(min(size, 1)))

    @property
    def size(self) -> int:
        """Bytes, both ways."""
        return sum(p.size for p in self.packets)

    @property
    def exact(self) -> list[Command]:
        """The commands that came at QoS 2."""
        down = [p for p in self.packets if p.name == "PUBLISH" and p.direction == "down"]
        topics = {p.fields["topic"] for p in down if p.fields["qos"] == 2}
        return [one for one in self.commands if one.topic in topics]

    def _bytes(self, of_packet: Callable[[int], Iterable[int]]) -> list[Place]:
        found = []
        passed = Counter[str]()
        for p in self.packets:
            way: Way = "up" if p.direction == "up" else "down"
            when = p.time if p.arrived is None else p.arrived
            found += [Place(way, passed[way] + n, when) for n in of_packet(p.size)]
            passed[way] += p.size
        return found


def rehearse(suite: Suite, enough: Enough) -> Rehearsal:
    """Looks at a firmware until it has published enough, and for a while longer."""
    try:
        return _rehearsed(suite, enough, commanding=True)
    except Failure:
        raise
    except Exception:
        if suite.payloads:
            raise
        # It does not bear our guess of a command, which is for another check to tell.
        return _rehearsed(suite, enough, commanding=False)


def ready(suite: Suite, rehearsal: Rehearsal) -> Rig:
    """A bench on which everything happens as it did in the rehearsal, unless it is disturbed."""
    rig = suite.rig(keep=_KEPT, packets=_SHOWN)
    _send(rig, rehearsal.commands)
    return rig


def _rehearsed(suite: Suite, enough: Enough, *, commanding: bool) -> Rehearsal:
    rig = suite.rig(keep=_KEPT)
    rig.connect()
    _wait(rig, lambda messages: len(messages) > 0, step=1.0)
    rig.run(_SETTLE)
    at = rig.world.now + 1
    topics = rig.topics() if commanding else []
    commands = tuple(Command(at, topic, suite.payload_for(topic)) for topic in topics)
    _send(rig, commands)
    rig.run(1 + _SETTLE)
    _wait(rig, enough, step=10.0)
    rig.run(_SETTLE)
    end, packets, published = rig.world.now, _first_connection(rig), rig.published()
    times = [m.time for m in published]
    span = max(_LEAST_SPAN, 3 * max((b - a for a, b in pairwise(times)), default=0.0))
    rig.run(span)
    goes_on = bool(rig.published(end))
    stays = not any(p.kind == "ended" for p in rig.world.exchange())
    return Rehearsal(
        packets, published, commands, rig.received(), span, goes_on, stays, _repeated(rig, span)
    )


def _send(rig: Rig, commands: Iterable[Command]) -> None:
    for one in commands:
        rig.world.at(one.at, partial(rig.broker.publish, one.topic, one.payload, qos=2))


def _wait(rig: Rig, enough: Enough, step: float) -> None:
    end = rig.world.now + _LONGEST_WAIT
    while not enough(rig.published()) and rig.world.now < end:
        rig.run(step)


def _first_connection(rig: Rig) -> list[Packet]:
    found = []
    for p in rig.world.exchange():
        if p.kind == "ended":
            break
        if p.kind == "packet":
            found.append(p)
    return found


def _repeated(rig: Rig, span: float) -> frozenset[str]:
    """Topics that say the same again, in regular operation or once it has connected again."""
    with contextlib.suppress(Exception):  # whether it comes back is for the cuts to say
        rig.wait(rig.dut.outbox_empty, _LEAST_SPAN, "it is never quiet")
        rig.dut.link.cut()
        rig.run(1)
        rig.connect()
        rig.run(span)
    times = Counter((m.topic, m.payload) for m in rig.published() if m.qos == 2)
    return frozenset(topic for (topic, _), count in times.items() if count > 1)


def _sample(size: int) -> Iterable[int]:
    if size <= _HEAD + _TAIL:
        return range(size)
    return [*range(_HEAD), *range(size - _TAIL, size)]
