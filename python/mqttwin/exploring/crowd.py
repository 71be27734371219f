"""Runs side by side in processes that live as long as the search."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from typing import Any

from ..errors import ConfigError
from .trial import Case, Plan, Verdict, run

_BATCH = 16
"""Cases that a process is handed at a time, at most: short runs take milliseconds."""
_LOOK_EVERY = 0.1
"""Seconds between two looks at whether somebody wants the end."""


@contextmanager
def verdicts(
    plan: Plan, cases: Sequence[Case], workers: int, stopped: Callable[[], bool]
) -> Iterator[Iterator[Verdict]]:
    """The verdicts, in the order of the cases, as they come.

    Once somebody has `stopped` it, runs that are under way are the last. Where this process has
    one thread, workers are forked and have everything that it has; else they are started afresh,
    and the plan has to be picklable.
    """
    workers = min(workers, len(cases))
    if workers == 1:
        yield (run(plan, case) for case in itertools.takewhile(lambda _: not stopped(), cases))
        return
    forks = threading.active_count() == 1 and sys.platform.startswith("linux")
    if not forks:
        _check_travels(plan)
    context = multiprocessing.get_context("fork" if forks else "spawn")
    size = max(1, min(_BATCH, len(cases) // (4 * workers)))
    the_end = context.Event()
    executor = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(plan, the_end)
    )

    def looked(future: Future[list[Verdict]]) -> list[Verdict]:
        while True:
            if stopped():
                the_end.set()
            try:
                return future.result(_LOOK_EVERY)
            except NotYet:
                continue

    try:
        yield _in_order(executor, cases, size, 2 * workers, looked)
    except KeyboardInterrupt:  # at once
        for process in list(executor._processes.values()):
            process.terminate()
        raise
    finally:
        the_end.set()
        executor.shutdown(cancel_futures=True)


def _in_order(
    executor: ProcessPoolExecutor,
    cases: Sequence[Case],
    size: int,
    ahead: int,
    result_of: Callable[[Future[list[Verdict]]], list[Verdict]],
) -> Iterator[Verdict]:
    batches = (cases[i : i + size] for i in range(0, len(cases), size))
    running: deque[Future[list[Verdict]]] = deque()
    for batch in itertools.islice(batches, ahead):
        running.append(executor.submit(_batch, batch))
    while running:
        done = result_of(running.popleft())
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
_the_end: Any = None


def _begin(plan: Plan, the_end: Any) -> None:
    global _plan, _the_end
    _plan, _the_end = plan, the_end
    # What was there before is there to stay: collecting garbage need not look at it, run after run.
    gc.freeze()
    # Ctrl-C reaches every process of a terminal; it is the parent that says stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batch(cases: Sequence[Case]) -> list[Verdict]:
    return [
        run(_plan, case) for case in itertools.takewhile(lambda _: not _the_end.is_set(), cases)
    ]
