"""A fleet: devices of one kind, described once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from . import _core, arrivals, units
from .arrivals import Arrival
from .dist import Time
from .errors import ConfigError, refusals
from .faults import Devices, Faults
from .gen import Value
from .layers import Tls, WebSocket
from .links import Link
from .payload import Payload, payload_of
from .table import Table
from .units import Duration

if TYPE_CHECKING:
    from .world import World

_RETAIN_HANDLING = {"send": 0, "new": 1, "never": 2}


class Fleet(Faults):
    """A population of devices; made by `World.fleet`.

    In topics, filters and texts, ``{id}`` stands for a device's client identifier, ``{index}`` for
    its index (``{index:05}`` with leading zeros), ``{group}`` for its group, ``{fleet}`` for the
    fleet's name, and ``{name}`` for the text column of that name.
    """

    def __init__(
        self,
        world: World,
        spec: _core.FleetSpec,
        number: int,
        population: _core.Population,
        link: Link,
        *,
        tls: Tls | None,
        websocket: WebSocket | None,
        simulated: bool,
    ) -> None:
        self.name = spec.name
        self.link = link
        self.tls = tls
        self.websocket = websocket
        self._simulated = simulated
        self._world = world
        self._spec = spec
        self._number = number
        self._population = population
        self._publishes: list[_core.PublishSpec] = []
        self._filters: list[str] = []
        self._subscriptions: list[tuple[str, int, bool, bool, int]] = []  # as the core has them

    def __len__(self) -> int:
        return self._spec.count

    # --- behaviour ------------------------------------------------------------------------------

    def publish(
        self,
        topic: str,
        *,
        payload: Payload | bytes | Value,
        every: Time | None = None,
        jitter: Time = 0,
        phase: Time | Literal["random"] = "random",
        when: Arrival | None = None,
        qos: int = 0,
        retain: bool = False,
        start: Duration = 0,
        until: Duration | None = None,
        name: str = "",
        message_expiry: Duration | None = None,
        content_type: str = "",
        user_properties: Mapping[str, str] | None = None,
    ) -> Fleet:
        """Every device publishes, from when it first connects.

        Args:
            topic: A template: ``"site/{group}/{id}"``.
            payload: From `mqttwin.json` and its like; or bytes; or one value, sent as text.
            every: The period. With it go
            jitter: each message is late by a uniform draw from [0, jitter), and
            phase: "random" spreads the devices over the period, 0 keeps them in step.
            when: Another arrival process instead: `mqttwin.poisson`, `mqttwin.replay_times`, ...
            qos: 0, 1 or 2.
            retain: Whether the broker keeps the latest for later subscribers.
            start: When in virtual time to begin, and
            until: when to end.
            name: Keys the random draws; must differ where a fleet publishes one topic twice.
            message_expiry: MQTT 5.0: not delivered after this, in whole seconds.
            content_type: MQTT 5.0.
            user_properties: MQTT 5.0.

        Returns:
            The fleet itself.

        Raises:
            ConfigError: A value that cannot be.
        """
        if any((name or topic) == (other.name or other.topic) for other in self._publishes):
            message = f"{name or topic!r} is there already: tell them apart with name="
            raise ConfigError(message, key="publish")
        spec = _core.PublishSpec()
        spec.name = name
        spec.topic = topic
        spec.payload = payload_of(payload)._spec
        arrival = _arrival_of(every, jitter, phase, when)
        with refusals():
            spec.arrival = arrivals.windowed(arrival, start, until)
            spec.qos = units.whole(qos, "qos", 0, 2)
            spec.retain = retain
            if message_expiry is not None:
                expiry = units.duration(message_expiry, "message_expiry", zero=False)
                spec.message_expiry = max(1, expiry // units.SECOND)
            spec.content_type = content_type
            spec.user_properties = list((user_properties or {}).items())
            self._world._changing().add_publish(self._number, spec)
        self._publishes.append(spec)
        return self

    def subscribe(
        self,
        *filters: str,
        qos: int = 0,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: Literal["send", "new", "never"] = "send",
    ) -> Fleet:
        """Every device subscribes, whenever it gets a fresh session.

        Args:
            *filters: Templates, with ``+`` and ``#``: ``"site/+/{id}/cmd"``.
            qos: The highest quality of service to receive.
            no_local: Not what the device itself published (MQTT 5.0).
            retain_as_published: Keep the retain flag of what is forwarded (MQTT 5.0).
            retain_handling: Retained messages: "send" them, only for a "new" subscription, or
                "never" (MQTT 5.0).

        Returns:
            The fleet itself.

        Raises:
            ConfigError: An invalid filter, named.
        """
        if not filters:
            raise ConfigError("needs at least one topic filter", key="subscribe")
        if retain_handling not in _RETAIN_HANDLING:
            raise ConfigError(f"{retain_handling!r} is none of send, new, never", key="subscribe")
        level = units.whole(qos, "qos", 0, 2)
        for text in filters:
            with refusals():
                template = _core.Template(text, self._population, "filter")
                _core.check_filters(template, "filter")
                handling = _RETAIN_HANDLING[retain_handling]
                wanted = (text, level, no_local, retain_as_published, handling)
                self._world._changing().add_subscribe(self._number, *wanted)
            self._filters.append(text)
            self._subscriptions.append(wanted)
        return self

    # --- what it is -----------------------------------------------------------------------------

    @property
    def topics(self) -> list[str]:
        """The topic templates that it publishes to."""
        return [spec.topic for spec in self._publishes]

    @property
    def layers(self) -> str:
        """What lies between TCP and MQTT, in one line; "" for nothing."""
        return "; ".join(str(part) for part in (self.tls, self.websocket) if part is not None)

    @property
    def filters(self) -> list[str]:
        """The topic filters that it subscribes to."""
        return list(self._filters)

    def text(self, template: str, device: int) -> str:
        """A template, rendered for a device: ``fleet.text("site/{group}/{id}", 17)``."""
        self._device(device)
        with refusals():
            return _core.Template(template, self._population, "text").text(device)

    def ids(self) -> list[str]:
        """The client identifiers, by index."""
        template = _core.Template(self._spec.client_id, self._population, "client_id")
        return [template.text(device) for device in range(len(self))]

    def preview(
        self, device: int = 0, count: int = 5, *, behaviour: int = 0
    ) -> list[tuple[float, str, bytes]]:
        """The first messages that a device will make, without running: (seconds, topic, payload).

        Times are as if the device started at the fleet's start.
        """
        if not 0 <= behaviour < len(self._publishes):
            raise ConfigError(f"the fleet has {len(self._publishes)} behaviours", key="behaviour")
        spec = self._publishes[behaviour]
        rows = _core.preview(spec, self._population, self._device(device), self._spec.start, count)
        return [(at / units.SECOND, topic, payload) for at, topic, payload in rows]

    # --- while it lives -------------------------------------------------------------------------

    @property
    def online(self) -> int:
        """How many devices are connected now."""
        return self._world._core.online(self._number)

    @property
    def received(self) -> Table:
        """What it has received so far, where `World.fleet` was told to `keep` something."""
        return Table(self._world._core.received(self._number))

    def disconnect(self, devices: Devices = None) -> None:
        """Devices say goodbye and stay away until `connect`."""
        core = self._world._changing()
        for device in self._chosen(devices):
            core.device_disconnect(self._number, device)

    def connect(self, devices: Devices = None) -> None:
        """Devices connect, now."""
        core = self._world._changing()
        for device in self._chosen(devices):
            core.device_connect(self._number, device)

    def _chosen(self, devices: Devices) -> Sequence[int]:
        if devices is None:
            return range(len(self))
        if isinstance(devices, Iterable):
            return [self._device(device) for device in devices]
        return [self._device(devices)]

    def _device(self, device: int) -> int:
        return units.whole(device, "device", 0, len(self) - 1)

    def __repr__(self) -> str:
        return f"<Fleet {self.name!r} of {len(self):,}>"


def _arrival_of(
    every: Time | None, jitter: Time, phase: Time | Literal["random"], when: Arrival | None
) -> Arrival:
    if when is None:
        if every is None:
            raise ConfigError("takes every= or when=", key="publish")
        return arrivals.periodic(every, jitter=jitter, phase=phase)
    if every is not None:
        raise ConfigError("takes every= or when=, not both", key="publish")
    if not isinstance(when, Arrival):
        raise ConfigError(f"{when!r} is no arrival process", key="when")
    return when
