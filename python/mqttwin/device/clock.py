"""The clock of a device: it drifts, and may be wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .. import units
from ..errors import ConfigError
from ..fleet_spec import EPOCH_NS
from ..units import Duration

if TYPE_CHECKING:
    from .unit import Unit

MAXIMUM_DRIFT = 500_000.0
"""Parts per million."""


class Clock:
    """``self.clock``: what the device believes the time to be.

    Its crystal drives the device's timers as well: with a drift of 100 ppm, a device that sleeps an
    hour wakes 0.36 s early. (Those of its MQTT client, such as keep-alive, follow true time.)
    It has a battery: it goes on while the device has no power.
    """

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._true = 0  # where the present rate began, and
        self._shown = EPOCH_NS  # what the clock showed then
        self._drift = 0.0

    def now(self) -> float:
        """Unix time in seconds, as the device believes; the world begins at 2025-01-01T00:00Z."""
        return self._at(self._unit.now) / units.SECOND

    @property
    def error(self) -> float:
        """By how many seconds it is fast (or, below 0, slow)."""
        now = self._unit.now
        return (self._at(now) - EPOCH_NS - now) / units.SECOND

    @property
    def drift(self) -> float:
        """In parts per million; above 0 it is fast."""
        return self._drift

    @drift.setter
    def drift(self, ppm: float) -> None:
        self.set_drift(ppm)

    def set_drift(self, ppm: float) -> None:
        """How fast it runs from now on; timers that are running already end as they were to.

        Args:
            ppm: Parts per million, from -500,000 to 500,000; a watch crystal has 20 or so.
        """
        if not isinstance(ppm, int | float) or not math.isfinite(ppm) or abs(ppm) > MAXIMUM_DRIFT:
            raise ConfigError(f"must be from -500,000 to 500,000 ppm, not {ppm!r}", key="drift")
        self._rebase()
        self._drift = float(ppm)
        scheduler = self._unit.scheduler
        if scheduler.lent is not None:
            scheduler.reclaim()
        scheduler.rate = 1.0 + self._drift * 1e-6

    def set(self, unix_seconds: float) -> None:
        """Sets it, rightly or wrongly (NTP, a server's answer, a user)."""
        self._rebase()
        self._shown = round(unix_seconds * units.SECOND)

    def step(self, by: Duration) -> None:
        """Sets it forward, or with a minus backward: ``clock.step("-1h")``."""
        self._rebase()
        self._shown += units.duration(by, "step", negative=True)

    def sync(self) -> None:
        """Sets it right; it drifts away again."""
        self._rebase()
        self._shown = EPOCH_NS + self._true

    def _at(self, now: int) -> int:
        elapsed = now - self._true
        return self._shown + elapsed + round(elapsed * self._drift * 1e-6)

    def _rebase(self) -> None:
        now = self._unit.now
        self._shown = self._at(now)
        self._true = now

    def __repr__(self) -> str:
        return f"<Clock {self.error:+.6f} s, {self._drift:+g} ppm>"
