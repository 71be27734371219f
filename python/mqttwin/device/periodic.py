"""What a device does again and again."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import units
from .tasks import Alarm, PowerLost, Task

if TYPE_CHECKING:
    from .unit import Unit

HOT_TURNS = 10_000


class HotCallbackWarning(UserWarning):
    """Python code does often what a declared behaviour could do."""


class Every:
    """What `Device.every` returns.

    Attributes:
        count: Turns so far.
        skipped: Turns left out because the one before was not over.
    """

    def __init__(
        self,
        unit: Unit,
        period: int,
        first: int,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        self.count = 0
        self.skipped = 0
        self._unit = unit
        self._period = period
        self._function = function
        self._arguments = arguments
        self._task: Task | None = None
        self._seen = (unit.actions, unit.plain_publishes)
        self._due = unit.now + unit.scheduler.true_ns(first)
        self._alarm: Alarm | None = unit.scheduler.at(self._due, self._turn)
        unit.arm()

    def cancel(self) -> None:
        """No further turn; one that is under way goes on."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _turn(self) -> None:
        unit = self._unit
        scheduler = unit.scheduler
        self._due += scheduler.true_ns(self._period)
        self._alarm = scheduler.at(self._due, self._turn)
        if self._task is not None and not self._task.done:
            self.skipped += 1
            return
        self.count += 1
        if not unit.crew.warned:
            self._look_back()
        try:
            result = self._function(*self._arguments)
        except PowerLost:
            return
        except Exception as error:
            unit.crash(error)
            return
        if inspect.iscoroutine(result):
            self._task = scheduler.spawn(result, self._function.__name__)

    def _look_back(self) -> None:
        """Where a device did nothing but publish since the last turn, a fleet is faster."""
        unit, (actions, publishes) = self._unit, self._seen
        self._seen = (unit.actions, unit.plain_publishes)
        published = unit.plain_publishes - publishes
        if published and published == unit.actions - actions:
            unit.crew.plain_turns += 1
            if unit.crew.plain_turns >= HOT_TURNS:
                self._warn()

    def _warn(self) -> None:
        crew = self._unit.crew
        crew.warned = True
        period = units.format_duration(self._period).replace(" ", "")
        name = getattr(self._function, "__name__", "a function")
        warnings.warn(
            f"{crew.device_class.__name__}.{name} only publishes at QoS 0, every {period}, and has "
            f"run {HOT_TURNS:,} times; a fleet does that without Python, some twenty times as "
            f'fast: world.fleet(...).publish(topic, every="{period}", payload=mt.json(...))',
            HotCallbackWarning,
            stacklevel=2,
        )
