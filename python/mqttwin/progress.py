"""A progress bar for a run: virtual time and speed-up."""

from __future__ import annotations

import sys
import time
from typing import Any

from . import units

DELAY = 0.3  # seconds before a bar appears


def _bars() -> Any:
    """Tqdm without the thread that watches over its bars.

    It would outlive them, and wait on the clock of whatever scope comes next.
    """
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0

    return Bar


class Progress:
    """Shows how far a run has come; does nothing where nobody looks."""

    def __init__(self, start: int, until: int, *, show: bool | None = None) -> None:
        self._start = start
        self._until = until
        self._began = time.monotonic()
        self._show = _somebody_looks() if show is None else show
        self._bar: Any = None

    def update(self, now: int) -> None:
        """Shows that virtual time is `now`, in nanoseconds."""
        if not self._show:
            return
        real = time.monotonic() - self._began
        if real < DELAY:
            return
        virtual = (now - self._start) / units.SECOND
        speed = speed_up(virtual / max(real, 1e-3))
        text = f"{_plain(now):>11} of {_plain(self._until)}, {speed}"
        if self._bar is None:
            self._bar = self._new_bar(text, virtual)
        self._bar.n = virtual
        self._bar.set_description_str(text, refresh=False)
        self._bar.refresh()

    def _new_bar(self, text: str, virtual: float) -> Any:
        return _bars()(
            total=(self._until - self._start) / units.SECOND,
            initial=virtual,
            desc=text,
            bar_format="{desc} |{bar}| {percentage:.0f}%",
            leave=False,
            dynamic_ncols=True,
        )

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()


class RunsProgress:
    """Shows how many of many runs have ended; does nothing where nobody looks."""

    def __init__(self, total: int, *, show: bool | None = None) -> None:
        self._began = time.monotonic()
        self._total = total
        self._done = 0
        self._failed = 0
        self._virtual = 0
        self._bar: Any = None
        if _somebody_looks() if show is None else show:
            self._bar = _bars()(
                total=total,
                desc=self._text(),
                bar_format="{desc} |{bar}| {percentage:.0f}%",
                leave=False,
                dynamic_ncols=True,
            )

    def update(self, virtual_ns: int, *, failed: bool) -> None:
        """A run has ended."""
        self._done += 1
        self._failed += failed
        self._virtual += virtual_ns
        if self._bar is not None:
            self._bar.n = self._done
            self._bar.set_description_str(self._text(), refresh=False)
            self._bar.refresh()

    def _text(self) -> str:
        text = f"{self._done:>{len(str(self._total))}} of {self._total} runs"
        if self._failed:
            text += f", {self._failed} failed"
        if self._virtual:
            real = max(time.monotonic() - self._began, 1e-3)
            text += f", {speed_up(self._virtual / units.SECOND / real)}"
        return text

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()


def speed_up(factor: float) -> str:
    """``"21,000 × real time"``."""
    if factor >= 100:
        digits = 10 ** max(0, len(str(int(factor))) - 2)
        return f"{round(factor / digits) * digits:,} × real time"
    return f"{factor:.2g} × real time"


def _plain(ns: int) -> str:
    return units.format_duration(round(ns / units.SECOND) * units.SECOND)


def _somebody_looks() -> bool:
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook (and not just a program that has loaded one)."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")
