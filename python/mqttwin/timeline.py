"""Virtual time as Python sees it: slices of a run, and callbacks at their exact instants."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from time import monotonic as wall_clock  # here it stays real, whatever a scope patches
from typing import Protocol

from . import _core, units
from .device.conditions import Watch
from .errors import ConfigError, MqttwinError
from .interrupt import Interrupts
from .limits import INTERRUPTED, NO_LIMITS, Limits
from .progress import Progress

Callback = Callable[[], object]

SLICE_MS = 50
SERVE_MS = 250
NEVER = 2 * units.LONGEST


class _Barrier:
    """A callback that an instant waits for."""

    __slots__ = ("callback", "cancelled", "period")

    def __init__(self, callback: Callback, period: int) -> None:
        self.callback = callback
        self.period = period
        self.cancelled = False


class Timer:
    """What `World.at` and `World.every` return."""

    def __init__(self, barrier: _Barrier) -> None:
        self._barrier = barrier

    def cancel(self) -> None:
        """Never calls back again."""
        self._barrier.cancelled = True


class Attendant(Protocol):
    """What runs between two events of a world, at the instant of the first one."""

    def begin(self) -> None:
        """A run begins."""

    def attend(self) -> None:
        """Something may have happened that concerns it."""


class Timeline:
    """Runs a core in slices, and calls back between them."""

    def __init__(self, core: _core.World) -> None:
        self.wall_seconds = 0.0
        self.interrupted = False  # by Ctrl-C, in any of its runs
        self.aio: Attendant | None = None  # hosts that run firmware over sockets
        self._core = core
        # A heap; those of one instant come in the order in which they were made.
        self._barriers: list[tuple[int, int, _Barrier]] = []
        self._numbers = itertools.count()
        self._running = False
        self._serving = False

    def add(self, at: int, callback: Callback, period: int = 0) -> Timer:
        """A callback at an instant, and then every `period` where that is not 0."""
        if not callable(callback):
            raise ConfigError(f"{callback!r} cannot be called", key="callback")
        barrier = _Barrier(callback, period)
        heapq.heappush(self._barriers, (at, next(self._numbers), barrier))
        if self._serving:
            self._core.stop_serving()  # it looks at the barriers again
        return Timer(barrier)

    def put_back(self, at: int, number: int, callback: Callback, period: int) -> None:
        """A callback of a restored world, which keeps its place among those of an instant."""
        heapq.heappush(self._barriers, (at, number, _Barrier(callback, period)))
        self._numbers = itertools.count(max(number + 1, next(self._numbers)))

    def advance(
        self,
        until: int,
        *,
        progress: bool | None,
        predicate: Callable[[], object] | None = None,
        step: int = 0,
        limits: Limits = NO_LIMITS,
    ) -> tuple[bool, str]:
        """Runs up to and including `until`, or until the predicate holds.

        Args:
            until: Instant, in nanoseconds.
            progress: Whether to show a bar; None: where somebody looks.
            predicate: Looked at once before, and then every `step` nanoseconds.
            step: See there.
            limits: What ends it early.

        Returns:
            Whether the predicate holds, and what ended it early: "", "interrupted" (Ctrl-C), or
            the name of a limit.
        """
        if self._running:
            raise MqttwinError("the world is running: a callback cannot run it again")
        began = wall_clock()
        bar = Progress(self._core.now, until, show=progress)
        self._running = True
        try:
            with Interrupts() as interrupts:
                reached = limits.watch()

                def stopped() -> str:
                    return INTERRUPTED if interrupts.seen else reached()

                found = self._loop(until, bar, predicate, step, stopped)
                self.interrupted |= found[1] == INTERRUPTED
                return found
        except KeyboardInterrupt:
            self.interrupted = True
            return False, INTERRUPTED
        finally:
            self._running = False
            self.wall_seconds += wall_clock() - began
            bar.close()

    def _loop(
        self,
        until: int,
        bar: Progress,
        predicate: Callable[[], object] | None,
        step: int,
        stopped: Callable[[], str],
    ) -> tuple[bool, str]:
        core = self._core
        if isinstance(predicate, Watch) and not core.is_live:
            core.run(core.now, SLICE_MS)  # devices hear of what was done to them between runs
        if predicate is not None and predicate():
            return True, ""
        step_to = core.run
        if core.is_live:
            core.resume_live()
            step_to = core.serve
        look = NEVER if predicate is None else core.now + step
        watch = predicate if isinstance(predicate, Watch) else None
        if self.aio is not None:
            self.aio.begin()
        while not (why := stopped()):
            target = min(until, look, self._next())
            if not step_to(target, SLICE_MS):
                if self.aio is not None:
                    self.aio.attend()
                bar.update(core.now)
                if watch is not None and watch.fulfilled:
                    return True, ""
                continue
            self._call_back(target)
            if self.aio is not None:
                self.aio.attend()
            bar.update(core.now)
            if predicate is not None and target in (look, until):
                look = target + step
                if predicate():
                    return True, ""
            if target == until:
                return False, ""
        self._finish_instant()
        return False, why

    def serve(self, more: Callable[[], bool]) -> None:
        """Follows the wall clock as long as there is `more`; asked a few times a second."""
        if self._running:
            raise MqttwinError("the world is running: a callback cannot serve it")
        if self.aio is not None:
            raise MqttwinError("a world with simulated hosts cannot follow the wall clock")
        self._running = self._serving = True
        began = wall_clock()
        self._core.resume_live()
        try:
            while more():
                target = self._next()
                if self._core.serve(target, SERVE_MS):
                    self._call_back(target)
        finally:
            self._running = self._serving = False
            self.wall_seconds += wall_clock() - began

    def _finish_instant(self) -> None:
        """All that is to happen at this instant: so an interrupted run can be repeated."""
        step_to = self._core.serve if self._core.is_live else self._core.run
        while not step_to(self._core.now, SLICE_MS):
            if self.aio is not None:
                self.aio.attend()
        self._call_back(self._core.now)

    def _next(self) -> int:
        while self._barriers and self._barriers[0][2].cancelled:
            heapq.heappop(self._barriers)
        return self._barriers[0][0] if self._barriers else NEVER

    def _call_back(self, now: int) -> None:
        """Runs what is due, including what a callback adds for this very instant."""
        while self._next() <= now:
            at, number, barrier = heapq.heappop(self._barriers)
            if barrier.period:
                heapq.heappush(self._barriers, (at + barrier.period, number, barrier))
            barrier.callback()
