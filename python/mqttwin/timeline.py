"""Virtual time as Python sees it: slices of a run, and callbacks at their exact instants."""

from __future__ import annotations

import heapq
import itertools
import time as wall
from collections.abc import Callable
from dataclasses import dataclass, field

from . import _core, units
from .device.conditions import Watch
from .errors import ConfigError, MqttwinError
from .interrupt import Interrupts
from .progress import Progress

Callback = Callable[[], object]

SLICE_MS = 50
SERVE_MS = 250
NEVER = 2 * units.LONGEST


@dataclass(order=True)
class _Barrier:
    """A callback at an instant; those of one instant run in the order in which they were made."""

    at: int
    number: int
    callback: Callback = field(compare=False)
    period: int = field(compare=False, default=0)
    cancelled: bool = field(compare=False, default=False)


class Timer:
    """What `World.at` and `World.every` return."""

    def __init__(self, barrier: _Barrier) -> None:
        self._barrier = barrier

    def cancel(self) -> None:
        """Never calls back again."""
        self._barrier.cancelled = True


class Timeline:
    """Runs a core in slices, and calls back between them."""

    def __init__(self, core: _core.World) -> None:
        self.wall_seconds = 0.0
        self._core = core
        self._barriers: list[_Barrier] = []
        self._numbers = itertools.count()
        self._running = False
        self._serving = False

    def add(self, at: int, callback: Callback, period: int = 0) -> Timer:
        """A callback at an instant, and then every `period` where that is not 0."""
        if not callable(callback):
            raise ConfigError(f"{callback!r} cannot be called", key="callback")
        barrier = _Barrier(at, next(self._numbers), callback, period)
        heapq.heappush(self._barriers, barrier)
        if self._serving:
            self._core.stop_serving()  # it looks at the barriers again
        return Timer(barrier)

    def advance(
        self,
        until: int,
        *,
        progress: bool | None,
        predicate: Callable[[], object] | None = None,
        step: int = 0,
    ) -> tuple[bool, bool]:
        """Runs up to and including `until`, or until the predicate holds.

        Args:
            until: Instant, in nanoseconds.
            progress: Whether to show a bar; None: where somebody looks.
            predicate: Looked at once before, and then every `step` nanoseconds.
            step: See there.

        Returns:
            Whether the predicate holds, and whether Ctrl-C ended it.
        """
        if self._running:
            raise MqttwinError("the world is running: a callback cannot run it again")
        began = wall.monotonic()
        bar = Progress(self._core.now, until, show=progress)
        self._running = True
        try:
            with Interrupts() as interrupts:
                return self._loop(until, bar, predicate, step, interrupts)
        except KeyboardInterrupt:
            return False, True
        finally:
            self._running = False
            self.wall_seconds += wall.monotonic() - began
            bar.close()

    def _loop(
        self,
        until: int,
        bar: Progress,
        predicate: Callable[[], object] | None,
        step: int,
        interrupts: Interrupts,
    ) -> tuple[bool, bool]:
        core = self._core
        if isinstance(predicate, Watch) and not core.is_live:
            core.run(core.now, SLICE_MS)  # devices hear of what was done to them between runs
        if predicate is not None and predicate():
            return True, False
        step_to = core.run
        if core.is_live:
            core.resume_live()
            step_to = core.serve
        look = NEVER if predicate is None else core.now + step
        watch = predicate if isinstance(predicate, Watch) else None
        while not interrupts.seen:
            target = min(until, look, self._next())
            if not step_to(target, SLICE_MS):
                bar.update(core.now)
                if watch is not None and watch.fulfilled:
                    return True, False
                continue
            self._call_back(target)
            bar.update(core.now)
            if predicate is not None and target in (look, until):
                look = target + step
                if predicate():
                    return True, False
            if target == until:
                return False, False
        self._finish_instant()
        return False, True

    def serve(self, more: Callable[[], bool]) -> None:
        """Follows the wall clock as long as there is `more`; asked a few times a second."""
        if self._running:
            raise MqttwinError("the world is running: a callback cannot serve it")
        self._running = self._serving = True
        began = wall.monotonic()
        self._core.resume_live()
        try:
            while more():
                target = self._next()
                if self._core.serve(target, SERVE_MS):
                    self._call_back(target)
        finally:
            self._running = self._serving = False
            self.wall_seconds += wall.monotonic() - began

    def _finish_instant(self) -> None:
        """All that is to happen at this instant: so an interrupted run can be repeated."""
        step_to = self._core.serve if self._core.is_live else self._core.run
        while not step_to(self._core.now, SLICE_MS):
            pass
        self._call_back(self._core.now)

    def _next(self) -> int:
        while self._barriers and self._barriers[0].cancelled:
            heapq.heappop(self._barriers)
        return self._barriers[0].at if self._barriers else NEVER

    def _call_back(self, now: int) -> None:
        """Runs what is due, including what a callback adds for this very instant."""
        while self._next() <= now:
            barrier = heapq.heappop(self._barriers)
            if barrier.period:
                barrier.at += barrier.period
                heapq.heappush(self._barriers, barrier)
            barrier.callback()
