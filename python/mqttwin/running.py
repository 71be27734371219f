"""Time in a world: what is to happen at an instant, and running."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, overload

from . import units
from .device import Condition
from .device.conditions import Watch
from .device.guard import WallClock
from .errors import ConfigError, SimulationError
from .limits import TRACE, Limits, limits_of
from .recording import Recording
from .result import Result
from .timeline import Callback, Timeline, Timer
from .trace import OnError, Trace
from .units import Duration, Size

if TYPE_CHECKING:
    from .device.crew import Crew

log = logging.getLogger("mqttwin")


class Running(Recording):
    """The part of a `World` in which time passes."""

    _timeline: Timeline
    _crews: list[Crew]  # devices whose code is Python
    _watching: Watch | None = None  # what a run is to end with

    def _result(self, stopped: str = "", trace_problem: str = "") -> Result:
        raise NotImplementedError

    def _go_live_if_needed(self) -> None:
        raise NotImplementedError

    # --- time -----------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual time, in seconds since the start."""
        return self._core.now / units.SECOND

    @overload
    def at(self, time: Duration) -> Callable[[Callback], Callback]: ...
    @overload
    def at(self, time: Duration, callback: Callback) -> Timer: ...
    def at(
        self, time: Duration, callback: Callback | None = None
    ) -> Timer | Callable[[Callback], Callback]:
        """Calls back at an instant of virtual time, after everything else of that instant.

        ``world.at("1h", broker.restart)``, or as a decorator of a function without arguments.

        Args:
            time: Since the start of the world.
            callback: Called without arguments; may do anything but run the world.
        """
        instant = units.duration(time, "at")
        if instant < self._core.now:
            raise ConfigError(f"{time!r} is over (it is {self.now:.9g} s)", key="at")
        if callback is not None:
            return self._timeline.add(instant, callback)

        def decorate(function: Callback) -> Callback:
            self._timeline.add(instant, function)
            return function

        return decorate

    def every(
        self, period: Duration, callback: Callback, *, start: Duration | None = None
    ) -> Timer:
        """Calls back again and again.

        Args:
            period: Of virtual time.
            callback: Called without arguments; may do anything but run the world.
            start: When for the first time; by default a period from now.
        """
        step = units.duration(period, "every", zero=False)
        first = self._core.now + step if start is None else units.duration(start, "start")
        if first < self._core.now:
            raise ConfigError(f"{start!r} is over (it is {self.now:.9g} s)", key="start")
        return self._timeline.add(first, callback, step)

    # --- running --------------------------------------------------------------------------------

    def run(
        self,
        duration: Duration,
        *,
        progress: bool | None = None,
        max_wall: Duration | None = None,
        max_memory: Size | None = None,
        trace: Trace | None = None,
    ) -> Result:
        """Runs for so long in virtual time.

        The GIL is released meanwhile. Ctrl-C ends the run early, with what was gathered so far
        (`Result.interrupted`).

        Args:
            duration: Of virtual time, from now.
            progress: Whether to show a bar; by default on a terminal and in a notebook.
            max_wall: The run ends early, with what it has, once it took so much real time, or
            max_memory: once this process holds so much resident memory. Both are looked at every
                50 ms; `Result.stopped` says which it was.
            trace: An event log of this run alone; `World.trace` begins one that outlives it.

        Returns:
            Everything since the start of the world.

        Raises:
            SimulationError: A log could not be written, whose `Trace.on_error` is "run".
                `World.result` has what there is.
        """
        until = self._core.now + units.duration(duration, "run")
        limits = limits_of(max_memory, max_wall)
        if trace is None:
            return self._run_to(until, limits, progress)
        self.trace(trace)
        try:
            stopped = self._advance(until, limits, progress)
        finally:
            problem = self._end_trace()
        self._log_failed(trace.on_error, problem)
        return self._result(stopped, problem)

    def _run_to(self, until: int, limits: Limits, progress: bool | None) -> Result:
        return self._result(self._advance(until, limits, progress))

    def _advance(self, until: int, limits: Limits, progress: bool | None) -> str:
        """Runs; what ended it early."""
        self._changing()
        self._go_live_if_needed()
        limits = replace(limits, trace_failed=self._trace_failed)
        with WallClock(self._crews) if self._crews else nullcontext():
            _, stopped = self._timeline.advance(until, progress=progress, limits=limits)
        if stopped == TRACE:
            self._log_failed("run", self._trace_failed())
        return stopped

    def _log_failed(self, on_error: OnError, problem: str) -> None:
        if problem and on_error == "run":
            raise SimulationError(
                f"the event log cannot be written: {problem}", virtual_time=self.now
            )
        if problem:
            log.warning("the event log is incomplete: %s", problem)

    def run_until(
        self,
        predicate: Callable[[], object],
        *,
        timeout: Duration = "24h",
        step: Duration = "1s",
        progress: bool | None = None,
    ) -> Result:
        """Runs until a condition holds.

        Args:
            predicate: A `Condition` of devices (``dut.connected & dut.outbox_empty``), which ends
                the run at the very event after which it holds; or a function without arguments,
                which is called every `step`.
            timeout: How long to wait for it at most, in virtual time.
            step: Between two looks, in virtual time.
            progress: As in `run`.

        Raises:
            SimulationError: It did not come true in time.
        """
        until = self._core.now + units.duration(timeout, "timeout")
        pace = units.duration(step, "step", zero=False)
        self._changing()
        self._go_live_if_needed()
        if isinstance(predicate, Condition):
            predicate = self._watching = Watch(predicate)
            self._watch(True)
        try:
            with WallClock(self._crews) if self._crews else nullcontext():
                fulfilled, stopped = self._timeline.advance(
                    until, progress=progress, predicate=predicate, step=pace
                )
        finally:
            self._watching = None
            self._watch(False)
        if not fulfilled and not stopped:
            message = f"what was waited for did not come true within {timeout!r}"
            raise SimulationError(message, virtual_time=self.now)
        return self._result(stopped)

    def _watch(self, watched: bool) -> None:
        for crew in self._crews:
            crew.script.watched = watched
