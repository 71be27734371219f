"""A small scheduler for the coroutines of a device, in an order that is always the same."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from ..errors import MqttwinError
from .tasks import NEVER, Alarm, Cancelled, PowerLost, Task, Waiter, foreign

if TYPE_CHECKING:
    from .. import _core

MAXIMUM_TASKS = 10_000
MAXIMUM_STEPS = 100_000
"""Steps of a device's code at one instant; more of them is a loop that never sleeps."""


class Scheduler:
    """The coroutines and alarms of one device.

    A task that sleeps while nothing else is pending is lent to the core, which resumes it without
    any code of this class; whoever touches alarms or tasks takes it back first (`reclaim`).

    Args:
        script: The core's side.
        index: Of the device.
        now: Tells the instant.
        first: What the first turn is to begin with.
        crash: Called with the error of a task that nobody awaits.
    """

    __slots__ = (
        "alarms",
        "armed",
        "crash",
        "current",
        "dying",
        "first",
        "index",
        "lent",
        "now",
        "number",
        "rate",
        "ready",
        "script",
        "tasks",
        "waking",
    )

    def __init__(
        self,
        script: _core.Script,
        index: int,
        now: Callable[[], int],
        first: Callable[[], object],
        crash: Callable[[BaseException], object],
    ) -> None:
        self.script = script
        self.index = index
        self.now = now
        self.first: Callable[[], object] | None = first
        self.crash = crash
        self.rate = 1.0  # local nanoseconds in a true one: a crystal that drifts
        self.alarms: list[tuple[int, int, Any]] = []  # a heap; of tasks that sleep, and Alarms
        self.armed = NEVER  # the instant that the core was told
        self.number = 0
        self.ready: list[Task] = []
        self.tasks: dict[Task, None] = {}  # in the order of their start
        self.current: Task | None = None
        self.lent: Task | None = None
        self.waking = False  # inside of a turn: what is next is told at its end
        self.dying = False  # the power is gone, and clean-up code must not find that out

    # --- alarms ---------------------------------------------------------------------------------

    def at(self, instant: int, call: Callable[[], object], *, survives: bool = False) -> Alarm:
        """Calls at an instant of virtual time; `survives`: also a power cut before it."""
        if self.lent is not None:
            self.reclaim()
        alarm = Alarm(call, survives)
        self.number += 1
        heappush(self.alarms, (instant, self.number, alarm))
        return alarm

    def after(self, ns: int, call: Callable[[], object]) -> Alarm:
        """Calls after so much local time."""
        return self.at(self.now() + self.true_ns(ns), call)

    def true_ns(self, local_ns: int) -> int:
        """How long local time takes."""
        return local_ns if self.rate == 1.0 else round(local_ns / self.rate)

    def next_alarm(self) -> int:
        """The instant of the next one, or `NEVER`."""
        alarms = self.alarms
        while alarms:
            instant: int = alarms[0][0]
            _, number, target = alarms[0]
            if target.__class__ is Task:
                if target.alarm == number:
                    return instant
            elif target.call is not None:
                return instant
            heappop(alarms)
        return NEVER

    # --- turns ----------------------------------------------------------------------------------

    def reclaim(self) -> None:
        """The lent task is one of ours again; it may be what is running."""
        task, self.lent = self.lent, None
        assert task is not None
        due, running = self.script.reclaim(self.index)
        if running:
            self.current = task
            self.waking = True
        else:
            self.armed = due
            self.number = task.alarm = number = self.number + 1
            heappush(self.alarms, (due, number, task))

    def running(self) -> Task | None:
        """The task whose code runs now."""
        if self.lent is not None and self.script.running == self.index:
            return self.lent
        return self.current

    def finish(self, now: int, wanted: object, error: BaseException | None) -> int:
        """The core has resumed the lent task, which wants more than to sleep; see `turn`."""
        task = self.current if self.lent is None else self.lent
        self.current = self.lent = None
        assert task is not None
        self.waking = True
        if error is not None:
            self._ended(task, error)
        else:
            self._wait(task, wanted, now)
        return self.turn(now)

    def turn(self, now: int) -> int:
        """Everything that is due at an instant; returns when the next is, or `NEVER`."""
        if self.lent is not None:
            self.reclaim()
        self.waking = True
        if self.first is not None:
            first, self.first = self.first, None
            first()
        self.run_ready(now)
        alarms = self.alarms
        steps = 0
        while alarms and alarms[0][0] <= now:
            steps += 1
            if steps > MAXIMUM_STEPS:
                self.crash(_restless())
                break
            _, number, target = heappop(alarms)
            if target.__class__ is Task:
                if target.alarm == number:
                    target.alarm = 0
                    self.step(target, now)
            elif target.call is not None:
                call, target.call = target.call, None
                call()
            if self.ready:
                self.run_ready(now)
        self.waking = False
        instant = self.next_alarm()
        if len(alarms) == 1 and self.rate == 1.0:
            self._lend()
        return instant

    def _lend(self) -> None:
        """Gives a task that sleeps alone to the core."""
        instant, number, task = self.alarms[0]
        if task.__class__ is Task and task.alarm == number and task.interruption is None:
            self.alarms.clear()
            task.alarm = 0
            self.lent = task
            self.script.lend(self.index, task.coro, instant)

    # --- tasks ----------------------------------------------------------------------------------

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str) -> Task:
        """A new task; it starts when the present step is over."""
        if len(self.tasks) >= MAXIMUM_TASKS:
            coro.close()
            raise MqttwinError(f"a device has at most {MAXIMUM_TASKS:,} tasks at a time")
        task = Task(self, coro, name)
        self.tasks[task] = None
        self.make_ready(task)
        return task

    def make_ready(self, task: Task) -> None:
        """It goes on when it is its turn."""
        if not task.scheduled:
            if self.lent is not None:
                self.reclaim()
            task.detach()
            task.scheduled = True
            self.ready.append(task)

    def run_ready(self, now: int) -> None:
        """Until everybody waits."""
        steps = 0
        while self.ready:
            turn, self.ready = self.ready, []
            steps += len(turn)
            if steps > MAXIMUM_STEPS:
                self.crash(_restless())
                return
            for task in turn:
                task.scheduled = False
                if not task.done:
                    self.step(task, now)

    def step(self, task: Task, now: int) -> None:
        """Runs a coroutine up to where it waits next."""
        self.current = task
        try:
            if task.interruption is None:
                wanted = task.coro.send(None)
            else:
                interruption, task.interruption = task.interruption, None
                wanted = task.coro.throw(interruption)
        except BaseException as error:
            self._ended(task, error)
        else:
            self._wait(task, wanted, now)
        finally:
            self.current = None

    def _ended(self, task: Task, error: BaseException) -> None:
        """A coroutine is over: it returned, was cancelled or failed."""
        self.current = None
        self.tasks.pop(task, None)
        if isinstance(error, StopIteration):
            task.resolve(error.value)
        elif isinstance(error, Cancelled | PowerLost):
            task.fail(error)
        else:
            heard = bool(task.tasks)
            task.fail(error)
            if not heard:
                self.crash(error)

    def _wait(self, task: Task, wanted: Any, now: int) -> None:
        """What a coroutine waits for next."""
        if task.done:  # switched off meanwhile, and has not taken it for the end
            with suppress(BaseException):
                task.coro.close()
        elif task.interruption is not None:
            self.make_ready(task)
        elif wanted.__class__ is int:
            self.number = task.alarm = number = self.number + 1
            heappush(self.alarms, (now + self.true_ns(wanted), number, task))
        elif isinstance(wanted, Waiter):
            if wanted.done:
                self.make_ready(task)
                return
            if wanted.tasks is None:
                wanted.tasks = []
            wanted.tasks.append(task)
            task.waiting = wanted
        else:
            task.interruption = foreign(wanted)
            self.make_ready(task)

    def kill_all(self) -> None:
        """The power is gone: no coroutine gets another turn."""
        if self.lent is not None:
            self.reclaim()
        tasks = list(self.tasks)
        self.tasks.clear()
        self.ready.clear()
        self.alarms[:] = [entry for entry in self.alarms if _survives(entry[2])]
        heapify(self.alarms)
        self.dying = True
        for task in tasks:
            task.done = True
            task.detach()
            if task is self.current:
                continue  # it is on the stack: PowerLost ends it
            with suppress(BaseException):  # clean-up code has no power to run on
                task.coro.close()
        self.dying = False


def _restless() -> MqttwinError:
    return MqttwinError(f"{MAXIMUM_STEPS:,} steps at one instant: a loop that never sleeps")


def _survives(target: Task | Alarm) -> bool:
    return isinstance(target, Alarm) and target.survives and target.call is not None
