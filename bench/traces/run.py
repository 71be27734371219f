"""What an event log costs: a run with everything logged beside one without, and reading it back.

Rounds alternate; "quiet" is the time of the run's thread without what it waited for a core that
somebody else had (see bench/many/run.py), CPU is that of the process, the writing thread included.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import mqttwin as mt

DEVICES = 1_000
SECONDS = 100
TARGET_SLOWER = 0.40
TARGET_READ = 50e6 / 60  # events a second


def waited() -> float:
    """Seconds in which this thread was ready and had no core."""
    with open("/proc/thread-self/schedstat") as file:
        return int(file.read().split()[1]) / 1e9


def one(qos: int, trace: mt.Trace | None) -> tuple[float, float, int]:
    """Quiet time and CPU time of a run, and what was delivered."""
    with mt.World(1, keep_messages=0) as world:
        world.broker()
        world.fleet("consumer").subscribe("#", qos=qos)
        sensors = world.fleet("sensor", DEVICES, link=mt.links.link(latency="20ms"), ramp="1s")
        sensors.publish("plant/{group}/{id}/t", every="1s", qos=qos, payload=mt.raw(b"x" * 64))
        world.run("2s", progress=False)
        ready, wall, cpu = waited(), time.perf_counter(), time.process_time()
        result = world.run(f"{SECONDS}s", progress=False, trace=trace)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return wall - (waited() - ready), cpu, result.delivered


def read_back(path: Path) -> tuple[int, float]:
    """Events, and seconds of CPU time to have them as columns."""
    cpu = time.process_time()
    events, header = mt.read_trace(path)
    assert "damage" not in header
    return len(events), time.process_time() - cpu


def main(options: list[str]) -> int:
    rounds = int(options[0]) if options else 7
    table = Table("figure", "measured", "target", "", box=None)
    holds = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.msgpack"
        for qos in (0, 1):
            one(qos, None)
            pairs = [(one(qos, None), one(qos, mt.Trace(path))) for _ in range(rounds)]
            quiet = statistics.median(logged[0] / plain[0] for plain, logged in pairs) - 1
            cpu = statistics.median(logged[1] / plain[1] for plain, logged in pairs) - 1
            good = quiet <= TARGET_SLOWER
            holds = holds and good
            table.add_row(
                f"everything logged, QoS {qos}",
                f"{100 * quiet:.0f} % slower, {100 * cpu:.0f} % more CPU",
                f"<= {100 * TARGET_SLOWER:.0f} %",
                "holds" if good else "MISSED",
            )
        count, seconds = read_back(path)
        size = path.stat().st_size
        rates = [count / seconds] + [count / read_back(path)[1] for _ in range(2)]
        rate = statistics.median(rates)
        holds = holds and rate >= TARGET_READ
        table.add_row(
            f"{count:,} events of {size / count:.1f} bytes as columns",
            f"{rate / 1e6:.2f} million/s, 50 million in {50e6 / rate:.0f} s",
            "<= 60 s",
            "holds" if rate >= TARGET_READ else "MISSED",
        )
    Console(width=140).print(table)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
