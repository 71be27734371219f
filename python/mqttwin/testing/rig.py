"""What the checks of the conformance suite are made with: a device on a bench."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import links, units
from .._core import topic_matches
from ..device import Condition
from ..errors import SimulationError
from ..exchange import Packet
from ..link_spec import Link
from ..spy import SpiedMessage
from ..world import World
from .cloud_limits import CloudLimits

_PACKETS = 20_000
# What a device is sent where nobody says how its commands look.
_GUESS = b"0"


class Failure(Exception):
    """The firmware did not do what it should; the text says what it did."""


class Skipped(Exception):
    """The question does not arise; the text says why."""


@dataclass(frozen=True)
class Suite:
    """What is tested, and against what.

    Attributes:
        device_class: The firmware.
        periods: Declared: nanoseconds by topic filter.
        cloud: Whose limits.
        link: Of every device.
        seed: Of every world.
        parameters: Of every device.
        payloads: Commands that it understands, by topic filter.
    """

    device_class: Any
    periods: dict[str, int]
    cloud: CloudLimits | None
    link: Link | None
    seed: int
    parameters: dict[str, Any]
    payloads: Mapping[str, bytes] = field(default_factory=dict)
    rigs: list[Rig] = field(default_factory=list)

    def bound(self, rigs: list[Rig]) -> Suite:
        """The same, which puts its benches into this list; only the latest stays open."""
        return replace(self, rigs=rigs)

    def rig(
        self,
        count: int = 1,
        *,
        down: bool = False,
        keep: int = 0,
        packets: int = _PACKETS,
        **broker: Any,
    ) -> Rig:
        """A fresh world with so many of the device; its broker may be down to begin with.

        Args:
            count: Devices.
            down: Whether the broker is.
            keep: Received messages.
            packets: Of the exchange; making room for many takes longer than a short run.
            **broker: Its options.
        """
        for old in self.rigs:
            old.close()
        self.rigs.clear()
        self.rigs.append(Rig(self, count, down, keep, packets, broker))
        return self.rigs[-1]

    def payload_for(self, topic: str) -> bytes:
        """A command for a topic."""
        for filter, payload in self.payloads.items():
            if topic_matches(filter, topic):
                return payload
        return _GUESS


class Rig:
    """A world with devices, a broker, a spy on everything, and the packets.

    Attributes:
        world: The world.
        broker: Its broker.
        spy: On every topic.
        devices: All devices.
        dut: The first of them.
    """

    def __init__(
        self,
        suite: Suite,
        count: int,
        down: bool,
        keep: int,
        packets: int,
        broker: dict[str, Any],
    ) -> None:
        self.world = World(suite.seed)
        self.broker = self.world.broker(**broker)
        if down:
            self.broker.down()
        self.spy = self.world.spy("#")
        self.world.watch_packets(packets)
        link = links.link(latency="20ms") if suite.link is None else suite.link
        options = {"keep": keep, **suite.parameters}
        added = self.world.add(suite.device_class, count, link=link, **options)
        self.devices = list(added)
        self.dut = self.devices[0]
        self._fleet = self.world.fleets[added.name]

    def run(self, seconds: float) -> None:
        """So long in virtual time."""
        self.world.run(seconds, progress=False)

    def connect(self, within: float = 300.0) -> None:
        """Until the device is connected.

        Raises:
            Failure: It is not in time.
        """
        self.wait(self.dut.connected, within, f"it did not connect within {within:g} s")

    def wait(self, condition: Any, within: float, problem: str) -> None:
        """Until a condition holds, or it is a failure."""
        if isinstance(condition, Condition):
            try:
                self.world.run_until(condition, timeout=within, progress=False)
            except SimulationError as error:
                if error.__cause__ is not None:
                    raise  # the device's own
                raise Failure(problem) from None
            return
        end = self.world.now + within
        while not condition():
            if self.world.now >= end:
                raise Failure(problem)
            self.run(min(0.25, end - self.world.now))

    def published(self, since: float = 0.0) -> list[SpiedMessage]:
        """What the device published and the broker took; its will is not among it."""
        return [
            m
            for m in self.spy
            if m.client_id == self.dut.client_id and m.time >= since and not self._is_will(m)
        ]

    def _is_will(self, message: SpiedMessage) -> bool:
        # The broker publishes a will itself, at the very instant; what comes over a link is older.
        return message.published_at == message.at

    def sent(self, name: str, since: float = 0.0) -> list[Packet]:
        """The device's own packets of a kind."""
        return [
            p
            for p in self.world.exchange()
            if p.name == name
            and p.direction == "up"
            and p.client == self.dut.client_id
            and p.time >= since
        ]

    def filters(self, since: float = 0.0) -> list[str]:
        """What the device has asked to subscribe to."""
        found = [f for p in self.sent("SUBSCRIBE", since) for f, _ in p.fields["filters"]]
        return list(dict.fromkeys(found))

    def topics(self) -> list[str]:
        """One that matches each of these filters."""
        plain = [f.split("/", 2)[2] if f.startswith("$share/") else f for f in self.filters()]
        return list(dict.fromkeys(f.replace("+", "x").replace("#", "x") for f in plain))

    def received(self) -> Counter[tuple[str, bytes]]:
        """How often its application got what, of what is kept."""
        got = self._fleet.received
        return Counter(zip(got["topic"], got["payload"], strict=True))

    def will(self) -> dict[str, Any]:
        """The fields of its latest CONNECT."""
        connects = self.sent("CONNECT")
        return connects[-1].fields if connects else {}

    def attempts(self, client: str) -> list[float]:
        """When attempts to connect failed, or connections were refused, by a client."""
        return [
            p.time
            for p in self.world.exchange()
            if p.kind == "ended" and p.direction == "down" and p.client == client
        ]

    def close(self) -> None:
        """Ends its world."""
        self.world.close()


def duration(seconds: float) -> str:
    """For people."""
    return units.format_duration(round(seconds * units.SECOND))


def again(
    messages: list[SpiedMessage], identity: Callable[[SpiedMessage], object]
) -> SpiedMessage | None:
    """The first message of an identity that was there before."""
    seen: set[object] = set()
    for message in messages:
        key = identity(message)
        if key in seen:
            return message
        seen.add(key)
    return None


def most_in_a_second(times: Sequence[float], weights: Sequence[int]) -> int:
    """The largest sum of weights within any second."""
    most = total = start = 0
    for end, time in enumerate(times):
        total += weights[end]
        while times[start] <= time - 1:
            total -= weights[start]
            start += 1
        most = max(most, total)
    return most
