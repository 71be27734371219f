"""What every client here can do, whoever wrote it."""

from __future__ import annotations

import contextlib
import queue
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

DEADLINE = 10.0
"""Seconds of the wall clock within which whatever a test waits for has to happen."""

Version = Literal[3, 4, 5]
VERSIONS: dict[str, Version] = {"3.1.1": 4, "5.0": 5}

# How long the broker keeps the session of a `Connect` that is not clean, in seconds.
SESSION_EXPIRY = 3600

# Properties, by the names of the standard in snake case. User properties are a list of pairs,
# subscription identifiers a list.
Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """A message, to publish or received; `dup` is None where a library does not tell."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    properties: Properties = field(default_factory=dict)
    dup: bool | None = None


@dataclass(frozen=True)
class Connect:
    """How to connect."""

    client_id: str
    version: Version = 5
    clean: bool = True  # otherwise an earlier session is resumed, and this one kept
    keep_alive: int = 60
    will: Message | None = None
    user: str | None = None
    password: str | None = None
    aliases: bool = False  # use topic aliases, in both directions


class RefusedError(Exception):
    """The broker said no, with this reason code (MQTT 3.1.1: return code)."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"refused with 0x{code:02x}")


class Client(ABC):
    """A connection through a library. Calls return when the broker has answered.

    Attributes:
        session_present: What CONNACK said; None where the library does not tell.
    """

    session_present: bool | None = None

    def __init__(self, how: Connect) -> None:
        self._how = how
        self._five = how.version == 5
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._aliases: dict[str, int] = {}

    @abstractmethod
    def subscribe(
        self,
        topic_filter: str,
        qos: int = 0,
        *,
        identifier: int | None = None,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
    ) -> int:
        """Returns the granted QoS, or the reason code of a refusal."""

    @abstractmethod
    def unsubscribe(self, topic_filter: str) -> None: ...

    @abstractmethod
    def publish(self, message: Message) -> None: ...

    @abstractmethod
    def disconnect(self) -> None:
        """Says goodbye."""

    @abstractmethod
    def close(self) -> None:
        """Leaves nothing behind, whatever has happened; for the end of a test."""

    def receive(self) -> Message:
        """The next message."""
        try:
            return self._inbox.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"no message within {DEADLINE:g} s") from None

    def receive_until(self, last: bytes) -> list[Message]:
        """All messages before the one with this payload."""
        messages: list[Message] = []
        while (message := self.receive()).payload != last:
            messages.append(message)
        return messages

    def _with_alias(self, message: Message) -> Message:
        """For a library that leaves topic aliases to its user."""
        if not self._how.aliases:
            return message
        alias, known = self._aliases.get(message.topic), message.topic in self._aliases
        if alias is None:
            alias = self._aliases[message.topic] = len(self._aliases) + 1
        properties = {**message.properties, "topic_alias": alias}
        return replace(message, topic="" if known else message.topic, properties=properties)


class Library(ABC):
    """A client library or program.

    Attributes:
        name: For the names of tests.
        title: For people.
        cannot: What it cannot do, and why; by the name of the ability, after which a version may
            stand: ``"unsubscribe 5.0"``.
    """

    name: str
    title: str
    cannot: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def missing(self) -> str | None:
        """What has to be installed for it."""

    @abstractmethod
    def connect(self, host: str, port: int, how: Connect) -> Client:
        """Returns when CONNACK has come.

        Raises:
            RefusedError: The broker did not want it.
        """


def until(condition: Callable[[], object], what: str, poll: float = 0.005) -> None:
    """Waits for something that nobody reports, such as the state of another program."""
    end = time.monotonic() + DEADLINE
    pause = queue.SimpleQueue[None]()  # nothing ever comes: a wait that has a name
    while not condition():
        assert time.monotonic() < end, f"not within {DEADLINE:g} s: {what}"
        with contextlib.suppress(queue.Empty):
            pause.get(timeout=poll)


class Clients:
    """Those of one test: their identifiers are its own, and they are closed after it."""

    def __init__(self, host: str, port: int, library: Library, version: Version) -> None:
        self.host = host
        self.port = port
        self.library = library
        self.version: Version = version
        self._open: list[Client] = []

    def connect(
        self,
        client_id: str = "someone",
        *,
        at: tuple[str, int] | None = None,
        library: Library | None = None,
        version: Version | None = None,
        **how: Any,
    ) -> Client:
        """A client of the library under test, or of another one."""
        host, port = at or (self.host, self.port)
        wanted = Connect(client_id, version=version or self.version, **how)
        client = (library or self.library).connect(host, port, wanted)
        self._open.append(client)
        return client

    def close(self) -> None:
        while self._open:
            self._open.pop().close()


@contextlib.contextmanager
def all_of(clients: Clients) -> Iterator[Clients]:
    try:
        yield clients
    finally:
        clients.close()
