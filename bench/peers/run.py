"""The same workload in mqttwin and in other simulators: ./dev bench peers [OPTIONS]

N sensors publish every second, with jitter, through a broker to one consumer; every link has a
delay of 20 ms. Measured are 60 virtual seconds once everybody is connected, or what of them a
simulator gets through within a limit; each run is a process of its own, and time is CPU time.
Beside them: paho clients against mosquitto, for a few seconds of real time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from simulators import PEERS, REAL, REAL_MODELS, REAL_PACKAGES, ROOT, Peer, PeerError, Run

COUNTS = (100, 1_000, 10_000, 100_000)
IMAGE = ROOT / "docs" / "images" / "peers.png"
Runs = dict[int, Run]


def numbers(text: str) -> list[int]:
    found = [int(part) for part in text.replace("_", "").split(",")]
    if min(found) < 1:
        raise ValueError(text)
    return sorted(found)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    names = [peer.name for peer in PEERS] + [REAL]
    parser = argparse.ArgumentParser(
        prog="./dev bench peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", metavar="NAME", help=f"of: {', '.join(names)}")
    parser.add_argument(
        "--sensors", type=numbers, default=list(COUNTS), metavar="N,…", help="100,1000,10000,100000"
    )
    parser.add_argument(
        "--limit", type=float, default=60.0, metavar="S", help="CPU seconds of a run (60)"
    )
    parser.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="of each run; the median counts (1)"
    )
    parser.add_argument("--real-sensors", type=int, default=100, metavar="N", help="for paho (100)")
    parser.add_argument(
        "--real-seconds", type=float, default=10.0, metavar="S", help="of real time for paho (10)"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="a picture: docs/images/peers.png"
    )
    parser.add_argument("--markdown", action="store_true", help="rows for bench/RESULTS.md")
    parser.add_argument("--packages", action="store_true", help=argparse.SUPPRESS)
    settings = parser.parse_args(words)
    wanted = {name.lower() for name in settings.only or names}
    unknown = wanted - {name.lower() for name in names}
    if unknown:
        parser.error(f"no peer {unknown.pop()!r}; there are {', '.join(names)}")
    if settings.limit <= 0 or settings.rounds < 1 or settings.real_seconds <= 0:
        parser.error("--limit, --rounds and --real-seconds must be positive")
    settings.peers = [peer for peer in PEERS if peer.name.lower() in wanted]
    settings.real = REAL.lower() in wanted
    return settings


def measure(settings: argparse.Namespace, notes: list[str]) -> dict[str, Runs]:
    """Larger and larger fleets, in one simulator after the other, so that all have the same noise.

    One that fails is given no larger fleet.
    """
    results: dict[str, Runs] = {peer.name: {} for peer in settings.peers}
    going = list(settings.peers)
    for sensors in settings.sensors:
        rounds: dict[str, list[Run]] = {peer.name: [] for peer in going}
        for _ in range(settings.rounds):
            for peer in list(going):
                print(f"{peer.name}, {sensors:,} sensors", file=sys.stderr)
                try:
                    rounds[peer.name].append(peer.run(sensors, settings.limit))
                except PeerError as failure:
                    notes.append(f"{peer.name}, {sensors:,} sensors: {failure}")
                    going.remove(peer)
        for name, runs in rounds.items():
            if runs:
                results[name][sensors] = sorted(runs, key=lambda run: run.rate)[len(runs) // 2]
    return results


def measure_real(settings: argparse.Namespace, notes: list[str]) -> Runs:
    from real import RealError, paho_with_mosquitto

    sensors, seconds = settings.real_sensors, settings.real_seconds
    print(f"{REAL}, {sensors:,} sensors for {seconds:g} s", file=sys.stderr)
    try:
        return {sensors: paho_with_mosquitto(sensors, seconds)}
    except RealError as failure:
        notes.append(f"{REAL}: {failure}")
        return {}


def compared(peer: Peer | None, sensors: int, run: Run, ours: Runs) -> tuple[str, str, str]:
    """How many times as fast mqttwin is, what was promised, and whether it holds."""
    if sensors not in ours or run is ours[sensors]:
        return "", "", ""
    ratio = ours[sensors].rate / run.rate
    target = peer.targets.get(sensors) if peer else None
    if target is None:
        return f"{ratio:.3g}", "", ""
    return f"{ratio:.3g}", f">= {target:g}", "ok" if ratio >= target else "MISSED"


def rows(settings: argparse.Namespace, results: Mapping[str, Runs]) -> list[list[str]]:
    known = {peer.name: peer for peer in settings.peers}
    ours = results.get("mqttwin", {})
    return [
        [
            name,
            f"{sensors:,}",
            f"{run.rate:,.0f}" if run.rate >= 1000 else f"{run.rate:.3g}",
            f"{run.virtual:.0f} s",
            f"{run.setup:.2f}",
            f"{run.peak_kib / 1024:.0f}",
            *compared(known.get(name), sensors, run, ours),
            known[name].models if name in known else REAL_MODELS,
        ]
        for name, runs in results.items()
        for sensors, run in runs.items()
    ]


def main(words: Sequence[str]) -> int:
    settings = arguments(words)
    if settings.packages:
        packages = [package for peer in settings.peers for package in peer.packages]
        for package in (*packages, *(REAL_PACKAGES if settings.real else ())):
            print("package", package)
        return 0
    notes: list[str] = []
    results = measure(settings, notes)
    if settings.real:
        results[REAL] = measure_real(settings, notes)
    heads = (
        "simulator",
        "sensors",
        "messages a CPU s",
        "simulated",
        "set-up, CPU s",
        "peak MiB",
        "mqttwin: times",
        "target",
        "",
        "what is modelled",
    )
    cells = rows(settings, results)
    console = Console(width=None if sys.stdout.isatty() else 180)
    if settings.markdown:
        for row in (heads, ["---"] * len(heads), *cells):
            print("| " + " | ".join(row) + " |")
    else:
        table = Table(*heads, box=None)
        for column in table.columns[1:7]:
            column.justify = "right"
        for row in cells:
            table.add_row(*row)
        console.print(table)
    for note in notes:
        console.print(note, markup=False)
    if settings.plot:
        from plots import plot  # matplotlib is slow to import

        plot(results, settings.plot)
        console.print(f"wrote {settings.plot}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
