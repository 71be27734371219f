"""A host: what a firmware runs on, with a link of its own."""

from __future__ import annotations

import hashlib
import ipaddress
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import _core, links, units
from ..broker import Broker
from ..errors import ConfigError, MqttwinError, refusals
from ..faults import Devices, Direction, Faults
from ..fleet_spec import checked_link
from ..layers import Tls, layers_of, tls, tls_of
from ..links import Link
from ..units import Duration
from .power import Computer
from .scheduler import Activity, Scheduler, scheduler_of

if TYPE_CHECKING:
    from ..world import World
    from .loop import VirtualLoop


class Host(Computer, Faults):
    """What a firmware runs on; made by `host`.

    Its link can be broken as a fleet's: `cut`, `black_hole`, `stall`, `link_down`, ... What was
    started on it loses its memory in `reboot`, and keeps its `storage`.

    Attributes:
        name: Keys its random draws, and stands in reports.
        client_id: What its firmware calls itself: whom to look for at brokers.
        address: Its IPv4 address, as captures have it.
        connects: How often its firmware has tried to connect to somebody.
    """

    def __init__(
        self,
        world: World,
        name: str,
        link: Link,
        hosts: Mapping[str, Broker | Host | str],
        tls: Tls,
        resolver: Duration,
        client_id: str,
    ) -> None:
        self.name = name
        self.client_id = client_id
        self.link = link
        self.tls = tls
        self.scheduler: Scheduler = scheduler_of(world)
        self.timers: list[tuple[int, int, Activity, int]] = []
        self._world = world
        self._simulated = True
        self._hosts = dict(hosts)
        self._streams: dict[str, random.Random] = {}
        self._loop: VirtualLoop | None = None
        self.connects = 0
        self._install()
        with refusals("host"):
            self.number = world._changing().add_socket_host(
                name,
                link._core(shared=world._medium(link)),
                layers_of(tls, None),
                units.duration(resolver, "resolver"),
            )
        self._number = self.number
        self.address = str(ipaddress.IPv4Address(world._core.host_address(self.number)))
        self.scheduler.hosts.append(self)
        self.scheduler.by_name[name] = self

    # --- chance and names -----------------------------------------------------------------------

    def stream(self, purpose: str) -> random.Random:
        """Random draws of this host for one purpose."""
        if purpose not in self._streams:
            text = f"{self._world.seed}/{self.name}/{purpose}"
            seed = hashlib.blake2b(text.encode(), digest_size=16).digest()
            self._streams[purpose] = random.Random(int.from_bytes(seed, "big"))
        return self._streams[purpose]

    def known(self, name: str) -> str | None:
        """The address of a name that needs no question, as in /etc/hosts."""
        entry: Broker | Host | str | None = self._hosts.get(name)
        if entry is None:
            entry = self.scheduler.by_name.get(name)
        if entry is None and name in self._world.brokers:
            entry = self._world.brokers[name]
        if isinstance(entry, Host):
            return entry.address
        if isinstance(entry, Broker):
            return ip_text(self._world._core.broker_address(entry._number))
        if entry is None and name == "localhost":
            return "127.0.0.1"
        return entry

    def certifies(self, name: str, address: str) -> bool:
        """Whether the server at an address has a certificate for a name."""
        for broker in self._world.brokers.values():
            if ip_text(self._world._core.broker_address(broker._number)) == address:
                return name in {broker.hostname, broker.name} or self._hosts.get(name) is broker
        return True

    # --- faults ---------------------------------------------------------------------------------

    def _chosen(self, devices: Devices) -> Sequence[int]:
        if devices not in (None, 0, (0,)):
            raise ConfigError("a host is one device: leave it out", key="devices")
        return (0,)

    def cut(
        self,
        devices: Devices = None,
        *,
        silent: bool = False,
        after_bytes: int | None = None,
        direction: Direction = "up",
    ) -> None:
        """Breaks its connections, now or at a byte of the newest (or next) one.

        Args:
            devices: Leave it out.
            silent: The other ends are not told (out of coverage).
            after_bytes: At this byte: so many are still read.
            direction: Whose bytes count.
        """
        if after_bytes is not None:
            super().cut(silent=silent, after_bytes=after_bytes, direction=direction)
        else:
            self._chosen(devices)
            self._world._changing().host_cut(self.number, silent)

    @property
    def connected(self) -> bool:
        """Whether a broker of the world has its client identifier among who is connected."""
        return any(broker.has_connected(self.client_id) for broker in self._world.brokers.values())

    def _network(self, what: str) -> Any:
        return _HostNetwork(self._world._changing())

    def __repr__(self) -> str:
        return f"<Host {self.name} at {self.address} over {self.link}>"


class _HostNetwork:
    """The core's methods for a host, under the names that those for a fleet have."""

    def __init__(self, core: _core.World) -> None:
        self._core = core

    def set_link_down(self, host: int, device: int, down: bool) -> None:
        self._core.host_link_down(host, down)

    def set_fault(self, host: int, device: int, what: str, direction: str, after: int) -> None:
        self._core.host_fault(host, what, direction, after)

    def clear_fault(self, host: int, device: int) -> None:
        self._core.host_clear_fault(host)

    def resume_reading(self, host: int, device: int, direction: str) -> None:
        self._core.host_read_on(host, direction)


def host(
    world: World,
    name: str = "firmware",
    *,
    link: Link | None = None,
    hosts: Mapping[str, Broker | Host | str] | None = None,
    tls: Tls | bool | None = None,
    resolver: Duration = "5ms",
    client_id: str | None = None,
) -> Host:
    """Adds a host to a world: what a firmware runs on.

    Args:
        world: Where.
        name: Must differ from those of fleets, brokers and other hosts.
        link: To everybody else, from `mqttwin.links`; by default Ethernet.
        hosts: Names that need no question: ``{"localhost": broker}``. Brokers and hosts are known
            by their own names; a broker's `hostname` is asked for over the link.
        tls: How TLS connections are made; by default `mqttwin.tls()`.
        resolver: What the name server takes to answer.
        client_id: What the firmware will call itself, for `Host.connected` and for exploring; by
            default its name.

    Raises:
        ConfigError: The name is taken, or a value cannot be.
    """
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{name!r} is no name", key="host")
    if scheduler_of(world).by_name.get(name) is not None:
        raise ConfigError(f"there is one called {name!r} already", key="host")
    if world._core.is_live or any(broker.url for broker in world.brokers.values()):
        raise MqttwinError("a world that follows the wall clock has no simulated hosts")
    chosen = checked_link(links.ethernet() if link is None else link)
    layers = tls_of(tls) or _default_tls()
    known_as = name if client_id is None else client_id
    if not isinstance(known_as, str) or not known_as:
        raise ConfigError(f"{known_as!r} is no client identifier", key="client_id")
    return Host(world, name, chosen, hosts or {}, layers, resolver, known_as)


def _default_tls() -> Tls:
    return tls()


def host_of(world: World, name: str | Host, **options: Any) -> Host:
    """The host of that name, or a new one."""
    if isinstance(name, Host):
        if name._world is not world:
            raise ConfigError("is one of another world", key="host")
    else:
        found = scheduler_of(world).by_name.get(name)
        if found is None:
            return host(world, name, **options)
        name = found
    if any(value is not None for value in options.values()):
        raise ConfigError(f"{name.name!r} exists already: it keeps its link", key="host")
    return name


def ip_text(number: int) -> str:
    """An IPv4 address as text."""
    return str(ipaddress.IPv4Address(number))
