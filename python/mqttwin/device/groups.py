"""Several coroutines at a time, and time limits."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..client_errors import ClientTimeout
from ..errors import ConfigError
from .tasks import Alarm, Cancelled, Task, Waiter

if TYPE_CHECKING:
    from types import TracebackType

    from .scheduler import Scheduler


class First(NamedTuple):
    """What `Device.first_of` gives: which was first (counted from 0), and its result."""

    which: int
    value: Any


def task_of(scheduler: Scheduler, awaitable: Awaitable[Any]) -> Task:
    """A task that waits for it; a task is its own."""
    if isinstance(awaitable, Task):
        return awaitable
    if isinstance(awaitable, Waiter):
        return scheduler.spawn(_await(awaitable), "await")
    if not isinstance(awaitable, Coroutine | Generator):
        raise ConfigError(f"{awaitable!r} cannot be awaited", key="awaitable")
    return scheduler.spawn(awaitable, getattr(awaitable, "__name__", "task"))


async def first_of(scheduler: Scheduler, awaitables: tuple[Awaitable[Any], ...]) -> First:
    """Waits for the first; the others are cancelled."""
    if not awaitables:
        raise ConfigError("needs something to wait for", key="first_of")
    tasks = [task_of(scheduler, awaitable) for awaitable in awaitables]
    try:
        await _any(tasks)
        winner = next(n for n, task in enumerate(tasks) if task.done)
    finally:
        for task in tasks:
            task.cancel()
    return First(winner, await tasks[winner])


async def all_of(scheduler: Scheduler, awaitables: tuple[Awaitable[Any], ...]) -> list[Any]:
    """Waits for all; where one fails, the others are cancelled."""
    tasks = [task_of(scheduler, awaitable) for awaitable in awaitables]
    try:
        while not all(task.done for task in tasks):
            await _any([task for task in tasks if not task.done])
            failed = [task for task in tasks if task.done and task.error is not None]
            if failed:
                await failed[0]
    finally:
        for task in tasks:
            task.cancel()
    return [task.value for task in tasks]


async def _any(tasks: list[Task]) -> None:
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


async def _await(waiter: Waiter) -> Any:
    return await waiter


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
