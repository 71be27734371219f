"""What runs on a host, and the power that it runs on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .. import units
from ..device.storage import Storage
from ..errors import ConfigError, MqttwinError
from ..units import Duration
from .clocks import HostClock
from .scheduler import MOST_THREADS, Activity, Driver, Scheduler, ThreadActivity

if TYPE_CHECKING:
    from ..timeline import Timer
    from ..world import World
    from .loop import VirtualLoop

STORAGE_LIMIT = 1 << 20  # bytes

Firmware = Callable[[], object] | Coroutine[Any, Any, object]


class Computer:
    """A computer that firmware runs on; the part of a `Host` that has power.

    Attributes:
        storage: Non-volatile: a dictionary that is still there after a power cut, see
            `mqttwin.device.Storage`; its limit is 1 MiB.
        clock: What ``time.time`` and ``datetime.now`` tell its firmware; it may be wrong.
        powered: Whether it has power.
        boots: How often it was switched on again.
    """

    name: str
    number: int
    scheduler: Scheduler
    timers: list[tuple[int, int, Activity, int]]
    _world: World
    _loop: VirtualLoop | None

    def _install(self) -> None:
        self.storage = Storage(STORAGE_LIMIT)
        self.clock = HostClock(self.scheduler.core)
        self.powered = True
        self.boots = 0
        self._firmware: list[tuple[Firmware, bool]] = []
        self._comes_back: Timer | None = None

    @property
    def loop(self) -> VirtualLoop:
        """Its event loop; made when it is needed first."""
        from .loop import VirtualLoop

        if self._loop is None or self._loop.is_closed():
            self._loop = VirtualLoop(self)  # type: ignore[arg-type]
        return self._loop

    # --- firmware -------------------------------------------------------------------------------

    def start(self, firmware: Firmware, *, thread: bool = True) -> None:
        """Starts a firmware: it runs whenever the world runs, until the scope ends.

        Args:
            firmware: A coroutine, or a function that makes one, runs in the host's event loop; a
                plain function just runs. An exception in it ends the run. What begins anew after
                `reboot` has to be a function: a coroutine runs once.
            thread: Whether it has a thread of its own. An event loop without one is faster, and
                may not block.

        Raises:
            MqttwinError: Outside of `with mqttwin.aio.patched(world):`, where the clocks and
                sockets that libraries use are real; or the host has no power.
        """
        refused = self._refused(firmware, thread)
        if refused is not None:
            if inspect.iscoroutine(firmware):
                firmware.close()
            raise refused
        self._launch(firmware, thread)
        self._firmware.append((firmware, thread))

    def _refused(self, firmware: Firmware, thread: bool) -> MqttwinError | None:
        if not self.scheduler.patched:
            return MqttwinError(
                "a firmware is started inside `with mqttwin.aio.patched(world):`, where its "
                "clocks and sockets are simulated"
            )
        if not self.powered:
            return MqttwinError(f"{self.name} has no power")
        if not inspect.iscoroutine(firmware) and not callable(firmware):
            return ConfigError(f"{firmware!r} is no firmware", key="start")
        if not (thread or inspect.iscoroutine(firmware) or inspect.iscoroutinefunction(firmware)):
            return ConfigError(
                "only a coroutine, or an async function, runs without a thread of its own",
                key="thread",
            )
        return None

    def _launch(self, firmware: Firmware, thread: bool) -> None:
        if thread:
            self.spawn(lambda: _run(self, firmware), self.name)
        else:
            main: Any = firmware if inspect.iscoroutine(firmware) else firmware()  # type: ignore[operator]
            self.loop._start_stepped(main)

    def spawn(self, function: Callable[[], object], name: str) -> ThreadActivity:
        """A thread that has the baton whenever its turn comes."""
        from .threads import start_real_thread

        scheduler = self.scheduler
        if len(scheduler.threads) >= MOST_THREADS:
            raise MqttwinError(f"more than {MOST_THREADS} threads are running in this world")
        thread = ThreadActivity(scheduler, self, name)  # type: ignore[arg-type]
        scheduler.threads.append(thread)
        start_real_thread(lambda: thread.run(function))
        thread.waiting = True
        thread.wake()
        return thread

    # --- power ----------------------------------------------------------------------------------

    @property
    def can_reboot(self) -> bool:
        """Whether something was started on it, by functions only, which can begin anew."""
        firmware = [what for what, _ in self._firmware]
        return bool(firmware) and not any(inspect.iscoroutine(what) for what in firmware)

    def power_off(self) -> None:
        """Cuts the power: memory and connections are lost, and nobody is told anything.

        It stays away until `power_on`, even where `reboot` was to bring it back.

        Raises:
            MqttwinError: Nothing was started on it; or what runs on it calls this itself.
        """
        core = self._world._changing()
        if self._comes_back is not None:
            self._comes_back.cancel()
        if not self.powered:
            return
        self._check_switch()
        self.powered = False
        core.host_cut(self.number, True)
        # Code that unwinds may write what it likes: there is no power to write it with.
        with self.storage.kept():
            self.scheduler.stop_host(self)  # type: ignore[arg-type]
        self.timers.clear()
        self._loop = None

    def power_on(self) -> None:
        """Switches it on, now: what was started on it begins anew.

        Raises:
            MqttwinError: A coroutine was started on it, which runs once; or the scope is over.
        """
        if self.powered:
            return
        self._check_can_reboot()
        if not self.scheduler.patched:
            raise MqttwinError(f"the scope in which the firmware of {self.name} runs is over")
        self.powered = True
        self.boots += 1
        for firmware, thread in self._firmware:
            self._launch(firmware, thread)

    def reboot(self, off_for: Duration = "1s") -> None:
        """Cuts the power, which comes back after a while.

        Raises:
            MqttwinError: As `power_off` and `power_on` do.
        """
        gone = units.duration(off_for, "off_for")
        self._check_switch()
        self._check_can_reboot()
        self.power_off()
        timeline = self._world._timeline
        self._comes_back = timeline.add(self._world._core.now + gone, self._boot)

    def _boot(self) -> None:
        if self.scheduler.patched:  # else the scope has ended meanwhile
            self.power_on()

    def _check_switch(self) -> None:
        if not self._firmware:
            raise MqttwinError(
                f"nothing was started on {self.name}: code of the main program has no power "
                "switch; use host.start(main)"
            )
        here = self.scheduler.current
        if here is not None and here.host is self and not isinstance(here, Driver):
            raise MqttwinError(
                f"{self.name} cannot switch itself off: use world.at(world.now, host.power_off)"
            )

    def _check_can_reboot(self) -> None:
        if not self.can_reboot:
            raise MqttwinError(
                f"{self.name} runs a coroutine, which cannot begin anew: give `start` the "
                "function that makes it, as in host.start(main)"
            )


def _run(host: Computer, firmware: Firmware) -> None:
    """As a program does: in what it takes for a main thread, which may ask for a loop."""
    asyncio.set_event_loop(host.loop)
    try:
        made = firmware if inspect.iscoroutine(firmware) else firmware()  # type: ignore[operator]
        if inspect.iscoroutine(made):
            host.loop.run_until_complete(made)
    finally:
        if not host.loop.is_closed():
            wind_up(host.loop)
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
