"""Many runs side by side."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import mqttwin as mt
from ensemble_scenarios import endless, figures, fragile, sensors
from mqttwin import _core
from mqttwin.ensemble import log

SETS = [{"devices": 3}, {"devices": 6, "qos": 2}]
SEEDS = [1, 2, 3]


def alone(seed: int, **parameters: object) -> mt.Result:
    with mt.World(seed) as world:
        sensors(world, **parameters)
        return world.run("5min")


@pytest.fixture(scope="module")
def expected() -> list[mt.Result]:
    return [alone(seed, **one) for one in SETS for seed in SEEDS]


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_run_is_the_same_wherever_it_is_made(executor, expected):
    runs = mt.run_many(
        sensors, seeds=SEEDS, params=SETS, until="5min", executor=executor, workers=2
    )
    assert [run.digest for run in runs] == [result.digest for result in expected]
    assert len({run.digest for run in runs}) == 6
    assert [run.seed for run in runs] == SEEDS * 2
    assert runs[5].parameters == SETS[1]
    assert [run.counts for run in runs] == [result.counts for result in expected]
    assert [run.lost for run in runs] == [result.lost for result in expected]
    assert all(run.conservation.holds and run.status == "done" for run in runs)
    assert not runs.failures
    assert not runs.interrupted
    assert runs.raise_failures() is runs


def test_histograms_merge_exactly(expected):
    runs = mt.run_many(sensors, seeds=SEEDS, params=SETS, until="5min")
    for name in ("latency", "ingest", "ack"):
        whole = sum((getattr(r, name) for r in expected[1:]), getattr(expected[0], name))
        merged = getattr(runs, name)
        assert merged._core.to_bytes() == whole._core.to_bytes()
        assert merged.count == sum(getattr(run, name).count for run in runs) > 100
    parts = list(runs.by_parameters())
    assert [parameters for parameters, _ in parts] == SETS
    assert [len(part) for _, part in parts] == [3, 3]
    assert parts[1][1].latency.count == sum(r.latency.count for r in expected[3:])
    assert runs.where(qos=2).latency.p99 == parts[1][1].latency.p99
    assert runs.counts["delivered"] == sum(r.delivered for r in expected)
    with pytest.raises(mt.ConfigError, match=r"^color: no run has such a parameter"):
        runs.where(color=1)


def test_columns(expected):
    runs = mt.run_many(
        sensors, seeds=[1, 2], params=SETS, until="5min", collect=figures, executor="serial"
    )
    frame = runs.to_pandas()
    assert list(frame["devices"]) == [3, 3, 6, 6]
    assert np.isnan(frame["qos"][0])
    assert list(frame["seed"]) == [1, 2, 1, 2]
    assert frame["digest"][0] == expected[0].digest
    assert list(frame["delivered"]) == [run.delivered for run in runs]
    assert frame["latency_p99"][3].value == runs[3].latency._core.percentile(99)
    assert frame["ip_bytes_up"][2] == runs[2].counts["ip_bytes_up"] > 0
    assert list(frame["rows"]) == [run.delivered for run in runs]
    assert list(frame["figure.delivered"]) == ["taken"] * 4
    assert frame["fast"].all()
    assert len(frame.columns) == len(set(frame.columns))
    arrow = runs.to_arrow()
    assert arrow.num_rows == 4
    assert arrow.column("error").null_count == 4
    assert arrow.schema.field("latency_p50").type == "duration[ns]"
    assert runs.to_polars().shape == arrow.shape
    assert "digest" in runs._repr_html_()


def test_a_scenario_file(scenario_file, tmp_path):
    path = scenario_file()
    runs = mt.run_many(path, seeds=[4], params=[{}, {"devices": 2}])
    assert [run.duration for run in runs] == [600, 600]
    other = mt.run_many(path, seeds=[4], params={"devices": 2}, executor="processes", workers=1)
    assert other[0].digest == runs[1].digest != runs[0].digest
    for params, message in [
        ([{"device": 2}], r"^params: set 0: .*unexpected keyword argument 'device'"),
        ([{}, 3], r"^params: 3 is no mapping"),
        ([], r"^params: must hold at least one"),
    ]:
        with pytest.raises(mt.ConfigError, match=message):
            mt.run_many(path, params=params)
    with pytest.raises(mt.ConfigError, match="no such file"):
        mt.run_many(tmp_path / "absent.py")


def test_wrong_input():
    for wrong, message in [
        ({}, r"^until: how long"),
        ({"until": "1h", "seeds": 3}, r"^seeds: must be several"),
        ({"until": "1h", "seeds": []}, r"^seeds: must hold"),
        ({"until": "1h", "seeds": [1, 1]}, r"^seeds: holds one twice"),
        ({"until": "1h", "seeds": [-1]}, r"^seeds: must be from 0"),
        ({"until": "1h", "workers": 0}, r"^workers: must be from 1"),
        ({"until": "1h", "in_flight": 0}, r"^in_flight: must be from 1"),
        ({"until": "1h", "executor": "fork"}, r"^executor: 'fork' is no Executor"),
        ({"until": "1h", "collect": 3}, r"^collect: 3 cannot be called"),
    ]:
        with pytest.raises(mt.ConfigError, match=message):
            mt.run_many(sensors, **wrong)
    with pytest.raises(mt.ConfigError, match=r"^scenario: 3 is neither"):
        mt.run_many(3, until="1h")
    with ThreadPoolExecutor(1) as threads, pytest.raises(mt.ConfigError, match=r"^workers: is the"):
        mt.run_many(sensors, until="1h", executor=threads, workers=2)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_one_that_fails_does_not_take_the_others_down(executor, caplog):
    log.propagate = True
    runs = mt.run_many(
        fragile,
        seeds=[7],
        params=[{}, {"how": "raise"}, {"how": "late"}, {"how": "fine"}],
        until="1min",
        executor=executor,
        workers=2,
    )
    assert [run.status for run in runs] == ["done", "failed", "failed", "done"]
    assert runs[0].digest == runs[3].digest != ""
    first, second = runs.failures
    assert (first.seed, first.parameters) == (7, {"how": "raise"})
    assert first.error == "ZeroDivisionError: no such luck"
    assert "in fragile" in first.traceback
    assert "ZeroDivisionError: division by zero" in second.traceback
    assert "seed 7" in caplog.text
    assert "'how': 'raise'" in caplog.text
    with pytest.raises(mt.MqttwinError, match=r"2 of 4 runs failed; run 1 \(seed 7, .*raise"):
        runs.raise_failures()
    frame = runs.to_pandas()
    assert np.isnan(frame["delivered"][1])
    assert frame["error"][1] == first.error
    assert repr(runs) == "<4 runs: 2 failed>"
    assert "no such luck" in repr(first)


def test_one_that_kills_its_process_does_not_take_the_others_down():
    runs = mt.run_many(
        fragile,
        params=[{}, {"how": "die"}, {"how": "raise"}, {"how": "fine"}],
        until="1min",
        executor="processes",
        workers=2,
    )
    assert [run.status for run in runs] == ["done", "failed", "failed", "done"]
    assert "ended abruptly" in runs[1].error
    assert "no such luck" in runs[2].error


class Counting(Executor):
    """Runs at once in a thread of its own, and knows how many there were at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def submit(self, function, /, *arguments):
        pickle.dumps(arguments)
        future = Future()

        def run():
            result = function(*arguments)
            with self._lock:
                self.now -= 1
            future.set_result(result)

        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        threading.Thread(target=run).start()
        return future


def test_any_executor_and_a_bound_on_what_is_in_flight(expected):
    executor = Counting()
    runs = mt.run_many(
        sensors, seeds=SEEDS, params=SETS, until="5min", executor=executor, in_flight=2
    )
    assert executor.most == 2
    assert [run.digest for run in runs] == [result.digest for result in expected]
    with ThreadPoolExecutor(2) as threads:
        runs = mt.run_many(lambda world: sensors(world, qos=0), until="5min", executor=threads)
    assert runs[0].status == "done"
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        local = mt.run_many(
            lambda world, devices: sensors(world, devices=devices),  # by value
            seeds=[1],
            params={"devices": 3},
            until="5min",
            executor=processes,
        )
        local.raise_failures()
        assert local[0].digest == expected[0].digest


def test_bounds_end_each_run(expected):
    runs = mt.run_many(endless_here, seeds=[1, 2], until="100000h", max_wall="100ms")
    assert [run.status for run in runs] == ["max_wall", "max_wall"]
    assert all(run.delivered > 0 and run.conservation.holds for run in runs)


def endless_here(world):
    sensors(world, devices=50)


INTERRUPTED = """
import sys
import mqttwin as mt
from ensemble_scenarios import endless

if __name__ == "__main__":
    runs = mt.run_many(endless, seeds=range(6), params={"marks": sys.argv[1]},
                       until="100000h", executor=sys.argv[2], workers=2)
    print(runs.interrupted, [run.status for run in runs], runs[0].delivered > 0)
"""


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_ctrl_c_keeps_what_there_is(executor, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    marks = tmp_path / "marks"
    marks.mkdir()
    with subprocess.Popen(
        [sys.executable, str(script), str(marks), executor],
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as a terminal does, the signal goes to all of them
    ) as process:
        wait_until(lambda: len(list(marks.iterdir())) == 2, process)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert out == f"True {['interrupted'] * 2 + ['not_run'] * 4} True\n"


def wait_until(condition, process, deadline: float = 60) -> None:
    pause = threading.Event()
    for _ in range(int(deadline / 0.02)):
        if condition():
            return
        assert process.poll() is None, "it ended too early"
        pause.wait(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("nothing happened for a minute")


def test_progress_over_all_of_them(capfd):
    mt.run_many(fragile, params=[{}, {"how": "raise"}], until="1min", progress=True)
    told = capfd.readouterr().err
    assert "2 of 2 runs" in told
    assert "1 failed" in told
    mt.run_many(fragile, until="1min")
    assert capfd.readouterr().err == ""


def test_what_other_processes_cannot_have(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(mt.ConfigError, match=r"^scenario: cannot be pickled"):
        mt.run_many(lambda world: None, until="1h", executor="processes")
    assert endless.__module__ == "ensemble_scenarios"


def test_tables_that_cannot_be():
    with pytest.raises(ValueError, match="of one length"):
        _core.make_table([("a", "int64", [1]), ("b", "utf8", [])])
    with pytest.raises(ValueError, match="kind: must be"):
        _core.make_table([("a", "int8", [1])])
    assert _core.make_table([]).num_rows == 0
