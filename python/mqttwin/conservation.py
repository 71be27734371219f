"""Nothing is lost without a reason: the balance of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .errors import MqttwinError


@dataclass(frozen=True)
class Conservation:
    """For each publish and each subscription that it matched when it was routed.

    Attributes:
        expected: Deliveries owed.
        delivered: First deliveries.
        dropped: Deliveries that will never happen, each with a reason in `Result.counts`.
        in_flight: Still queued at the broker or on a link, counted there.
    """

    NAMES: ClassVar = ("expected", "delivered", "dropped", "in_flight")

    expected: int
    delivered: int
    dropped: int
    in_flight: int

    @property
    def holds(self) -> bool:
        """Whether expected = delivered + dropped + in flight."""
        return self.expected == self.delivered + self.dropped + self.in_flight

    def check(self) -> None:
        """Raises MqttwinError where it does not hold."""
        if not self.holds:
            raise MqttwinError(f"messages are not conserved: {self}")

    def __str__(self) -> str:
        sign = "=" if self.holds else "≠"
        return (
            f"{self.expected:,} expected {sign} {self.delivered:,} delivered + "
            f"{self.dropped:,} dropped + {self.in_flight:,} in flight"
        )
