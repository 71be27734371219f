"""What a broker has to do, in plain Python: slow, and short enough to be believed.

The harness does one thing at a time and lets everything settle, so the model says exactly who must
have received what: `expected[client]` is a list, in order for each topic. Only who of a shared
subscription gets a message is open: `choices` are (clients, message) of which one must have it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

NEVER = float("inf")


@dataclass(frozen=True)
class Message:
    """A message on its way to one client, as that client has to see it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    identifiers: tuple[int, ...] = ()
    expires: float = NEVER
    dup: bool = False


@dataclass
class Subscription:
    """What a client asked for."""

    qos: int
    no_local: bool = False
    as_published: bool = False
    identifier: int = 0


@dataclass
class Will:
    """A message to be published when its client is gone without a goodbye."""

    message: Message
    delay: float
    expiry: float  # of the message, from when it is published
    due: float = NEVER


@dataclass
class Session:
    """Everything that outlives a connection."""

    level: int
    expiry: float
    connected: bool = True
    ends: float = NEVER
    keep_alive: float = 0
    heard: float = 0
    will: Will | None = None
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    unacknowledged: list[Message] = field(default_factory=list)  # sent, PUBACK or PUBREC to come
    released: int = 0  # PUBREC came, PUBCOMP to come
    queued: list[Message] = field(default_factory=list)
    received: set[int] = field(default_factory=set)  # its own QoS 2, awaiting PUBREL


def matches(filter: str, topic: str) -> bool:
    """Section 4.7, level by level."""
    wanted, given = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(given) or level not in ("+", given[i]):
            return False
    return len(wanted) == len(given)


class Broker:
    """The reference."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sessions: dict[str, Session] = {}
        self.retained: dict[str, Message] = {}
        self.expected: dict[str, list[Message]] = {}
        self.choices: list[tuple[dict[str, Message], str]] = []
        self.closed: dict[str, int] = {}  # whom the broker has disconnected, and why

    # --- connections ------------------------------------------------------------------------------

    def connect(
        self,
        client: str,
        level: int,
        clean: bool,
        expiry: float,
        will: Will | None = None,
        keep_alive: float = 0,
    ) -> bool:
        """CONNECT; whether a session was present."""
        if client in self.sessions and self.sessions[client].connected:
            self.closed[client] = 0x8E
            self.drop(client)
        if client in self.sessions and clean:
            self._end(client)
        present = client in self.sessions
        session = self.sessions.setdefault(client, Session(level, expiry))
        session.connected, session.ends, session.expiry = True, NEVER, expiry
        session.will, session.keep_alive, session.heard = will, keep_alive, self.now
        again = [replace(message, dup=True) for message in session.unacknowledged]
        queued, session.queued = session.queued, []
        session.unacknowledged = []
        for message in again:
            self._send(client, message)
        for message in queued:
            if message.expires > self.now:
                self._send(client, message)
        return present

    def drop(self, client: str, *, with_will: bool = True) -> None:
        """The connection is over."""
        session = self.sessions[client]
        session.connected = False
        if not with_will:
            session.will = None
        if session.expiry == 0:
            self._end(client)
            return
        session.ends = self.now + session.expiry
        if session.will and session.will.delay == 0:
            self._publish_will(client)
        elif session.will:
            session.will.due = self.now + session.will.delay

    def _end(self, client: str) -> None:
        will = self.sessions[client].will
        del self.sessions[client]
        if will:
            self._route(client, will.message, will.expiry)

    def _publish_will(self, client: str) -> None:
        session = self.sessions[client]
        will, session.will = session.will, None
        assert will
        self._route(client, will.message, will.expiry)

    # --- time -------------------------------------------------------------------------------------

    def _due(self, client: str) -> float:
        session = self.sessions[client]
        if session.connected:
            limit = session.keep_alive * 1.5
            return session.heard + limit if limit else NEVER
        return min(session.ends, session.will.due if session.will else NEVER)

    def elapse(self, until: float) -> None:
        """Whatever is due happens, in order."""
        while self.sessions:
            client = min(self.sessions, key=self._due)
            session, due = self.sessions[client], self._due(client)
            if due > until:
                break
            self.now = due
            if session.connected:
                self.closed[client] = 0x8D
                self.drop(client)
            elif session.ends <= due:
                self._end(client)
            else:
                self._publish_will(client)
        self.now = until

    # --- messages ---------------------------------------------------------------------------------

    def publish(self, client: str, message: Message, expiry: float, number: int = 0) -> None:
        """PUBLISH from a client; at QoS 2 `number` is its packet identifier."""
        received = self.sessions[client].received
        if message.qos == 2 and number in received:
            return  # the same message once more
        if message.qos == 2:
            received.add(number)
        self._route(client, message, expiry)

    def release(self, client: str, number: int) -> bool:
        """PUBREL from a client; whether there was something to release."""
        known = number in self.sessions[client].received
        self.sessions[client].received.discard(number)
        return known

    def _route(self, publisher: str, message: Message, expiry: float) -> None:
        message = replace(message, expires=self.now + expiry)
        if message.retain:
            self.retained.pop(message.topic, None)
            if message.payload:
                self.retained[message.topic] = message
        groups: dict[str, dict[str, Message]] = {}
        for client, session in list(self.sessions.items()):
            own: list[Subscription] = []
            for filter, subscription in session.subscriptions.items():
                if filter.startswith("$share/"):
                    if matches(filter.split("/", 2)[2], message.topic):
                        copy = self._copy(message, [subscription])
                        groups.setdefault(filter, {})[client] = copy
                elif matches(filter, message.topic) and not (
                    subscription.no_local and client == publisher
                ):
                    own.append(subscription)
            if own:
                self._deliver(client, self._copy(message, own))
        self.choices += [(members, filter) for filter, members in groups.items()]

    def _copy(self, message: Message, subscriptions: list[Subscription]) -> Message:
        return replace(
            message,
            qos=min(message.qos, max(s.qos for s in subscriptions)),
            retain=message.retain and any(s.as_published for s in subscriptions),
            identifiers=tuple(sorted(s.identifier for s in subscriptions if s.identifier)),
        )

    def _deliver(self, client: str, message: Message) -> None:
        session = self.sessions[client]
        if session.connected:
            self._send(client, message)
        elif message.qos:
            session.queued.append(message)

    def _send(self, client: str, message: Message) -> None:
        if message.qos:
            self.sessions[client].unacknowledged.append(replace(message, dup=False))
        self.expected.setdefault(client, []).append(message)

    def chosen(self, client: str, message: Message) -> None:
        """The one of a shared subscription who has got it."""
        self._send(client, message)

    def acknowledge(self, client: str, topic: str, payload: bytes, qos: int) -> None:
        """PUBACK or PUBREC from a client, for the first of these that is unacknowledged."""
        session = self.sessions[client]
        wanted = (topic, payload, qos)
        message = next(m for m in session.unacknowledged if (m.topic, m.payload, m.qos) == wanted)
        session.unacknowledged.remove(message)
        if qos == 2:
            session.released += 1

    def complete(self, client: str) -> None:
        """PUBCOMP from a client."""
        self.sessions[client].released -= 1

    # --- subscriptions ----------------------------------------------------------------------------

    def subscribe(
        self, client: str, filter: str, subscription: Subscription, handling: int = 0
    ) -> None:
        """SUBSCRIBE with one filter; retained messages follow as `handling` says."""
        session = self.sessions[client]
        new = filter not in session.subscriptions
        session.subscriptions[filter] = subscription
        if filter.startswith("$share/") or handling == 2 or (handling == 1 and not new):
            return
        for topic, message in list(self.retained.items()):
            if matches(filter, topic) and message.expires > self.now:
                copy = replace(self._copy(message, [subscription]), retain=True)
                self._send(client, copy)

    def unsubscribe(self, client: str, filter: str) -> bool:
        """UNSUBSCRIBE; whether there was such a subscription."""
        return self.sessions[client].subscriptions.pop(filter, None) is not None
