"""What device code waits for: coroutines as tasks, and what settles them.

A coroutine suspends by yielding either a number, the nanoseconds that it sleeps, or a `Waiter` that
somebody settles; whatever else it yields belongs to another library, and is refused.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

from ..errors import MqttwinError

if TYPE_CHECKING:
    from .scheduler import Scheduler

NEVER = (1 << 63) - 1
"""The instant of what does not come."""


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

    def __repr__(self) -> str:
        """Also part of what asyncio says of it."""
        return f"<{type(self).__name__} of a device: what is outside waits with world.run_until>"

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


@types.coroutine
def suspend(ns: int) -> Generator[int, None, None]:
    """Sleeps."""
    yield ns


def foreign(wanted: object) -> ForeignAwait:
    """What is said about an awaitable of another library."""
    kind = type(wanted)
    name = f"{kind.__module__}.{kind.__qualname__}"
    what = "a bare yield (asyncio.sleep(0)?)" if wanted is None else name
    return ForeignAwait(
        f"awaited {what}, which is not of the simulation: device code runs in virtual time and "
        "awaits what the device offers (self.sleep, self.publish, self.messages, self.first_of, "
        "self.all_of, ...); for asyncio code there is mqttwin.aio"
    )
