"""What many runs came to: one row a run, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from . import _core, units
from .conservation import Conservation
from .errors import ConfigError, MqttwinError
from .latency import Latency
from .replication import DONE, FAILED, NOT_RUN, Outcome
from .table import Table

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Run:
    """One of many runs, without its world.

    Attributes:
        number: Within all of them, from 0.
        seed: Of its world.
        parameters: Of its scenario.
        status: "done"; "failed", see `error` and `traceback`; "interrupted", "max_wall" or
            "max_memory", where that ended it early; or "not_run".
        digest: See `Result.digest`; "" where there is no result.
        duration: Virtual seconds.
        wall_seconds: Real time that running took.
        cpu_seconds: CPU time, with describing the world.
        counts: See `Result.counts`.
        lost: See `Result.lost`.
        figures: What `collect` found.
        error: What it raised, in one line.
        traceback: What it raised, and where.
    """

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self.number = outcome.job.number
        self.seed = outcome.job.seed
        self.parameters = dict(outcome.job.parameters)
        self.status = outcome.status
        self.digest = outcome.digest
        self.duration = outcome.virtual_ns / units.SECOND
        self.wall_seconds = outcome.wall_seconds
        self.cpu_seconds = outcome.cpu_seconds
        self.counts = dict(outcome.counts)
        self.lost = outcome.lost
        self.figures = dict(outcome.figures)
        self.error = outcome.error
        self.traceback = outcome.traceback

    @property
    def has_result(self) -> bool:
        """Whether there is anything but its parameters."""
        return self.status not in (FAILED, NOT_RUN)

    @property
    def conservation(self) -> Conservation:
        """Whether every delivery that was owed is accounted for."""
        return Conservation(**{n: self._outcome.balance.get(n, 0) for n in Conservation.NAMES})

    @property
    def delivered(self) -> int:
        """First deliveries to subscribers."""
        return self.conservation.delivered

    @cached_property
    def latency(self) -> Latency:
        """From the device's timer to the subscriber's callback, first deliveries."""
        return self._histogram("latency")

    @cached_property
    def ingest(self) -> Latency:
        """From the device's timer to the broker's routing of the message."""
        return self._histogram("ingest")

    @cached_property
    def ack(self) -> Latency:
        """From the device's timer to the acknowledgement at the device (QoS 1 and 2)."""
        return self._histogram("ack")

    def _histogram(self, name: str) -> Latency:
        data = self._outcome.histograms.get(name)
        core = _core.Histogram() if data is None else _core.Histogram.from_bytes(data)
        return Latency(core, name)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        what = f"{self.delivered:,} delivered" if self.has_result else self.error or "no result"
        return f"<Run {self.number}: seed {self.seed}{', ' if told else ''}{told}: {what}>"


class Runs(Sequence[Run]):
    """Many runs, in the order of parameter sets, then seeds.

    Attributes:
        interrupted: Whether Ctrl-C ended them early.
    """

    def __init__(self, outcomes: Iterable[Outcome], *, interrupted: bool = False) -> None:
        self._outcomes = list(outcomes)
        self._runs = [Run(outcome) for outcome in self._outcomes]
        self.interrupted = interrupted

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | Sequence[Run]:
        return self._runs[index]

    # --- parts ----------------------------------------------------------------------------------

    @property
    def failures(self) -> list[Run]:
        """Those that raised."""
        return [run for run in self._runs if run.status == FAILED]

    def raise_failures(self) -> Runs:
        """Itself, where every run came to an end.

        Raises:
            MqttwinError: One raised; the message has its parameters, seed and traceback.
        """
        if self.failures:
            first = self.failures[0]
            message = (
                f"{len(self.failures)} of {len(self)} runs failed; run {first.number} "
                f"(seed {first.seed}, {first.parameters}):\n{first.traceback}"
            )
            raise MqttwinError(message)
        return self

    def where(self, **parameters: object) -> Runs:
        """Those with these parameters: ``runs.where(qos=1)``."""
        known = {name for outcome in self._outcomes for name in outcome.job.parameters}
        for name in parameters:
            if name not in known:
                there = f"there are {', '.join(sorted(known))}" if known else "there are none"
                raise ConfigError(f"no run has such a parameter ({there})", key=name)
        return self._some(
            one
            for one in self._outcomes
            if all(one.job.parameters.get(name) == value for name, value in parameters.items())
        )

    def by_parameters(self) -> Iterator[tuple[dict[str, Any], Runs]]:
        """Each parameter set with its runs, the replications."""
        sets: dict[int, list[Outcome]] = {}
        for outcome in self._outcomes:
            sets.setdefault(outcome.job.parameter_set, []).append(outcome)
        for outcomes in sets.values():
            yield dict(outcomes[0].job.parameters), self._some(outcomes)

    def _some(self, outcomes: Iterable[Outcome]) -> Runs:
        return Runs(outcomes, interrupted=self.interrupted)

    # --- together -------------------------------------------------------------------------------

    @cached_property
    def counts(self) -> dict[str, int]:
        """Every counter, summed over the runs."""
        total: Counter[str] = Counter()
        for run in self._runs:
            total.update(run.counts)
        return dict(total)

    @cached_property
    def latency(self) -> Latency:
        """All runs' latencies together: counts add up exactly."""
        return self._merged("latency")

    @cached_property
    def ingest(self) -> Latency:
        """The same of `Run.ingest`."""
        return self._merged("ingest")

    @cached_property
    def ack(self) -> Latency:
        """The same of `Run.ack`."""
        return self._merged("ack")

    def _merged(self, name: str) -> Latency:
        core = _core.Histogram()
        for run in self._runs:
            core.merge(getattr(run, name)._core)
        return Latency(core, name)

    # --- columns --------------------------------------------------------------------------------

    @cached_property
    def table(self) -> Table:
        """One row a run.

        Columns: run, parameter_set, seed, status, each parameter by its name (``param.NAME``
        where that is taken), digest, duration, wall_seconds, cpu_seconds, what is owed and what
        became of it, lost, mean, percentiles and maximum of latency, ingest and ack (durations),
        what `collect` found, every counter, and error. A run without a result has nulls.
        """
        columns = _Columns(self._runs)
        columns.add("run", "int64", (run.number for run in self._runs))
        columns.add("parameter_set", "int64", (o.job.parameter_set for o in self._outcomes))
        seeds = [run.seed for run in self._runs]
        kind = _kind_of(seeds)  # from 2^63 on a text
        columns.add("seed", kind, seeds if kind == "int64" else map(str, seeds))
        columns.add("status", "utf8", (run.status for run in self._runs))
        self._add_results(columns)
        columns.add_named("figure", [run.figures for run in self._runs])
        columns.add_named("param", [run.parameters for run in self._runs], at=4)
        columns.add("error", "utf8", (run.error or None for run in self._runs))
        return Table(_core.make_table(columns.columns))

    def _add_results(self, columns: _Columns) -> None:
        columns.add_result("digest", "utf8", lambda run: run.digest)
        columns.add_result("duration", "duration_ns", lambda run: run._outcome.virtual_ns)
        columns.add_result("wall_seconds", "float64", lambda run: run.wall_seconds)
        columns.add_result("cpu_seconds", "float64", lambda run: run.cpu_seconds)
        for name in ("expected", "delivered", "dropped", "in_flight", "unsent"):
            columns.add_result(name, "int64", lambda run, n=name: run._outcome.balance[n])
        columns.add_result("lost", "int64", lambda run: run.lost)
        for name in ("latency", "ingest", "ack"):
            for label, figure in _FIGURES.items():
                columns.add_result(
                    f"{name}_{label}",
                    "duration_ns",
                    lambda run, n=name, f=figure: f(getattr(run, n)),
                )
        names = dict.fromkeys(name for run in self._runs for name in run.counts)
        for name in names:
            if name not in columns.names:
                columns.add_result(name, "int64", lambda run, n=name: run.counts.get(n, 0))

    def to_pandas(self) -> pandas.DataFrame:
        """`table` as a pandas DataFrame."""
        return self.table.to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """`table` as a polars DataFrame."""
        return self.table.to_polars()

    def to_arrow(self) -> pyarrow.Table:
        """`table` as a pyarrow Table."""
        return self.table.to_arrow()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        states = Counter(run.status for run in self._runs)
        told = ", ".join(f"{count} {status}" for status, count in states.items() if status != DONE)
        return f"<{len(self)} runs{': ' if told else ''}{told}>"

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def _figure(value: Any) -> Any:
    return lambda latency: value(latency) if latency.count else None


# Of a histogram, in nanoseconds; null where nothing was measured.
_FIGURES = {
    "mean": _figure(lambda latency: round(latency._core.mean)),
    "p50": _figure(lambda latency: latency._core.percentile(50)),
    "p90": _figure(lambda latency: latency._core.percentile(90)),
    "p99": _figure(lambda latency: latency._core.percentile(99)),
    "p99_9": _figure(lambda latency: latency._core.percentile(99.9)),
    "max": _figure(lambda latency: latency._core.max),
}


class _Columns:
    """Columns of a table of runs, on their way."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.columns: list[tuple[str, str, list[Any]]] = []
        self._runs = runs

    @property
    def names(self) -> set[str]:
        return {name for name, _, _ in self.columns}

    def add(self, name: str, kind: str, values: Iterable[Any], at: int | None = None) -> None:
        self.columns.insert(len(self.columns) if at is None else at, (name, kind, list(values)))

    def add_result(self, name: str, kind: str, value: Any) -> None:
        """Null where a run has no result."""
        self.add(name, kind, (value(run) if run.has_result else None for run in self._runs))

    def add_named(
        self, prefix: str, rows: Sequence[Mapping[str, object]], at: int | None = None
    ) -> None:
        """What some rows have and others may not."""
        for name in dict.fromkeys(name for row in rows for name in row):
            values = [row.get(name) for row in rows]
            kind = _kind_of(values)
            if kind == "utf8":
                values = [None if value is None else str(value) for value in values]
            title = name if name not in self.names else f"{prefix}.{name}"
            self.add(title, kind, values, at)
            at = None if at is None else at + 1


def _kind_of(values: Iterable[object]) -> str:
    """The type that holds all of them, texts if no other does."""
    there = [value for value in values if value is not None]
    truths = [value for value in there if isinstance(value, bool | np.bool_)]
    if truths and len(truths) == len(there):
        return "boolean"
    if truths:
        return "utf8"
    integers = [value for value in there if isinstance(value, int | np.integer)]
    if there and len(integers) == len(there) and all(-(2**63) <= n < 2**63 for n in integers):
        return "int64"
    if there and all(isinstance(value, int | float | np.number) for value in there):
        return "float64"
    return "utf8"
