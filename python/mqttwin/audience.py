"""How many subscribers a topic has, without looking at each of a million."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from . import _core

if TYPE_CHECKING:
    from .fleet import Fleet

_ALL = 1_024  # a fleet of so many is looked at whole
_NEAR = 128  # of a larger one, those around the publisher's index: groups are neighbours
_FAR = 512  # and so many of the others, which stand for all of these


class Audience:
    """Everybody's filters."""

    def __init__(self, fleets: Iterable[Fleet]) -> None:
        self._filters = [_Filter(fleet, text) for fleet in fleets for text in fleet.filters]

    def size(self, topic: str, near: int) -> float:
        """Subscriptions that a topic matches, those of a shared one counted once.

        Args:
            topic: Of a message.
            near: The index of the device that publishes it.
        """
        shared: set[tuple[str, str]] = set()
        total = 0.0
        for one in self._filters:
            found = one.matching(topic, near)
            if one.share and found:
                shared.add((one.share, one.text))
            else:
                total += found
        return total + len(shared)


class _Filter:
    """A filter of a fleet's devices."""

    def __init__(self, fleet: Fleet, text: str) -> None:
        self.share = ""
        if text.startswith("$share/"):
            _, self.share, text = text.split("/", 2)
        self.text = text
        self._count = len(fleet)
        self._template = _core.Template(text, fleet._population, "filter")
        self._is_one = "{" not in text
        self._rendered: dict[int, str] = {}

    def matching(self, topic: str, near: int) -> float:
        if self._is_one:
            return float(self._count) if _core.topic_matches(self.text, topic) else 0.0
        if self._count <= _ALL:
            return self._found(topic, range(self._count))
        close = range(max(0, near - _NEAR), min(self._count, near + _NEAR))
        others = self._count - len(close)
        # An odd step: a fleet's groups may come by the index modulo something.
        step = max(1, others // _FAR) | 1
        far = [i for i in range(0, self._count, step) if i not in close]
        found = self._found(topic, far)
        return self._found(topic, close) + (found * others / len(far) if far else 0.0)

    def _found(self, topic: str, devices: Iterable[int]) -> float:
        return float(sum(_core.topic_matches(text, topic) for text in self._texts(devices)))

    def _texts(self, devices: Iterable[int]) -> Iterator[str]:
        for device in devices:
            text = self._rendered.get(device)
            if text is None:
                text = self._rendered[device] = self._template.text(device)
            yield text
