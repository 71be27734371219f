"""The scenarios that come with the project, small."""

import json
import re

import pytest

from conftest import ROOT

SCENARIOS = sorted((ROOT / "scenarios").glob("[0-9]*.py"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_explains_itself(mqttwin, path):
    said = mqttwin("run", path, "--help")
    assert said.status == 0
    assert "-p " in said.out


def test_hello_fleet(mqttwin):
    path = ROOT / "scenarios" / "01_hello_fleet.py"
    said = mqttwin("run", path, "-p", "devices=50", "--check", "lost == 0")
    assert said.status == 0, said.err
    assert "What a lost packet costs is time" in said.out
    assert "at most 1s" in said.out
    assert "a month" in said.out


@pytest.mark.parametrize("qos", [0, 2])
def test_hello_fleet_at_other_qualities(mqttwin, qos):
    path = ROOT / "scenarios" / "01_hello_fleet.py"
    said = mqttwin("run", path, "-p", "devices=20", "-p", f"qos={qos}", "-p", "loss=0.1")
    assert said.status == 0, said.err


def test_replay_readings(mqttwin):
    path = ROOT / "scenarios" / "02_replay_readings.py"
    said = mqttwin("run", path, "-p", "stations=40", "-p", "loss=0.2", "--until", "6h")
    assert said.status == 0, said.err
    lines = (re.split(r"  +", line.strip()) for line in said.out.splitlines())
    figures = {cells[0]: cells[1] for cells in lines if len(cells) == 2}
    assert figures["readings compared"] == figures["equal to what was measured"]
    assert int(figures["readings compared"].replace(",", "")) > 2500
    assert figures["stations that were heard"] == "40 of 40"
    assert figures["stations with a gap"] == "0"


def test_reconnect_storm(mqttwin):
    path = ROOT / "scenarios" / "03_reconnect_storm.py"
    said = mqttwin("run", path, "-p", "devices=200", "--until", "20min")
    assert said.status == 0, said.err
    row = next(line for line in said.out.splitlines() if line.startswith("busiest second"))
    fixed, jittered = (int(text.replace(",", "")) for text in row.split()[-2:])
    assert fixed > 100
    assert jittered < fixed / 5


def test_reconnect_storm_without_sessions(mqttwin):
    path = ROOT / "scenarios" / "03_reconnect_storm.py"
    said = mqttwin("run", path, "-p", "devices=50", "-p", "keep_sessions=false")
    assert said.status == 0, said.err
    assert re.search(r"sessions resumed +0\n", said.out)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_can_be_replayed(mqttwin, path, tmp_path):
    size = "stations=10" if "replay" in path.stem else "devices=10"
    ran = mqttwin("run", path, "-p", size, "--until", "20min", "-q", "--out", tmp_path)
    assert ran.status == 0, ran.err
    assert mqttwin("replay", tmp_path, "-q").status == 0
    figures = json.loads((tmp_path / "counts.json").read_text())
    c = figures["conservation"]
    assert c["expected"] == c["delivered"] + c["dropped"] + c["in_flight"]
