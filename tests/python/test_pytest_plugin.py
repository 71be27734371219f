"""The plugin of pytest, in runs of pytest of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

# A fleet stands for the firmware here: what the plugin does has nothing to do with devices.
PUMP = """
import mqttwin as mt
from dissect import packet_types

def pump(world):
    fleet = world.fleet("pump", link=mt.links.link(latency="40ms", loss=0.05), keep_alive="30s")
    fleet.publish("pump/{id}/flow", every="30s", qos=2, payload=mt.json(n=mt.gen.counter()))
    return fleet
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Writes a test file and runs it, with this plugin and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(pump=PUMP)
    pytester.syspathinsert()

    def run(text: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        chosen = ("-p", "pytest_mqttwin", "-p", "no:cacheprovider")
        return pytester.runpytest_inprocess(*chosen, *arguments)

    return run


def test_a_passing_test(run):
    result = run(
        """
        from pump import pump

        def test_flow(mqtt_world):
            spy = mqtt_world.spy("pump/#")
            fleet = pump(mqtt_world)
            mqtt_world.run("10min")
            assert spy.count == 20
        """
    )
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*seed*")


FAILING = """
    from pump import pump

    def test_flow(mqtt_world):
        spy = mqtt_world.spy("pump/#")
        pump(mqtt_world)
        mqtt_world.run("2min")
        assert spy.last("pump/+/flow").payload == b"", spy.last().payload
"""


def test_a_failing_test_says_how_to_repeat_it(run):
    result = run(FAILING)
    result.assert_outcomes(failed=1)
    out = result.stdout.str()
    seed = re.search(r"^seed (\d+)$", out, re.MULTILINE)[1]
    nodeid = "test_a_failing_test_says_how_to_repeat_it.py::test_flow"
    assert f"replay: pytest {nodeid} --mqttwin-seed={seed}" in out
    result.stdout.re_match_lines([r".* CONNECT ─+▶ .*", r".* PUBLISH ─+[▶✕] .*pump/pump-0/flow"])

    again = run(FAILING, f"--mqttwin-seed={seed}")

    def ladder(text: str) -> str:
        return text.partition("packets until")[2].partition("=====")[0]

    assert ladder(again.stdout.str()) == ladder(out)
    other = run(FAILING, "--mqttwin-seed=0x7b")
    assert "seed 123" in other.stdout.str()
    assert ladder(other.stdout.str()) != ladder(out)


def test_artifacts(run, pytester):
    result = run(
        FAILING + "\n    def test_fine(mqtt_world):\n        pump(mqtt_world)\n"
        "        mqtt_world.run('1min')\n",
        "--mqttwin-artifacts=left",
        "--mqttwin-seed=5",
    )
    result.assert_outcomes(failed=1, passed=1)
    (place,) = (pytester.path / "left").iterdir()  # what passes leaves nothing
    assert f"artifacts: left/{place.name}" in result.stdout.str()
    assert place.name.endswith("test_flow-5")
    names = {path.name for path in place.iterdir()}
    assert names == {"trace.msgpack", "packets.pcapng", "exchange.txt", "exchange.mmd"}
    assert (place / "packets.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert (place / "exchange.mmd").read_text().startswith("sequenceDiagram\n")
    import mqttwin as mt

    events, header = mt.read_trace(place / "trace.msgpack")
    assert len(events) > 10
    assert header["seed"] == "5"
    assert "damage" not in header


def test_seeds_run_in_one_item_until_one_fails(run):
    result = run(
        """
        import pytest
        from pump import pump

        seeds = []

        @pytest.mark.mqttwin(seeds=200)
        def test_all(mqtt_world):
            pump(mqtt_world)
            mqtt_world.run("1min")

        @pytest.mark.mqttwin(seeds=200)
        def test_some(mqtt_world):
            seeds.append(mqtt_world.seed)
            assert len(seeds) < 7

        def test_each_was_fresh():
            assert len(set(seeds)) == 7
            assert seeds == list(range(seeds[0], seeds[0] + 7))
        """,
        "--durations=1",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.re_match_lines([r"seed \d+, the first of 200 that fails \(number 7\)"])


def test_fixtures_of_ones_own_are_fresh_for_each_seed(run):
    result = run(
        """
        import pytest
        from pump import pump

        made = []

        @pytest.fixture
        def dut(mqtt_world):
            made.append("up")
            yield pump(mqtt_world)
            made.append("down")

        @pytest.fixture(scope="module")
        def shared():
            return []

        @pytest.mark.mqttwin(seeds=3)
        def test_it(mqtt_world, dut, shared):
            mqtt_world.run("1min")
            assert dut.online == 1

        def test_what_was_made():
            assert made == ["up", "down"] * 3
        """
    )
    result.assert_outcomes(passed=2)


def test_a_given_seed_is_run_alone(run):
    result = run(
        """
        import pytest

        @pytest.mark.mqttwin(seeds=200)
        def test_it(mqtt_world):
            assert mqtt_world.seed != 77
        """,
        "--mqttwin-seed=77",
    )
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(["seed 77$"])


@pytest.mark.parametrize(
    ("mark", "arguments", "why"),
    [
        ("seeds=0", "mqtt_world", "seeds must be a whole number from 1 to 1,000,000, not 0"),
        ("seeds='3'", "mqtt_world", "not '3'"),
        ("200", "mqtt_world", "takes seeds=N and nothing else"),
        ("seed=3", "mqtt_world", "takes seeds=N and nothing else"),
        ("seeds=3", "", "this one has none: it takes no mqtt_world"),
        ("", "mqtt_world, mqtt_broker", "are two worlds"),
    ],
)
def test_wrong_use_is_explained(run, mark, arguments, why):
    result = run(
        f"""
        import pytest

        @pytest.mark.mqttwin({mark})
        def test_it({arguments}):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    assert why in result.stdout.str()


def test_a_seed_that_is_none(run):
    result = run("def test_it(): pass", "--mqttwin-seed=-3")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.re_match_lines([".*must be a whole number from 0 to .*, not -3"])


def test_a_world_is_closed_after_its_test(run):
    result = run(
        """
        kept = []

        def test_keeps(mqtt_world):
            kept.append(mqtt_world)

        def test_uses():
            kept[0].run("1s")
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines([".*the world is closed"])


def test_live_fixtures(run):
    result = run(
        """
        def test_it(mqtt_broker, mqtt_client):
            spy = mqtt_broker.spy("a/#")
            mqtt_client.subscribe("a/#", qos=1)
            mqtt_client.publish("a/b", b"1", qos=1)
            assert mqtt_client.next().payload == b"1"
            assert spy.last("a/b").client_id == "mqtt_client"
            assert False
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([".* mqtt_client .*CONNECT.*", ".* mqtt_client .*PUBLISH.* a/b.*"])


def test_artifacts_of_a_live_broker(run, pytester):
    result = run(
        """
        def test_it(mqtt_broker, mqtt_client):
            mqtt_client.publish("a/b", b"1", qos=2)
            assert False
        """,
        "--mqttwin-artifacts=left",
    )
    result.assert_outcomes(failed=1)
    (place,) = (pytester.path / "left").iterdir()
    names = {path.name for path in place.iterdir()}
    assert names == {"trace.msgpack", "packets.pcapng", "exchange.txt", "exchange.mmd"}
    from dissect import packet_types

    types = packet_types(place / "packets.pcapng")
    assert types[1] == types[2] == types[3] == types[5] == types[6] == types[7] == 1


def test_it_is_installed():
    (entry,) = entry_points(group="pytest11", name="mqttwin")
    assert entry.value == "pytest_mqttwin"


def test_it_costs_nothing_where_nobody_uses_it(tmp_path, monkeypatch):
    """In a process of its own: nothing of mqttwin is imported."""
    (tmp_path / "test_plain.py").write_text(
        "import sys\n\ndef test_it():\n    assert 'mqttwin' not in sys.modules\n"
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_mqttwin", "test_plain.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
