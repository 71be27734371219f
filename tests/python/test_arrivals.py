import numpy as np
import pytest

import mqttwin as mt


def instants(*, count=5, device=0, devices=4, **how):
    world = mt.World(3)
    world.broker()
    fleet = world.fleet("dev", devices)
    fleet.publish("t", payload=b"", **how)
    return [at for at, _, _ in fleet.preview(device, count)]


def test_periodic_in_step():
    assert instants(every="15min", phase=0) == [0, 900, 1800, 2700, 3600]
    assert instants(every=60, phase="10s", count=2) == [10, 70]


def test_random_phase_differs_by_device_within_the_period():
    firsts = [instants(every="15min", device=d)[0] for d in range(4)]
    assert len(set(firsts)) == 4
    assert all(0 <= t < 900 for t in firsts)


def test_jitter_delays_and_does_not_add_up():
    late = np.array(instants(every="1min", phase=0, jitter="30s", count=500))
    late -= 60 * np.arange(500)
    assert late.min() >= 0
    assert late.max() < 30
    assert abs(late.mean() - 15) < 2


def test_one_period_a_device():
    assert instants(every=[10, 20, 30, 40], phase=0, device=2, count=3) == [0, 30, 60]
    drawn = instants(every=mt.dist.uniform("1min", "2min"), phase=0, count=2)
    assert 60 <= drawn[1] < 120
    steps = np.array([1, 2, 3, 4], dtype="timedelta64[m]")
    assert instants(every=steps, phase=0, device=1, count=2) == [0, 120]


def test_poisson():
    gaps = np.diff(instants(when=mt.poisson("1min"), count=3000))
    assert abs(gaps.mean() - 60) < 4
    assert abs(gaps.std() - 60) < 5
    gaps = np.diff(instants(when=mt.poisson(rate=10), count=3000))
    assert abs(gaps.mean() - 0.1) < 0.01


def test_recorded_times(tmp_path):
    assert instants(when=mt.replay_times([100, 101, 105.5])) == [0, 1, 5.5]
    looped = instants(when=mt.replay_times([0, 1, 5], loop=True, span="10s"))
    assert looped == [0, 1, 5, 10, 11]
    dates = np.array(["2024-01-01T00:00", "2024-01-01T00:02"], dtype="datetime64[s]")
    assert instants(when=mt.replay_times(dates)) == [0, 120]
    file = tmp_path / "times.csv"
    file.write_text("when,x\n2010/01/01 00:00,1\n2010/01/01 01:00,2\n")
    assert instants(when=mt.replay_times(str(file), "when")) == [0, 3600]
    later = instants(when=mt.replay_times([0, 10, 20, 30], offset="15s"))
    assert later == [5, 15]


def test_once_and_windows():
    assert instants(when=mt.once("90s")) == [90]
    assert instants(every="1min", phase=0, start="2min", until="5min") == [120, 180, 240]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({}, "every= or when="),
        ({"every": "1s", "when": mt.poisson("1s")}, "not both"),
        ({"when": "1min"}, "no arrival process"),
        ({"every": 0}, "every: must be more than 0"),
        ({"every": "1min", "start": "2min", "until": "1min"}, "until: '1min' is not after"),
        ({"every": "1min", "phase": "noon"}, "phase: 'noon' is not a duration"),
        ({"every": [1, 2]}, "every"),
    ],
)
def test_wrong_ones(how, told):
    with pytest.raises(mt.ConfigError) as error:
        instants(**how)
    assert told in str(error.value)


@pytest.mark.parametrize(
    "make",
    [
        mt.poisson,
        lambda: mt.poisson("1s", rate=1),
        lambda: mt.poisson(rate=0),
        lambda: mt.periodic("1min", jitter="2min"),
        lambda: mt.replay_times([]),
        lambda: mt.replay_times([3, 2, 1]),
        lambda: mt.replay_times([0, float("nan")]),
        lambda: mt.replay_times([0, 10], loop=True, span="5s"),
    ],
)
def test_wrong_processes(make):
    with pytest.raises(mt.ConfigError):
        make()
