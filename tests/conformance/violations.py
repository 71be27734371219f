"""What an implementation that breaks a statement would have done: changes of a transcript.

Each is given to `@v5` or `@v311` with the statement it breaks. The last event that fits is meant
unless `nth` or `peer` says which (`nth` counts from 0, or from the end when negative).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .conversation import CLOSED, Event, Transcript
from .packets import Malformed, Packet, decode


class DoesNotApply(Exception):
    """The transcript has nothing that could be changed so."""


@dataclass(frozen=True)
class Violation:
    """A named change of a transcript."""

    says: str
    change: Callable[[Transcript], Transcript]

    def __call__(self, transcript: Transcript) -> Transcript:
        """A changed copy.

        Raises:
            DoesNotApply: It would change nothing.
        """
        changed = self.change(list(transcript))
        if changed == transcript:
            raise DoesNotApply(f"{self.says} changes nothing")
        return changed

    def __add__(self, other: Violation) -> Violation:
        """Both at once."""
        both = lambda transcript: other.change(self.change(transcript))  # noqa: E731
        return Violation(f"{self} + {other}", both)

    def __str__(self) -> str:
        return self.says


def _find(transcript: Transcript, kind: str, nth: int, peer: str | None) -> int:
    fits = [
        index
        for index, event in enumerate(transcript)
        if peer in (None, event.peer) and _kind(event) == kind
    ]
    try:
        return fits[nth]
    except IndexError:
        heard = [f"{event.peer}: {_kind(event)}" for event in transcript]
        message = f"there is no {kind} number {nth} of {peer or 'any peer'}: {heard}"
        raise DoesNotApply(message) from None


def _kind(event: Event) -> str:
    try:
        return event.kind
    except Malformed:
        return "malformed"


def _named(name: str, *arguments: object, **fields: object) -> str:
    if fields.get("peer") is None:
        fields.pop("peer", None)
    parts = [repr(a) for a in arguments] + [f"{key}={value!r}" for key, value in fields.items()]
    return f"{name}({', '.join(parts)})"


def _encoded(event: Event, packet: Packet | bytes) -> Event:
    if isinstance(packet, Packet) and not isinstance(event.what, Packet):
        packet = packet.encode(event.version)
    return event._replace(what=packet)


def drop(kind: str, *, nth: int = -1, peer: str | None = None) -> Violation:
    """The packet is not sent (`drop("closed")`: the connection is not closed)."""

    def change(events: Transcript) -> Transcript:
        del events[_find(events, kind, nth, peer)]
        return events

    return Violation(_named("drop", kind, peer=peer), change)


def change(kind: str, *, nth: int = -1, peer: str | None = None, **fields: Any) -> Violation:
    """The packet has other fields; also `flags`, `cut`, `tail`, which break it."""

    def alter(events: Transcript) -> Transcript:
        index = _find(events, kind, nth, peer)
        what = events[index].what
        packet = decode(what, events[index].version) if isinstance(what, bytes) else what
        assert isinstance(packet, Packet)
        new = {name: f(packet.fields.get(name)) if callable(f) else f for name, f in fields.items()}
        events[index] = _encoded(events[index], packet.but(**new))
        return events

    return Violation(_named("change", kind, peer=peer, **fields), alter)


def replace(kind: str, by: Packet | bytes, *, nth: int = -1, peer: str | None = None) -> Violation:
    """Another packet, or any bytes, instead of the packet (or of the end: kind "closed")."""

    def alter(events: Transcript) -> Transcript:
        index = _find(events, kind, nth, peer)
        events[index] = _encoded(events[index], by)
        return events

    return Violation(_named("replace", kind, by, peer=peer), alter)


def insert(
    packet: Packet | bytes,
    *,
    before: str | None = None,
    after: str | None = None,
    nth: int = -1,
    peer: str | None = None,
) -> Violation:
    """A packet too many, next to one that was heard."""
    assert (before is None) != (after is None), "either before or after"

    def alter(events: Transcript) -> Transcript:
        index = _find(events, before or after or "", nth, peer)
        events.insert(index + (after is not None), _encoded(events[index], packet))
        return events

    return Violation(_named("insert", packet, before=before, after=after, peer=peer), alter)


def twice(kind: str, *, nth: int = -1, peer: str | None = None, **fields: Any) -> Violation:
    """The packet comes twice, the second time with other fields if they are given."""

    def alter(events: Transcript) -> Transcript:
        index = _find(events, kind, nth, peer)
        altered = change(kind, nth=nth, peer=peer, **fields).change(list(events))
        events.insert(index + 1, altered[index])
        return events

    return Violation(_named("twice", kind, peer=peer, **fields), alter)


def swap(kind: str, other: str, *, peer: str | None = None) -> Violation:
    """The last two of these (the last two of one kind) come in the other order."""

    def alter(events: Transcript) -> Transcript:
        first = _find(events, kind, -2 if kind == other else -1, peer)
        second = _find(events, other, -1, peer)
        a, b = events[first], events[second]
        events[first], events[second] = b._replace(at=a.at), a._replace(at=b.at)
        return events

    return Violation(_named("swap", kind, other, peer=peer), alter)


def closes(*, instead_of: str, nth: int = -1, peer: str | None = None) -> Violation:
    """The connection is closed instead of sending that packet."""

    def alter(events: Transcript) -> Transcript:
        index = _find(events, instead_of, nth, peer)
        name = events[index].peer
        rest = [event for event in events[index + 1 :] if event.peer != name]
        return [*events[:index], events[index]._replace(what=CLOSED), *rest]

    return Violation(_named("closes", instead_of=instead_of, peer=peer), alter)


def ignores(*, peer: str | None = None) -> Violation:
    """What should have ended the connection is ignored: no error, no end."""
    return _tolerates(None, peer)


def answers(packet: Packet, *, peer: str | None = None) -> Violation:
    """What should have ended the connection is taken and answered with that packet."""
    return _tolerates(packet, peer)


def _tolerates(packet: Packet | None, peer: str | None) -> Violation:
    def alter(events: Transcript) -> Transcript:
        index = _find(events, CLOSED, -1, peer)
        end = events[index]
        mine = [i for i in range(index) if events[i].peer == end.peer]
        events[index : index + 1] = [_encoded(end, packet)] if packet else []
        if mine and _is_error(events[mine[-1]]):
            del events[mine[-1]]
        return events

    return Violation(_named("answers", packet) if packet else "ignores()", alter)


def _is_error(event: Event) -> bool:
    if not isinstance(event.what, bytes) or event.kind not in ("CONNACK", "DISCONNECT"):
        return False
    packet = decode(event.what, event.version)
    return packet.kind == "DISCONNECT" or packet.reason > 0


def late(kind: str, by: float, *, nth: int = -1, peer: str | None = None) -> Violation:
    """It comes so many seconds later (earlier when negative)."""

    def alter(events: Transcript) -> Transcript:
        index = _find(events, kind, nth, peer)
        events[index] = events[index]._replace(at=max(0.0, events[index].at + by))
        return events

    return Violation(_named("late", kind, by, peer=peer), alter)
