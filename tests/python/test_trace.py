import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import mqttwin as mt
from conftest import small_world


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "trace.msgpack"
    world = small_world()
    world.trace(path)
    world.run("10min")
    world.stop_trace()
    return path


def test_what_is_in_it(log):
    events, header = mt.read_trace(log)
    assert header["seed"] == "1"
    assert header["mqttwin"] == mt.__version__
    frame = events.to_pandas()
    assert {"open", "sent", "delivered"} <= set(frame["kind"])
    assert frame["time"].is_monotonic_increasing
    publishes = frame[(frame["packet"] == "PUBLISH") & (frame["kind"] == "sent")]
    assert len(publishes) > 100
    assert publishes["topic"].str.startswith("site/").all()


def test_a_torn_log_is_read_up_to_the_damage(log):
    whole, _ = mt.read_trace(log)
    log.write_bytes(log.read_bytes()[:-100])
    torn, header = mt.read_trace(log)
    assert 0 <= len(torn) < len(whole)
    assert "byte" in header["damage"]


def test_files_that_are_none(tmp_path):
    (tmp_path / "x").write_text("nothing of the kind")
    for name in ("x", "absent"):
        events, header = mt.read_trace(tmp_path / name)
        assert len(events) == 0
        assert header["damage"]


def test_a_log_that_cannot_be_written_is_refused(tmp_path):
    world = small_world()
    with pytest.raises(mt.ConfigError, match=r"^trace: "):
        world.trace(tmp_path / "absent" / "t.msgpack")


def rows_of(path):
    events, header = mt.read_trace(path)
    assert "damage" not in header, header
    return events.to_pandas()


def traced(path, **wanted):
    with small_world() as world:
        result = world.run("10min", trace=mt.Trace(path, **wanted))
    assert result.trace_problem == ""
    return rows_of(path), result.digest


def test_a_log_of_some_devices(log, tmp_path):
    everything = rows_of(log)
    path = tmp_path / "some.msgpack"
    some, digest = traced(path, devices={"meter": [0, 1, 2, 17], "dashboard": 0})
    assert digest == small_world().run("10min").digest
    wanted = {"meter/0", "meter/1", "meter/2", "meter/17", "dashboard/0"}
    same = everything[everything["entity"].isin(wanted)].reset_index(drop=True)
    assert set(some["entity"]) == wanted
    assert some.drop(columns="packet_id").equals(same.drop(columns="packet_id"))
    for devices in ("dashboard", ["dashboard"], {"dashboard": [0]}):
        one, _ = traced(path, devices=devices)
        assert set(one["entity"]) == {"dashboard/0"}


def test_a_log_of_some_topics_and_a_sample(log, tmp_path):
    everything = rows_of(log)
    path = tmp_path / "some.msgpack"
    some, _ = traced(path, topics=["site/+/meter-3", "site/0/meter-4"])
    packets = some[some["kind"].isin(["sent", "delivered"])]
    assert set(packets["topic"]) == {"site/0/meter-3", "site/0/meter-4"}
    assert len(packets) == everything["topic"].isin(set(packets["topic"])).sum() > 20
    assert (some["kind"] == "open").sum() == (everything["kind"] == "open").sum()
    sampled, _ = traced(path, every=10)
    packets = everything["kind"].isin(["sent", "delivered"]).sum()
    assert sampled["kind"].isin(["sent", "delivered"]).sum() == -(-packets // 10)
    bounded, _ = traced(path, max_bytes="8KiB")
    assert path.stat().st_size <= 8192
    assert int(mt.read_trace(path)[0].metadata["left_out"]) == len(everything) - len(bounded)


def test_the_log_of_a_run_ends_with_it(tmp_path):
    path = tmp_path / "one.msgpack"
    with small_world() as world:
        world.run("5min")
        world.run("5min", trace=mt.Trace(path))
        first = rows_of(path)
        assert first["time"].dt.total_seconds().min() >= 300
        assert first["time"].dt.total_seconds().max() <= 600
        world.trace(mt.Trace(tmp_path / "two.msgpack", devices=world.fleets["meter"]))
        with pytest.raises(mt.ConfigError, match="there is a log already"):
            world.run("1s", trace=mt.Trace(path))
        world.run("1min")
        world.stop_trace()
    assert not rows_of(tmp_path / "two.msgpack")["entity"].str.startswith("dashboard").any()


def test_what_cannot_be_logged(tmp_path):
    for wrong, message in [
        ({"every": 0}, r"^every: must be from 1"),
        ({"topics": [3]}, r"^topics: \[3\] are no"),
        ({"max_bytes": 100}, r"^max_bytes: must be at least"),
        ({"on_error": "both"}, r"^on_error: must be log or run"),
        ({"topics": "a/#/b"}, r"^trace: topics: .*no topic filter"),
        ({"topics": "$share/g/a"}, r"^trace: topics: .*no topic filter"),
        ({"devices": "nobody"}, r"^fleet: there is none"),
        ({"devices": {"meter": 20}}, r"^devices: must be from 0 to 19"),
        ({"devices": []}, r"^devices: must name at least one"),
        ({"devices": 3}, r"^devices: 3 names no devices"),
    ]:
        with small_world() as world, pytest.raises(mt.ConfigError, match=message):
            world.run("1s", trace=mt.Trace(tmp_path / "t", **wrong))
    with pytest.raises(mt.ConfigError, match=r"^path: 3 is no path"):
        mt.Trace(3)


def test_a_full_disk_fails_the_log(caplog):
    with small_world() as world:
        result = world.run("10min", trace=mt.Trace("/dev/full"))
    assert result.digest == small_world().run("10min").digest
    assert "No space left" in result.trace_problem
    assert "the event log is incomplete" in caplog.text


def test_a_full_disk_fails_the_run_where_that_is_asked_for():
    for devices, duration in ((20, "10min"), (400, "100h")):  # at the end, and on the way
        with small_world(devices=devices) as world:
            with pytest.raises(mt.SimulationError, match=r"log cannot be written: .*No space"):
                world.run(duration, trace=mt.Trace("/dev/full", on_error="run"))
            assert world.now == 600 or world.now < 50 * 3600
            assert world.result().conservation.holds


def test_a_run_that_is_written_survives_its_log(mqttwin, scenario_file, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "trace.msgpack").symlink_to("/dev/full")
    said = mqttwin("run", scenario_file(), "--out", out, "--trace", "--quiet")
    assert said.status == 1
    assert "the event log is incomplete" in said.line
    assert (out / "manifest.json").exists()


def test_damage_says_where(log):
    whole = log.read_bytes()
    events, _ = mt.read_trace(log)
    torn_at = len(whole) * 2 // 3
    log.write_bytes(whole[:torn_at])
    torn, header = mt.read_trace(log)
    assert 0 < len(torn) < len(events)
    assert torn_at - 100 < int(header["damage_offset"]) <= torn_at
    assert header["damage_offset"] in header["damage"]
    assert torn["time"].tolist() == events["time"].tolist()[: len(torn)]


ENDLESS = """
import sys
import mqttwin as mt
from conftest import small_world

small_world(devices=500).run("100000h", trace=mt.Trace(sys.argv[1]))
"""


def test_what_a_killed_run_has_written_can_be_read(tmp_path):
    path = tmp_path / "trace.msgpack"
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(path)],
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},
    ) as process:
        pause = threading.Event()
        for _ in range(3000):
            if path.exists() and path.stat().st_size > 1_000_000:
                break
            assert process.poll() is None, "it ended by itself"
            pause.wait(0.02)
        process.kill()
    events, header = mt.read_trace(path)
    assert len(events) > 10_000
    assert "interrupted" in header["damage"] or "in the middle of" in header["damage"]
    assert 0 <= path.stat().st_size - int(header["damage_offset"]) < 100
    assert (np.diff(events["time"]) >= np.timedelta64(0)).all()
