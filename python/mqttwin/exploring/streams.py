"""What is expected of the messages that a broker accepts; `mqttwin.invariants` makes these."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from .. import testing
from ..errors import ConfigError
from ..spy import SpiedMessage, Spy

if TYPE_CHECKING:
    from .trial import Trial

_LISTED = 8
_EPSILON = 1e-6  # seconds, of differences of binary fractions


class Prepared:
    """What `prepare` begins does not go to other processes, where it is called again."""

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


@dataclass
class _Spied(Prepared):
    """One that watches the messages of a filter."""

    filter: str
    _spy: Spy | None = field(default=None, init=False, repr=False, compare=False)

    def prepare(self, trial: Trial) -> None:
        """Watches."""
        self._spy = trial.world.spy(self.filter)


@dataclass
class NoGaps(_Spied):
    """Made by `no_gaps`."""

    key: str
    first: int
    name: ClassVar[str] = "no gaps"

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        seen = _numbers(self._spy, self.filter, self.key)
        for topic, counts in sorted(seen.items()):
            missing = [n for n in range(self.first, max(counts)) if n not in counts]
            if missing:
                yield f"{topic}: {self.key} {_list(missing)} missing, up to {max(counts)}"

    def __repr__(self) -> str:
        return f"mt.invariants.no_gaps({self.filter!r}, {self.key!r}, first={self.first})"


@dataclass
class OnceEach(_Spied):
    """Made by `once_each`."""

    key: str
    name: ClassVar[str] = "once each"

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        for topic, counts in sorted(_numbers(self._spy, self.filter, self.key).items()):
            twice = [n for n, count in sorted(counts.items()) if count > 1]
            if twice:
                yield f"{topic}: {self.key} {_list(twice)} more than once"

    def __repr__(self) -> str:
        return f"mt.invariants.once_each({self.filter!r}, {self.key!r})"


@dataclass
class Delivered(_Spied):
    """Made by `exactly_once` and `at_least_once`."""

    name: str

    def __call__(self, trial: Trial) -> None:
        """What does not hold."""
        exactly = self.name == "exactly once"
        check = testing.assert_exactly_once if exactly else testing.assert_at_least_once
        check(self._spy, [*trial.fleets], self.filter)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"mt.invariants.{self.name.replace(' ', '_')}({self.filter!r})"


@dataclass
class InOrder(_Spied):
    """Made by `in_order`."""

    key: str
    name: ClassVar[str] = "in order"

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        seen: dict[str, set[int]] = {}
        newest: dict[str, int] = {}
        told: set[str] = set()
        for message, number in _numbered(self._spy, self.filter, self.key):
            topic = message.topic
            before, last = seen.setdefault(topic, set()), newest.get(topic, number)
            if number < last and number not in before and topic not in told:
                told.add(topic)
                yield f"{topic}: {self.key} {number} came after {last}, not before"
            before.add(number)
            newest[topic] = max(last, number)

    def __repr__(self) -> str:
        return f"mt.invariants.in_order({self.filter!r}, {self.key!r})"


@dataclass
class Pace(_Spied):
    """Made by `pace`."""

    most: int
    per: float
    name: ClassVar[str] = "pace"

    def __call__(self, trial: Trial) -> Iterator[str]:
        """What does not hold."""
        assert self._spy is not None
        since = trial.world.now - self.per
        if since < trial.calm_since - _EPSILON:
            calm = trial.world.now - trial.calm_since
            raise ConfigError(f"is longer than the calm, which lasts {calm:g} s", key="per")
        counts = Counter(message.topic for message in self._spy if message.time > since)
        for topic, count in sorted(counts.items()):
            if count > self.most:
                yield f"{topic}: {count} messages in the last {self.per:g} s"

    def __repr__(self) -> str:
        return f"mt.invariants.pace({self.filter!r}, {self.most}, per={self.per!r})"


# --- shared -------------------------------------------------------------------------------------


def _numbers(spy: Spy | None, filter: str, name: str) -> dict[str, Counter[int]]:
    found: dict[str, Counter[int]] = {}
    for message, number in _numbered(spy, filter, name):
        found.setdefault(message.topic, Counter())[number] += 1
    return found


def _numbered(spy: Spy | None, filter: str, name: str) -> Iterator[tuple[SpiedMessage, int]]:
    assert spy is not None
    if spy.left_out:
        raise ConfigError(f"more matched {filter!r} than a spy keeps", key="filter")
    for message in spy:
        try:
            number = json.loads(message.payload)[name]
        except (ValueError, TypeError, KeyError):
            continue
        if isinstance(number, int):
            yield message, number


def _list(numbers: list[int]) -> str:
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return ", ".join(map(str, numbers[:_LISTED])) + more
