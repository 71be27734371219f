"""Messages a second of CPU time and memory, by sensors, as a PNG file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
from simulators import Run

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DOTS_PER_INCH = 100
COLOURS = ("#1b3a5c", "#f28e2b", "#59a14f", "#b07aa1", "#8c8c8c")


def plot(runs: Mapping[str, Mapping[int, Run]], path: Path) -> None:
    figure, (rates, memory) = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
    for (name, by_sensors), colour in zip(runs.items(), COLOURS, strict=False):
        if not by_sensors:
            continue
        sensors = sorted(by_sensors)
        style = {"marker": "o", "markersize": 4, "color": colour, "label": name}
        style["linewidth"] = 2.5 if name == "mqttwin" else 1.2
        rates.plot(sensors, [by_sensors[n].rate for n in sensors], **style)
        memory.plot(sensors, [by_sensors[n].peak_kib / 1024 for n in sensors], **style)
    rates.set_ylabel("messages a second of CPU time")
    memory.set_ylabel("peak memory of the process, MiB")
    for axes in (rates, memory):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("sensors")
        axes.grid(alpha=0.3)
    rates.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)
