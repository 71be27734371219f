"""Many runs side by side: replications and parameter sets."""

from __future__ import annotations

import inspect
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from pathlib import Path
from typing import Any, Literal

from . import units
from ._pools import Foreign, Pool, Processes, Serial, Threads, cores
from .errors import ConfigError
from .interrupt import Interrupts
from .limits import limits_of
from .progress import RunsProgress
from .replication import FAILED, NOT_RUN, Collect, Job, Outcome, Recipe, failed
from .runs import Runs
from .units import Duration, Size

log = logging.getLogger("mqttwin")

Where = Literal["threads", "processes", "serial"]

_LOOK = 0.2  # seconds between two looks at Ctrl-C
_MAX_BREAKS = 3  # of a pool in which nothing has ever finished
_DIED = "the process that made this run ended abruptly: it ran out of memory, or crashed"
_NONE_LIVES = (
    "no process of the pool lives long enough to make a run: is the program that calls run_many "
    'without `if __name__ == "__main__":`?'
)


def run_many(
    scenario: Callable[..., object] | str | os.PathLike[str],
    *,
    seeds: Iterable[int] = (0,),
    params: Sequence[Mapping[str, Any]] | Mapping[str, Any] = ({},),
    until: Duration | None = None,
    workers: int | None = None,
    executor: Where | Executor = "threads",
    in_flight: int | None = None,
    collect: Collect | None = None,
    world_options: Mapping[str, Any] | None = None,
    max_wall: Duration | None = None,
    max_memory: Size | None = None,
    progress: bool | None = None,
) -> Runs:
    """Runs a scenario for every parameter set with every seed, side by side.

    Each run has a world of its own, so it is what it would be alone: its digest is the same
    wherever and beside whatever it is made. A run that raises is reported with its parameters,
    seed and traceback (`Runs.failures`), and the others go on. Ctrl-C ends those that run early
    and begins no others; what there is by then is returned (`Runs.interrupted`).

    Args:
        scenario: A function ``scenario(world, **parameters)`` that describes a world, or the path
            of a scenario file as for ``mqttwin run``.
        seeds: One run each: ``range(10)``.
        params: Parameter sets: ``[{"devices": 100}, {"devices": 1000}]``; or one alone.
        until: How long each runs in virtual time; by default what the file says (``UNTIL``).
        workers: How many at a time in threads or processes; by default as many as there are cores.
        executor: "threads" (the interpreter's lock is released during a run), "processes"
            (started afresh, "spawn": for scenarios with much Python in them), "serial", or any
            `concurrent.futures.Executor`, such as Dask's ``client.get_executor()``.
        in_flight: Runs that are submitted and not finished, at most; by default what keeps the
            workers busy, or 256 for an executor of your own.
        collect: Called with each `Result` where the run was made; the numbers and texts that it
            returns by name become columns. Only with it, `Result.messages` has rows.
        world_options: For each `World`: ``{"late_after": "5s"}``.
        max_wall: As in `World.run`, for each run.
        max_memory: As in `World.run`, for each process.
        progress: Whether to show a bar; by default on a terminal and in a notebook.

    Returns:
        One row a run, in the order of parameter sets, then seeds.

    Raises:
        ConfigError: A value that cannot be, or something that other processes cannot have.
    """
    recipe = _recipe(scenario, until, collect, world_options, max_wall, max_memory)
    jobs = _jobs(_seeds(seeds), _parameter_sets(params))
    _check_parameters(recipe, jobs)
    with Interrupts() as interrupts:
        pool = _pool(executor, recipe, workers, lambda: interrupts.seen)
        if in_flight is not None:
            pool.in_flight = units.whole(in_flight, "in_flight", 1, 10**6)
        bar = RunsProgress(len(jobs), show=progress)
        outcomes: dict[int, Outcome] = {}
        try:
            for outcome in _Crowd(pool, jobs, lambda: interrupts.seen):
                outcomes[outcome.job.number] = outcome
                bar.update(outcome.virtual_ns, failed=outcome.status == FAILED)
                _tell(outcome)
        except KeyboardInterrupt:  # the second Ctrl-C
            pool.stop()
        finally:
            bar.close()
            pool.close()
        interrupted = interrupts.seen
    return Runs(
        [outcomes.get(job.number) or Outcome(job, NOT_RUN) for job in jobs],
        interrupted=interrupted,
    )


class _Crowd:
    """Hands jobs to a pool, so many at a time, and gives outcomes as they come."""

    def __init__(self, pool: Pool, jobs: Iterable[Job], stopping: Callable[[], bool]) -> None:
        self._pool = pool
        self._waiting = deque(jobs)
        self._suspects: deque[Job] = deque()  # one of them killed its process
        self._alone = False  # a suspect runs
        self._running: dict[Future[Outcome], Job] = {}
        self._stopping = stopping
        self._finished = 0
        self._breaks = 0

    def __iter__(self) -> Iterator[Outcome]:
        told = False
        while True:
            if self._stopping():
                if not told and not self._pool.stop():
                    for future in self._running:
                        future.cancel()
                    return  # those that run cannot be told
                told = True
                self._waiting.clear()
                self._suspects.clear()
            yield from self._submit()
            if not self._running:
                if self._waiting or self._suspects:
                    continue
                return
            done, _ = wait(self._running, timeout=_LOOK, return_when=FIRST_COMPLETED)
            yield from self._collect(done)

    def _submit(self) -> Iterator[Outcome]:
        while (job := self._next()) is not None:
            try:
                self._running[self._pool.submit(job)] = job
            except BrokenExecutor as error:
                if not self._pool.renew():
                    yield failed(job, error)
                    continue
                self._waiting.appendleft(job)
            except RuntimeError as error:  # an executor that was shut down
                yield failed(job, error)

    def _next(self) -> Job | None:
        if self._suspects:
            if self._running:
                return None
            self._alone = True
            return self._suspects.popleft()
        if self._alone or not self._waiting or len(self._running) >= self._pool.in_flight:
            return None
        return self._waiting.popleft()

    def _collect(self, done: Iterable[Future[Outcome]]) -> Iterator[Outcome]:
        broken: list[Job] = []
        for future in done:
            job = self._running.pop(future)
            try:
                outcome = future.result()
            except BrokenExecutor:
                broken.append(job)
                continue
            except Exception as error:  # of the executor's own: what could not travel, say
                outcome = failed(job, error)
            self._alone = False
            self._finished += 1
            yield outcome
        if broken:
            yield from self._recover(broken)

    def _recover(self, broken: list[Job]) -> Iterator[Outcome]:
        """A process died, and took the pool with it; who of those that ran was it?"""
        broken += self._running.values()  # they have lost their process, too
        self._running.clear()
        self._breaks += 1
        hopeless = self._finished == 0 and self._breaks >= _MAX_BREAKS
        self._alone = False
        if not self._pool.renew() or hopeless:
            broken += [*self._suspects, *self._waiting]
            self._suspects.clear()
            self._waiting.clear()
        elif len(broken) > 1:
            self._suspects.extend(broken)  # each alone, and it shows
            return
        why = _NONE_LIVES if hopeless else _DIED
        for job in broken:
            yield Outcome(job, FAILED, error=why, traceback=why)


# --- what was asked for -------------------------------------------------------------------------


def _recipe(
    scenario: Callable[..., object] | str | os.PathLike[str],
    until: Duration | None,
    collect: Collect | None,
    world_options: Mapping[str, Any] | None,
    max_wall: Duration | None,
    max_memory: Size | None,
) -> Recipe:
    limits = limits_of(max_memory, max_wall)
    options = {"keep_messages": 1_000_000 if collect else 0, **(world_options or {})}
    if collect is not None and not callable(collect):
        raise ConfigError(f"{collect!r} cannot be called", key="collect")
    path, source = "", b""
    function = None
    if isinstance(scenario, str | os.PathLike):
        from .cli.scenario import load

        path = os.fspath(scenario)
        until = load(Path(path)).until if until is None else until
        source = Path(path).read_bytes()
    elif callable(scenario):
        function = scenario
    else:
        raise ConfigError(f"{scenario!r} is neither a function nor a path", key="scenario")
    if until is None:
        raise ConfigError("how long? Give until=", key="until")
    until_ns = units.duration(until, "until")
    return Recipe(
        function, path, source, collect, options, until_ns, limits.max_memory, limits.max_wall_ns
    )


def _seeds(seeds: Iterable[int]) -> list[int]:
    if not isinstance(seeds, Iterable):
        raise ConfigError(f"must be several: range({seeds!r}), say", key="seeds")
    numbers = [units.whole(seed, "seeds", 0, 2**64 - 1) for seed in seeds]
    if not numbers:
        raise ConfigError("must hold at least one", key="seeds")
    if len(set(numbers)) < len(numbers):
        raise ConfigError("holds one twice, which would be the same run", key="seeds")
    return numbers


def _parameter_sets(
    params: Sequence[Mapping[str, Any]] | Mapping[str, Any],
) -> list[dict[str, Any]]:
    several = [params] if isinstance(params, Mapping) else list(params)
    for one in several:
        if not isinstance(one, Mapping) or not all(isinstance(name, str) for name in one):
            raise ConfigError(f"{one!r} is no mapping of names to values", key="params")
    if not several:
        raise ConfigError("must hold at least one set; {} is that of the defaults", key="params")
    return [dict(one) for one in several]


def _jobs(seeds: Sequence[int], sets: Sequence[Mapping[str, Any]]) -> list[Job]:
    numbered = [(i, one, seed) for i, one in enumerate(sets) for seed in seeds]
    return [Job(n, i, seed, one) for n, (i, one, seed) in enumerate(numbered)]


def _check_parameters(recipe: Recipe, jobs: Iterable[Job]) -> None:
    """Names that a scenario does not have are wrong input, not a run that fails."""
    function = recipe.scenario
    if function is None:
        from .replication import _scenario_file

        function = _scenario_file(recipe.path, recipe.source).function
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # something built in
        return
    for job in jobs:
        try:
            signature.bind(None, **job.parameters)
        except TypeError as error:
            raise ConfigError(f"set {job.parameter_set}: {error}", key="params") from None


def _pool(
    executor: Where | Executor,
    recipe: Recipe,
    workers: int | None,
    cancelled: Callable[[], bool],
) -> Pool:
    count = cores() if workers is None else units.whole(workers, "workers", 1, 10_000)
    if executor == "threads":
        return Threads(recipe, count, cancelled)
    if executor == "processes":
        return Processes(recipe, count)
    if executor == "serial":
        return Serial(recipe, cancelled)
    if hasattr(executor, "get_executor"):
        raise ConfigError("is a Dask client: give client.get_executor()", key="executor")
    if isinstance(executor, str) or not isinstance(executor, Executor):
        message = f"{executor!r} is no Executor, nor threads, processes or serial"
        raise ConfigError(message, key="executor")
    if workers is not None:
        raise ConfigError("is the executor's own business", key="workers")
    return Foreign(recipe, executor, cancelled)


def _tell(outcome: Outcome) -> None:
    if outcome.status == FAILED:
        job = outcome.job
        log.error("run %d (seed %d, %s): %s", job.number, job.seed, job.parameters, outcome.error)
