"""Compares the TCP model with measurements of a real kernel: ./dev bench fidelity [OPTIONS]

One line a cell: largest gap of the distribution functions after 5 % tolerance (allowed), error of
the mean, quantiles measured/simulated. The last line says how many cells pass; the exit status is
0 only if all do.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from cells import FAMILIES, OPTIONAL, simulator
from compare import Verdict
from rich.console import Console
from rich.table import Table
from tls import TLS_FAMILIES

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "build" / "release" / "mqttwin_fidelity"


FAMILIES.update(TLS_FAMILIES)


def default_truth() -> Path:
    """The measurements lie beside the tree, or are named with --truth."""
    beside = ROOT.parent / "shared" / "truth"
    return beside if beside.is_dir() else ROOT / "truth"


def line(verdict: Verdict) -> list[str]:
    quantiles = "  ".join(f"{a:.4g}/{b:.4g}" for a, b in verdict.quantiles)
    distribution = bool(verdict.quantiles)
    return [
        verdict.cell,
        f"{100 * verdict.gap:.2f} ({100 * verdict.gap_allowed:.1f})" if distribution else "",
        f"{100 * verdict.mean_error:+.1f} %" if distribution else "",
        quantiles,
        verdict.note,
        "ok" if verdict.passes else "MISSED: " + ", ".join(verdict.failures),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench fidelity", description=__doc__)
    parser.add_argument("--truth", type=Path, default=default_truth(), metavar="DIR")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write pictures there")
    parser.add_argument("--program", type=Path, default=PROGRAM, help=argparse.SUPPRESS)
    parser.add_argument(
        "family", nargs="*", help=f"of: {', '.join(FAMILIES)}; not by itself: {', '.join(OPTIONAL)}"
    )
    arguments = parser.parse_args()
    known = FAMILIES | OPTIONAL
    unknown = [name for name in arguments.family if name not in known]
    if unknown:
        parser.error(f"no family {unknown[0]!r}")
    if not arguments.truth.is_dir():
        parser.error(f"no directory {arguments.truth}: name the measurements with --truth")

    run = simulator(arguments.program, arguments.seed)
    table = Table(
        "cell", "gap (allowed)", "mean", "p50 p90 p99, ms", "counts, ranges", "", box=None
    )
    table.columns[1].justify = table.columns[2].justify = "right"
    verdicts = {
        name: list(known[name](arguments.truth, run)) for name in arguments.family or FAMILIES
    }
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for name, some in verdicts.items():
        for verdict in some:
            table.add_row(*line(verdict), style=None if verdict.passes else "red")
            passed[name] += verdict.passes
            total[name] += 1
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    for name, count in total.items():
        console.print(f"{name}: {passed[name]} of {count} cells pass")
    if arguments.plots:
        from plots import plot  # matplotlib is slow to import

        for path in plot(verdicts, arguments.plots):
            console.print(f"wrote {path}")
    console.print(f"{passed.total()} of {total.total()} cells pass")
    return 0 if total and passed.total() == total.total() else 1


if __name__ == "__main__":
    sys.exit(main())
