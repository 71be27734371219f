"""The client under test as an engine alone, in virtual time of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mqttwin import MqttwinError, _core

from .conversation import Framing, Line, seconds
from .packets import PROPERTIES, Packet

# CONNECT's names, and those of the engine's constructor where they differ.
_OPTIONS = {
    "session_expiry_interval": "session_expiry",
    "authentication_method": "auth_method",
    "authentication_data": "auth_data",
}
_PLURALS = {
    "user_property": "user_properties",
    "subscription_identifier": "subscription_identifiers",
}
_NOTES = {
    "connected": "ONLINE",
    "disconnected": "OFFLINE",
    "message": "MESSAGE",
    "acknowledged": "ACKNOWLEDGED",
    "suback": "SUBSCRIBED",
    "unsuback": "UNSUBSCRIBED",
    "auth": "AUTHENTICATE",
    "dropped": "DROPPED",
}


def take_properties(fields: dict[str, Any]) -> dict[str, Any]:
    """Takes the properties out of fields, under the package's names."""
    names = [name for name in fields if name in PROPERTIES]
    out = {name: fields.pop(name) for name in names}
    if "user_property" in out:
        out["user_properties"] = out.pop("user_property")
    return out


def note_of(kind: str, fields: Mapping[str, Any]) -> Packet:
    """An event of the engine as what the application hears."""
    flat = {name: value for name, value in fields.items() if name != "properties"}
    more = dict(fields.get("properties", {}))
    for name, plural in _PLURALS.items():
        if plural in more:
            more[name] = more.pop(plural)
    return Packet(_NOTES[kind], {**flat, **more})


def engine_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of CONNECT as arguments of `_core.ClientEngine`."""
    out = {_OPTIONS.get(name, name): value for name, value in options.items()}
    if "user_property" in out:
        out["properties"] = {"user_properties": out.pop("user_property")}
    for name in ("request_problem_information", "request_response_information"):
        if name in out:
            out[name] = bool(out[name])
    for name in ("ping_timeout", "connect_timeout"):
        if name in out:
            out[name] = round(seconds(out[name]) * 1e9)
    if will := out.get("will"):
        will = dict(will)
        properties = take_properties(will)
        order = ("topic", "payload", "qos", "retain")
        out["will"] = (*(will[name] for name in order), properties)
    return out


class EngineClient:
    """The sans-I/O engine; bytes go to and from the test at once."""

    def __init__(self) -> None:
        self.engine: Any = None  # while it has not been made, or would not be
        self.clock = 0  # ns
        self.notes: list[tuple[float, Packet]] = []
        self.link: EngineLine | None = None  # the connection that is open
        self._accepted: list[EngineLine] = []
        self._asked = 0  # connections that the test has taken

    def start(self, options: dict[str, Any], level: int) -> None:
        try:
            self.engine = _core.ClientEngine(version=level, **engine_options(options))
        except (MqttwinError, ValueError) as error:
            self.notes.append((self.now(), Packet("REFUSED", {"why": str(error)})))
        else:
            self.do("connect")

    def accept(self, name: str, within: float) -> Line | None:
        until = self.clock + round(within * 1e9)
        while len(self._accepted) <= self._asked:
            if self.clock >= until:
                return None
            self.step(until)
        self._asked += 1
        return self._accepted[self._asked - 1]

    def open(self, name: str) -> Line:
        return EngineNotes(self)

    def do(self, command: str, **arguments: Any) -> None:
        properties = take_properties(arguments)
        if command == "subscribe":
            requests = arguments.pop("filters")
            arguments["requests"] = [
                (name, flags & 3, bool(flags & 4), bool(flags & 8), flags >> 4)
                for name, flags in requests
            ]
        elif command == "unsubscribe":
            arguments["filters"] = list(arguments["filters"])
        if properties:
            arguments["properties"] = properties
        try:
            done = getattr(self.engine, command)(self.clock, **arguments)
        except (MqttwinError, OSError, RuntimeError, ValueError) as error:
            self.notes.append((self.now(), Packet("REFUSED", {"why": str(error)})))
        else:
            if done is False:
                self.notes.append((self.now(), Packet("REFUSED", {"why": command})))
        self.pump()

    def pump(self) -> None:
        """Performs what the engine asks for."""
        while output := self.engine.take_output():
            for kind, raw in output:
                if kind == "open":
                    self.link = EngineLine(self)
                    self._accepted.append(self.link)
                    self.engine.open(self.clock)
                elif self.link is not None and kind == "send":
                    self.link.framing.feed(raw)
                elif self.link is not None:
                    self.link.hang_up()
        for kind, fields in self.engine.take_events():
            if kind in _NOTES:
                self.notes.append((self.now(), note_of(kind, fields)))

    def step(self, until: int) -> None:
        """To the client's next deadline, or to `until` (ns)."""
        deadline = self.engine and self.engine.next_deadline
        if deadline is not None and deadline <= until:
            self.clock = max(self.clock, deadline)
            self.engine.timeout(self.clock)
            self.pump()
        else:
            self.clock = until

    def wait(self, within: float, pop: Callable[[], Any]) -> Any:
        """What `pop` gives as soon as it gives something; None when time is up."""
        until = self.clock + round(within * 1e9)
        while (got := pop()) is None and self.clock < until:
            self.step(until)
        return got

    def now(self) -> float:
        return self.clock / 1e9

    def elapse(self, time: float) -> None:
        until = self.clock + round(time * 1e9)
        while self.clock < until:
            self.step(until)

    def close(self) -> None:
        pass


class EngineLine:
    """A connection that the engine opened: the server's end."""

    def __init__(self, client: EngineClient) -> None:
        self.framing = Framing()
        self._client = client

    def send(self, raw: bytes) -> None:
        if not self.framing.ended:
            self._client.engine.receive(self._client.clock, raw)
            self._client.pump()

    def next(self, within: float) -> tuple[float, bytes | str | Packet] | None:
        what = self._client.wait(within, self.framing.pop)
        return None if what is None else (self._client.now(), what)

    def hang_up(self) -> None:
        """The connection is over, whoever ended it."""
        if not self.framing.ended:
            self.framing.ended = True
            self._client.link = None
            self._client.engine.closed(self._client.clock)

    def close(self, *, abort: bool = False) -> None:
        self.hang_up()
        self._client.pump()


class EngineNotes:
    """What the application hears."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client

    def send(self, raw: bytes) -> None:
        raise AssertionError("an application gives commands")

    def next(self, within: float) -> tuple[float, bytes | str | Packet] | None:
        notes = self._client.notes
        note: tuple[float, Packet] | None = self._client.wait(
            within, lambda: notes.pop(0) if notes else None
        )
        return note

    def close(self, *, abort: bool = False) -> None:
        pass
