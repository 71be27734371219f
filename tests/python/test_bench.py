"""The commands that measure: do they run and say what they promise? No figure is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def bench(*words: str, program: str = "run.py") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCH / program), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_scale_prints_a_line_a_figure_and_a_sum(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = bench("scale", "--quick", "--only", "rate-1000-qos1*", "--json", str(out))
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["rate-1000-qos1", "rate-1000-qos1-shared"]
    assert all("ok" in line or "MISSED" in line for line in lines)
    assert "of 2 figures reach their target" in last
    figures = json.loads(out.read_text())
    assert all(figure["measured"] > 0 for figure in figures.values())
    assert {figure["ok"] for figure in figures.values()} <= {True, False}


def test_scale_measures_memory_and_fan_out() -> None:
    done = bench("asleep", json.dumps({"devices": 1000}), program="scale/worlds.py")
    assert done.returncode == 0, done.stderr
    assert 0 < json.loads(done.stdout)["described"] <= json.loads(done.stdout)["bytes"]
    sizes = json.dumps({"subscribers": 100, "sizes": [64, 16_384]})
    done = bench("fan_out", sizes, program="scale/worlds.py")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ns_64"] > 0


def test_a_part_of_a_day_is_not_called_a_day() -> None:
    done = bench("scale", "--quick", "--only", "day-qos1")
    assert done.stdout.count("EXTRAPOLATED") == 2, done.stdout + done.stderr


def test_peers_run_the_same_workload(tmp_path: Path) -> None:
    image = tmp_path / "peers.png"
    done = bench(
        *("peers", "--only", "mqttwin", "--only", "simpy", "--sensors", "100"),
        *("--limit", "5", "--plot", str(image)),
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows if row[1:2] == ["100"]] == ["mqttwin", "SimPy"]
    assert image.stat().st_size > 1000


@pytest.mark.parametrize("program", ["with_mqttwin.py", "with_simpy.py"])
def test_a_sensor_publishes_once_a_second(program: str) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH / "peers" / program), "100", "5"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    run = json.loads(done.stdout)
    # What jitter moves into or out of the window.
    assert abs(run["messages"] - 100 * run["virtual"]) <= 20


@pytest.mark.parametrize("command", ["scale", "peers"])
def test_unknown_names_are_refused(command: str) -> None:
    done = bench(command, "--only", "nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_only_names_of_packages_are_taken_for_packages() -> None:
    """`./dev bench peers` installs what lines with this word name; help has none of them."""
    lines = bench("peers", "--only", "SimGrid", "--packages").stdout.splitlines()
    assert "package libsimgrid-dev" in lines
    assert all(line.startswith("package ") for line in lines)
    helped = bench("peers", "--help", "--packages").stdout
    assert "--sensors" in helped
    assert not [line for line in helped.splitlines() if line.startswith("package ")]
