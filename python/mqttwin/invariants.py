"""What must hold after a calm, whatever has happened before: ready-made invariants.

An invariant is a function of a `Trial`: it returns nothing where all is well, and otherwise says
what it has seen (a text, or several), or raises AssertionError. One that has to watch from the
beginning is an object with ``prepare(trial)``, too; those here are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import units
from .errors import ConfigError
from .exploring.expectations import (
    Connected,
    NoCrash,
    NoHammering,
    NoProtocolViolation,
    NotInStep,
    StatusAgrees,
)
from .exploring.streams import Delivered, InOrder, NoGaps, OnceEach, Pace
from .spy import checked_filter
from .units import Duration


def connected() -> Connected:
    """Every device is connected again."""
    return Connected()


def no_protocol_violation() -> NoProtocolViolation:
    """Neither a broker nor a client has ended a connection because of a protocol error."""
    return NoProtocolViolation()


def no_crash() -> NoCrash:
    """No device's code has failed, even where the scenario lets it reboot (``may_crash``)."""
    return NoCrash()


def no_gaps(filter: str, field: str = "seq", *, first: int = 1) -> NoGaps:
    """Numbers in JSON payloads arrived at the broker without gaps, for each topic.

    Args:
        filter: Which topics.
        field: Where the number is.
        first: It counts from here.
    """
    return NoGaps(checked_filter(filter), field, units.whole(first, "first", 0, 2**63))


def once_each(filter: str, field: str = "id") -> OnceEach:
    """No number in JSON payloads came twice on one topic."""
    return OnceEach(checked_filter(filter), field)


def in_order(filter: str, field: str = "seq") -> InOrder:
    """Numbers in JSON payloads came in order on each topic; one that comes again does not count.

    Args:
        filter: Which topics.
        field: Where the number is.
    """
    return InOrder(checked_filter(filter), field)


def pace(filter: str, most: int, *, per: Duration = "2min") -> Pace:
    """No topic has more messages than that at the end of the calm, when nothing is caught up on.

    Timers that a reconnect starts again show by this, and so does whatever repeats itself.

    Args:
        filter: Which topics.
        most: Messages on one topic
        per: in the last time of this length, which must not be longer than the calm.
    """
    long = units.duration(per, "per", zero=False) / units.SECOND
    return Pace(checked_filter(filter), units.whole(most, "most", 0, 10**9), long)


def exactly_once(filter: str) -> Delivered:
    """What devices' applications published reached the broker once; see `assert_exactly_once`."""
    return Delivered(checked_filter(filter), "exactly once")


def at_least_once(filter: str) -> Delivered:
    """What devices' applications published reached the broker; see `assert_at_least_once`."""
    return Delivered(checked_filter(filter), "at least once")


def status_agrees(
    topic: str = "d/{id}/status",
    *,
    online: bytes = b"online",
    offline: bytes = b"offline",
    dies: Duration = "30min",
) -> StatusAgrees:
    """The retained status of each Python device and host says whether it is connected.

    Args:
        topic: With ``{id}`` for the client identifier.
        online: What it says while the device is connected, and
        offline: while it is not.
        dies: At last the first device loses its power for good; so much later its status has to
            say so: one and a half keep-alives and a bit. 0: it does not.
    """
    if "{id}" not in topic:
        raise ConfigError("must hold {id}, the client identifier", key="topic")
    gone = units.duration(dies, "dies") / units.SECOND
    return StatusAgrees(topic, online, offline, gone)


def not_in_step(*, within: Duration = "0.2s", away: Duration = "20s", times: int = 2) -> NotInStep:
    """Fleets of three or more do not come back all at once, again and again.

    Args:
        within: From the first that is back to the last; looked at every 100 ms.
        away: After restarts of a broker that was gone for so long; after shorter ones back-offs
            have had no time to spread them.
        times: Once may be chance, so often is a rhythm.
    """
    near = units.duration(within, "within") / units.SECOND
    gone = units.duration(away, "away") / units.SECOND
    return NotInStep(near, gone, units.whole(times, "times", 1, 1000))


def no_hammering(attempts: int = 12) -> NoHammering:
    """Who cannot connect does not try more often than so many times a minute.

    Each device in Python is judged by itself, since it has power; those of fleets, which share
    their back-off, by what they do on average. Of a host every connection counts that it begins.

    Args:
        attempts: In any minute; one that waits longer and longer makes six or so.
    """
    return NoHammering(units.whole(attempts, "attempts", 1, 10**6))


DEFAULT: tuple[Callable[[], Any], ...] = (connected, no_protocol_violation, no_crash)
