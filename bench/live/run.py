"""Brokers side by side on real sockets: ./dev bench live [OPTIONS]

Each measurement starts a fresh broker on one core and a load generator on another; rounds go from
one broker to the other and back. Printed are medians over the rounds and the ratio of the medians,
with the smallest and largest ratio of one round.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brokers import Broker, BrokerError, broker, running
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "build" / "release" / "mqttwin_live_load"
CONNECTIONS = 10_000
QUICK_CONNECTIONS = 2_000
BUSY = 0.05  # a broker or generator that waits longer for its core has no quiet machine


@dataclass(frozen=True)
class Figure:
    """One row: a value of the load generator, and what was promised about it.

    `least` is how many times as many deliveries a CPU second as the first broker's, `most` how many
    times its cost.
    """

    key: str
    unit: str
    scale: float = 1.0
    least: float | None = None
    most: float | None = None

    def ratio(self, first: float, second: float) -> float:
        """Deliveries a CPU second: the second's in the first's; of any other figure the values."""
        above, below = (first, second) if self.key == "cpu_us" else (second, first)
        return above / below if below else float("inf")

    @property
    def target(self) -> str:
        if self.least is not None:
            return f">= {self.least:g}"
        return f"<= {self.most:g}" if self.most is not None else ""

    def holds(self, ratio: float) -> bool | None:
        if self.least is not None:
            return ratio >= self.least
        return ratio <= self.most if self.most is not None else None

    def cell(self, value: float) -> str:
        shown = f"{value * self.scale:.3g}"
        if self.key == "cpu_us":
            shown += f"  {1e3 / value:5.0f}k"
        return shown


def cpu(least: float | None = None) -> Figure:
    return Figure("cpu_us", "µs CPU a delivery, deliveries a CPU second", least=least)


@dataclass(frozen=True)
class Workload:
    name: str
    options: dict[str, object]
    figures: tuple[Figure, ...]

    @property
    def outstanding(self) -> str:
        return str(self.options.get("outstanding", ""))


def workloads(connections: int) -> list[Workload]:
    """All there are; the targets are those of the live path."""
    pairs = {"workload": "pairs", "publishers": 100, "subscribers": 100}
    fan_in = {"workload": "fan-in", "publishers": 500, "subscribers": 1}
    fan_out = {"workload": "fan-out", "publishers": 1, "subscribers": 1000}
    closed: list[tuple[str, dict[str, object], float]] = [
        ("qos0", {**pairs, "qos": 0}, 5),
        ("qos1", {**pairs, "qos": 1}, 8),
        ("qos2", {**pairs, "qos": 2}, 8),
        ("fan-in", {**fan_in, "qos": 0}, 5),
        ("fan-out", {**fan_out, "qos": 0}, 4),
    ]
    result = [
        Workload(
            f"{name}/{outstanding}",
            {**options, "outstanding": outstanding},
            (cpu(least if outstanding > 1 else 1),),
        )
        for name, options, least in closed
        for outstanding in (1, 16)
    ]
    for qos in (0, 1):
        result.append(
            Workload(
                f"20000/s qos{qos}",
                {**pairs, "qos": qos, "rate": 20_000},
                (
                    Figure("p50_us", "µs from due to delivered, median"),
                    Figure("p99_us", "µs from due to delivered, p99", most=1),
                    cpu(),
                ),
            )
        )
    result.append(
        Workload(
            "connections",
            {"workload": "connections", "connections": connections},
            (
                Figure("connect_us", "µs CPU a connection", most=1.2),
                Figure(
                    "connection_bytes", "KiB user memory an idle connection", 1 / 1024, most=1.2
                ),
                Figure("idle_load", f"ms CPU a second, {connections:,} idle", 1e3),
            ),
        )
    )
    return result


@dataclass
class Measured:
    """One workload on one broker: a value a round of each figure, and what went wrong."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    trouble: list[str] = field(default_factory=list)


def measure(workload: Workload, one: Broker, settings: argparse.Namespace, into: Measured) -> None:
    """One round. A broker or a generator that fails is noted, the others go on."""
    broker_core, generator_core = settings.cores
    seconds = settings.seconds
    try:
        with one.started(broker_core, prompt="rate" in workload.options) as there:
            options = workload.options | {
                "host": there.host,
                "port": there.port,
                "broker-pid": there.pid,
                "warm-up-ms": round(settings.warm_up * 1e3),
                "window-ms": round(seconds * 1e3),
            }
            words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
            done = subprocess.run(
                ["taskset", "-c", str(generator_core), str(GENERATOR), *words],
                check=False,
                capture_output=True,
                text=True,
                timeout=seconds + settings.warm_up + 120,
            )
    except (BrokerError, OSError, subprocess.TimeoutExpired) as failure:
        into.trouble.append(str(failure))
        return
    if done.returncode != 0:
        into.trouble.append(done.stderr.strip() or f"the generator ended with {done.returncode}")
        return
    values: dict[str, float] = json.loads(done.stdout)
    for key, value in values.items():
        into.values[key].append(value)
    for key in ("lost", "pending", "repeated", "corrupt"):
        if values.get(key):
            into.trouble.append(f"{values[key]:,} messages {key}")


def noise(measured: Measured) -> list[str]:
    """What the rest of the machine did to the worst round, if it is worth telling."""
    worst = max(measured.values.get("waited", [0.0]))
    if worst <= BUSY:
        return []
    return [f"up to {worst:.0%} of the window went by waiting for a core: other work disturbs"]


def rows(
    table: Table, workload: Workload, names: Sequence[str], measured: Sequence[Measured]
) -> bool:
    """The rows of one workload; whether everything that was promised holds."""
    good = not measured[-1].trouble
    for figure in workload.figures:
        series = [one.values.get(figure.key, []) for one in measured]
        cells = [figure.cell(statistics.median(values)) if values else "-" for values in series]
        ratio_text = verdict = ""
        if len(names) == 2 and all(series):
            first, second = series
            ratio = figure.ratio(statistics.median(first), statistics.median(second))
            each = [figure.ratio(a, b) for a, b in zip(first, second, strict=False)]
            ratio_text = f"{ratio:.2f}"
            if len(each) > 1:
                ratio_text += f" ({min(each):.2f} to {max(each):.2f})"
            holds = figure.holds(ratio)
            verdict = {None: "", True: "holds", False: "MISSED"}[holds]
            good = good and holds is not False
        if measured[-1].trouble:
            verdict = "WRONG"
        table.add_row(
            workload.name.rpartition("/")[0] if workload.outstanding else workload.name,
            workload.outstanding,
            figure.unit,
            *cells,
            *([ratio_text, figure.target, verdict] if len(names) == 2 else []),
        )
    return good


def two_cores(text: str) -> tuple[int, int]:
    first, _, second = text.partition(",")
    return int(first), int(second)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    available = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        prog="./dev bench live", description="Brokers side by side on real sockets."
    )
    parser.add_argument("--quick", action="store_true", help="one short round: does it work at all")
    parser.add_argument("--only", action="append", metavar="NAME", help="workloads, with * and ?")
    parser.add_argument("--rounds", type=int, help="measurements of each (3)")
    parser.add_argument("--seconds", type=float, help="window of a measurement (3)")
    parser.add_argument("--warm-up", type=float, help="seconds before the window (1)")
    parser.add_argument(
        "--broker",
        action="append",
        metavar="BROKER",
        help="mosquitto, mqttwin or NAME=COMMAND, once or twice; {port} in the command is replaced "
        "by a free port, without it the broker prints the host:port that it chose",
    )
    parser.add_argument(
        "--url",
        metavar="[NAME=]HOST:PORT/PID",
        help="a broker that runs already, beside mosquitto unless --broker says otherwise",
    )
    parser.add_argument(
        "--cores",
        type=two_cores,
        default=(available[-1], available[0]),
        metavar="B,G",
        help="core of the broker and core of the generator (the last and the first)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="all values, one list a figure")
    parser.add_argument("--list", action="store_true", help="names of the workloads")
    settings = parser.parse_args(words)
    settings.rounds = settings.rounds or (1 if settings.quick else 3)
    settings.seconds = settings.seconds or (1.0 if settings.quick else 3.0)
    if settings.warm_up is None:
        settings.warm_up = 0.3 if settings.quick else 1.0
    try:
        names = settings.broker or (["mosquitto"] if settings.url else ["mosquitto", "mqttwin"])
        settings.brokers = [broker(name) for name in names]
        if settings.url:
            settings.brokers.append(running(settings.url))
    except (ValueError, OSError) as wrong:
        parser.error(str(wrong))
    if len(settings.brokers) > 2:
        parser.error("two brokers are compared, not more")
    if settings.rounds < 1 or settings.seconds <= 0 or settings.warm_up < 0:
        parser.error("--rounds and --seconds must be positive, --warm-up not negative")
    return settings


def allow_connections(wanted: int) -> int:
    """Raises the limit of open files, for us and those we start, and returns what fits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - 500)


def main(words: Sequence[str]) -> int:
    settings = arguments(words)
    wanted = QUICK_CONNECTIONS if settings.quick else CONNECTIONS
    chosen = [
        one
        for one in workloads(allow_connections(wanted))
        if not settings.only or any(fnmatch.fnmatch(one.name, name) for name in settings.only)
    ]
    if settings.list:
        print("\n".join(one.name for one in chosen))
        return 0
    if not chosen:
        print("bench live: no such workload (--list names them)", file=sys.stderr)
        return 2
    notes = []
    if settings.cores[0] == settings.cores[1]:
        notes.append("Broker and generator share one core: these figures mean little.")
    names = [one.name for one in settings.brokers]
    compared = ("ratio", "target", "") if len(names) == 2 else ()
    table = Table("workload", "outstanding", "figure", *names, *compared, box=None)
    for column in table.columns[3 : 3 + len(names)]:
        column.justify = "right"
    good = True
    everything: dict[str, dict[str, dict[str, list[float]]]] = {}
    for workload in chosen:
        measured = [Measured() for _ in names]
        for number in range(settings.rounds):
            print(f"{workload.name}, round {number + 1}", file=sys.stderr)
            for one, into in zip(settings.brokers, measured, strict=True):
                measure(workload, one, settings, into)
        good = rows(table, workload, names, measured) and good
        everything[workload.name] = {
            name: dict(into.values) for name, into in zip(names, measured, strict=True)
        }
        notes += [
            f"{workload.name}, {name}: {text}"
            for name, into in zip(names, measured, strict=True)
            for text in (*into.trouble, *noise(into))
        ]
    # Wide enough for a file or a pipe, too.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    if compared:
        console.print(
            f"[dim]ratio: {names[1]} / {names[0]}, of deliveries a CPU second, else of values[/dim]"
        )
    for note in notes:
        console.print(note, markup=False)
    if settings.json:
        settings.json.write_text(json.dumps(everything, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
