"""Randomness from named streams: each host has its own, keyed by the world's seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .scope import Scope

FUNCTIONS = (
    "betavariate",
    "choice",
    "choices",
    "expovariate",
    "gammavariate",
    "gauss",
    "getrandbits",
    "getstate",
    "lognormvariate",
    "normalvariate",
    "paretovariate",
    "randbytes",
    "randint",
    "random",
    "randrange",
    "sample",
    "seed",
    "setstate",
    "shuffle",
    "triangular",
    "uniform",
    "vonmisesvariate",
    "weibullvariate",
)


def functions(scope: Scope) -> dict[str, Callable[..., Any]]:
    """What stands in for functions of the random module."""

    def of_host(name: str) -> Callable[..., Any]:
        real = getattr(random, name)

        def draw(*args: Any, **options: Any) -> Any:
            if not scope.inside():
                return real(*args, **options)
            return getattr(scope.host_here().stream("random"), name)(*args, **options)

        return draw

    return {name: of_host(name) for name in FUNCTIONS}


def urandom(scope: Scope, real: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """As os.urandom."""

    def draw(size: int) -> bytes:
        return scope.host_here().stream("urandom").randbytes(size) if scope.inside() else real(size)

    return draw


def seeding(scope: Scope, real: Callable[..., None]) -> Callable[..., None]:
    """As Random.seed: without a seed it is one of the host's stream."""

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None and scope.inside():
            a = scope.host_here().stream("seeds").getrandbits(128)
        real(self, a, version)

    return seed


def node(scope: Scope) -> Callable[[], int]:
    """As uuid.getnode: a locally administered address of the host's."""
    return lambda: 0x02_00_00_00_00_00 + scope.host_here().number
