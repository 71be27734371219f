"""The command line as one uses it."""

import json
import signal
import subprocess
import sys

import pandas as pd
import pytest

import mqttwin as mt
from mqttwin.cli.parameters import convert
from mqttwin.cli.running import as_text


def test_version(mqttwin):
    said = mqttwin("--version")
    assert (said.status, said.out) == (0, f"mqttwin {mt.__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["run", "--help"], ["run", "-h"]])
def test_help(mqttwin, arguments):
    said = mqttwin(*arguments)
    assert said.status == 0
    assert "Usage: mqttwin" in said.out
    assert "Simulate" in said.out


def test_help_names_every_option_of_run(mqttwin):
    text = mqttwin("run", "--help").out
    for option in ("SCENARIO.py", "--until", "--seed", "-p", "--out", "--check", "--quiet"):
        assert option in text
    assert "DIR" in mqttwin("replay", "--help").out


def test_help_of_a_scenario_lists_its_parameters(mqttwin, scenario_file):
    said = mqttwin("run", scenario_file(), "--help")
    assert said.status == 0
    assert "Things say hello." in said.out
    assert "Not told" not in said.out
    for told in (
        "-p devices=…",
        "integer",
        "default 3",
        "duration such as",
        "0 or 1 or 2",
        "true or false",
        "RED or BLUE",
        "back-off such as fixed:5s",
        "runs for 10min",
    ):
        assert told in said.out


def test_a_run_tells_its_report_and_what_was_found(mqttwin, scenario_file):
    said = mqttwin("run", scenario_file(), "--seed", 7)
    assert said.status == 0
    assert "virtual time              10 min" in said.out
    assert "seed                      7" in said.out
    assert "found 30 of RED, loud=False" in said.out
    assert said.err == ""


def test_parameters_are_typed_by_the_signature(mqttwin, scenario_file):
    said = mqttwin(
        *("run", scenario_file(), "--until", "1h", "--parameter", "devices=1e1"),
        *("-p", "every=10min", "-p", "loud=yes", "-p", "colour=BLUE", "-p", "qos=2"),
        *("-p", "backoff=exponential:1s,1min", "-p", "name=gadget", "-p", "loss=0.1"),
    )
    assert said.status == 0
    assert "fleet gadget              10 over link (10 ms, 10 % loss)" in said.out
    assert "backoff                   exponential:1s,1min" in said.out
    assert "found 60 of BLUE, loud=True" in said.out


def test_quiet_says_nothing(mqttwin, scenario_file):
    said = mqttwin("run", scenario_file(), "--quiet")
    assert (said.status, said.out, said.err) == (0, "", "")


def test_the_same_seed_the_same_run(mqttwin, scenario_file):
    def digest(*arguments):
        out = mqttwin("run", scenario_file(), *arguments).out
        return next(line for line in out.splitlines() if "digest" in line)

    assert digest() == digest("--seed", 0) == digest("--until", "600")
    assert digest() != digest("--seed", 1)


def test_checks_decide_the_status(mqttwin, scenario_file):
    passing = ("--check", "latency.p99 < 5s", "--check", "lost == 0", "--check", "delivered>=30")
    said = mqttwin("run", scenario_file(), *passing)
    assert said.status == 0
    assert said.out.count("passed") == 3
    said = mqttwin("run", scenario_file(), *passing, "--check", "latency.p99 < 1ms", "--quiet")
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("failed  latency.p99 < 1ms  (1")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("check", "status"),
    [
        ("latency.p50 != 1s", 0),
        ("latency.p99.9 <= 100ms", 0),
        ("latency.mean > 0.001", 0),
        ("mqtt_bytes_up < 1MB", 0),
        ("dropped.queue_full == 0", 0),
        ("delivered == 30.0", 0),
        ("delivered == 3_0", 0),
        ("delivered < 30", 1),
        ("connects > 1,000", 1),
    ],
)
def test_comparisons(mqttwin, scenario_file, check, status):
    assert mqttwin("run", scenario_file(), "-q", "--check", check).status == status


def test_what_was_never_measured_fails_its_check(mqttwin, scenario_file):
    said = mqttwin("run", scenario_file(), "--until", "0s", "-q", "--check", "latency.p99 < 5s")
    assert said.status == 1
    assert "nothing was measured" in said.err


def test_out_writes_everything(mqttwin, scenario_file, tmp_path):
    out = tmp_path / "runs" / "one"
    path = scenario_file()
    said = mqttwin(
        *("run", path, "--out", out, "--seed", 3, "-p", "devices=2", "--trace"),
        *("--check", "lost == 0"),
    )
    assert said.status == 0
    assert f"written to {out}" in said.out
    assert {file.name for file in out.iterdir()} == {
        "manifest.json",
        "messages.parquet",
        "series.parquet",
        "counts.json",
        "report.html",
        "report.txt",
        "trace.msgpack",
    }
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["seed"] == 3
    assert manifest["digest"] in said.out
    assert manifest["scenario"]["given"] == {"devices": "2"}
    assert manifest["parameters"]["every"] == "1min"
    assert manifest["versions"]["mqttwin"] == mt.__version__
    assert manifest["checks"] == [{"text": "lost == 0", "passed": True, "actual": "0"}]
    assert len(pd.read_parquet(out / "messages.parquet")) == 20
    assert json.loads((out / "counts.json").read_text())["counts"]["delivered"] == 20
    assert "found 20" in (out / "report.txt").read_text()
    assert len(mt.read_trace(out / "trace.msgpack")[0]) > 50


def test_the_report_is_one_file_that_needs_nothing_else(mqttwin, scenario_file, tmp_path):
    mqttwin("run", scenario_file(), "--out", tmp_path / "o", "-q")
    page = (tmp_path / "o" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "found 30" in page
    for reference in ("http:", "https:", "<link", "<script", 'src="/', "url("):
        assert reference not in page


def test_a_run_can_be_written_over(mqttwin, scenario_file, tmp_path):
    for seed in (1, 2):
        assert mqttwin("run", scenario_file(), "-q", "--out", tmp_path, "--seed", seed).status == 0
    assert json.loads((tmp_path / "manifest.json").read_text())["seed"] == 2


def test_without_pyarrow_columns_are_csv(mqttwin, scenario_file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert mqttwin("run", scenario_file(), "-q", "--out", tmp_path / "o").status == 0
    assert len(pd.read_csv(tmp_path / "o" / "messages.csv")) == 30


def test_replay_verifies_the_digest(mqttwin, scenario_file, tmp_path):
    out = tmp_path / "o"
    path = scenario_file()
    mqttwin("run", path, "-q", "--out", out, "-p", "devices=2", "--until", "3min", "--seed", 5)
    digest = json.loads((out / "manifest.json").read_text())["digest"]
    said = mqttwin("replay", out)
    assert said.status == 0
    assert said.out.startswith(f"same digest: {digest} (3 min in ")
    assert mqttwin("replay", out, "--quiet").out == ""


def test_replay_tells_what_has_changed(mqttwin, scenario_file, tmp_path):
    out = tmp_path / "o"
    path = scenario_file()
    mqttwin("run", path, "-q", "--out", out)
    path.write_text(path.read_text().replace('latency="10ms"', 'latency="11ms"'))
    said = mqttwin("replay", out)
    assert said.status == 1
    assert "not the same" in said.err
    assert f"{path} has changed since" in said.err


def test_replay_finds_the_scenario_where_it_has_moved_along(mqttwin, scenario_file, tmp_path):
    path = scenario_file()
    out = tmp_path / "o"
    mqttwin("run", path, "-q", "--out", out)
    moved = tmp_path.parent / (tmp_path.name + "-moved")
    tmp_path.rename(moved)
    try:
        assert mqttwin("replay", moved / "o").status == 0
    finally:
        moved.rename(tmp_path)


def test_a_scenario_may_run_the_world_itself(mqttwin, scenario_file):
    path = scenario_file(
        "def scenario(world):\n"
        "    world.broker()\n"
        "    world.fleet('a').publish('t', every='1s', payload=1)\n"
        "    world.run('10s')\n"
        "    world.run_until(lambda: world.now >= 15)\n"
    )
    said = mqttwin("run", path, "--until", "20s")
    assert said.status == 0
    assert "virtual time              20 s" in said.out


def test_what_is_found_may_be_anything_that_rich_shows(mqttwin, scenario_file, tmp_path):
    path = scenario_file(
        "from rich.table import Table\n"
        "def scenario(world):\n"
        "    world.broker()\n"
        "    def found(result):\n"
        "        table = Table('one', 'two')\n"
        "        table.add_row('1', '2')\n"
        "        return table\n"
        "    return found\n"
    )
    said = mqttwin("run", path, "--out", tmp_path / "o")
    assert "one" in said.out
    assert "one" in (tmp_path / "o" / "report.txt").read_text()
    assert as_text(None) == ""
    assert as_text("x\n\n") == "x\n"


def test_neighbours_can_be_imported(mqttwin, scenario_file):
    scenario_file("DEVICES = 4\n", "neighbour.py")
    path = scenario_file(
        "import neighbour\n"
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Kind:\n"
        "    n: int = neighbour.DEVICES\n"
        "def scenario(world):\n"
        "    world.broker()\n"
        "    world.fleet('a', Kind().n)\n"
    )
    said = mqttwin("run", path)
    assert said.status == 0, said.err
    assert "fleet a                   4 over Ethernet" in said.out


def test_an_exception_of_the_scenario_shows_its_own_traceback(mqttwin, scenario_file):
    path = scenario_file(
        "def helper():\n"
        "    return {}['nothing']\n"
        "def scenario(world):\n"
        "    world.broker()\n"
        "    world.at('1s', helper)\n"
    )
    said = mqttwin("run", path)
    assert said.status == 1
    lines = said.err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{path}", line 2, in helper'
    assert lines[-1] == "KeyError: 'nothing'"
    assert "mqttwin/" not in said.err.replace(str(path), "")


def test_an_exception_while_a_scenario_is_loaded(mqttwin, scenario_file):
    path = scenario_file("import nothing_of_the_kind\n")
    said = mqttwin("run", path)
    assert said.status == 1
    assert said.err.splitlines()[1].startswith(f'  File "{path}", line 1')
    assert "ModuleNotFoundError" in said.err


def test_waiting_in_vain_is_told_in_one_line(mqttwin, scenario_file):
    path = scenario_file(
        "def scenario(world):\n"
        "    world.broker()\n"
        "    world.run_until(lambda: False, timeout='5s')\n"
    )
    said = mqttwin("run", path)
    assert said.status == 1
    assert "within '5s' (at 5 s of virtual time)" in said.line


def test_ctrl_c_on_the_command_line(scenario_file, tmp_path):
    path = scenario_file(
        "def scenario(world):\n"
        "    world.broker()\n"
        "    world.fleet('a', 50).publish('t', every='1s', payload=1)\n"
        "    world.at('1s', lambda: print('it runs', flush=True))\n"
    )
    out = tmp_path / "o"
    code = "from mqttwin.cli import main; raise SystemExit(main())"
    arguments = ["run", path, "--until", "30000d", "--out", out]
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "it runs\n"
        process.send_signal(signal.SIGINT)
        told, wrong = process.communicate(timeout=60)
    assert process.returncode == 130, wrong
    assert "(interrupted)" in told
    assert json.loads((out / "manifest.json").read_text())["interrupted"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "12", 12),
        (float, "1e-3", 0.001),
        (str, "a=b", "a=b"),
        (bool, "off", False),
        (int | None, "none", None),
        (int | None, "4", 4),
        (int | str, "four", "four"),
        (list[int], "1, 2,3", [1, 2, 3]),
        (tuple[str, ...], "a,b", ("a", "b")),
        (mt.Duration, "15min", "15min"),
        (mt.Size, "64KiB", "64KiB"),
        (mt.Rate, "1Mbit/s", "1Mbit/s"),
        (mt.Probability, "0.5", 0.5),
        (mt.Duration | None, "none", None),
        (mt.Link, "nb_iot", mt.links.nb_iot()),
        (mt.Backoff, "fixed:1s", mt.backoff.fixed("1s")),
    ],
)
def test_texts_become_values(kind, text, value):
    assert convert(kind, text) == value


def test_a_capture(mqttwin, scenario_file, tmp_path):
    path = tmp_path / "run.pcapng"
    said = mqttwin("run", scenario_file(), "-q", "--capture", path)
    assert said.status == 0
    assert path.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert b"thing/2" in path.read_bytes()
