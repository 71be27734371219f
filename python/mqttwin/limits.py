"""Bounds on a run that end it cleanly: real time, memory, and whoever says stop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from . import units
from .errors import ConfigError
from .units import Duration, Size

INTERRUPTED = "interrupted"
MAX_WALL = "max_wall"
MAX_MEMORY = "max_memory"
TRACE = "trace"

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Limits:
    """What ends a run early; looked at every 50 ms of real time.

    Attributes:
        max_memory: Bytes of resident memory of this whole process, which is what an operating
            system counts when it runs out; 0 is no bound.
        max_wall_ns: Real time of this run; 0 is no bound.
        cancelled: Says whether somebody wants it to stop.
        trace_failed: Says what is wrong with a log without which the run must not go on.
    """

    max_memory: int = 0
    max_wall_ns: int = 0
    cancelled: Callable[[], bool] | None = None
    trace_failed: Callable[[], str] | None = None

    def watch(self) -> Callable[[], str]:
        """From now on: what has been reached, or ""."""
        end = time.monotonic_ns() + self.max_wall_ns

        def reached() -> str:
            if self.cancelled is not None and self.cancelled():
                return INTERRUPTED
            if self.trace_failed is not None and self.trace_failed():
                return TRACE
            if self.max_wall_ns and time.monotonic_ns() >= end:
                return MAX_WALL
            if self.max_memory and resident_bytes() >= self.max_memory:
                return MAX_MEMORY
            return ""

        return reached


NO_LIMITS = Limits()


def limits_of(
    max_memory: Size | None,
    max_wall: Duration | None,
    cancelled: Callable[[], bool] | None = None,
) -> Limits:
    """Bounds as people write them.

    Raises:
        ConfigError: One of them cannot be, or memory cannot be looked at here.
    """
    memory = 0
    if max_memory is not None:
        memory = units.size(max_memory, "max_memory", limit=2**60)
        if memory == 0:
            raise ConfigError("must be more than 0", key="max_memory")
        if resident_bytes() == 0:
            raise ConfigError("there is no /proc here to see how much is taken", key="max_memory")
    wall = 0 if max_wall is None else units.duration(max_wall, "max_wall", zero=False)
    return Limits(memory, wall, cancelled)


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


def ended_early(stopped: str) -> str:
    """What is said of a run that was: ``"interrupted"``, ``"stopped by max_wall"``."""
    return stopped if stopped == INTERRUPTED else f"stopped by {stopped}"
