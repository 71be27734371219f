"""What to log of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from . import units
from .errors import ConfigError
from .fleet import Fleet
from .units import Size

OnError = Literal["log", "run"]
Which: TypeAlias = (
    "Fleet | str | Iterable[Fleet | str] | Mapping[Fleet | str, int | Iterable[int]] | None"
)

_LEAST_BYTES = 4_096
"""The smallest bound on a log: its header and what closes it."""


@dataclass(frozen=True)
class Trace:
    """An event log: where it is written, and what of a run is in it.

    Attributes:
        path: Of the file; what is there is overwritten.
        devices: Only what happens to these: a fleet, several, or single devices of fleets:
            ``{"meter": [0, 17], "dashboard": 0}``; None: to all there are now and will be.
        topics: Of the packets only each PUBLISH whose topic one of these filters matches;
            connections that open and close stay in.
        every: Of the packets that are left only every n-th.
        max_bytes: The file ends there, and says how many records are missing; None: no bound.
        on_error: What fails when the file cannot be written, because the disk is full, say: the
            "log", which ends there, or the "run", which stops with a `SimulationError`.
    """

    path: str | os.PathLike[str]
    devices: Which = None
    topics: str | Sequence[str] = ()
    every: int = 1
    max_bytes: Size | None = None
    on_error: OnError = "log"

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | os.PathLike):
            raise ConfigError(f"{self.path!r} is no path", key="path")
        if self.on_error not in get_args(OnError):
            raise ConfigError(f"must be log or run, not {self.on_error!r}", key="on_error")
        self._every()
        self._topics()
        self._max_bytes()

    def _every(self) -> int:
        return units.whole(self.every, "every", 1, 2**63 - 1)

    def _topics(self) -> list[str]:
        several = [self.topics] if isinstance(self.topics, str) else list(self.topics)
        if not all(isinstance(one, str) for one in several):
            raise ConfigError(f"{self.topics!r} are no topic filters", key="topics")
        return several

    def _max_bytes(self) -> int:
        if self.max_bytes is None:
            return 0
        limit = units.size(self.max_bytes, "max_bytes", limit=2**63 - 1)
        if limit < _LEAST_BYTES:
            message = f"must be at least {_LEAST_BYTES:,} bytes, not {self.max_bytes!r}"
            raise ConfigError(message, key="max_bytes")
        return limit

    def _ranges(self, fleet_of: Callable[[Fleet | str], Fleet]) -> list[tuple[int, int, int]]:
        """(number of the fleet, first device, last device), none of which overlap."""
        if self.devices is None:
            return []
        chosen: dict[int, tuple[Fleet, set[int] | None]] = {}
        for fleet, indices in _pairs(self.devices):
            own = fleet_of(fleet)
            wanted = None if indices is None else _indices(indices, len(own))
            _, before = chosen.get(own._number, (own, set()))
            both = None if wanted is None or before is None else before | wanted
            chosen[own._number] = (own, both)
        ranges = [
            (number, first, last)
            for number, (fleet, indices) in chosen.items()
            for first, last in (
                [(0, len(fleet) - 1)] if indices is None else _runs_of(sorted(indices))
            )
        ]
        if not ranges:
            raise ConfigError("must name at least one", key="devices")
        return ranges


def _pairs(
    devices: Fleet | str | Iterable[Fleet | str] | Mapping[Fleet | str, int | Iterable[int]],
) -> Iterable[tuple[Fleet | str, int | Iterable[int] | None]]:
    if isinstance(devices, Mapping):
        return list(devices.items())
    if isinstance(devices, Fleet | str):
        return [(devices, None)]
    if not isinstance(devices, Iterable):
        raise ConfigError(f"{devices!r} names no devices", key="devices")
    return [(fleet, None) for fleet in devices]


def _indices(devices: int | Iterable[int], count: int) -> set[int]:
    several = devices if isinstance(devices, Iterable) else [devices]
    return {units.whole(device, "devices", 0, count - 1) for device in several}


def _runs_of(indices: Sequence[int]) -> list[tuple[int, int]]:
    """[1, 2, 3, 7] as (1, 3), (7, 7)."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs
