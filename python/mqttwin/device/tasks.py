"""Coroutines of devices: a small scheduler in virtual time, in an order that is always the same.

A device has one `Scheduler`. A coroutine suspends by yielding either a number, the nanoseconds that
it sleeps, or a `Waiter` that somebody settles; whatever else it yields belongs to another library,
and is refused.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

from ..client_errors import ClientTimeout
from ..errors import ConfigError, MqttwinError

if TYPE_CHECKING:
    from types import TracebackType

    from .. import _core

NEVER = (1 << 63) - 1
MAXIMUM_TASKS = 10_000
MAXIMUM_STEPS = 100_000
"""Steps of a device's code at one instant; more of them is a loop that never sleeps."""


class Cancelled(BaseException):
    """Thrown into a coroutine that is cancelled; let it pass."""


class PowerLost(BaseException):
    """Ends the code that has switched its own device off; let it pass."""


class ForeignAwait(MqttwinError, TypeError):
    """Device code awaited something that is not of the simulation."""


class Waiter:
    """Something that will be settled: what `await` waits for."""

    __slots__ = ("done", "error", "limit", "on_cancel", "tasks", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.tasks: list[Task] | None = None
        self.on_cancel: Callable[[], object] | None = None  # nobody awaits it any more
        self.limit: Alarm | None = None  # when it is given up

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.done:
            yield self
        if self.error is not None:
            raise self.error
        return self.value

    def resolve(self, value: Any = None) -> None:
        """Settles it; nothing happens the second time."""
        if not self.done:
            self.value = value
            self._settle()

    def fail(self, error: BaseException) -> None:
        """Settles it with an error."""
        if not self.done:
            self.error = error
            self._settle()

    def _settle(self) -> None:
        self.done = True
        self.on_cancel = None
        if self.limit is not None:
            self.limit.cancel()
        tasks, self.tasks = self.tasks, None
        for task in tasks or ():
            task.scheduler.make_ready(task)


class Task(Waiter):
    """A coroutine that runs beside others of its device; awaiting it gives its result."""

    __slots__ = (
        "alarm",
        "coro",
        "interruption",
        "name",
        "scheduled",
        "scheduler",
        "waiting",
    )

    def __init__(self, scheduler: Scheduler, coro: Coroutine[Any, Any, Any], name: str) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.coro = coro
        self.name = name
        self.alarm = 0  # number of the alarm that it sleeps for, 0: none
        self.waiting: Waiter | None = None
        self.scheduled = False  # among the ready ones
        self.interruption: BaseException | None = None

    def cancel(self, reason: object = None) -> None:
        """Throws `Cancelled` into the coroutine where it waits; one that is over stays as it is."""
        if self.done:
            return
        self.interruption = Cancelled(reason)
        if self is not self.scheduler.running():  # otherwise at its next suspension
            self.scheduler.make_ready(self)

    def detach(self) -> None:
        """Nothing that it waits for will wake it any more."""
        self.alarm = 0
        waiter, self.waiting = self.waiting, None
        if waiter is not None and waiter.tasks is not None and self in waiter.tasks:
            waiter.tasks.remove(self)
            if not waiter.tasks and waiter.on_cancel is not None:
                waiter.on_cancel()

    def __repr__(self) -> str:
        return f"<Task {self.name}{', done' if self.done else ''}>"


class Alarm:
    """A call at an instant; `cancel` it, or let it come."""

    __slots__ = ("call", "survives")

    def __init__(self, call: Callable[[], object] | None, survives: bool) -> None:
        self.call = call
        self.survives = survives

    def cancel(self) -> None:
        """It will not come."""
        self.call = None


class First(NamedTuple):
    """What `Device.first_of` gives: which was first, and its result."""

    index: int
    value: Any


@types.coroutine
def suspend(ns: int) -> Generator[int, None, None]:
    """Sleeps."""
    yield ns


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
            instant, number, target = alarms[0]
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
        self.run_ready()
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
                    self.step(target)
            elif target.call is not None:
                call, target.call = target.call, None
                call()
            if self.ready:
                self.run_ready()
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

    def run_ready(self) -> None:
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
                    self.step(task)

    def step(self, task: Task) -> None:
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
            self._wait(task, wanted, self.now())
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

    # --- groups ---------------------------------------------------------------------------------

    def task_of(self, awaitable: Awaitable[Any]) -> Task:
        """A task that waits for it; a task is its own."""
        if isinstance(awaitable, Task):
            return awaitable
        if isinstance(awaitable, Waiter):
            return self.spawn(_await(awaitable), "await")
        if not isinstance(awaitable, Coroutine | Generator):
            raise ConfigError(f"{awaitable!r} cannot be awaited", key="awaitable")
        return self.spawn(awaitable, getattr(awaitable, "__name__", "task"))  # type: ignore[arg-type]

    async def first_of(self, awaitables: tuple[Awaitable[Any], ...]) -> First:
        """Waits for the first; the others are cancelled."""
        if not awaitables:
            raise ConfigError("needs something to wait for", key="first_of")
        tasks = [self.task_of(awaitable) for awaitable in awaitables]
        try:
            await self._any(tasks)
            winner = next(n for n, task in enumerate(tasks) if task.done)
        finally:
            for task in tasks:
                task.cancel()
        return First(winner, await tasks[winner])

    async def all_of(self, awaitables: tuple[Awaitable[Any], ...]) -> list[Any]:
        """Waits for all; where one fails, the others are cancelled."""
        tasks = [self.task_of(awaitable) for awaitable in awaitables]
        try:
            while not all(task.done for task in tasks):
                await self._any([task for task in tasks if not task.done])
                failed = [task for task in tasks if task.done and task.error is not None]
                if failed:
                    await failed[0]
        finally:
            for task in tasks:
                task.cancel()
        return [task.value for task in tasks]

    async def _any(self, tasks: list[Task]) -> None:
        """Until one of them is over; their errors are ours to handle."""
        if any(task.done for task in tasks):
            return
        gate = Waiter()
        gate.tasks = []
        for task in tasks:
            if task.tasks is None:
                task.tasks = []
            task.tasks.append(_Opener(gate))  # type: ignore[arg-type]
        await gate

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


class _Opener:
    """Stands in a task's list of those who wait for it, and opens a gate instead."""

    __slots__ = ("gate", "scheduler")

    def __init__(self, gate: Waiter) -> None:
        self.gate = gate
        self.scheduler = self

    def make_ready(self, _: object) -> None:
        """The task is over."""
        self.gate.resolve()


class TimeLimit:
    """``async with self.timeout("5s"):`` what is inside is cancelled when the time is over.

    Attributes:
        expired: Whether that has happened.
    """

    def __init__(self, scheduler: Scheduler, ns: int, text: str) -> None:
        self.expired = False
        self._scheduler = scheduler
        self._ns = ns
        self._text = text
        self._task: Task | None = None
        self._alarm: Alarm | None = None

    async def __aenter__(self) -> TimeLimit:
        self._task = self._scheduler.running()
        self._alarm = self._scheduler.after(self._ns, self._expire)
        return self

    def _expire(self) -> None:
        self.expired = True
        assert self._task is not None
        self._task.cancel(self)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._alarm is not None
        self._alarm.cancel()
        if isinstance(error, Cancelled) and error.args == (self,):
            raise ClientTimeout(f"not done within {self._text}") from None


def foreign(wanted: object) -> ForeignAwait:
    """What is said about an awaitable of another library."""
    kind = type(wanted)
    name = f"{kind.__module__}.{kind.__qualname__}"
    what = "a bare yield (asyncio.sleep(0)?)" if wanted is None else name
    return ForeignAwait(
        f"awaited {what}, which is not of the simulation: device code runs in virtual time and "
        "awaits what the device offers (self.sleep, self.publish, self.messages, self.first_of, "
        "...); for asyncio code there is mqttwin.aio"
    )


def _restless() -> MqttwinError:
    return MqttwinError(f"{MAXIMUM_STEPS:,} steps at one instant: a loop that never sleeps")


def _survives(target: Task | Alarm) -> bool:
    return isinstance(target, Alarm) and target.survives and target.call is not None


async def _await(waiter: Waiter) -> Any:
    return await waiter
