"""Where runs are made: this thread, threads, processes, or somebody else's executor."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from .errors import ConfigError
from .replication import Job, Outcome, Recipe, run_in_process, run_job, run_pickled

FOREIGN_IN_FLIGHT = 256
"""Runs that are handed to a foreign executor before one has come back: it does not say how many
it makes at a time."""


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool(ABC):
    """Makes runs."""

    in_flight: int
    """Runs that are submitted and not finished, at most."""

    @abstractmethod
    def submit(self, job: Job) -> Future[Outcome]:
        """Begins a run."""

    def stop(self) -> bool:
        """Tells those that run to end early; whether they hear it."""
        return False

    def renew(self) -> bool:
        """Makes a broken pool work again; whether it can."""
        return False

    def close(self) -> None:  # noqa: B027
        """Lets go of what it holds."""


class Serial(Pool):
    """One after the other, in this thread."""

    def __init__(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        self.in_flight = 1
        self._recipe = recipe
        self._cancelled = cancelled

    def submit(self, job: Job) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.set_result(run_job(self._recipe, job, self._cancelled))
        return future

    def stop(self) -> bool:
        return True


class Threads(Pool):
    """In threads: a run holds no lock of the interpreter's."""

    def __init__(self, recipe: Recipe, workers: int, cancelled: Callable[[], bool]) -> None:
        self.in_flight = workers
        self._recipe = recipe
        self._cancelled = cancelled
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="mqttwin-run")

    def submit(self, job: Job) -> Future[Outcome]:
        return self._executor.submit(run_job, self._recipe, job, self._cancelled)

    def stop(self) -> bool:
        return True  # they look at `cancelled` themselves

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)


class Processes(Pool):
    """In processes that are started afresh: a fork would copy locks that threads hold."""

    def __init__(self, recipe: Recipe, workers: int) -> None:
        self.in_flight = workers + 1  # one waits, so that nobody does
        self._workers = workers
        # A program is imported again by processes that are started afresh, a notebook is not.
        self._common = pickled(recipe, by_name=hasattr(sys.modules["__main__"], "__file__"))
        self._context = get_context("spawn")
        self._stop = self._context.Event()
        self._executor = self._started()

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers,
            mp_context=self._context,
            initializer=_begin_process,
            initargs=(self._stop,),
        )

    def submit(self, job: Job) -> Future[Outcome]:
        return self._executor.submit(_in_process, self._common, job)

    def stop(self) -> bool:
        self._stop.set()
        return True

    def renew(self) -> bool:
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._started()
        return True

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)


class Foreign(Pool):
    """An executor of the user's; it stays open."""

    def __init__(self, recipe: Recipe, executor: Executor, cancelled: Callable[[], bool]) -> None:
        self.in_flight = FOREIGN_IN_FLIGHT
        self._begin: Callable[[Job], Future[Outcome]]
        self._is_here = isinstance(executor, ThreadPoolExecutor)
        if self._is_here:
            self._begin = lambda job: executor.submit(run_job, recipe, job, cancelled)
        else:
            common = pickled(recipe, by_name=False)
            self._begin = lambda job: executor.submit(run_pickled, common, job)

    def submit(self, job: Job) -> Future[Outcome]:
        return self._begin(job)

    def stop(self) -> bool:
        return self._is_here


def pickled(recipe: Recipe, *, by_name: bool) -> bytes:
    """For other processes.

    Args:
        recipe: What they are to have.
        by_name: Whether they can import what the program itself defines; else it goes by value.

    Raises:
        ConfigError: It cannot be.
    """
    ours = [part for part in (recipe.scenario, recipe.collect) if part is not None]
    in_program = any(getattr(part, "__module__", "") == "__main__" for part in ours)
    reason = "is defined in the program itself"
    if by_name or not in_program:
        try:
            return pickle.dumps(recipe)
        except Exception as error:  # whatever a __reduce__ raises
            reason = f"cannot be pickled ({error})"
    try:
        import cloudpickle
    except ImportError:
        message = (
            f"{reason}, so other processes cannot have it: put it into a file of its own, or "
            "install cloudpickle"
        )
        raise ConfigError(message, key="scenario") from None
    try:
        return bytes(cloudpickle.dumps(recipe))
    except Exception as error:
        raise ConfigError(f"cannot be sent to other processes: {error}", key="scenario") from None


# --- in a process of the pool -------------------------------------------------------------------

_stop_event: Any = None


def _begin_process(stop: Any) -> None:
    global _stop_event  # noqa: PLW0603  (the one thing that a worker process keeps)
    _stop_event = stop
    # Ctrl-C reaches every process of a terminal; it is the parent that says stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _in_process(common: bytes, job: Job) -> Outcome:
    return run_in_process(common, job, _stop_event.is_set)
