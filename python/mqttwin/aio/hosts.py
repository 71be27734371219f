"""A host: what a firmware runs on, with a link of its own."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import ipaddress
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import _core, links, units
from ..broker import Broker
from ..errors import ConfigError, MqttwinError, refusals
from ..faults import Devices, Direction, Faults
from ..fleet_spec import checked_link
from ..layers import Tls, layers_of, tls, tls_of
from ..links import Link
from ..units import Duration
from .scheduler import Activity, Scheduler, ThreadActivity, scheduler_of

if TYPE_CHECKING:
    from ..world import World
    from .loop import VirtualLoop

MOST_THREADS = 1000  # of a world


class Host(Faults):
    """What a firmware runs on; made by `host`.

    Its link can be broken as a fleet's: `cut`, `black_hole`, `stall`, `link_down`, ...

    Attributes:
        name: Keys its random draws, and stands in reports.
        address: Its IPv4 address, as captures have it.
    """

    def __init__(
        self,
        world: World,
        name: str,
        link: Link,
        hosts: Mapping[str, Broker | Host | str],
        tls: Tls,
        resolver: Duration,
    ) -> None:
        self.name = name
        self.link = link
        self.tls = tls
        self.scheduler: Scheduler = scheduler_of(world)
        self.timers: list[tuple[int, int, Activity, int]] = []
        self._world = world
        self._simulated = True
        self._hosts = dict(hosts)
        self._streams: dict[str, random.Random] = {}
        self._loop: VirtualLoop | None = None
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

    # --- firmware -------------------------------------------------------------------------------

    @property
    def loop(self) -> VirtualLoop:
        """Its event loop; made when it is needed first."""
        from .loop import VirtualLoop

        if self._loop is None or self._loop.is_closed():
            self._loop = VirtualLoop(self)
        return self._loop

    def start(
        self, firmware: Callable[[], object] | Coroutine[Any, Any, object], *, thread: bool = True
    ) -> None:
        """Starts a firmware: it runs whenever the world runs, until the scope ends.

        Args:
            firmware: A coroutine, or a function that makes one, runs in the host's event loop; a
                plain function just runs. An exception in it ends the run.
            thread: Whether it has a thread of its own. An event loop without one is faster, and
                may not block.

        Raises:
            MqttwinError: Outside of `with mqttwin.aio.patched(world):`, where the clocks and
                sockets that libraries use are real.
        """
        scheduler = self.scheduler
        if not scheduler.patched:
            if inspect.iscoroutine(firmware):
                firmware.close()
            raise MqttwinError(
                "a firmware is started inside `with mqttwin.aio.patched(world):`, where its "
                "clocks and sockets are simulated"
            )
        if inspect.iscoroutinefunction(firmware):
            firmware = firmware()
        if inspect.iscoroutine(firmware):
            loop, main = self.loop, firmware
            if thread:
                self.spawn(lambda: _run_in(loop, main), self.name)
            else:
                loop._start_stepped(main)
        elif not callable(firmware):
            raise ConfigError(f"{firmware!r} is no firmware", key="start")
        elif not thread:
            raise ConfigError("a firmware that is no coroutine needs one", key="thread")
        else:
            main_code = firmware
            self.spawn(lambda: _run_alone(self, main_code), self.name)

    def spawn(self, function: Callable[[], object], name: str) -> ThreadActivity:
        """A thread that has the baton whenever its turn comes."""
        from .threads import start_real_thread

        scheduler = self.scheduler
        if len(scheduler.threads) >= MOST_THREADS:
            raise MqttwinError(f"more than {MOST_THREADS} threads are running in this world")
        thread = ThreadActivity(scheduler, self, name)
        scheduler.threads.append(thread)
        start_real_thread(lambda: thread.run(function))
        thread.waiting = True
        thread.wake()
        return thread

    def stream(self, purpose: str) -> random.Random:
        """Random draws of this host for one purpose."""
        if purpose not in self._streams:
            text = f"{self._world.seed}/{self.name}/{purpose}"
            seed = hashlib.blake2b(text.encode(), digest_size=16).digest()
            self._streams[purpose] = random.Random(int.from_bytes(seed, "big"))
        return self._streams[purpose]

    # --- names ----------------------------------------------------------------------------------

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

    def _network(self, what: str) -> Any:
        if what == "read_on":
            raise ConfigError("a host reads when its firmware does", key=what)
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


def host(
    world: World,
    name: str = "firmware",
    *,
    link: Link | None = None,
    hosts: Mapping[str, Broker | Host | str] | None = None,
    tls: Tls | bool | None = None,
    resolver: Duration = "5ms",
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
    return Host(world, name, chosen, hosts or {}, layers, resolver)


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


def _run_alone(host: Host, firmware: Callable[[], object]) -> None:
    """As a program does: in what it takes for a main thread, which may ask for a loop."""
    asyncio.set_event_loop(host.loop)
    try:
        firmware()
    finally:
        if not host.loop.is_closed():
            wind_up(host.loop)
        asyncio.set_event_loop(None)


def _run_in(loop: VirtualLoop, main: Coroutine[Any, Any, object]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main)
    finally:
        wind_up(loop)
        asyncio.set_event_loop(None)


def wind_up(loop: VirtualLoop) -> None:
    """As asyncio.run does: what still runs is cancelled, and the loop is closed."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
