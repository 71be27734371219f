"""What a world consists of: brokers, fleets, devices with Python code, and partitions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from . import _core, fleet_spec, links
from ._core import World as Core
from .backoff import Backoff
from .broker import Broker, hostname_of, options_of, ttl_of
from .device import Device, Devices, add_devices
from .errors import ConfigError, refusals
from .fleet import Fleet
from .layers import Tls, WebSocket, tls_of, websocket_of
from .link_parts import Shared
from .links import Link
from .messages import Message
from .partitions import Partition, partition_of
from .remote import remote_of
from .units import Duration

if TYPE_CHECKING:
    from .device.crew import Crew
    from .world import World

D = TypeVar("D", bound=Device)


class Describing:
    """The part of a `World` in which it is described."""

    seed: int
    brokers: dict[str, Broker]
    fleets: dict[str, Fleet]
    _core: Core
    _media: dict[Shared, int]

    @property
    def _world(self) -> World:
        return cast("World", self)

    def broker(
        self,
        name: str = "broker",
        *,
        users: str | os.PathLike[str] | None = None,
        url: str | None = None,
        allow_remote: bool = False,
        hostname: str | None = None,
        ttl: Duration = "1h",
        **options: Any,
    ) -> Broker:
        """Adds a broker, of ours or somebody else's.

        Args:
            name: Must differ from other brokers'.
            users: A file of users (see `mqttwin.users`): who may come in, with a password or by
                SCRAM-SHA-256.
            url: ``"mqtt://host:1883"``: a broker that is reached over real sockets. Fleets behave
                as ever; `run` then takes as long as it says, in real time.
            allow_remote: Needed for a host that is not this machine, so that nobody floods a
                production broker by accident.
            hostname: A DNS name for its host, for fleets that `find` it by "name".
            ttl: How long they believe an answer.
            **options: Bounds and choices, see the page on brokers: maximum_packet_size,
                receive_maximum, max_in_flight, max_queued, max_stored_bytes, queue_qos0_offline,
                max_session_expiry, maximum_qos, retain_available,
                wildcard_subscriptions_available, subscription_identifiers_available,
                shared_subscriptions_available, shared_strategy, redistribute_shared,
                max_retained, retain_clears_with_empty, max_sessions,
                max_subscriptions_per_session, max_topic_levels, topic_alias_maximum,
                outbound_topic_aliases, server_keep_alive, connect_timeout, max_early_bytes,
                allow_anonymous, check_payload_format, server_reference, server_moved,
                response_information, sys_interval, version_text.
        """
        self._new_name(name, self.brokers, "broker")
        if url is not None:
            if options or users is not None or hostname is not None:
                raise ConfigError("somebody else's broker has no options here", key="url")
            host, port = remote_of(url, allow_remote=allow_remote)
            number = self._world._changing().add_remote(name, host, port)
            self.brokers[name] = Broker(self._world, name, number, url=url)
            return self.brokers[name]
        host_name = "" if hostname is None else hostname_of(hostname, self.brokers.values())
        believed = ttl_of(ttl)
        with refusals("broker"):
            number = self._world._changing().add_broker(name, options_of(options))
            if host_name:
                self._core.name_broker(number, host_name, believed)
        self.brokers[name] = Broker(self._world, name, number, hostname=host_name)
        if users is not None:
            with refusals("users"):
                anonymous = bool(options.get("allow_anonymous", False))
                self._core.set_doorman(number, False, os.fspath(users), anonymous)
                self.brokers[name].users = users
        return self.brokers[name]

    def fleet(
        self,
        name: str,
        count: int = 1,
        *,
        link: Link | None = None,
        tls: Tls | bool | None = None,
        websocket: WebSocket | bool | None = None,
        broker: Broker | str | None = None,
        find: Literal["known", "name", "address"] = "known",
        resolver: Duration = "5ms",
        start: Duration = 0,
        ramp: Duration = 0,
        client_id: str = "{fleet}-{index}",
        groups: int = 0,
        group_size: int = 100,
        columns: Mapping[str, Sequence[object]] | None = None,
        version: str = "5.0",
        keep_alive: Duration = "20min",
        clean_start: bool = True,
        session_expiry: Duration = 0,
        backoff: Backoff | None = Backoff(),  # noqa: B008  (frozen)
        connect_timeout: Duration = "30s",
        ping_timeout: Duration = "20s",
        receive_maximum: int = 65535,
        max_in_flight: int = 20,
        max_queued: int = 100,
        queue_qos0: bool = False,
        user_name: str = "",
        password: str | bytes = b"",
        will: Message | None = None,
        keep: int = 0,
        _crew: Crew | None = None,
    ) -> Fleet:
        """Adds a fleet: so many devices of one kind.

        Args:
            name: Keys its random draws; must differ from other fleets'.
            count: How many devices.
            link: Between each device and the broker, from `mqttwin.links`; by default Ethernet.
            tls: Below MQTT: `mqttwin.tls`, or True for its defaults.
            websocket: Below MQTT, over TLS where there is both: `mqttwin.websocket`, or True.
            broker: Which one, where there are several.
            find: How devices know where it is: "known", wherever it goes, at no cost; by "name",
                which they look up over their link and believe for its TTL; or by the "address"
                that it has now, for ever.
            resolver: What the name server takes to answer.
            start: When the first device connects, from now.
            ramp: Devices connect spread over this, uniformly at random; 0: all at once.
            client_id: A template; must differ by device.
            groups: ``{group}`` in templates is index modulo this, or, where it is 0,
            group_size: index divided by this.
            columns: Text columns for templates, one value a device: ``{"room": [...]}``.
            version: "5.0", "3.1.1" or "3.1".
            keep_alive: In whole seconds; 0 is off. The default is that of AWS IoT (1200 s).
            clean_start: Whether a device's first connect forgets an earlier session (and for
                3.1.1 every connect).
            session_expiry: How long the broker keeps a session without a connection (MQTT 5.0),
                or "never".
            backoff: How long to wait before connecting again; None: never again.
            connect_timeout: Until CONNACK.
            ping_timeout: From PINGREQ until anything is received.
            receive_maximum: Messages of QoS > 0 that a device takes at a time.
            max_in_flight: Own messages of QoS > 0 that wait for an acknowledgement.
            max_queued: Own messages kept beyond that, or while offline; the oldest is dropped.
            queue_qos0: Whether messages of QoS 0 are kept while offline.
            user_name: A template.
            password: A template.
            will: Published by the broker when a device is gone without a goodbye.
            keep: So many received messages are kept, with topic and payload, for
                `Fleet.received`.

        Raises:
            ConfigError: A value that cannot be.
        """
        self._new_name(name, self.fleets, "fleet")
        client = fleet_spec.client_options(
            version=version,
            keep_alive=keep_alive,
            clean_start=clean_start,
            session_expiry=session_expiry,
            receive_maximum=receive_maximum,
            max_in_flight=max_in_flight,
            max_queued=max_queued,
            queue_qos0=queue_qos0,
            backoff=backoff,
            connect_timeout=connect_timeout,
            ping_timeout=ping_timeout,
        )
        link = fleet_spec.checked_link(_usual_link() if link is None else link)
        tls, websocket = tls_of(tls), websocket_of(websocket)
        target = self._broker(self._broker_number(broker))
        if target.url:
            _nothing_simulated(
                tls=tls is not None, websocket=websocket is not None, find=find != "known"
            )
        if find == "name" and not target.hostname:
            message = f"the broker {target.name!r} has none: world.broker(..., hostname=...)"
            raise ConfigError(message, key="find")
        spec = fleet_spec.fleet_spec(
            name=name,
            count=count,
            broker=target._number,
            link=link._core(shared=self._medium(link)),
            tls=tls,
            websocket=websocket,
            find=find,
            resolver=resolver,
            client=client,
            client_id=client_id,
            groups=groups,
            group_size=group_size,
            columns=columns,
            start=start,
            ramp=ramp,
            user_name=user_name,
            password=password,
            will=will,
            keep=keep,
        )
        population = fleet_spec.population(self.seed, spec, columns)
        with refusals():
            if _crew is None:
                number = self._world._changing().add_fleet(spec)
            else:
                number = self._world._changing().add_scripted(spec, _crew.script)
        self.fleets[name] = Fleet(
            self._world,
            spec,
            number,
            population,
            link,
            tls=tls,
            websocket=websocket,
            simulated=not target.url,
        )
        return self.fleets[name]

    @overload
    def add(self, device: type[D], **options: Any) -> D: ...
    @overload
    def add(self, device: type[D], count: int, **options: Any) -> Devices[D]: ...
    def add(
        self,
        device: type[D],
        count: int | None = None,
        *,
        link: Link | None = None,
        tls: Tls | bool | None = None,
        websocket: WebSocket | bool | None = None,
        broker: Broker | str | None = None,
        find: Literal["known", "name", "address"] = "known",
        resolver: Duration = "5ms",
        name: str | None = None,
        client_id: str | None = None,
        start: Duration = 0,
        ramp: Duration = 0,
        groups: int = 0,
        group_size: int = 100,
        columns: Mapping[str, Sequence[object]] | None = None,
        keep: int = 0,
        may_crash: bool = False,
        on_crash: Literal["fail", "reboot"] | None = None,
        reboot_time: Duration = "1s",
        **parameters: Any,
    ) -> D | Devices[D]:
        """Adds devices whose behaviour is Python code.

        Args:
            device: A subclass of `mqttwin.Device`.
            count: How many; left out: one, which is returned itself.
            link: As in `fleet`; so are
            tls: this,
            websocket: this,
            broker: this,
            find: this,
            resolver: this,
            groups: this,
            group_size: this,
            columns: this, and
            keep: this. Together the devices are one fleet, and are in `fleets`.
            name: By default the name of the class, in small letters.
            client_id: A template; by default the name, and with a `count` also the index.
            start: When the first device gets power, from now.
            ramp: Devices get power spread over this, uniformly at random.
            may_crash: The same as ``on_crash="reboot"``.
            on_crash: What an exception in device code does: it "fails" the run with a
                `SimulationError`, or the device "reboots", which is logged and counted.
            reboot_time: How long that takes.
            **parameters: For the device's `__init__`, at every boot.

        Raises:
            ConfigError: A class without anything to do, or a value that cannot be.
        """
        devices = add_devices(
            self._world,
            device,
            1 if count is None else count,
            name=name,
            client_id=client_id,
            single=count is None,
            may_crash=may_crash,
            on_crash=on_crash,
            reboot_time=reboot_time,
            parameters=parameters,
            link=link,
            tls=tls,
            websocket=websocket,
            broker=broker,
            find=find,
            resolver=resolver,
            start=start,
            ramp=ramp,
            groups=groups,
            group_size=group_size,
            columns=columns,
            keep=keep,
        )
        return devices[0] if count is None else devices

    def partition(
        self,
        fleets: Fleet | str | Iterable[Fleet | str] | None = None,
        brokers: Broker | str | Iterable[Broker | str] | None = None,
    ) -> Partition:
        """Keeps fleets and brokers apart, from now on: no packet passes, and nobody is told.

        ``cut_off = world.partition(meters, "east")``, and later ``cut_off.heal()``; or
        ``with world.partition(): world.run("10min")``.

        Args:
            fleets: One, several, or all that there are now.
            brokers: The same.
        """
        return partition_of(self._world, fleets, brokers)

    def _medium(self, link: Link) -> int:
        """The number in this world of the medium that a link shares."""
        if link.shared is None:
            return _core.LinkSpec.NOT_SHARED
        if link.shared not in self._media:
            with refusals("shared"):
                self._media[link.shared] = self._world._changing().add_shared(link.shared._core())
        return self._media[link.shared]

    def _new_name(self, name: str, taken: Mapping[str, object], what: str) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{name!r} is no name", key=what)
        if name in taken:
            raise ConfigError(
                f"there is one called {name!r} already: world.{what}s[{name!r}]", key=what
            )

    def _broker(self, number: int) -> Broker:
        return next(b for b in self.brokers.values() if b._number == number)

    def _broker_number(self, broker: Broker | str | None) -> int:
        if isinstance(broker, Broker):
            if broker._world is not self:
                raise ConfigError("is one of another world", key="broker")
            return broker._number
        if isinstance(broker, str):
            if broker not in self.brokers:
                raise ConfigError(f"there is none called {broker!r}", key="broker")
            return self.brokers[broker]._number
        if len(self.brokers) != 1:
            message = (
                "the world has none yet: call world.broker() first"
                if not self.brokers
                else f"which one? There are {', '.join(self.brokers)}"
            )
            raise ConfigError(message, key="broker")
        return next(iter(self.brokers.values()))._number


@lru_cache(maxsize=1)
def _usual_link() -> Link:
    return links.ethernet()


def _nothing_simulated(**wanted: bool) -> None:
    for key, there in wanted.items():
        if there:
            raise ConfigError("is for simulated brokers, not for real sockets", key=key)
