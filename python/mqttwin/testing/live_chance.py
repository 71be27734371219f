"""What is drawn at random on a live link: jitter, and loss alone or in bursts.

As on a virtual one (`mqttwin.links`), with real seconds in place of virtual ones. The same seed
gives the same draws; what they befall depends on when the segments come.
"""

from __future__ import annotations

import hashlib
import math

from .. import units
from ..link_parts import Bursts
from ..link_spec import Direction


class Draws:
    """Uniform draws in [0, 1) of one name; the same name gives the same draws."""

    def __init__(self, *name: object) -> None:
        self._name = "/".join(map(str, name)).encode()
        self._number = 0

    def __call__(self) -> float:
        """The next draw."""
        self._number += 1
        key = self._number.to_bytes(8, "big")
        digest = hashlib.blake2b(self._name, key=key, digest_size=8).digest()
        return float(int.from_bytes(digest, "big") >> 11) / float(1 << 53)

    def exponential(self) -> float:
        """Mean 1."""
        return -math.log1p(-self())

    def normal(self) -> float:
        """Standard normal (Box and Muller)."""
        radius = math.sqrt(2 * self.exponential())
        return radius * math.cos(2 * math.pi * self())


def jitter(spec: Direction, draws: Draws) -> float:
    """Seconds that a segment is late (or early) by chance."""
    spread = spec.jitter / units.SECOND
    if not spread or spec.jitter_kind == "none":
        return 0.0
    if spec.jitter_kind == "uniform":
        return spread * (2 * draws() - 1)
    if spec.jitter_kind == "normal":
        return spread * draws.normal()
    if spec.jitter_kind == "exponential":
        return spread * draws.exponential()
    return spread * math.exp(draws.normal())  # lognormal: `jitter` is its median


class Fading:
    """The state of one direction that loses in bursts; it outlives connections.

    Args:
        bursts: Its figures.
        draws: Its randomness.
    """

    def __init__(self, bursts: Bursts, draws: Draws) -> None:
        self._bursts = bursts
        self._draws = draws
        self._bad: bool | None = None  # when somebody looked last, which was
        self._seen = 0.0

    def loses(self, at: float) -> bool:
        """Whether a segment of that instant (in seconds) is lost."""
        self._bad = self._draws() < self._chance_of_bad(at)
        self._seen = max(self._seen, at)
        bursts = self._bursts
        return self._draws() < (bursts.loss_in_bad if self._bad else bursts.loss_in_good)

    def _chance_of_bad(self, at: float) -> float:
        bursts = self._bursts
        if bursts.clock == "packet":  # good before the first
            return 1 - bursts.to_good if self._bad else bursts.to_bad
        good, bad = bursts.good / units.SECOND, bursts.bad / units.SECOND
        share = bad / (good + bad)
        if self._bad is None:
            return share
        rest = math.exp(-max(0.0, at - self._seen) * (1 / good + 1 / bad))
        return share + (float(self._bad) - share) * rest
