"""Random numbers of a device: a stream of its own, the same with every run of a seed."""

from __future__ import annotations

import random
from typing import Any

from .. import _core
from ..errors import ConfigError


class DeviceRandom(random.Random):
    """``self.random``: the methods of `random.Random`, over the world's named streams.

    What it gives depends on the world's seed, the name under which the device was added, its
    index and how often it was asked, and on nothing else.
    """

    def __new__(cls, *arguments: Any) -> DeviceRandom:
        return super().__new__(cls)

    def __init__(self, stream: _core.Stream) -> None:
        self._stream = stream
        super().__init__()

    def random(self) -> float:
        """Uniform in [0, 1)."""
        return self._stream.unit()

    def getrandbits(self, k: int) -> int:
        """So many random bits."""
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        value = 0
        for _ in range((k + 63) // 64):
            value = value << 64 | self._stream.next()
        return value >> -k % 64

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """Normal; without libm, so the same everywhere."""
        return mu + sigma * self._stream.normal()

    normalvariate = gauss

    def expovariate(self, lambd: float = 1.0) -> float:
        """Exponential with mean ``1 / lambd``; without libm, too."""
        return self._stream.exponential() / lambd

    def seed(self, a: Any = None, version: int = 2) -> None:
        """It is the world that has a seed."""
        if a is not None:
            raise ConfigError("the stream of a device follows the world's seed", key="seed")

    def getstate(self) -> Any:
        """It has none that could be set."""
        raise NotImplementedError("the stream of a device cannot be rewound")

    def setstate(self, state: Any) -> None:
        """It has none that could be set."""
        raise NotImplementedError("the stream of a device cannot be rewound")
