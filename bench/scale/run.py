"""A million devices on one machine: ./dev bench scale [OPTIONS]

Device timer to subscriber callback, links included, metrics on, event log off. Each measurement is
a process of its own; time is CPU time, memory the peak of the process less that of an empty world.
A line says name, measured, target, and ok or MISSED; the last one how many reach their target.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from figures import FIGURES, CaseError, Figure, Measured, Settings


def arguments(words: Sequence[str]) -> argparse.Namespace:
    names = "\n".join(f"  {figure.name:24} {figure.what}" for figure in FIGURES)
    parser = argparse.ArgumentParser(
        prog="./dev bench scale",
        description=__doc__,
        epilog=f"names:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="these, with * and ?")
    parser.add_argument(
        "--quick", action="store_true", help="fewer devices and messages: ends in a minute"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="days from beginning to end; otherwise a part is measured, and the line says so",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="all values")
    parser.add_argument(
        "--markdown", action="store_true", help="rows for bench/RESULTS.md instead of lines"
    )
    settings = parser.parse_args(words)
    if settings.quick and settings.full:
        parser.error("--quick or --full, not both")
    wanted = settings.only or []
    settings.figures = [
        figure
        for figure in FIGURES
        if any(fnmatch.fnmatch(figure.name, name) for name in wanted)
        or (not wanted and (figure.quick or not settings.quick))
    ]
    if not settings.figures:
        parser.error(f"no figure {settings.only[0]!r} (--help names them)")
    return settings


def slowness() -> float:
    """CPU milliseconds of a loop that never changes: what else the machine does shows in it."""
    took = []
    for _ in range(5):
        start = time.process_time()
        sum(number * number for number in range(200_000))
        took.append(time.process_time() - start)
    return 1e3 * sorted(took)[len(took) // 2]


def text(figure: Figure, measured: Measured, *, markdown: bool) -> str:
    value = f"{measured.value:.3g}" if measured.value < 1000 else f"{measured.value:.0f}"
    verdict = "ok" if figure.holds(measured.value) else "MISSED"
    if markdown:
        cells = (figure.what, f"{value} {figure.unit}", figure.promised, verdict, measured.note)
        return "| " + " | ".join(cells) + " |"
    note = f"  ({measured.note})" if measured.note else ""
    return (
        f"{figure.name:24} {value:>8} {figure.unit:10} {figure.promised:>8}  {verdict:6}"
        f" {figure.what}{note}"
    )


def main(words: Sequence[str]) -> int:
    settings = arguments(words)
    how = Settings(quick=settings.quick, full=settings.full)
    reached = 0
    everything: dict[str, object] = {}
    began, slow = time.monotonic(), slowness()
    for figure in settings.figures:
        try:
            measured = figure.measure(how)
        except CaseError as failure:
            print(f"{figure.name:24} failed: {failure}", flush=True)
            everything[figure.name] = {"failed": str(failure)}
            continue
        reached += figure.holds(measured.value)
        everything[figure.name] = {
            "measured": measured.value,
            "unit": figure.unit,
            "target": figure.target,
            "ok": figure.holds(measured.value),
            "note": measured.note,
        }
        print(text(figure, measured, markdown=settings.markdown), flush=True)
    if settings.json:
        settings.json.write_text(json.dumps(everything, indent=1) + "\n")
    print(
        f"{reached} of {len(settings.figures)} figures reach their target "
        f"({time.monotonic() - began:.0f} s of wall time, load {os.getloadavg()[0]:.1f}, "
        f"a loop in Python {slow:.0f} ms of CPU before and {slowness():.0f} ms after)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
