"""Spies: what brokers route, seen while a world runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from . import _core, units
from ._core import topic_matches
from .errors import ConfigError

# What a spy keeps by default, and what is kept of what applications publish: the oldest give way.
KEPT_MESSAGES = 100_000
KEPT_BYTES = 64 << 20

# Of a payload, and of a filter, in messages for people.
_SHOWN_BYTES = 40
_SHOWN_FILTER = 80


@dataclass(frozen=True)
class SpiedMessage:
    """A message that a broker routed, or that an application published.

    Attributes:
        time: When the broker routed it (or the application published it), in seconds of virtual
            time.
        published: When the application published it; None where nobody knows: a real client.
        topic: Its topic name.
        payload: Its content.
        qos: The quality of service that it was published with.
        retain: Whether the broker was asked to keep it.
        client_id: Of the publisher; empty for the broker itself, and where nobody knows.
        properties: What goes with it to subscribers (MQTT 5.0): ``"content_type"``,
            ``"user_properties"`` …
        at: `time` in nanoseconds.
        duplicate: Whether its publisher had sent it before: the DUP flag.
    """

    time: float
    published: float | None
    topic: str
    payload: bytes
    qos: int
    retain: bool
    client_id: str
    properties: dict[str, Any] = field(default_factory=dict, repr=False)
    at: int = field(default=0, repr=False)
    published_at: int = field(default=-1, repr=False)
    duplicate: bool = False

    def __str__(self) -> str:
        """One line: ``12.5 s  pump/0/flow  b'3.2'  QoS 2  from pump-0``."""
        parts = [f"{self.time:.3f} s", self.topic, shown(self.payload), f"QoS {self.qos}"]
        if self.retain:
            parts.append("retain")
        if self.duplicate:
            parts.append("dup")
        if self.client_id:
            parts.append(f"from {self.client_id}")
        return "  ".join(parts)


def shown(payload: bytes) -> str:
    """A payload for people: its beginning."""
    if len(payload) <= _SHOWN_BYTES:
        return repr(payload)
    return f"{payload[:_SHOWN_BYTES]!r}… ({len(payload):,} bytes)"


def message_of(row: tuple[Any, ...]) -> SpiedMessage:
    """A message as the core gives it."""
    at, published, _, client, topic, payload, qos, retain, duplicate, properties = row
    return SpiedMessage(
        time=at / units.SECOND,
        published=published / units.SECOND if published >= 0 else None,
        topic=topic,
        payload=payload,
        qos=qos,
        retain=retain,
        client_id=client,
        properties=properties,
        at=at,
        published_at=published,
        duplicate=duplicate,
    )


def checked_filter(text: object, key: str = "filter") -> str:
    """A topic filter for looking at messages.

    Raises:
        ConfigError: It is none, and why.
    """
    if not isinstance(text, str):
        raise ConfigError(f"must be text such as 'pump/#', not {text!r}", key=key)
    try:
        _core.World(0).add_spy(text, 1, 1)
    except ValueError as error:
        raise _no_filter(text, error, key) from None
    return text


def _no_filter(text: str, error: ValueError, key: str) -> ConfigError:
    why = str(error).removeprefix("filter must be a topic filter: ").removeprefix("filter ")
    named = repr(text) if len(text) <= _SHOWN_FILTER else f"{text[:_SHOWN_FILTER]!r}…"
    return ConfigError(f"{named} is no filter for a spy: {why}", key=key)


def _disjoint(one: str, other: str) -> bool:
    """Whether no topic matches both filters."""
    for a, b in zip_longest(one.split("/"), other.split("/")):
        if "#" in (a, b):
            return False
        if a is None or b is None:  # "a/#" matches "a", which has ended here
            return True
        if a != b and "+" not in (a, b):
            return True
    return False


class Spy:
    """Messages that match a topic filter, as the brokers of a world route them.

    It sits inside the brokers, where a message has been accepted and is about to be handed to
    subscribers: once for each PUBLISH that a broker accepts, so a message of QoS 1 that is sent
    again shows twice, and one of QoS 2 once; wills and what `Broker.publish` says are there, too;
    what a link lost is not. It is no subscriber: it adds no traffic, and the digest of a run is the
    same with and without. Made by `World.spy`.

    Attributes:
        filter: Its topic filter.
    """

    def __init__(
        self, core: _core.World, filter: str, keep: int = KEPT_MESSAGES, *, world: Any = None
    ) -> None:
        if not isinstance(filter, str):
            raise ConfigError(f"must be text such as 'pump/#', not {filter!r}", key="filter")
        self.filter = filter
        self.world = world
        self._core = core
        kept = units.whole(keep, "keep", 1, 10_000_000)
        try:
            self._number = core.add_spy(filter, kept, KEPT_BYTES)
        except ValueError as error:
            raise _no_filter(filter, error, "filter") from None
        self._messages: deque[SpiedMessage] = deque(maxlen=kept)
        self._seen = 0
        self._dropped = 0

    @property
    def messages(self) -> list[SpiedMessage]:
        """What was seen so far, oldest first; the last `keep` of it."""
        return list(self._update())

    @property
    def count(self) -> int:
        """How many messages were seen since the start or the last `clear`, kept or not."""
        self._update()
        return self._seen

    @property
    def left_out(self) -> int:
        """How many of them are not kept any more."""
        return self.count - len(self._messages)

    def last(self, filter: str | None = None) -> SpiedMessage:
        """The latest message, or the latest that matches a filter.

        Raises:
            AssertionError: There is none; it says what there is.
        """
        for message in reversed(self.matching(filter)):
            return message
        raise AssertionError(
            f"nothing that matches {filter or self.filter!r} was published\n{self.describe()}"
        )

    def matching(self, filter: str | None = None) -> list[SpiedMessage]:
        """The messages that match a (narrower) filter.

        Raises:
            ConfigError: It is none, or this spy sees nothing of the kind.
        """
        if filter is None:
            return self.messages
        checked_filter(filter)
        if _disjoint(self.filter, filter):
            message = f"the spy on {self.filter!r} sees nothing that matches {filter!r}"
            raise ConfigError(message, key="filter")
        return [m for m in self._update() if topic_matches(filter, m.topic)]

    def clear(self) -> None:
        """Forgets what was seen."""
        self._update()
        self._messages.clear()
        self._seen = 0

    def describe(self, limit: int = 12) -> str:
        """For people: how much was seen, and the last of it."""
        messages = self._update()
        if not messages:
            return f"the spy on {self.filter!r} has seen nothing"
        lines = [f"the spy on {self.filter!r} has seen {_counted(self._seen, 'message')}:"]
        if len(messages) > limit:
            lines.append(f"  … {len(messages) - limit:,} before")
        lines += [f"  {m}" for m in list(messages)[-limit:]]
        return "\n".join(lines)

    def _update(self) -> deque[SpiedMessage]:
        rows, dropped = self._core.take_spied(self._number)
        self._seen += len(rows) + dropped - self._dropped
        self._dropped = dropped
        self._messages.extend(message_of(row) for row in rows)
        return self._messages

    def __len__(self) -> int:
        return len(self._update())

    def __iter__(self) -> Iterator[SpiedMessage]:
        return iter(self.messages)

    def __getitem__(self, index: int) -> SpiedMessage:
        return self.messages[index]

    def __bool__(self) -> bool:
        return True  # a spy that has seen nothing is one all the same

    def __repr__(self) -> str:
        return f"<Spy {self.filter!r}: {_counted(self.count, 'message')}>"


class Published:
    """What the applications of a world published since somebody began to look."""

    def __init__(self, core: _core.World) -> None:
        self._core = core
        core.keep_published(KEPT_MESSAGES, KEPT_BYTES)
        self._messages: deque[SpiedMessage] = deque(maxlen=KEPT_MESSAGES)
        self.left_out = 0

    def by(self, clients: set[str], filter: str) -> list[SpiedMessage]:
        """The messages of these clients that match."""
        rows, dropped = self._core.take_published()
        over = len(self._messages) + len(rows) - KEPT_MESSAGES
        self.left_out = dropped + max(0, over)
        self._messages.extend(message_of(row) for row in rows)
        return [
            m for m in self._messages if m.client_id in clients and topic_matches(filter, m.topic)
        ]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
