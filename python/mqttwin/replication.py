"""One run of many: what a worker is told, what it does, and what it hands back."""

from __future__ import annotations

import pickle
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import units
from .errors import ConfigError
from .limits import Limits
from .result import Result
from .world import World

Collect = Callable[[Result], Mapping[str, object]]

DONE = "done"
FAILED = "failed"
NOT_RUN = "not_run"


@dataclass(frozen=True)
class Recipe:
    """What all runs have in common.

    Attributes:
        scenario: A function that describes a world, or None where a file does.
        path: Of the scenario file, as it was given.
        source: What is in it: workers need not have the file.
        collect: Further figures of each run.
        world_options: For `World`.
        until_ns: Virtual time since the start.
        max_memory: See `Limits`.
        max_wall_ns: See `Limits`.
    """

    scenario: Callable[..., object] | None
    path: str
    source: bytes
    collect: Collect | None
    world_options: Mapping[str, Any]
    until_ns: int
    max_memory: int
    max_wall_ns: int

    def build(self, world: World, parameters: Mapping[str, Any]) -> None:
        """Describes the world of one run."""
        if self.scenario is None:
            _scenario_file(self.path, self.source).build(world, parameters)
            return
        world.parameters = dict(parameters)
        self.scenario(world, **parameters)


@dataclass(frozen=True)
class Job:
    """One run that is to be made.

    Attributes:
        number: Within all runs, from 0.
        parameter_set: Its number, from 0.
        seed: Of its world.
        parameters: Of its scenario.
    """

    number: int
    parameter_set: int
    seed: int
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a run came to, small enough to travel: a few kilobytes, whatever its length.

    Attributes:
        job: What it was.
        status: "done", "failed", "not_run", or what ended it early (`Result.stopped`).
        digest: See `Result.digest`.
        virtual_ns: How far it came.
        wall_seconds: Real time of the run alone, without describing the world.
        cpu_seconds: Of the thread, all of it.
        counts: See `Result.counts`.
        balance: See `Conservation`; and "unsent".
        lost: See `Result.lost`.
        histograms: Of "latency", "ingest" and "ack", serialised.
        figures: What `collect` found.
        error: Of a failed run: its exception in one line.
        traceback: Of a failed run.
    """

    job: Job
    status: str
    digest: str = ""
    virtual_ns: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    balance: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0
    histograms: Mapping[str, bytes] = field(default_factory=dict)
    figures: Mapping[str, object] = field(default_factory=dict)
    error: str = ""
    traceback: str = ""


def run_job(recipe: Recipe, job: Job, cancelled: Callable[[], bool]) -> Outcome:
    """Makes a run; what the scenario raises becomes part of the outcome."""
    began = time.thread_time()
    if cancelled():
        return Outcome(job, NOT_RUN)
    try:
        limits = Limits(recipe.max_memory, recipe.max_wall_ns, cancelled)
        with World(job.seed, **recipe.world_options) as world:
            recipe.build(world, job.parameters)
            until = max(recipe.until_ns, round(world.now * units.SECOND))
            result = world._run_to(until, limits, progress=False)
            figures = {} if recipe.collect is None else dict(recipe.collect(result))
            return _outcome(job, result, figures, began)
    except (Exception, SystemExit) as error:
        return failed(job, error)


def run_pickled(common: bytes, job: Job) -> Outcome:
    """`run_job` for an executor that cannot be told to stop."""
    return run_in_process(common, job, _never)


def run_in_process(common: bytes, job: Job, cancelled: Callable[[], bool]) -> Outcome:
    """`run_job` with a recipe that came pickled: what cannot be read here fails this run alone."""
    try:
        recipe = _unpickled(common)
    except Exception as error:
        return failed(job, error)
    return run_job(recipe, job, cancelled)


def failed(job: Job, error: BaseException) -> Outcome:
    """What is left of a run that raised."""
    from .cli.scenario import user_traceback

    line = traceback.format_exception_only(type(error), error)[-1].strip()
    return Outcome(job, FAILED, error=line, traceback=user_traceback(error))


def _outcome(job: Job, result: Result, figures: Mapping[str, object], began: float) -> Outcome:
    for name in figures:
        if not isinstance(name, str):
            raise ConfigError(f"returned {name!r} as the name of a figure", key="collect")
    return Outcome(
        job,
        result.stopped or DONE,
        digest=result.digest,
        virtual_ns=result.info.virtual_ns,
        wall_seconds=result.wall_seconds,
        cpu_seconds=time.thread_time() - began,
        counts=result.counts,
        balance=result._balance,
        lost=result.lost,
        histograms={
            one.name: one._core.to_bytes() for one in (result.latency, result.ingest, result.ack)
        },
        figures=figures,
    )


@lru_cache(maxsize=4)
def _scenario_file(path: str, source: bytes) -> Any:
    from .cli.scenario import from_source

    return from_source(Path(path), source)


@lru_cache(maxsize=4)
def _unpickled(common: bytes) -> Recipe:
    recipe = pickle.loads(common)
    assert isinstance(recipe, Recipe)
    return recipe


def _never() -> bool:
    return False
