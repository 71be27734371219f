"""Histograms beside HdrHistogram, and figures of single devices."""

from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

import mqttwin as mt
from conftest import small_world
from mqttwin import _core

PERCENTS = (0.1, 1, 25, 50, 75, 90, 95, 99, 99.9, 99.99)


def samples(kind: str) -> np.ndarray:
    """Nanoseconds, from a millisecond to hours."""
    random = np.random.default_rng(5)
    if kind == "lognormal":
        values = random.lognormal(np.log(5e7), 1.5, 30_000)
    elif kind == "two peaks":
        values = np.concatenate([random.normal(8e8, 2e7, 20_000), random.normal(4e9, 1e8, 400)])
    else:
        values = random.uniform(1e6, 1e10, 10_000)
    return np.clip(values, 1e6, 1e13).astype(np.int64)


@pytest.mark.parametrize("kind", ["lognormal", "two peaks", "uniform"])
def test_percentiles_agree_with_hdrhistogram(kind):
    values = samples(kind)
    theirs = HdrHistogram(1_000, 10**14, 3)
    parts = [_core.Histogram() for _ in range(3)]
    for i, value in enumerate(values.tolist()):
        theirs.record_value(value)
        parts[i % 3].record(value)
    ours = _core.Histogram()
    for part in reversed(parts):
        ours.merge(part)
    assert ours.count == theirs.get_total_count() == len(values)
    for percent in PERCENTS:
        exact = np.percentile(values, percent, method="inverted_cdf")
        got = ours.percentile(percent)
        assert got == pytest.approx(theirs.get_value_at_percentile(percent), rel=0.01), percent
        assert got == pytest.approx(exact, rel=0.01), percent
    assert ours.max == values.max()
    assert ours.mean == pytest.approx(values.mean(), rel=1e-12)
    assert _core.Histogram.from_bytes(ours.to_bytes()).to_bytes() == ours.to_bytes()


def rough_world(**more: object) -> mt.World:
    """Losses of every kind: QoS 0 over a link that is cut, and queues that are full."""
    world = mt.World(3, **more)
    broker = world.broker(max_queued=5)
    meters = world.fleet(
        "meter", 12, link=mt.links.lte_m(loss=0.05), keep_alive="2min", max_queued=3, ramp="1min"
    )
    meters.publish("a/{id}", every="7s", payload=b"0")
    meters.publish("b/{id}", every="11s", qos=1, payload=b"11111")
    ear = world.fleet("ear", session_expiry="1h", keep_alive="1min", clean_start=False)
    ear.subscribe("#", qos=1)
    world.at("5min", lambda: meters.disconnect([0, 1]))
    world.at("7min", ear.disconnect)
    world.at("9min", ear.connect)
    world.at("12min", lambda: broker.restart(down="40s"))
    return world


def test_figures_of_devices_add_up():
    with rough_world() as world:
        result = world.run("20min")
    meters, ears = (result.devices(name) for name in ("meter", "ear"))
    assert result.lost > 100
    assert meters["lost"].sum() == result.lost
    assert (meters["lost"] > 0).all()
    assert meters["delivered"].sum() == result.delivered
    for way in ("up", "down"):
        both = meters[f"mqtt_bytes_{way}"].sum() + ears[f"mqtt_bytes_{way}"].sum()
        assert both == result.counts[f"mqtt_bytes_{way}"]
    reconnects = meters["reconnects"].sum() + ears["reconnects"].sum()
    assert reconnects == result.counts["reconnects"] > 0
    assert meters.seconds("latency_max").max() == pytest.approx(result.latency.max, rel=1e-12)
    assert (meters["latency_max"] >= meters["latency_mean"]).all()
    assert np.isnat(ears["latency_max"]).all()


def test_time_offline():
    with rough_world() as world:
        offline = world.run("20min").devices("meter").seconds("offline")
        ear = world.result().devices("ear").seconds("offline")[0]
    # The first two said goodbye after five minutes, one way or another.
    assert (offline[:2] > 15 * 60).all()
    assert (offline[:2] < 15 * 60 + 10).all()
    # The others missed the broker for as long as it was down, and a back-off.
    assert (offline[2:] > 40).all()
    assert (offline[2:] < 40 + 130).all()
    assert 120 + 40 < ear < 120 + 40 + 70
    with mt.World() as world:
        world.broker()
        world.fleet("late", 3, start="1h")
        assert (world.run("30min").devices("late").seconds("offline") == 0).all()
        assert (world.run("1h").devices("late").seconds("offline") < 1).all()


def test_percentiles_of_devices():
    with small_world(devices=30) as world, small_world(devices=30) as plain:
        world.track_latency("meter")
        assert world.memory()["device_latency"] < 30 * 20
        result = world.run("6h")
        assert result.digest == plain.run("6h").digest
        table = result.devices("meter")
        assert "latency_p50" not in plain.result().devices("meter").columns
        messages = result.messages.to_pandas()
        messages["latency"] = (messages["delivered"] - messages["published"]).dt.total_seconds()
        first = messages[~messages["duplicate"]]
        exact = first.groupby("publisher")["latency"]
        names = [f"meter/{i}" for i in range(30)]
        for percent in (50, 90, 99):
            wanted = exact.quantile(percent / 100, interpolation="higher")[names].to_numpy()
            got = result.device_latency("meter", percent)
            assert (abs(got - wanted) <= 0.1 * wanted).all(), percent
            assert (got == table.seconds(f"latency_p{percent}")).all()
        assert 30 * 32 < world.memory()["device_latency"] < 30 * 1000
        with pytest.raises(mt.ConfigError, match=r"^fleet: the latencies of its devices are not"):
            result.device_latency("dashboard", 50)
        with pytest.raises(mt.ConfigError, match=r"^percent: must be from 0 to 100"):
            result.device_latency("meter", 101)
        with pytest.raises(mt.ConfigError, match=r"^fleet: there is none"):
            world.track_latency("nobody")
        kept = result.device_latency("meter", 50)
        world.run("1h")  # the result stays as it is
        assert (result.devices("meter")["latency_p50"] == table["latency_p50"]).all()
        assert kept.shape == (30,)
        with pytest.raises(mt.MqttwinError, match="the world has run on"):
            result.device_latency("meter", 50)


def test_series_keep_to_their_bound():
    with small_world() as long:
        long_series = long.run("30h").series
    assert 720 <= len(long_series) <= 1440
    assert long_series.metadata["width_ns"] == str(128 * 10**9)
    assert long_series["delivered"].sum() == long.result().delivered
