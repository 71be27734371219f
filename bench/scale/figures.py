"""The figures of scale and speed: what is measured, how, and what was promised."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORLDS = Path(__file__).with_name("worlds.py")
BENCHMARKS = ROOT / "build" / "release" / "mqttwin_bench"

MILLION = 1_000_000
QUICK_MILLION = 50_000  # what stands for a million with --quick
SUBSCRIBERS = 100_000
SIZES = (64, 16_384)  # payloads, bytes
REPETITIONS = 3  # of a benchmark in C++
MESSAGES = 2_000_000  # of a rate
QUICK_MESSAGES = 100_000


class CaseError(Exception):
    """A measurement that did not come to its end; the text says why."""


@dataclass(frozen=True)
class Settings:
    quick: bool = False
    full: bool = False

    @property
    def million(self) -> int:
        return QUICK_MILLION if self.quick else MILLION

    def devices(self, wanted: int) -> int:
        return self.million if wanted == MILLION else wanted


@dataclass(frozen=True)
class Measured:
    value: float
    note: str = ""  # what is special about it: extrapolated, fewer devices, how it spreads


@dataclass(frozen=True)
class Figure:
    name: str
    what: str
    unit: str
    target: float
    measure: Callable[[Settings], Measured]
    at_most: bool = True
    quick: bool = True  # belongs to the version that ends in a minute

    def holds(self, value: float) -> bool:
        return value <= self.target if self.at_most else value >= self.target

    @property
    def promised(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.target:g}"


# --- a process a measurement ----------------------------------------------------------------------


def world(case: str, **options: object) -> dict[str, float]:
    """One of the cases of worlds.py."""
    done = subprocess.run(
        [sys.executable, str(WORLDS), case, json.dumps(options)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1]
        raise CaseError(last)
    values: dict[str, float] = json.loads(done.stdout)
    return values


def benchmark(pattern: str, key: str = "cpu_time") -> dict[str, float]:
    """Google Benchmarks by name: medians."""
    if not BENCHMARKS.exists():
        raise CaseError(f"no {BENCHMARKS.relative_to(ROOT)}: ./dev build benchmarks")
    done = subprocess.run(
        [
            str(BENCHMARKS),
            f"--benchmark_filter={pattern}",
            f"--benchmark_repetitions={REPETITIONS}",
            "--benchmark_format=json",
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0 or not done.stdout:
        raise CaseError(done.stderr.strip() or f"no benchmark {pattern}")
    runs: dict[str, list[float]] = {}
    for entry in json.loads(done.stdout)["benchmarks"]:
        if entry["run_type"] == "iteration":
            runs.setdefault(entry["run_name"], []).append(entry[key])
    return {name: statistics.median(values) for name, values in runs.items()}


# --- the measurements -----------------------------------------------------------------------------


def fewer(settings: Settings, wanted: int) -> list[str]:
    devices = settings.devices(wanted)
    return [] if devices == wanted else [f"with {devices:,} devices"]


def rate(settings: Settings, *, devices: int, qos: int, subscribers: str) -> Measured:
    # A fleet of a million reports once a minute, a small one more often: 1,000 to 17,000
    # messages a virtual second.
    period = {1_000: 1, 100_000: 10, MILLION: 60}[devices]
    values = world(
        "rate",
        devices=settings.devices(devices),
        qos=qos,
        period=period,
        subscribers=subscribers,
        messages=QUICK_MESSAGES if settings.quick else MESSAGES,
    )
    spread = f"{values['least'] / 1e6:.2f} to {values['most'] / 1e6:.2f}"
    return Measured(values["rate"] / 1e6, ", ".join([*fewer(settings, devices), spread]))


def day(settings: Settings, *, qos: int, period: float, seconds: float) -> Measured:
    devices = settings.million
    window = 24 * 3600.0 if settings.full else seconds
    values = world("day", devices=devices, qos=qos, period=period, seconds=window)
    minutes = values["cpu"] / 60 * MILLION / devices
    begun = values["start"] * MILLION / devices
    notes = [f"start {begun:.0f} s", f"{values['bytes']:.0f} bytes a device"]
    if not settings.full:
        part = f"{values['window'] / 60:g} min, the first {values['apart']:g} s apart"
        notes.insert(0, f"EXTRAPOLATED from {part}")
    if devices != MILLION:
        notes.insert(0, f"EXTRAPOLATED from {devices:,} devices")
    return Measured(minutes, ", ".join(notes))


def memory(settings: Settings, *, case: str, also: str) -> Measured:
    values = world(case, devices=settings.million)
    notes = [*fewer(settings, MILLION), f"{also} {values[also]:.0f}"]
    return Measured(values["bytes"], ", ".join(notes))


def start(settings: Settings) -> Measured:
    devices = settings.million
    cpu = world("start", devices=devices)["cpu"] * MILLION / devices
    return Measured(cpu, "" if devices == MILLION else f"EXTRAPOLATED from {devices:,} devices")


def fan_out(_: Settings) -> Measured:
    """Broker, client and metrics; the link is what the whole path costs more."""
    (each,) = benchmark(f"^fan_out_beside_the_link/{SUBSCRIBERS}$", "items_per_second").values()
    return Measured(1e9 / each)


def fan_out_memory(settings: Settings) -> Measured:
    subscribers = SUBSCRIBERS // 10 if settings.quick else SUBSCRIBERS
    small, large = SIZES
    values = world("fan_out", subscribers=subscribers, sizes=SIZES)
    share = 100 * values[f"bytes_{large}"] / large
    note = (
        f"{values[f'bytes_{small}']:.0f} bytes a delivery of {small}, "
        f"{values[f'bytes_{large}']:.0f} more of {large:,}; "
        f"with the link {values[f'ns_{small}']:.0f} ns a delivery"
    )
    return Measured(share, note)


def match(_: Settings) -> Measured:
    (value,) = benchmark("^match_few/prefetched ahead:0$").values()
    return Measured(value / 1e3, "topics one after the other, nothing prefetched")


def storm(_: Settings, *, kind: str) -> Measured:
    """How much dearer a match is where sixteen times as many match."""
    rates = benchmark(f"^{kind}/", "items_per_second")
    few, many = (1e9 / rates[f"{kind}/{levels}"] for levels in (8, 12))
    return Measured(many / few, f"{few:.1f} and {many:.1f} ns a match, 8 and 12 levels")


# --- what was promised ----------------------------------------------------------------------------

RATES = {1_000: 3.0, 100_000: 1.2, MILLION: 0.8}  # million messages a second, QoS 0


def rates() -> list[Figure]:
    """A subscriber of its own for each device, then a few that share the load."""
    return [
        Figure(
            f"rate-{devices}-qos{qos}{'' if subscribers == 'own' else '-shared'}",
            f"{devices:,} devices, QoS {qos}, "
            + ("a subscriber each" if subscribers == "own" else "8 consumers share"),
            "million/s",
            least / (1 + qos),
            partial(rate, devices=devices, qos=qos, subscribers=subscribers),
            at_most=False,
            quick=subscribers == "own",
        )
        for subscribers in ("own", "shared")
        for qos in (0, 1)
        for devices, least in RATES.items()
    ]


FIGURES = [
    Figure(
        "day-qos0",
        "a million, QoS 0 every minute, a day",
        "CPU min",
        30,
        partial(day, qos=0, period=60, seconds=600),
    ),
    Figure(
        "day-qos1",
        "a million, QoS 1 every 15 min, a day",
        "CPU min",
        6,
        partial(day, qos=1, period=900, seconds=1800),
    ),
    *rates(),
    Figure(
        "memory-connected",
        "a connected device, of a million",
        "bytes",
        1024,
        partial(memory, case="connected", also="online"),
    ),
    Figure(
        "memory-asleep",
        "an asleep, disconnected device",
        "bytes",
        256,
        partial(memory, case="asleep", also="described"),
    ),
    Figure("start", "a million described, created, connected", "CPU s", 20, start),
    Figure("fan-out", "a delivery to 100,000, beyond the link", "ns", 60, fan_out),
    Figure(
        "fan-out-memory", "more memory by more payload, a delivery", "% of it", 25, fan_out_memory
    ),
    Figure("match", "a topic among a million filters, few match", "µs", 1, match),
    Figure(
        "storm-plus",
        "`+` storm: 16 times as many matches",
        "x a match",
        3,
        partial(storm, kind="match_storm"),
    ),
    Figure(
        "storm-hash",
        "`#` storm: 16 times as many matches",
        "x a match",
        3,  # not more than what caches explain
        partial(storm, kind="match_hash_storm"),
    ),
]
