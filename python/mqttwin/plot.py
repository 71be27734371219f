"""Plots of a result, with matplotlib. Each takes `ax` and returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import units
from .errors import MqttwinError
from .report import latencies

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .latency import Latency
    from .result import Result

COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#d44c47")
_GRID = {"color": "#d8d8d8", "linewidth": 0.6}


class Plots:
    """``result.plot``; calling it draws all of them side by side."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def latency_cdf(
        self, ax: Axes | None = None, *, label: str | None = None, which: str | None = None
    ) -> Axes:
        """How many messages took how long: share of deliveries over latency, logarithmic.

        Args:
            ax: Where to draw; a new figure if left out.
            label: For the legend, to lay several results over each other.
            which: "latency", "ingest" or "ack"; by default every one that was measured.
        """
        ax = _axes(ax)
        drawn = 0
        for name, latency in latencies(self._result):
            if latency.count == 0 or (which is not None and latency.name != which):
                continue
            text = name if label is None else f"{label}, {name}" if which is None else label
            _cdf(ax, latency, text)
            drawn += 1
        if drawn:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(_time)
            _legend(ax)
        else:
            _nothing(ax, "no latency was measured")
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(_percent)
        return _finish(ax, "Latency", "latency", "share of messages up to it")

    def rates(self, ax: Axes | None = None) -> Axes:
        """Messages a second over virtual time: published by devices, delivered, dropped."""
        ax = _axes(ax)
        series = self._result.series
        width = _width(self._result)
        for name, line in (("published", 2.6), ("delivered", 1.2), ("dropped", 1.2)):
            counts = np.asarray(series[name], dtype=np.float64)
            if name == "dropped" and not counts.any():
                continue
            _steps(ax, self._result, counts / width, name, line)
        ax.set_ylim(bottom=0)
        _legend(ax)
        return _finish(ax, "Message rates", _time_label(self._result), "messages a second")

    def connections(self, ax: Axes | None = None, *, label: str = "online") -> Axes:
        """Devices that are connected, over virtual time, with the range within each bucket."""
        ax = _axes(ax)
        series = self._result.series
        line = _steps(ax, self._result, np.asarray(series["online"], dtype=np.float64), label)
        x = _edges(self._result)
        low, high = (np.asarray(series[f"online.{end}"], np.float64) for end in ("min", "max"))
        if len(low) and bool(np.any(low < high)):
            band = {"step": "post", "alpha": 0.2, "linewidth": 0, "color": line.get_color()}
            ax.fill_between(x, np.append(low, low[-1]), np.append(high, high[-1]), **band)
        ax.set_ylim(bottom=0)
        return _finish(ax, "Connections", _time_label(self._result), "devices online")

    def connects(self, ax: Axes | None = None, *, label: str = "connects") -> Axes:
        """Successful connects a second, over virtual time."""
        ax = _axes(ax)
        counts = np.asarray(self._result.series["connects"], dtype=np.float64)
        _steps(ax, self._result, counts / _width(self._result), label)
        ax.set_ylim(bottom=0)
        return _finish(ax, "Connects", _time_label(self._result), "connects a second")

    def __call__(self) -> Any:
        """All of them side by side, as a figure."""
        figure = _pyplot().figure(figsize=(13, 3.8), layout="constrained")
        axes = figure.subplots(1, 3)
        self.latency_cdf(axes[0])
        self.rates(axes[1])
        self.connections(axes[2])
        return figure


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise MqttwinError("plots need matplotlib: pip install 'mqttwin[plot]'") from None
    return plt


def _axes(ax: Axes | None) -> Any:
    if ax is None:
        _, ax = _pyplot().subplots(figsize=(6.4, 3.8), layout="constrained")
    return ax


def _finish(ax: Any, title: str, x: str, y: str) -> Axes:
    if not ax.get_title():
        ax.set_title(title, loc="left", fontweight="bold")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.grid(visible=True, **_GRID)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax  # type: ignore[no-any-return]


def _legend(ax: Any) -> None:
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)


def _nothing(ax: Any, text: str) -> None:
    ax.set_xticks([])
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="#787878")


def _colour(ax: Any) -> str:
    return COLOURS[len(ax.get_lines()) % len(COLOURS)]


def _cdf(ax: Any, latency: Latency, label: str) -> None:
    x, y = latency.cdf()
    floor = max(latency.min, 1e-6)
    # What lies below shows at the edges of what lies over it.
    style = {"drawstyle": "steps-post", "color": _colour(ax), "label": label}
    ax.plot(np.maximum(x, floor), y, linewidth=max(3.6 - len(ax.get_lines()), 1.4), **style)


def _steps(ax: Any, result: Result, y: NDArray[np.float64], label: str, line: float = 1.3) -> Any:
    x = _edges(result)
    last = y[-1:] if len(y) else y
    style = {"drawstyle": "steps-post", "linewidth": line, "color": _colour(ax), "label": label}
    return ax.plot(x[: len(y) + 1], np.append(y, last), **style)[0]


# --- time axes ----------------------------------------------------------------------------------


def _width(result: Result) -> float:
    """Seconds of a bucket of the series."""
    return int(result.series.metadata["width_ns"]) / units.SECOND


def _scale(result: Result) -> tuple[str, float]:
    for unit, seconds in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if result.duration > 2.5 * seconds:
            return unit, seconds
    return "s", 1.0


def _time_label(result: Result) -> str:
    return f"virtual time ({_scale(result)[0]})"


def _edges(result: Result) -> NDArray[np.float64]:
    starts = np.asarray(result.series.seconds("time"), dtype=np.float64)
    end = min(starts[-1] + _width(result), result.duration) if len(starts) else 0.0
    return np.append(starts, end) / _scale(result)[1] if len(starts) else starts


def _time(x: float, _: object = None) -> str:
    if x >= 1:
        return f"{x:g} s"
    return units.format_duration(1e9 * x)


def _percent(y: float, _: object = None) -> str:
    return f"{100 * y:.0f} %"
