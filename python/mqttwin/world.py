"""A world: brokers, fleets and links on one virtual clock."""

from __future__ import annotations

import os
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import _core, snapshots, units
from .broker import Broker
from .describing import Describing
from .device import Device, Devices
from .errors import ConfigError, MqttwinError, refusals
from .fleet import Fleet
from .link_parts import Shared
from .remote import is_loopback
from .result import Result, RunInfo
from .running import Running
from .server import Server, speed_of
from .timeline import Timeline
from .units import Duration
from .watching import Watching

if TYPE_CHECKING:
    from .device.crew import Crew
    from .estimate import Estimate

T = TypeVar("T")


class World(Describing, Running, Watching):
    """Everything that is simulated together, from one seed.

    Args:
        seed: All randomness comes from it, keyed by the names of fleets and the indices of
            devices; the same seed gives the same run, bit for bit.
        late_after: A delivery that takes longer counts as late.
        keep_messages: So many deliveries are kept as rows of `Result.messages`; what is beyond
            that is counted, not kept.
        series_width: Width of a bucket of `Result.series`; it doubles as often as needed to
            stay within
        series_buckets: so many buckets.

    Use it as a context manager, or call `close`.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        late_after: Duration = "60s",
        keep_messages: int = 1_000_000,
        series_width: Duration = "1s",
        series_buckets: int = 1440,
    ) -> None:
        number = units.whole(seed, "seed", 0, 2**64 - 1)
        options = {
            "keep_messages": units.whole(keep_messages, "keep_messages", 0, 2**40),
            "series_buckets": units.whole(series_buckets, "series_buckets", 2, 10**7),
            "series_width": units.duration(series_width, "series_width", zero=False),
            "late_after": units.duration(late_after, "late_after"),
        }
        self._begin(number, options, _core.World(number, **options))

    def _begin(self, seed: int, options: dict[str, int], core: _core.World) -> None:
        """A world with nothing in it yet, over a core."""
        self.seed = seed
        self._options = options
        self._core = core
        self.brokers: dict[str, Broker] = {}
        self.fleets: dict[str, Fleet] = {}
        self.devices: dict[str, Devices[Any]] = {}  # whose behaviour is Python, by their fleet
        self.parameters: dict[str, object] = {}
        self._timeline = Timeline(self._core)
        self._apart: Counter[tuple[int, int]] = Counter()  # fleet and broker: by so many
        self._media: dict[Shared, int] = {}
        self._results: weakref.WeakSet[Result] = weakref.WeakSet()
        self._closed = False
        self._server: Server | None = None
        self._crews: list[Crew] = []  # devices whose code is Python
        self._scopes = ExitStack()

    # --- snapshots --------------------------------------------------------------------------------

    def snapshot(self, path: str | os.PathLike[str], *, replay: bool = False) -> None:
        """Stores the world as it is now; it goes on as if nothing had been.

        A world that is restored from it comes to the same digest. Whole, or not at all: a file of
        that name stays as it was until everything is written. An event log, a capture and spies
        are no part of it.

        Args:
            path: Of the file.
            replay: Stores no state, but how far the world has come, which `restore` repeats: for
                worlds with coroutines, threads or sockets.

        Raises:
            SnapshotError: Something runs that cannot be stored (named), or the file cannot be
                written.
        """
        snapshots.save(self, path, replay=replay)

    @classmethod
    def restore(
        cls,
        path: str | os.PathLike[str],
        *,
        devices: Iterable[type[Device]] = (),
        replay: Callable[[World], object] | None = None,
    ) -> World:
        """A world that goes on where another one was stored; as often as wanted.

        Snapshots are for the version of mqttwin that wrote them. Damage is found, malice is not:
        restore only what you trust, like a program.

        Args:
            path: Of a file that `snapshot` has written.
            devices: The classes of its devices whose behaviour is Python.
            replay: For a snapshot without state: the function that described the world, which is
                called with a fresh one (and may run it). It is then run to where it was stored.

        Raises:
            SnapshotError: The file is damaged, foreign, or from another version; a class is
                missing; or the repetition came to something else.
        """
        return snapshots.load(cls, path, devices, replay)

    def fork(self) -> World:
        """A second world that goes on from here; the two share nothing.

        Its brokers, fleets and devices are in its own `brokers`, `fleets` and `devices`.

        Raises:
            SnapshotError: Something runs that cannot be stored, as for `snapshot`.
        """
        return snapshots.fork(self)

    # --- the real world -------------------------------------------------------------------------

    def serve(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        broker: Broker | str | None = None,
        speed: float | str = 1,
        users: str | os.PathLike[str] | None = None,
        allow_anonymous: bool | None = None,
        max_connections: int = 1_000_000,
        backlog_mark: int | str = "256KiB",
        total_backlog: int | str = "256MiB",
    ) -> Server:
        """Opens a broker to real clients, and lets the world follow the wall clock.

        ``with world.serve() as server:`` runs it in a thread of its own; ``server.run()`` in this
        one. Timers of real connections follow the wall clock at any speed.

        Args:
            host: Address to listen on.
            port: 0: any that is free, see `Server.port`.
            broker: Which one, where there are several; a world without any gets one, with
                ``$SYS`` topics every 10 s.
            speed: Virtual seconds in a second of the wall clock; "max" is as fast as possible
                while no real client is connected, and 1 otherwise.
            users: A file of users; by default the broker's.
            allow_anonymous: Whether clients without a user name are let in; by default on
                loopback, where there are no users.
            max_connections: More are closed at once.
            backlog_mark: What may wait for one client to read; beyond it, QoS 0 is dropped for
                it and QoS 1 and 2 are queued.
            total_backlog: The same for all clients together, shared by those that are slow.

        Raises:
            ConfigError: Nothing can be listened on there, or an argument is wrong.
        """
        if not self.brokers:
            self.broker(sys_interval="10s")
        number = self._broker_number(broker)
        who = users if users is not None else self._broker(number).users
        if allow_anonymous is None:
            allow_anonymous = who is None and is_loopback(host)
        limits = {
            "max_connections": units.whole(max_connections, "max_connections", 1, 10**7),
            "backlog_mark": units.size(backlog_mark, "backlog_mark"),
            "total_backlog": units.size(total_backlog, "total_backlog"),
        }
        if self._server is not None:
            raise MqttwinError("the world is served already")
        where = units.whole(port, "port", 0, 65535)
        self._changing()
        with refusals("serve"):
            self._core.set_doorman(
                number, True, None if who is None else os.fspath(who), allow_anonymous
            )
            self._server = Server(self, number, (host, where), speed_of(speed), limits)
        return self._server

    # --- results and costs ------------------------------------------------------------------------

    def result(self) -> Result:
        """What has been gathered since the start of the world."""
        return self._result()

    def estimate(self, duration: Duration) -> Estimate:
        """What running for so long would take: messages, events, memory, CPU time.

        What is published and who is to have it follows from the description; what that costs is
        measured with a small world of the same description, which takes about half a second.
        Right to a factor of 1.5 or so, in a world that goes on as it is described: what `at` and
        `every` will do, and what losses cause, is not foreseen. Devices whose behaviour is Python
        are taken to go on as they did so far; before they have run they are `unforeseen`.

        Args:
            duration: Of virtual time, from now.

        Raises:
            ConfigError: A fleet is at somebody else's broker.
        """
        from .estimate import estimate

        return estimate(self, units.duration(duration, "estimate", zero=False))

    def memory(self) -> dict[str, int]:
        """Bytes taken, by room."""
        return self._core.memory()

    def _result(self, stopped: str = "", trace_problem: str = "") -> Result:
        info = RunInfo(
            seed=self.seed,
            virtual_ns=self._core.now,
            wall_seconds=self._timeline.wall_seconds,
            events=self._core.events,
            stopped=stopped,
            trace_problem=trace_problem or self._core.event_log_problem(),
            late_after_ns=self._options["late_after"],
            fleets={name: (f._number, len(f)) for name, f in self.fleets.items()},
            links={name: f.link for name, f in self.fleets.items()},
            layers={name: f.layers for name, f in self.fleets.items() if f.layers},
            parameters=dict(self.parameters),
        )
        result = Result(self._core, info)
        self._results.add(result)
        return result

    def _go_live_if_needed(self) -> None:
        """Somebody else's broker lives on the wall clock, so this world does."""
        if any(b.url for b in self.brokers.values()) and not self._core.is_live:
            self._core.go_live(1.0)

    def _changing(self) -> _core.World:
        """The core, about to be changed: a result that is still held takes its copies first."""
        if self._closed:
            raise MqttwinError(
                "the world is closed: it lasts as long as its `with` block, or as the one test "
                "that asked for it (mqtt_world, mqtt_broker)"
            )
        if len(self._results):
            for result in self._results:
                result._freeze()
            self._results.clear()
        return self._core

    def enter(self, scope: AbstractContextManager[T]) -> T:
        """Enters a context that lasts until the world is closed; returns what it gives.

        For what a scenario needs while its world runs, after the scenario itself has returned:
        ``world.enter(mqttwin.aio.patched(world))``. The latest is left first.
        """
        if not isinstance(scope, AbstractContextManager):
            raise ConfigError(f"{scope!r} is nothing for a with statement", key="enter")
        self._changing()
        return self._scopes.enter_context(scope)

    def close(self) -> None:
        """Ends the event log and the capture; the world cannot run any more, results stay."""
        if self._closed:
            return
        try:
            self._scopes.close()
        finally:
            self._end()

    def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._core.is_live:
            self._core.end_live()
        self._closed = True
        self._end_trace()
        self._core.stop_capture()

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        devices = sum(len(fleet) for fleet in self.fleets.values())
        return (
            f"<World seed={self.seed}, {len(self.brokers)} brokers, {devices:,} devices, "
            f"at {units.format_duration(self._core.now)}>"
        )
