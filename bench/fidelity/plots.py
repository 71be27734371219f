"""Simulated and measured distributions over each other, as PNG files."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from compare import Sample, Verdict
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MEASURED = {"color": "#f28e2b", "linewidth": 3.0, "alpha": 0.75, "label": "measured"}
SIMULATED = {"color": "#1b3a5c", "linewidth": 1.0, "label": "simulated"}
PANELS = 6
POINTS = 1500
DOTS_PER_INCH = 75


def exceedance(axes: Axes, sample: Sample, style: dict[str, object]) -> None:
    """The share that takes longer, on a logarithmic scale: the tail is what matters."""
    count = len(sample)
    later = np.unique(np.geomspace(1, count, POINTS).astype(int))[::-1]
    axes.step(sample[count - later], later / count, where="post", **style)


def panel(axes: Axes, verdict: Verdict) -> None:
    if verdict.samples is None:
        return
    measured, simulated = verdict.samples
    exceedance(axes, measured, MEASURED)
    exceedance(axes, simulated, SIMULATED)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.5 / len(measured), 1.3)
    axes.set_xlim(measured[0] * 0.9, measured[-1] * 1.5)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(verdict.cell, fontsize=7)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)


def spread(verdicts: list[Verdict]) -> list[Verdict]:
    """At most so many, evenly over the list, of those that say more than a vertical line."""
    telling = [
        v for v in verdicts if v.samples and np.quantile(v.samples[0], 0.99) > 1.2 * v.samples[0][0]
    ] or verdicts
    chosen = np.unique(np.linspace(0, len(telling) - 1, min(PANELS, len(telling))).astype(int))
    return [telling[k] for k in chosen]


def distributions(verdicts: list[Verdict], unit: str, path: Path) -> None:
    chosen = spread([v for v in verdicts if v.samples is not None])
    if not chosen:
        return
    lines = (len(chosen) + 2) // 3
    figure, grid = plt.subplots(
        lines, 3, figsize=(9.6, 2.7 * lines), squeeze=False, layout="constrained"
    )
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    for axes, verdict in zip(grid.flat, chosen, strict=False):
        panel(axes, verdict)
    grid[0][0].legend(fontsize=7)
    for row in grid:
        row[0].set_ylabel("share that takes longer", fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel(unit, fontsize=7)
    save(figure, path)


def ranges(verdicts: list[Verdict], unit: str, path: Path) -> None:
    """Timer ranges: a bar for the model, a point for each measured connection."""
    shown = [v for v in verdicts if v.samples is not None]
    if not shown:
        return
    figure, axes = plt.subplots(figsize=(9.6, 0.17 * len(shown) + 1.0), layout="constrained")
    for k, verdict in enumerate(reversed(shown)):
        measured, simulated = verdict.samples or (np.empty(0), np.empty(0))
        axes.plot(
            [simulated[0], simulated[-1]],
            [k, k],
            color="#1b3a5c",
            linewidth=4,
            solid_capstyle="butt",
            label="simulated: range" if k == 0 else None,
        )
        axes.plot(
            measured,
            np.full(len(measured), k),
            "o",
            color="#f28e2b",
            markersize=3,
            label="measured" if k == 0 else None,
        )
    axes.set_yticks(range(len(shown)), [v.cell for v in reversed(shown)], fontsize=6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(unit, fontsize=7)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_ylim(-1, len(shown))
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3, axis="x")
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)


def plot(verdicts: dict[str, list[Verdict]], directory: Path) -> list[Path]:
    """One picture for what belongs together; returns those that were written."""
    directory.mkdir(parents=True, exist_ok=True)
    pictures = {
        "connect": ["connect"],
        "stream": ["stream 1 s", "stream 100 ms"],
        "jitter": ["jitter"],
        "reqresp": ["request/response"],
        "bulk": ["bulk"],
    }
    written = []
    for name, families in pictures.items():
        path = directory / f"fidelity-{name}.png"
        found = [v for family in families for v in verdicts.get(family, [])]
        distributions(found, "ms", path)
        written.append(path)
    path = directory / "fidelity-dead.png"
    ranges(verdicts.get("dead peer", []), "seconds after the black hole", path)
    written.append(path)
    return [path for path in written if path.exists()]
