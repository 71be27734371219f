"""Conditions on devices, for `World.run_until`: exact in time, combined by ``&``, ``|``, ``~``."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConfigError


class Condition:
    """Something that holds, or not: ``bool(dut.connected)``, ``dut.connected & dut.outbox_empty``.

    `World.run_until` looks at it after each step of a device's code and each thing that happens to
    a device, and stops at the very event after which it holds.
    """

    def __init__(self, holds: Callable[[], object], text: str) -> None:
        self._holds = holds
        self._text = text

    def __call__(self) -> bool:
        """Whether it holds now."""
        return bool(self._holds())

    def __bool__(self) -> bool:
        return bool(self._holds())

    def __and__(self, other: Condition | Callable[[], object]) -> Condition:
        second = when(other)
        return Condition(lambda: self() and second(), f"({self._text} & {second._text})")

    def __rand__(self, other: Callable[[], object]) -> Condition:
        return when(other) & self

    def __or__(self, other: Condition | Callable[[], object]) -> Condition:
        second = when(other)
        return Condition(lambda: self() or second(), f"({self._text} | {second._text})")

    def __ror__(self, other: Callable[[], object]) -> Condition:
        return when(other) | self

    def __invert__(self) -> Condition:
        return Condition(lambda: not self(), f"~{self._text}")

    def __repr__(self) -> str:
        return f"<Condition {self._text}: {self()}>"


class Watch:
    """A condition that a run is to end with.

    Attributes:
        fulfilled: Whether it held when it was looked at last.
    """

    def __init__(self, condition: Condition) -> None:
        self.fulfilled = False
        self._condition = condition

    def __call__(self) -> bool:
        """Looks at it."""
        self.fulfilled = self._condition()
        return self.fulfilled


def when(holds: Condition | Callable[[], object], text: str = "") -> Condition:
    """A condition of your own: ``mt.when(lambda: dut.setpoint == 5)``.

    Args:
        holds: Called without arguments, often: it should be cheap, and change nothing.
        text: What it says when it is shown.
    """
    if isinstance(holds, Condition):
        return holds
    if not callable(holds):
        raise ConfigError(f"{holds!r} is no condition (a function without arguments)", key="when")
    return Condition(holds, text or getattr(holds, "__name__", repr(holds)))
