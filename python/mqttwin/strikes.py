"""A fault as plain data, and what it does when it strikes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import units
from .errors import ConfigError
from .faults import DIRECTIONS, FARTHEST

if TYPE_CHECKING:
    from .exploring.trial import Trial

Details = Mapping[str, Any]

REASONS = frozenset({0x80, 0x83, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x97, 0x9F})
"""With which a broker may refuse (MQTT 5.0, 3.2.2.2), as far as it is not the packet's fault."""


class Fault:
    """A fault that strikes at an instant: ``Fault("cut", 61.5, "pump-2", after_bytes=17)``.

    Args:
        kind: "cut", "black_hole", "stall", "outage", "restart", "refusal", "clock", "impostor" or
            "power".
        at: When, in seconds since the start.
        target: The client identifier of a device, or the name of a broker.
        **details: What belongs to the kind, see the functions of this module.
    """

    __slots__ = ("at", "details", "kind", "target")

    def __init__(self, kind: str, at: float, target: str, **details: Any) -> None:
        if kind not in _STRIKES:
            raise ConfigError(f"{kind!r} is none of {', '.join(_STRIKES)}", key="kind")
        allowed = _DETAILS[kind]
        for name, value in details.items():
            if name not in allowed:
                raise ConfigError(f"{kind} takes {', '.join(allowed)}, not {name}", key=name)
            fits, what = _VALUES[name]
            if not fits(value):
                raise ConfigError(f"must be {what}, not {value!r}", key=name)
        if not isinstance(at, int | float) or not 0 <= at <= units.LONGEST / units.SECOND:
            raise ConfigError(f"must be seconds since the start, not {at!r}", key="at")
        self.kind = kind
        self.at = at
        self.target = target
        self.details: Details = {**allowed, **details}

    def with_(self, *, at: float | None = None, **details: Any) -> Fault:
        """The same fault, but for these."""
        merged = {**self.details, **details}
        return Fault(self.kind, self.at if at is None else at, self.target, **merged)

    def strike(self, trial: Trial) -> bool:
        """Happens, now; False where there is no such target (any more)."""
        return _STRIKES[self.kind](trial, self)

    @property
    def text(self) -> str:
        """For people, without the time."""
        return _TEXTS[self.kind](self.target, self.details)

    def _key(self) -> tuple[Any, ...]:
        return (self.at, self.kind, self.target, tuple(sorted(self.details.items())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fault) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __lt__(self, other: Fault) -> bool:
        return self._key() < other._key()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_remade, (self.kind, self.at, self.target, dict(self.details)))

    def __repr__(self) -> str:
        """Python that makes it."""
        plain = _DETAILS[self.kind]
        said = [f"{k}={v!r}" for k, v in self.details.items() if v != plain[k]]
        return f"Fault({', '.join([repr(self.kind), repr(self.at), repr(self.target), *said])})"


def _remade(kind: str, at: float, target: str, details: dict[str, Any]) -> Fault:
    return Fault(kind, at, target, **details)


# --- what they do -------------------------------------------------------------------------------


def _byte(trial: Trial, fault: Fault) -> bool:
    """A reset or a black hole, at a byte of this connection or of the next one."""
    found = trial.place(fault.target)
    if found is None:
        return False
    fleet, index = found
    after, direction = fault.details["after_bytes"], fault.details["direction"]

    def arm() -> None:
        if fault.kind == "cut":
            fleet.cut(index, after_bytes=after, direction=direction)
        else:
            fleet.black_hole(index, after_bytes=after, direction=direction)

    if not fault.details["anew"]:
        arm()
        return True
    fleet.cut(index)
    trial.later(0.01, arm)  # once the connection that is there is gone
    return True


def _stall(trial: Trial, fault: Fault) -> bool:
    found = trial.place(fault.target)
    if found is None:
        return False
    fleet, index = found
    direction = fault.details["direction"]
    fleet.stall(index, after_bytes=fault.details["after_bytes"], direction=direction)

    def end() -> None:
        fleet.clear_fault(index)
        fleet.read_on(index, direction=direction)

    trial.lasts(fault, fault.details["lasts"], end)
    return True


def _outage(trial: Trial, fault: Fault) -> bool:
    found = trial.place(fault.target)
    if found is None:
        return False
    fleet, index = found
    fleet.link_down(index)
    trial.lasts(fault, fault.details["lasts"], lambda: fleet.link_up(index))
    return True


def _restart(trial: Trial, fault: Fault) -> bool:
    broker = trial.world.brokers.get(fault.target)
    if broker is None:
        return False
    broker.restart(keep_sessions=fault.details["keep_sessions"])
    if fault.details["down"] > 0:
        broker.down()
        trial.lasts(fault, fault.details["down"], broker.up)
    return True


def _refusal(trial: Trial, fault: Fault) -> bool:
    broker = trial.world.brokers.get(fault.target)
    if broker is None:
        return False
    broker.restart()
    broker.refuse(fault.details["reason"])
    trial.lasts(fault, fault.details["lasts"], lambda: broker.refuse(None))
    return True


def _clock(trial: Trial, fault: Fault) -> bool:
    machine = trial.machines.get(fault.target)
    if machine is not None:
        machine.clock.step(fault.details["by"])
    return machine is not None


def _impostor(trial: Trial, fault: Fault) -> bool:
    found = trial.place(fault.target)
    if found is None:
        return False
    trial.impostor(fault.target, found[0], clean_start=fault.details["clean_start"])
    return True


def _power(trial: Trial, fault: Fault) -> bool:
    machine = trial.machines.get(fault.target)
    if machine is not None and machine.powered:
        machine.reboot(fault.details["off_for"])
    return machine is not None


OF_BROKERS = ("restart", "refusal")
"""Kinds of faults whose target is a broker."""

_STRIKES: dict[str, Callable[[Trial, Fault], bool]] = {
    "cut": _byte,
    "black_hole": _byte,
    "stall": _stall,
    "outage": _outage,
    "restart": _restart,
    "refusal": _refusal,
    "clock": _clock,
    "impostor": _impostor,
    "power": _power,
}

_AT_A_BYTE: Details = {"after_bytes": 0, "direction": "up", "anew": False}
# What each takes, and what is meant where nothing is said: what shrinking tries first.
_DETAILS: dict[str, Details] = {
    "cut": _AT_A_BYTE,
    "black_hole": _AT_A_BYTE,
    "stall": {"after_bytes": 0, "direction": "down", "lasts": 60.0},
    "outage": {"lasts": 60.0},
    "restart": {"keep_sessions": True, "down": 0.0},
    "refusal": {"lasts": 60.0, "reason": 0x88},
    "clock": {"by": 3600.0},
    "impostor": {"clean_start": False},
    "power": {"off_for": 1.0},
}


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= units.LONGEST / units.SECOND


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


# What the values of details have to be.
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("lasts", "down", "off_for"), (_is_seconds, "seconds, at least 0")),
    "by": (_is_number, "seconds"),
    "after_bytes": (lambda v: _is_whole(v, 0, FARTHEST), "a number of bytes"),
    "direction": (lambda v: v in DIRECTIONS, "up or down"),
    "reason": (lambda v: v in REASONS, f"one of {', '.join(map(hex, sorted(REASONS)))}"),
    **dict.fromkeys(
        ("anew", "keep_sessions", "clean_start"),
        (lambda v: isinstance(v, bool), "True or False"),
    ),
}


def _bytes_of(what: str) -> Callable[[str, Details], str]:
    def text(target: str, d: Details) -> str:
        whose = "sent" if d["direction"] == "up" else "received"
        if d["anew"]:
            where = f"the connection ends; the next {what} {d['after_bytes']} bytes {whose}"
        else:
            where = f"the connection {what} {d['after_bytes']} bytes {whose} from now on"
        return f"{target}: {where}"

    return text


_TEXTS: dict[str, Callable[[str, Details], str]] = {
    "cut": _bytes_of("is reset after"),
    "black_hole": _bytes_of("becomes a black hole after"),
    "stall": lambda t, d: (
        f"{t}: {'the device' if d['direction'] == 'down' else 'the broker'} reads no more "
        f"after {d['after_bytes']} bytes, for {d['lasts']:g} s"
    ),
    "outage": lambda t, d: f"{t}: the link is down for {d['lasts']:g} s",
    "restart": lambda t, d: (
        f"{t}: restarts, sessions {'kept' if d['keep_sessions'] else 'lost'}, "
        f"is gone for {d['down']:g} s"
    ),
    "refusal": lambda t, d: (
        f"{t}: ends all connections, and answers CONNECT with 0x{d['reason']:02x} for "
        f"{d['lasts']:g} s"
    ),
    "clock": lambda t, d: f"{t}: the clock is set by {d['by']:+g} s",
    "impostor": lambda t, d: (
        f"{t}: somebody else connects under this client identifier"
        f"{', with a clean start' if d['clean_start'] else ''}"
    ),
    "power": lambda t, d: f"{t}: no power for {d['off_for']:g} s",
}
