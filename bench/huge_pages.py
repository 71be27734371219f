"""What huge pages are worth: the same run with and without, in turn, each in a process of its own.

    .venv/bin/python bench/huge_pages.py [ROUNDS]

400,000 devices publish once a minute; after 80 s of virtual time, when all are connected, 90 s are
measured. Linux only: without is PR_SET_THP_DISABLE (prctl(2)).
"""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import sys
import time
from pathlib import Path

import mqttwin as mt

PR_SET_THP_DISABLE = 41
DEVICES = 400_000


def run(*, huge: bool) -> None:
    """Prints CPU seconds of the measured part, and MiB on huge pages and in all."""
    if not huge:
        ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    with mt.World(seed=1, keep_messages=0) as world:
        world.broker()
        sensors = world.fleet("s", DEVICES, link=mt.links.link(latency="20ms"), ramp="60s")
        sensors.publish("p/{id}", every="60s", payload=b"x" * 64)
        world.fleet("c").subscribe("p/1/#")
        world.run("80s", progress=False)
        began = time.process_time()
        world.run("90s", progress=False)
        seconds = time.process_time() - began
        maps = Path("/proc/self/smaps").read_text().splitlines()
        pages, whole = (
            sum(int(line.split()[1]) for line in maps if line.startswith(name)) / 1024
            for name in ("AnonHugePages", "Rss")
        )
    print(f"{seconds:.3f} {pages:.0f} {whole:.0f}")


def measure(what: str) -> list[float]:
    """Of a process."""
    done = subprocess.run(
        [sys.executable, __file__, what], capture_output=True, text=True, check=True
    )
    return [float(part) for part in done.stdout.split()]


def compare(rounds: int) -> None:
    """Both, in turn."""
    ratios = []
    for _ in range(rounds):
        without, with_ = measure("without"), measure("with")
        ratios.append(without[0] / with_[0])
        print(
            f"{without[0]:.2f} s without, {with_[0]:.2f} s with {with_[1]:.0f} of "
            f"{with_[2]:.0f} MiB on huge pages (without: {without[2]:.0f} MiB): {ratios[-1]:.2f}"
        )
    print(f"median: {statistics.median(ratios):.2f} times as fast with huge pages")


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else "3"
    if argument in ("with", "without"):
        run(huge=argument == "with")
    else:
        compare(int(argument))
