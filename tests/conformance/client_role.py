"""The client under test; the test plays the server, and the application on top of the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from .conversation import PATIENCE, Event, Line, Peer, Time, Transcript, seconds
from .lines import Replay
from .packets import ANY, Packet, connack, connect, constructor, puback, publish

# What the application hears; said like packets.
online = constructor("ONLINE", "session_present")
offline = constructor("OFFLINE", "reason", "cause")
message = constructor("MESSAGE", "topic", "payload", "qos", "retain", "duplicate")
acknowledged = constructor("ACKNOWLEDGED", "reason", "qos")  # a message of its own, at QoS 1 or 2
subscribed = constructor("SUBSCRIBED", "reasons")
unsubscribed = constructor("UNSUBSCRIBED", "reasons")
authenticate = constructor("AUTHENTICATE", "reason")  # a question of the server's, or success
refused = constructor("REFUSED", "why")  # a command that the client does not carry out
dropped = constructor("DROPPED", "why", "qos")  # a message of its own that will not be sent

OPENED = "opened"
FENCE = "fence"  # a topic
FENCE_ID = 65535


class Backend(Protocol):
    """Where the client is."""

    def start(self, options: dict[str, Any], level: int) -> None:
        """Makes a client and lets it connect."""

    def accept(self, name: str, within: float) -> Line | None:
        """The next connection that it opens; None when it does not."""

    def open(self, name: str) -> Line:
        """What the application hears."""

    def do(self, command: str, **arguments: object) -> None:
        """A command of the application."""

    def now(self) -> float:
        """Seconds since some instant."""

    def elapse(self, time: float) -> None:
        """Lets time pass."""

    def close(self) -> None:
        """Ends everything."""


class Server(Peer):
    """The server's end of a connection, played by the test."""

    def fence(self) -> None:
        """Everything that was sent is handled: a message at QoS 1, and its PUBACK next."""
        self.send(publish(FENCE, b"", 1, FENCE_ID))
        self.expect(puback(FENCE_ID))


class Application(Peer):
    """The application on top of the client."""

    def expect(self, *notes: Packet, within: Time = PATIENCE, after: Time = 0) -> Packet:
        """It hears these, in this order; what is of other kinds does not matter."""
        seen = notes[0]
        for note in notes:
            while True:
                seen = super().expect(Packet(ANY, {}), within=within, after=after)
                if seen.kind == note.kind and seen.topic != FENCE:
                    break
            if problem := note.differs(seen):
                raise AssertionError(f"the application: {problem}")
        return seen

    def expect_none(self, kind: str) -> None:
        """It has heard nothing of that kind when it hears the message of a fence."""
        while (seen := super().expect(Packet(ANY, {}))).topic != FENCE:
            if seen.kind == kind:
                raise AssertionError(f"the application: {seen}, where there should be none")


class Client:
    """The client under test, as a test sees it."""

    lenient = False

    def __init__(self, backend: Backend, level: int) -> None:
        self.level = level
        self.transcript: Transcript = []
        self._backend = backend
        self._began = 0.0
        self._connections = 0
        self.application: Application

    def start(self, **options: Any) -> None:
        """Makes the client, which connects.

        Args:
            options: Fields and properties of CONNECT by the names of `packets.connect`, and
                options of the client (`max_in_flight`, `outbound_topic_aliases`, `ping_timeout`).
        """
        self._backend.start(options, self.level)
        self._began = self.now()
        self.application = Application(
            self, self._backend.open("application"), "application", self.level
        )

    def accept(self, *, within: Time = PATIENCE) -> Server:
        """The next connection that the client opens."""
        self._connections += 1
        name = f"server{self._connections}"
        line = self._backend.accept(name, seconds(within))
        if line is None:
            raise AssertionError(f"the client opens no connection in {within} s")
        self.transcript.append(Event(name, self.level, self.now(), OPENED))
        return Server(self, line, name, self.level)

    def connected(self, answer: Mapping[str, Any] | None = None, **options: Any) -> Server:
        """Started with these options, accepted, and answered with a successful CONNACK.

        Args:
            answer: Fields of CONNACK.
            options: As of `start`.
        """
        self.start(**options)
        return self.welcome(**(answer or {}))

    def welcome(self, **fields: Any) -> Server:
        """The next connection, with CONNECT and a successful CONNACK done."""
        server = self.accept()
        server.expect(connect())
        server.send(connack(0, **fields))
        return server

    def reconnected(self, **fields: Any) -> Server:
        """The same, of a client that connects again."""
        self.connect()
        return self.welcome(**fields)

    def expect(self, *notes: Packet, within: Time = PATIENCE, after: Time = 0) -> Packet:
        """The application hears these, in this order, whatever else it hears."""
        return self.application.expect(*notes, within=within, after=after)

    def expect_none(self, server: Server, kind: str) -> None:
        """The application hears nothing of a kind ("MESSAGE") for what `server` has sent."""
        server.fence()
        self.application.expect_none(kind)

    def expect_no_connection(self, *, during: Time) -> None:
        """The client opens none."""
        line = self._backend.accept(f"server{self._connections + 1}", seconds(during))
        assert line is None, "the client opens a connection"

    # --- commands of the application --------------------------------------------------------------

    def connect(self) -> None:
        """Connects again."""
        self._backend.do("connect")

    def publish(self, topic: str, payload: bytes = b"x", qos: int = 0, **fields: Any) -> None:
        """Publishes; fields are `retain` and properties."""
        self._backend.do("publish", topic=topic, payload=payload, qos=qos, **fields)

    def subscribe(self, *filters: tuple[str, int], **fields: Any) -> None:
        """Subscribes; filters as by `packets.to`."""
        self._backend.do("subscribe", filters=filters, **fields)

    def unsubscribe(self, *filters: str, **fields: Any) -> None:
        """Unsubscribes."""
        self._backend.do("unsubscribe", filters=filters, **fields)

    def disconnect(self, reason: int = 0, **fields: Any) -> None:
        """Says goodbye."""
        self._backend.do("disconnect", reason=reason, **fields)

    def authenticate(self, data: bytes, **fields: Any) -> None:
        """Answers a question of the server's."""
        self._backend.do("authenticate", data=data, **fields)

    def reauthenticate(self, data: bytes, **fields: Any) -> None:
        """Begins to authenticate once more."""
        self._backend.do("reauthenticate", data=data, **fields)

    # --- as of the broker -------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds since some instant."""
        return self._backend.now()

    def elapse(self, time: Time) -> None:
        """Lets time pass; for tests marked `timed`."""
        self._backend.elapse(seconds(time))

    def replay(self, transcript: Transcript) -> Client:
        """A client that does what stands in a transcript."""
        return Client(Replay(transcript, since=self._began), self.level)

    def close(self) -> None:
        """Ends everything."""
        self._backend.close()
