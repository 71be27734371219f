"""Runs side by side: what two workers do in the time of one.

The machine is shared, so wall time alone says little. Linux tells how long a thread ran and how
long it was ready and had no core (/proc/thread-self/schedstat); what is left of the wall time it
waited for something: a lock, the interpreter's. A run's time without the time in which somebody
else had the core is what it would take on a quiet machine, and the throughput of two workers
follows from it: 2 × (time of a run alone) / (time of a run beside another). Rounds alternate, and
the medians of their ratios are printed, beside the plain ratio of wall times.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

import mqttwin as mt

TARGET = 1.9
RUNS = 4
BEGUN = threading.local()


def scheduled() -> tuple[float, float]:
    """Seconds on a core, and seconds ready without one, of this thread."""
    with open("/proc/thread-self/schedstat") as file:
        on, off, _ = file.read().split()
    return int(on) / 1e9, int(off) / 1e9


def scenario(world: mt.World, *, devices: int) -> None:
    """The benchmark fleet: 64 bytes once a second to one consumer, 20 ms away."""
    BEGUN.wall = time.perf_counter()
    BEGUN.scheduled = scheduled()
    world.broker()
    world.fleet("consumer").subscribe("#")
    sensors = world.fleet("sensor", devices, link=mt.links.link(latency="20ms"), ramp="1s")
    sensors.publish("plant/{group}/{id}/t", every="1s", payload=mt.raw(b"x" * 64))


def measured(result: mt.Result) -> dict[str, float]:
    """What a run took, where it was made."""
    on, off = (now - then for now, then in zip(scheduled(), BEGUN.scheduled, strict=True))
    wall = time.perf_counter() - BEGUN.wall
    return {"cpu": on, "quiet": wall - off}


@dataclass
class Round:
    wall: float
    cpu: float
    quiet: float


def one_round(executor: Literal["threads", "processes"], workers: int, devices: int) -> Round:
    """So many runs; means of a run."""
    began = time.perf_counter()
    runs = mt.run_many(
        scenario,
        seeds=range(RUNS),
        params={"devices": devices},
        until=f"{100_000 // devices}s",
        workers=workers,
        executor=executor,
        collect=measured,
        world_options={"keep_messages": 0},
    ).raise_failures()
    wall = time.perf_counter() - began
    mean = {name: statistics.mean(run.figures[name] for run in runs) for name in ("cpu", "quiet")}
    return Round(wall, **mean)


def main(options: list[str]) -> int:
    rounds = int(options[0]) if options else 7
    table = Table(
        "workload", "workers", "quiet machine", "wall", "CPU of a run beside another", box=None
    )
    holds = True
    for executor in ("threads", "processes"):
        for devices in (1_000, 20_000):
            one_round(executor, 1, devices)  # warm
            pairs = [
                (one_round(executor, 1, devices), one_round(executor, 2, devices))
                for _ in range(rounds)
            ]
            quiet = statistics.median(2 * one.quiet / two.quiet for one, two in pairs)
            wall = statistics.median(one.wall / two.wall for one, two in pairs)
            cpu = statistics.median(two.cpu / one.cpu for one, two in pairs)
            holds = holds and quiet >= TARGET
            table.add_row(
                f"{devices:,} devices",
                f"2 {executor}",
                f"{quiet:.2f} × one (target {TARGET})",
                f"{wall:.2f} ×",
                f"{cpu:.2f} × alone",
            )
    Console(width=140).print(table)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
