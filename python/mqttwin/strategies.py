"""Strategies for Hypothesis: faults and links, for those who prefer to write properties.

>>> from mqttwin import strategies
>>> @given(strategies.schedules(["pump-0", "pump-1"], until="10min"))
... def test_pumps_bear_it(faults): ...

Needs hypothesis, which nothing else here imports. What it shrinks to is shown as Python that makes
it, see `mqttwin.replay`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from . import links as presets
from . import units
from .errors import ConfigError
from .link_spec import Link
from .mischief import Fault
from .strikes import OF_BROKERS
from .units import Duration

_BYTE = st.integers(0, 400)
_WAY = st.sampled_from(["up", "down"])


def _seconds(longest: float) -> st.SearchStrategy[float]:
    return st.integers(0, round(longest * 10)).map(lambda tenths: tenths / 10)


_DETAILS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "cut": {"after_bytes": _BYTE, "direction": _WAY, "anew": st.booleans()},
    "black_hole": {"after_bytes": _BYTE, "direction": _WAY, "anew": st.booleans()},
    "stall": {"after_bytes": _BYTE, "direction": _WAY, "lasts": _seconds(120)},
    "outage": {"lasts": _seconds(240)},
    "restart": {"keep_sessions": st.booleans(), "down": _seconds(120)},
    "refusal": {"lasts": _seconds(120), "reason": st.sampled_from([0x88, 0x89])},
    "clock": {"by": st.integers(-7200, 7200).map(float)},
    "impostor": {"clean_start": st.booleans()},
    "power": {"off_for": _seconds(120)},
}


def faults(
    devices: Sequence[str],
    *,
    brokers: Sequence[str] = ("broker",),
    until: Duration = "10min",
    kinds: Sequence[str] | None = None,
) -> st.SearchStrategy[Fault]:
    """Single faults.

    Args:
        devices: Their client identifiers.
        brokers: Their names.
        until: None comes later.
        kinds: See `Fault`; by default all for which there is a target.
    """
    last = units.duration(until, "until") / units.SECOND
    chosen = list(_DETAILS) if kinds is None else list(kinds)
    found = []
    for kind in chosen:
        if kind not in _DETAILS:
            raise ConfigError(f"{kind!r} is none of {', '.join(_DETAILS)}", key="kinds")
        targets = list(brokers if kind in OF_BROKERS else devices)
        if targets:
            found.append(_of_kind(kind, targets, last))
    if not found:
        raise ConfigError("must name at least one", key="devices")
    return st.one_of(found)


def schedules(
    devices: Sequence[str],
    *,
    brokers: Sequence[str] = ("broker",),
    until: Duration = "10min",
    kinds: Sequence[str] | None = None,
    max_size: int = 20,
) -> st.SearchStrategy[list[Fault]]:
    """Lists of faults, in the order in which they come; arguments as for `faults`."""
    one = faults(devices, brokers=brokers, until=until, kinds=kinds)
    return st.lists(one, max_size=max_size).map(sorted)


def links(names: Sequence[str] | None = None) -> st.SearchStrategy[Link]:
    """Links: presets of `mqttwin.links`, and plain ones with a latency and a loss.

    Args:
        names: Of presets; by default all.
    """
    chosen = sorted(presets.PRESETS) if names is None else list(names)
    plain = st.builds(
        lambda latency, loss: presets.link(latency=latency / 1000, loss=loss / 100),
        st.integers(0, 2000),
        st.integers(0, 10),
    )
    return st.one_of(plain, st.sampled_from(chosen).map(presets.preset))


def _of_kind(kind: str, targets: Sequence[str], last: float) -> st.SearchStrategy[Fault]:
    return st.builds(
        lambda at, target, details: Fault(kind, at, target, **details),
        _seconds(last),
        st.sampled_from(targets),
        st.fixed_dictionaries(_DETAILS[kind]),
    )
