"""Fleets and brokers that do not reach each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .broker import Broker
from .errors import ConfigError
from .fleet import Fleet

if TYPE_CHECKING:
    from .world import World


class Partition:
    """Fleets and brokers that do not reach each other; made by `World.partition`.

    As a context manager it ends in `heal`.
    """

    def __init__(self, world: World, pairs: Sequence[tuple[int, int]]) -> None:
        self._world = world
        self._pairs = pairs
        self._healed = False
        self._count(+1)

    def heal(self) -> None:
        """They reach each other again, unless another partition keeps them apart.

        What TCP has been retrying arrives with its next attempt.
        """
        if not self._healed:
            self._count(-1)
            self._healed = True

    def _count(self, step: int) -> None:
        core = self._world._changing()
        apart = self._world._apart
        for pair in self._pairs:
            apart[pair] += step
            core.set_partition(*pair, apart[pair] > 0)

    def __enter__(self) -> Partition:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.heal()


def partition_of(world: World, fleets: object, brokers: object) -> Partition:
    """Keeps apart what `World.partition` was given."""
    simulated = [broker for broker in world.brokers.values() if not broker.url]
    devices = [_fleet(world, f) for f in _several(fleets, world.fleets.values(), "fleets")]
    hosts = [_host(world, b) for b in _several(brokers, simulated, "brokers")]
    return Partition(world, [(fleet._number, host._number) for fleet in devices for host in hosts])


def _several(value: object, every: Iterable[Any], key: str) -> list[Any]:
    """One, several, or None for all."""
    if value is None:
        return list(every)
    if isinstance(value, str | Fleet | Broker):
        return [value]
    if not isinstance(value, Iterable):
        raise ConfigError(f"must be one, several, or None for all, not {value!r}", key=key)
    return list(value)


def _fleet(world: World, value: object) -> Fleet:
    fleet = world.fleets.get(value) if isinstance(value, str) else value
    if not isinstance(fleet, Fleet) or fleet._world is not world:
        raise ConfigError(f"{value!r} is none of this world", key="fleets")
    return fleet


def _host(world: World, value: object) -> Broker:
    broker = world.brokers.get(value) if isinstance(value, str) else value
    if not isinstance(broker, Broker) or broker._world is not world:
        raise ConfigError(f"{value!r} is none of this world", key="brokers")
    if broker.url:
        raise ConfigError(f"{broker.name!r} is reached over real sockets", key="brokers")
    return broker
