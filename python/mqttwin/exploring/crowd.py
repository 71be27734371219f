"""Runs side by side in processes that live as long as the search."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..errors import ConfigError
from .trial import Case, Plan, Verdict, run

_BATCH = 16
"""Cases that a process is handed at a time, at most: short runs take milliseconds."""


@contextmanager
def verdicts(plan: Plan, cases: Sequence[Case], workers: int) -> Iterator[Iterator[Verdict]]:
    """The verdicts, in the order of the cases, as they come.

    Where this process has one thread, workers are forked and have everything that it has; else
    they are started afresh, and the plan has to be picklable.
    """
    workers = min(workers, len(cases))
    if workers == 1:
        yield (run(plan, case) for case in cases)
        return
    forks = threading.active_count() == 1 and sys.platform.startswith("linux")
    if not forks:
        _check_travels(plan)
    context = multiprocessing.get_context("fork" if forks else "spawn")
    size = max(1, min(_BATCH, len(cases) // (4 * workers)))
    executor = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(plan,)
    )
    try:
        yield _in_order(executor, cases, size, 2 * workers)
    finally:
        executor.shutdown(cancel_futures=True)


def _in_order(
    executor: ProcessPoolExecutor, cases: Sequence[Case], size: int, ahead: int
) -> Iterator[Verdict]:
    batches = (cases[i : i + size] for i in range(0, len(cases), size))
    running: deque[Future[list[Verdict]]] = deque()
    for batch in itertools.islice(batches, ahead):
        running.append(executor.submit(_batch, batch))
    while running:
        done = running.popleft().result()
        for batch in itertools.islice(batches, 1):
            running.append(executor.submit(_batch, batch))
        yield from done


def _check_travels(plan: Plan) -> None:
    try:
        pickle.dumps(plan)
    except Exception as error:  # whatever a __reduce__ raises
        message = (
            f"cannot be sent to other processes ({error}): this process has several threads, so "
            "its workers are started afresh. Define scenario and invariants in a module, or give "
            "workers=1"
        )
        raise ConfigError(message, key="scenario") from None


# --- in a worker --------------------------------------------------------------------------------

_plan: Any = None


def _begin(plan: Plan) -> None:
    global _plan  # noqa: PLW0603  (the one thing that a worker process keeps)
    _plan = plan
    # Ctrl-C reaches every process of a terminal; it is the parent that says stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batch(cases: Sequence[Case]) -> list[Verdict]:
    return [run(_plan, case) for case in cases]
