"""Measures, and prints one table: ./dev bench [NAME ...]

./dev bench live, fidelity, scale and peers take OPTIONS and print tables of their own, as do many
and traces.

Names: core (Google Benchmark), hello (the first scenario as a whole process), python
(pytest-benchmark), build (from nothing, and after touching one file). Without a name: core,
hello and python.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "build" / "release"
REPETITIONS = 5


@dataclass
class Figure:
    name: str
    measured: float
    unit: str
    target: str = ""
    holds: bool | None = None
    spread: str = ""


# Figures that were promised: Google Benchmark's name -> messages a second a core.
RATES = {
    "publish_to_one/qos0/1000": 1.5e6,
    "publish_to_one/qos0/100000": 0.6e6,
}


def core(pattern: str = ".") -> Iterator[Figure]:
    """The core's benchmarks: medians of several repetitions."""
    done = subprocess.run(
        [
            str(RELEASE / "mqttwin_bench"),
            f"--benchmark_filter={pattern}",
            f"--benchmark_repetitions={REPETITIONS}",
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_format=json",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    runs: dict[str, list[dict[str, float]]] = {}
    for entry in json.loads(done.stdout)["benchmarks"]:
        if entry["run_type"] == "iteration":
            runs.setdefault(entry["run_name"], []).append(entry)
    for name, entries in runs.items():
        if "messages/s" in entries[0]:
            rates = [entry["messages/s"] for entry in entries]
            target = RATES.get(name)
            yield Figure(
                name,
                statistics.median(rates) / 1e6,
                "million messages/s a core",
                f">= {target / 1e6:g}" if target else "",
                statistics.median(rates) >= target if target else None,
                f"{min(rates) / 1e6:.2f} to {max(rates) / 1e6:.2f}",
            )
        else:
            unit = str(entries[0]["time_unit"])
            times = [entry["cpu_time"] for entry in entries]
            yield Figure(
                name, statistics.median(times), unit, spread=f"{min(times):.4g} to {max(times):.4g}"
            )


def hello() -> Iterator[Figure]:
    """The first scenario from the shell: interpreter, world, report and all."""
    command = [
        str(Path(sys.executable).parent / "mqttwin"),
        "run",
        str(ROOT / "scenarios" / "01_hello_fleet.py"),
        "--quiet",
    ]
    cpu, wall, peak = [], [], 0
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            raise SystemExit(f"{' '.join(command)} failed")
        wall.append(time.perf_counter() - start)
        cpu.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss)
    yield Figure(
        "hello fleet, a day: CPU time",
        statistics.median(cpu),
        "s",
        "< 5",
        statistics.median(cpu) < 5,
        f"{min(cpu):.2f} to {max(cpu):.2f}",
    )
    yield Figure(
        "hello fleet, a day: wall time",
        statistics.median(wall),
        "s",
        "",
        None,
        f"{min(wall):.2f} to {max(wall):.2f}",
    )
    yield Figure("hello fleet: peak memory", peak / 1024, "MiB", "< 286 (300 MB)", peak < 292_968)


def python() -> Iterator[Figure]:
    """The Python face: pytest-benchmark over bench/python."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "python.json"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--benchmark-only",
                f"--benchmark-json={out}",
                str(ROOT / "bench" / "python"),
            ],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        for entry in json.loads(out.read_text())["benchmarks"]:
            stats = entry["stats"]
            yield Figure(
                entry["name"],
                stats["median"] * 1e3,
                "ms",
                spread=f"{stats['min'] * 1e3:.3g} to {stats['max'] * 1e3:.3g}",
            )


def build() -> Iterator[Figure]:
    """Everything from nothing, and again after one source file was touched."""
    folder = ROOT / "build" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    configure = [
        "cmake",
        "-S",
        str(ROOT),
        "-B",
        str(folder),
        "-G",
        "Ninja",
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    start = time.perf_counter()
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(folder)], check=True, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - start
    (ROOT / "cpp" / "src" / "broker" / "routing.cpp").touch()
    start = time.perf_counter()
    subprocess.run(["cmake", "--build", str(folder)], check=True, stdout=subprocess.DEVNULL)
    again = time.perf_counter() - start
    shutil.rmtree(folder, ignore_errors=True)
    yield Figure("build from nothing", whole, "s", "< 600", whole < 600)
    yield Figure("rebuild after touching one file", again, "s", "< 30", again < 30)


APART = ("live", "fidelity", "scale", "peers", "many", "traces")
PARTS = {"core": core, "hello": hello, "python": python, "build": build}


def apart(name: str, options: list[str]) -> int:
    """Tables of their own: beside others, at scale, beside a real kernel, beside each other."""
    return subprocess.run(
        [sys.executable, str(ROOT / "bench" / name / "run.py"), *options], check=False
    ).returncode


def main(names: list[str]) -> int:
    if names and names[0] in APART:
        return apart(names[0], names[1:])
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(
            f"bench: no part {unknown[0]!r}; there are {', '.join([*PARTS, *APART])}",
            file=sys.stderr,
        )
        return 2
    table = Table("figure", "median", "unit", "min to max", "target", "", box=None)
    table.columns[1].justify = "right"
    failed = False
    for name in names or ["core", "hello", "python"]:
        for figure in PARTS[name]():
            verdict = {None: "", True: "holds", False: "MISSED"}[figure.holds]
            failed = failed or figure.holds is False
            table.add_row(
                figure.name,
                f"{figure.measured:.3g}",
                figure.unit,
                figure.spread,
                figure.target,
                verdict,
            )
    # Wide enough for a file or a pipe, too.
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    console.print(f"[dim]{usage.ru_utime + usage.ru_stime:.0f} s of CPU time[/dim]")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
