"""What a run gives back."""

import gc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mqttwin as mt
from conftest import small_world
from mqttwin import metrics


def test_numbers_fit_together(a_result):
    r = a_result
    assert r.seed == 1
    assert r.duration == 1800
    assert r.offered >= r.published > 500
    assert r.delivered == r.conservation.delivered == r.counts["delivered"] == r.latency.count
    assert r.lost == r.conservation.dropped + r.total("unsent")
    assert r.conservation.holds
    r.conservation.check()
    assert len(r.messages) == r.delivered + r.duplicates
    assert len(r.digest) == 32
    assert int(r.digest, 16) > 0
    assert r.wall_seconds > 0
    assert not r.interrupted


def test_latency_is_in_seconds_and_ordered(a_result):
    latency = a_result.latency
    assert 0.035 < latency.min < latency.p50 < latency.p99 <= latency.p99_9 <= latency.max
    assert latency.percentile(50) == latency.p50
    assert latency.share_above("35ms") == 1
    assert latency.share_above("1h") == 0
    x, y = latency.cdf()
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    assert (y[0], y[-1]) == (0, 1)
    both = latency + latency
    assert both.count == 2 * latency.count
    assert both.p50 == latency.p50
    assert "p99" in repr(latency)
    with pytest.raises(ValueError, match="from 0 to 100"):
        latency.percentile(101)


def test_latency_agrees_with_the_messages(a_result):
    rows = a_result.messages
    first = ~rows["duplicate"] & ~rows["replay"]
    took = (rows.seconds("delivered") - rows.seconds("published"))[first]
    assert len(took) == a_result.latency.count
    assert took.mean() == pytest.approx(a_result.latency.mean, rel=1e-9)
    for q in (50, 90, 99):
        exact = np.percentile(took, q, method="inverted_cdf")
        assert a_result.latency.percentile(q) == pytest.approx(exact, rel=0.01)


def test_tables_in_pandas_polars_and_pyarrow(a_result):
    table = a_result.messages
    frames = table.to_pandas(), table.to_polars(), table.to_arrow()
    assert isinstance(frames[0], pd.DataFrame)
    assert isinstance(frames[1], pl.DataFrame)
    assert isinstance(frames[2], pa.Table)
    names = ["published", "delivered", "publisher", "subscriber", "topic", "qos", "payload_bytes"]
    for frame in frames:
        assert len(frame) == len(table)
    assert list(frames[0].columns) == frames[1].columns == frames[2].column_names == table.columns
    assert table.columns[:7] == names
    assert frames[0]["delivered"].dtype == "timedelta64[ns]"
    assert frames[1]["delivered"].dtype == pl.Duration("ns")
    topics = table["topic"]
    assert frames[0]["topic"].tolist() == topics
    assert frames[1]["topic"].to_list() == topics
    assert frames[2]["topic"].to_pylist() == topics
    sizes = table["payload_bytes"]
    assert (frames[1]["payload_bytes"].to_numpy() == sizes).all()
    assert (frames[2]["payload_bytes"].to_numpy() == sizes).all()


def test_the_capsule_interface_is_enough(a_result):
    assert pa.table(a_result.series).num_rows == len(a_result.series)
    assert len(pl.DataFrame(a_result.series)) == len(a_result.series)
    stream = pa.RecordBatchReader.from_stream(a_result.messages)
    assert sum(batch.num_rows for batch in stream) == len(a_result.messages)


def test_columns_outlive_their_table():
    with small_world() as world:
        column = world.run("10min").messages["delivered"]
    del world
    gc.collect()
    assert (np.diff(column) >= np.timedelta64(0)).all()
    assert not column.flags.writeable


def test_an_unknown_column_names_those_that_there_are(a_result):
    with pytest.raises(KeyError, match="published, delivered"):
        a_result.messages["color"]


def test_series_add_up(a_result):
    series = a_result.series
    assert series["delivered"].sum() == a_result.delivered
    assert series["published"].sum() == a_result.offered
    assert series["connects"].sum() == a_result.counts["connects"]
    assert series["online"][-1] == 21
    assert int(series.metadata["width_ns"]) >= 10**9


def test_devices(a_result):
    devices = a_result.devices("meter")
    assert len(devices) == 20
    assert devices["published"].sum() == a_result.offered
    assert devices["delivered"].sum() == a_result.delivered
    assert np.isnat(a_result.devices("dashboard")["latency_mean"]).all()
    with pytest.raises(mt.ConfigError, match="there are meter, dashboard"):
        a_result.devices("nobody")


def test_tables_as_csv(a_result, tmp_path):
    a_result.messages.to_csv(tmp_path / "m.csv")
    frame = pd.read_csv(tmp_path / "m.csv")
    assert len(frame) == len(a_result.messages)
    assert frame["delivered"].iloc[-1] == a_result.messages.seconds("delivered")[-1]


def test_a_result_stays_as_it_is_when_the_world_runs_on():
    world = small_world()
    first = world.run("10min")
    twin = world.result()
    second = world.run("20min")
    fresh = small_world().run("10min")
    for result in (first, twin):
        assert result.digest == fresh.digest
        assert result.counts == fresh.counts
        assert result.latency.count == fresh.latency.count
        assert len(result.messages) == len(fresh.messages)
        assert len(result.received("dashboard")) == len(fresh.received("dashboard"))
    assert second.delivered > first.delivered


def test_bounds_are_kept():
    world = mt.World(1, keep_messages=10, series_buckets=10, late_after="1ms")
    world.broker()
    world.fleet("dev", 5, link=mt.links.gprs()).publish("t", every="1s", payload=1)
    world.fleet("ear").subscribe("t")
    result = world.run("1h")
    assert len(result.messages) == 10
    assert int(result.messages.metadata["not_kept"]) == result.delivered - 10
    assert len(result.series) <= 10
    assert result.late == result.delivered > 10_000


def test_an_imbalance_is_said():
    bad = mt.Conservation(10, 5, 1, 1)
    assert not bad.holds
    assert "≠" in str(bad)
    with pytest.raises(mt.MqttwinError, match="not conserved"):
        bad.check()


def test_the_report_has_every_section(a_result):
    text = a_result.report()
    for title in ("Run", "Messages", "Latency", "Connections", "Traffic", "Conservation"):
        assert f"\n{title} " in "\n" + text or f"\n{title}\n" in "\n" + text
    assert a_result.digest in text
    assert f"{a_result.delivered:,} delivered" in text
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert max(len(line) for line in text.splitlines()) <= 100


def test_in_a_notebook(a_result):
    html = a_result._repr_html_()
    assert a_result.digest in html
    assert "<script" not in html
    table = a_result.messages._repr_html_()
    assert table.count("<tr>") == 11
    assert "rows" in table
    assert "rows" in repr(a_result.messages)


def test_metrics_by_name(a_result):
    assert metrics.metric(a_result, "latency.p99").value == a_result.latency.p99
    assert metrics.metric(a_result, "ack.p99.9").value == a_result.ack.p99_9
    assert metrics.metric(a_result, "ingest.p12.5").kind == "time"
    assert metrics.metric(a_result, "lost").value == a_result.lost
    assert metrics.metric(a_result, "ip_bytes_up").kind == "bytes"
    assert metrics.metric(a_result, "dropped.queue_full").value == 0
    for name in metrics.names(a_result):
        metrics.metric(a_result, name)
    with pytest.raises(mt.ConfigError, match=r"did you mean latency\.p99"):
        metrics.metric(a_result, "latncy.p99")
    with pytest.raises(mt.ConfigError):
        metrics.metric(a_result, "latency.p101")


def test_written_to_a_directory(a_result, tmp_path):
    a_result.write(tmp_path / "run", note="mine")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        "manifest.json",
        "messages.parquet",
        "series.parquet",
        "counts.json",
        "report.html",
        "report.txt",
    }
    assert len(pd.read_parquet(tmp_path / "run" / "messages.parquet")) == len(a_result.messages)


def test_traffic_of_the_fleets_adds_up():
    with mt.World(seed=3) as world:
        world.broker()
        world.fleet("near", 3).publish("t/{id}", every="10s", payload=b"near")
        far = world.fleet("far", 3, link=mt.links.geo(loss=0.2), tls=True)
        far.publish("t/{id}", every="10s", qos=1, payload=b"far")
        result = world.run("10min")
    near, far = result.traffic("near"), result.traffic(far)
    for name in ("ip_bytes_up", "ip_bytes_down", "ip_packets_up", "ip_packets_lost"):
        assert near[name] + far[name] == result.counts[name]
    assert near["ip_packets_lost"] == near["ip_bytes_lost_up"] == 0
    share = far["ip_bytes_lost_up"] / far["ip_bytes_up"]
    assert 0.1 < share < 0.3
    assert far["ip_bytes_lost_up"] + far["ip_bytes_lost_down"] >= 40 * far["ip_packets_lost"]
