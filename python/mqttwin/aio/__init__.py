"""Unmodified asyncio and threaded firmware in virtual time.

``mqttwin.aio.run(world, main())`` runs asyncio code; inside ``with mqttwin.aio.patched(world):``
blocking code (paho-mqtt with its thread, aiomqtt) is simulated as well. See docs/asyncio.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from .. import units
from ..broker import Broker
from ..errors import ConfigError
from ..layers import Tls
from ..links import Link
from ..units import Duration
from .errors import EscapeError
from .hosts import Host, host, host_of
from .loop import VirtualLoop
from .power import wind_up
from .scheduler import scheduler_of
from .scope import entered

if TYPE_CHECKING:
    from ..world import World

__all__ = ["EscapeError", "Host", "VirtualLoop", "host", "loop", "patched", "run"]

T = TypeVar("T")
Known = Mapping[str, Broker | Host | str]


def loop(
    world: World,
    host: str | Host = "firmware",
    *,
    link: Link | None = None,
    hosts: Known | None = None,
    tls: Tls | bool | None = None,
) -> VirtualLoop:
    """The event loop of a host, which is made if there is none of that name.

    Args:
        world: Where; running the loop runs the world.
        host: A name, or what `mqttwin.aio.host` made.
        link: As for `mqttwin.aio.host`, and so are
        hosts: names that need no question, and
        tls: how TLS connections are made.
    """
    return host_of(world, host, link=link, hosts=hosts, tls=tls).loop


def run(
    world: World,
    main: Coroutine[Any, Any, T],
    *,
    host: str | Host = "firmware",
    link: Link | None = None,
    hosts: Known | None = None,
    tls: Tls | bool | None = None,
    timeout: Duration = "365d",
) -> T:
    """As asyncio.run, in virtual time: the world runs until `main` is done.

    Args:
        world: Where.
        main: A coroutine.
        host: A name, or what `mqttwin.aio.host` made.
        link: As for `mqttwin.aio.host`, and so are
        hosts: names that need no question, and
        tls: how TLS connections are made.
        timeout: Of virtual time, after which the run ends with a SimulationError.

    Raises:
        SimulationError: It is not done in time.
    """
    if not asyncio.iscoroutine(main):
        raise ConfigError(f"{main!r} is no coroutine: call it, as in run(world, main())", key="run")
    scheduler = scheduler_of(world)
    before = scheduler.limit
    with contextlib.ExitStack() as scope:
        try:
            the_host = host_of(world, host, link=link, hosts=hosts, tls=tls)
            limit = world._core.now + units.duration(timeout, "timeout", zero=False)
            if not scheduler.patched:
                scope.enter_context(entered(scheduler, the_host))
        except BaseException:
            main.close()
            raise
        scheduler.limit = limit
        the_loop = the_host.loop
        try:
            return the_loop.run_until_complete(main)
        finally:
            scheduler.limit = before
            wind_up(the_loop)


@contextmanager
def patched(
    world: World,
    host: str | Host = "firmware",
    *,
    link: Link | None = None,
    hosts: Known | None = None,
    tls: Tls | bool | None = None,
) -> Iterator[Host]:
    """A scope in which blocking code is simulated, with its sockets, threads and clocks.

    Inside, ``socket``, ``select``, ``selectors``, ``time``, ``threading``, ``queue``, ``random``,
    ``uuid``, ``os.urandom``, ``ssl`` and asyncio's event loops are those of a host in the world,
    for every library in this process, whenever it has imported them. There is one scope at a time.

    Args:
        world: Where; waiting runs the world.
        host: What the code of the scope itself runs on: a name, or what `mqttwin.aio.host` made.
        link: As for `mqttwin.aio.host`, and so are
        hosts: names that need no question, and
        tls: how TLS connections are made.

    Raises:
        EscapeError: Later, where something tries to leave: a real socket, a process, a thread that
            was started outside.
    """
    the_host = host_of(world, host, link=link, hosts=hosts, tls=tls)
    with entered(scheduler_of(world), the_host):
        yield the_host
