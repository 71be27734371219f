"""A conversation with the broker or client under test: what a test says, and what it hears.

A test speaks through peers. What peers hear is recorded as a transcript: a list of events. The same
test can then be played against a transcript that was changed, which is how it is shown that it can
fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from .packets import (
    ACKS,
    ANY,
    Malformed,
    Packet,
    connack,
    decode,
    disconnect,
    frame_size,
    is_error,
    pingreq,
    pingresp,
    publish,
    suback,
    subscribe,
    to,
)

PATIENCE = 5.0  # s: how long an expected event may take unless the test says
CLOSED = "closed"

Time = float | int | str  # seconds, or "1.5s", "200ms", "2min"
_OPTIONS = ("no_local", "retain_as_published", "retain_handling")
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}


def seconds(time: Time) -> float:
    """A time in seconds."""
    if isinstance(time, str):
        match = re.fullmatch(r"([\d.]+) *(ms|s|min|h)", time)
        assert match, f"no time: {time!r}"
        return float(match[1]) * _UNITS[match[2]]
    return float(time)


def _success(reason: int) -> bool:
    return reason < 0x80


class Event(NamedTuple):
    """Something that a peer heard: the bytes of a packet, CLOSED, or a note of the application."""

    peer: str
    version: int  # protocol level of the peer
    at: float  # s
    what: bytes | str | Packet

    @property
    def kind(self) -> str:
        """The packet's kind, or CLOSED."""
        if isinstance(self.what, bytes):
            return decode(self.what, self.version).kind
        return self.what if isinstance(self.what, str) else self.what.kind


Transcript = list[Event]


class Line(Protocol):
    """One connection of a peer, on some backend."""

    def send(self, raw: bytes) -> None:
        """Sends now."""

    def next(self, within: float) -> tuple[float, bytes | str | Packet] | None:
        """When and what comes next; None when nothing does within so many seconds."""

    def close(self, *, abort: bool = False) -> None:
        """Ends the connection, orderly or with a reset."""


class Stage(Protocol):
    """What peers share: the clock and the transcript."""

    transcript: Transcript

    def now(self) -> float:
        """Seconds since some instant."""


class Framing:
    """Cuts a stream into packets, for the lines of live backends."""

    def __init__(self) -> None:
        self._buffer = b""
        self.ended = False

    def feed(self, raw: bytes) -> None:
        """More of the stream."""
        self._buffer += raw

    def pop(self) -> bytes | str | None:
        """A packet, CLOSED after the last, None while there is neither."""
        if size := frame_size(self._buffer):
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            return frame
        if self.ended and self._buffer:
            raise Malformed(f"closed within a packet: {self._buffer[:40].hex(' ')}")
        return CLOSED if self.ended else None


@dataclass
class Peer:
    """One end of a connection, played by the test."""

    stage: Stage
    line: Line
    name: str
    version: int  # protocol level: 3, 4 or 5
    lenient: bool = False  # the other end need not give the reason why it closes
    _last_id: int = 0

    # --- speaking ---------------------------------------------------------------------------------

    def send(self, *packets: Packet | bytes) -> None:
        """Sends packets, or bytes as they are, in one write."""
        self.line.send(
            b"".join(p if isinstance(p, bytes) else p.encode(self.version) for p in packets)
        )

    def close(self) -> None:
        """Closes the transport without a word."""
        self.line.close()

    def abort(self) -> None:
        """Breaks the transport: the other end sees a reset."""
        self.line.close(abort=True)

    def leave(self, **fields: Any) -> None:
        """DISCONNECT; returns when the other end has closed."""
        self.send(disconnect(**fields))
        self.expect_closed()

    def subscribe(self, filter: Any, qos: int = 0, **fields: Any) -> None:
        """SUBSCRIBE with one filter, granted as wished; fields are options and properties."""
        options = {name: fields.pop(name) for name in tuple(fields) if name in _OPTIONS}
        number = self._next_id()
        self.send(subscribe(number, [to(filter, qos, **options)], **fields))
        self.expect(suback(number, [qos]))

    def publish(self, topic: Any, payload: Any = b"x", qos: int = 1, **fields: Any) -> None:
        """PUBLISH, and what has to follow until the other end has it all."""
        number = self._next_id() if qos else None
        self.send(publish(topic, payload, qos, number, **fields))
        for mine, theirs in ((None, 1), (2, 3)):  # PUBREC; PUBREL and PUBCOMP
            if mine is not None:
                self.send(Packet(ACKS[mine], {"id": number}))
            if qos:
                kind = "PUBACK" if qos == 1 else ACKS[theirs]
                self.expect(Packet(kind, {"id": number, "reason": _success}))
            if qos < 2:
                break

    # --- listening --------------------------------------------------------------------------------

    def expect(self, *packets: Packet, within: Time = PATIENCE, after: Time = 0) -> Packet:
        """These packets come next, in this order; returns the last.

        Args:
            packets: Only the fields that are given matter.
            within: Each comes so soon.
            after: The first does not come earlier.
        """
        seen = packets[0]
        for number, packet in enumerate(packets):
            began = self.stage.now()
            event = self._next(str(packet), seconds(within))
            seen = self._read(event, str(packet))
            if problem := packet.differs(seen):
                raise AssertionError(f"{self.name}: {problem}")
            self._check_after(event, began, 0 if number else seconds(after))
        return seen

    def expect_all(self, *packets: Packet, within: Time = PATIENCE) -> list[Packet]:
        """These packets come next, in any order; returns them in the order of the arguments."""
        found: list[Packet | None] = [None] * len(packets)
        for _ in packets:
            seen = self._next_packet(f"one of {packets}", seconds(within))
            fits = (i for i, p in enumerate(packets) if found[i] is None and not p.differs(seen))
            index = next(fits, None)
            if index is None:
                raise AssertionError(f"{self.name}: {seen} is not among {packets}")
            found[index] = seen
        return [packet for packet in found if packet is not None]

    def expect_closed(self, *, within: Time = PATIENCE, after: Time = 0) -> None:
        """The other end closes, and says nothing before that."""
        began = self.stage.now()
        event = self._next("the end of the connection", seconds(within))
        self._check_after(event, began, seconds(after))
        self._check_end(event)

    def expect_refused(self, *packets: Packet, within: Time = PATIENCE, after: Time = 0) -> None:
        """One of these answers (where there is one for the version), then the end.

        To say why before closing is allowed, not required: a lenient test takes the end alone.
        """
        began = self.stage.now()
        event = self._next(f"{packets} and the end of the connection", seconds(within))
        self._check_after(event, began, seconds(after))
        if packets and not (self.lenient and event.what == CLOSED):
            seen = self._read(event)
            if all(packet.differs(seen) for packet in packets):
                raise AssertionError(f"{self.name}: {packets[0].differs(seen)}")
            event = self._next("the end of the connection", seconds(within))
        self._check_end(event)

    def expect_error(
        self, reason: int | None = None, *, within: Time = PATIENCE, after: Time = 0
    ) -> None:
        """DISCONNECT with that reason and the end; in 3.1.1, which has no such packet, the end.

        Args:
            reason: None: any error.
            within: It comes so soon.
            after: It does not come earlier.
        """
        packets = [disconnect(reason or is_error)] if self.version == 5 else []
        self.expect_refused(*packets, within=within, after=after)

    def expect_denied(self, *answers: Packet) -> None:
        """A request is not carried out: one of these answers, or the end, with or without why."""
        event = self._next(f"{answers} or the end of the connection", PATIENCE)
        if event.what != CLOSED:
            seen = self._read(event)
            if not all(answer.differs(seen) for answer in answers):
                return
            if self.version < 5 or disconnect(is_error).differs(seen):
                raise AssertionError(f"{self.name}: {seen} is no refusal")
            event = self._next("the end of the connection", PATIENCE)
        self._check_end(event)

    def expect_nothing(self, *, during: Time | None = None) -> None:
        """Nothing more comes: by default before the answer to a PINGREQ that is sent now.

        The peer must be connected for that. What other peers have sent without having had an
        answer may not have arrived yet: let them `fence` first.

        Args:
            during: Waits so long instead.
        """
        if during is None:
            return self.fence()
        if event := self._poll(seconds(during)):
            raise AssertionError(f"{self.name}: nothing should come, but {self._read(event)} did")
        return None

    def fence(self) -> None:
        """Everything that was sent is handled, and nothing has come for it: PINGREQ, PINGRESP."""
        self.send(pingreq())
        self.expect(pingresp())

    def heard(self) -> list[Packet]:
        """All that has come when everything that was sent is handled: a fence."""
        self.send(pingreq())
        packets: list[Packet] = []
        while (seen := self.expect(Packet(ANY, {}))).kind != "PINGRESP":
            packets.append(seen)
        return packets

    def expect_rejected(self, reason: int, code: int | None = None) -> None:
        """The answer to CONNECT is CONNACK with that reason and the end.

        Args:
            reason: In 5.0.
            code: The return code in 3.1.1; where it has none, the end alone.
        """
        reason_of_version = reason if self.version == 5 else code
        answer = [] if reason_of_version is None else [connack(reason_of_version)]
        self.expect_refused(*answer)

    # --- inside -----------------------------------------------------------------------------------

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _poll(self, within: float) -> Event | None:
        got = self.line.next(within)
        if got is None:
            return None
        event = Event(self.name, self.version, *got)
        self.stage.transcript.append(event)
        return event

    def _next(self, wanted: str, within: float) -> Event:
        event = self._poll(within)
        if event is None:
            raise AssertionError(f"{self.name}: {wanted} expected, nothing came in {within:g} s")
        return event

    def _check_end(self, event: Event) -> None:
        if event.what != CLOSED:
            raise AssertionError(f"{self.name}: should be closed, but {self._read(event)} came")

    def _check_after(self, event: Event, began: float, after: float) -> None:
        passed = self.stage.now() - began
        if passed < after:
            raise AssertionError(f"{self.name}: {event.kind} after {passed:.3f} s, not {after:g}")

    def _next_packet(self, wanted: str, within: float) -> Packet:
        return self._read(self._next(wanted, within), wanted)

    def _read(self, event: Event, wanted: str = "") -> Packet:
        if isinstance(event.what, bytes):
            return decode(event.what, self.version)
        if isinstance(event.what, Packet):
            return event.what
        raise AssertionError(f"{self.name}: closed, where {wanted or 'a packet'} was expected")
