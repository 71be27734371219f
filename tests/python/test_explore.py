"""Exploring: what is drawn, what is found, what is left of it."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import mqttwin as mt
from mqttwin import _core
from mqttwin.exploring import Trial, Violation
from mqttwin.mischief import Fault


class Meter(mt.Device):
    """Keeps nothing: what it measures while it is away is gone."""

    clean_start = False
    session_expiry = "1h"
    keep_alive = "60s"

    def __init__(self, careful: bool = True) -> None:
        self.careful = careful

    def on_boot(self, event):
        self.every("30s", self.sample)
        self.connect()

    def sample(self):
        seq = self.storage["seq"] = self.storage.get("seq", 0) + 1
        if self.careful or self.connected:
            self.publish("d/{id}/data", json.dumps({"seq": seq}), qos=1)


def meters(world, *, devices: int = 4, careful: bool = False):
    """Module level, so that a printed test can import it."""
    world.broker()
    world.add(Meter, devices, name="meter", link=mt.links.lte_m(), careful=careful)


def fleet(world, *, devices: int = 3):
    world.broker()
    meters = world.fleet("meter", devices, keep_alive="60s")
    meters.publish("d/{id}/data", every="90s", qos=1, payload=b"1")


NO_GAPS = mt.invariants.no_gaps("d/+/data")
SHORT = {"until": "5min", "calm": "5min", "workers": 1}


def found(**options):
    given = {"seeds": range(20, 40), "invariants": [NO_GAPS], **SHORT, **options}
    return mt.explore(meters, **given)


def test_it_finds_a_gap_and_leaves_what_causes_it():
    exploration = found()
    assert not exploration
    example = exploration.counterexamples[0]
    assert len(example.faults) == 1
    assert example.parameters == {"devices": 1}
    assert example.violations[0].invariant == "no gaps"
    assert "meter-0" in example.violations[0].text
    assert repr(example.faults[0]) in example.test
    assert example.faults[0].text in example.story
    with pytest.raises(AssertionError, match="runs went wrong"):
        exploration.check()


def test_the_printed_test_fails_in_the_same_way():
    example = found().counterexamples[0]
    namespace: dict = {}
    exec(example.test, namespace)
    test = next(value for name, value in namespace.items() if name.startswith("test_"))
    with pytest.raises(AssertionError, match="violated: no gaps"):
        test()


def test_the_same_search_finds_the_same():
    first, again = found(), found()
    assert first.counterexamples[0].test == again.counterexamples[0].test
    assert [str(v) for v in first.failures] == [str(v) for v in again.failures]


def test_ready_made_kinds_go_to_other_processes():
    for kind in mt.mischief.everything():
        there = pickle.loads(pickle.dumps(kind))
        assert repr(there) == repr(kind)
        streams = [_core.Stream(5, "meter", "mischief", 0) for _ in range(2)]
        assert list(kind.faults(streams[0], "m", 10**13)) == (
            list(there.faults(streams[1], "m", 10**13))
        )


def test_processes_find_what_one_does():
    alone = found(shrink=False, stop_after=None)
    together = found(shrink=False, stop_after=None, workers=2)
    assert [v.case.seed for v in alone.failures] == [v.case.seed for v in together.failures]
    assert [v.violations for v in alone.failures] == [v.violations for v in together.failures]


def test_no_fault_no_alarm():
    exploration = found(faults=[], seeds=3)
    assert exploration
    assert str(exploration) == "3 runs: all is well"


def test_another_device_leaves_the_faults_of_the_others():
    def faults(devices):
        exploration = mt.explore(
            meters,
            seeds=[7],
            parameters={"devices": devices},
            shrink=False,
            swarm=False,
            invariants=[lambda trial: "always"],
            **SHORT,
        )
        return exploration.failures[0].case.faults

    few, many = faults(2), faults(3)
    assert few
    assert [f for f in many if f.target != "meter-2"] == list(few)


def test_a_fault_is_data_that_prints_itself():
    fault = Fault("cut", 61.5, "pump-2", after_bytes=17, direction="down")
    assert eval(repr(fault)) == fault
    assert {fault: 1}[fault.with_()] == 1
    assert fault.with_(at=1.0) < fault
    with pytest.raises(mt.ConfigError, match=r"kind.*cutt.*is none of cut, "):
        Fault("cutt", 1.0, "pump-2")
    with pytest.raises(mt.ConfigError, match="after: cut takes after_bytes, direction, anew"):
        Fault("cut", 1.0, "pump-2", after=1)


@pytest.mark.parametrize("kind", sorted(mt.mischief.KINDS))
def test_every_kind_strikes(kind):
    struck = []

    def note(trial: Trial):
        struck.extend(trial.faults)

    many = mt.mischief.KINDS[kind](every="1min")
    mt.explore(
        meters,
        seeds=2,
        faults=[many],
        swarm=False,
        parameters={"careful": True},
        invariants=[note, mt.invariants.connected(), mt.invariants.no_protocol_violation()],
        stop_after=None,
        **SHORT,
    ).check()
    assert len(struck) > 2


def test_what_a_device_raises_is_found():
    class Fragile(mt.Device):
        def on_disconnect(self, event):
            raise ValueError("never thought of that")

    def scenario(world):
        world.broker()
        world.add(Fragile)

    exploration = mt.explore(scenario, seeds=10, **SHORT)
    violation = exploration.counterexamples[0].violations[0]
    assert violation.invariant == "no crash"
    assert "never thought of that" in violation.text


def test_a_scenario_that_raises_is_no_finding():
    def scenario(world):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mt.explore(scenario, seeds=3, **SHORT)


def test_invariants_of_ones_own():
    def of_texts(trial):
        return ["one", "two"]

    def of_one(trial):
        return Violation("another name", "three")

    def asserting(trial):
        assert trial.world.now > 10_000, "four"

    verdict = mt.explore(
        fleet, seeds=1, invariants=[of_texts, of_one, asserting], shrink=False, **SHORT
    ).failures[0]
    assert [str(v).splitlines()[0] for v in verdict.violations] == [
        "of_texts: one",
        "of_texts: two",
        "another name: three",
        "asserting: four",
    ]


def test_a_fleet_that_comes_back_in_step():
    def scenario(world, *, backoff):
        world.broker()
        world.fleet("meter", 5, link=mt.links.ethernet(), backoff=backoff)

    restarts = [Fault("restart", at, "broker", down=30.0) for at in (60.0, 180.0)]

    def replay(backoff):
        mt.replay(
            scenario,
            seed=1,
            faults=restarts,
            invariants=[mt.invariants.not_in_step()],
            parameters={"backoff": backoff},
            until="5min",
        )

    replay(mt.backoff.exponential("2s", "60s", jitter=0.5))
    with pytest.raises(AssertionError, match=r"back within 0\.2 s after 2 of 2 long absences"):
        replay(mt.backoff.fixed("5s"))


def test_one_device_that_hammers_among_many_that_do_not():
    class Calm(mt.Device):
        def on_boot(self, event):
            self.connect()

    class Hasty(Calm):
        backoff = mt.backoff.fixed("2s")

    def scenario(world, *, hasty=0, fleet="30s"):
        world.broker()
        world.add(Calm, 9, name="calm")
        if hasty:
            world.add(Hasty, name="hasty")
        world.fleet("meter", 3, backoff=mt.backoff.fixed(fleet))

    def replay(*more, **parameters):
        mt.replay(
            scenario,
            seed=1,
            faults=[Fault("restart", 60.0, "broker", down=150.0), *more],
            invariants=[mt.invariants.no_hammering()],
            parameters=parameters,
            until="5min",
        )

    replay()
    # A device that reboots begins anew, which is no fault of its back-off.
    replay(*(Fault("power", 62.0 + 6 * n, "calm-0") for n in range(20)))
    with pytest.raises(AssertionError, match="no hammering: hasty has tried 30 times a minute"):
        replay(hasty=1)
    with pytest.raises(AssertionError, match="a device of meter, on average, has tried 60 times"):
        replay(fleet="1s")


def test_status_is_looked_at_by_somebody_who_comes_later():
    class Teller(mt.Device):
        keep_alive = "60s"

        def __init__(self, retain):
            self.retain = retain

        def on_connect(self, event):
            self.publish("d/{id}/status", b"online", qos=1, retain=self.retain)

    def scenario(world, *, retain):
        world.broker()
        world.add(Teller, retain=retain)

    agrees = [mt.invariants.status_agrees(dies=0)]
    mt.replay(scenario, seed=1, invariants=agrees, parameters={"retain": True}, until="1min")
    with pytest.raises(AssertionError, match=r"connected; who looks for.* there is none"):
        mt.replay(scenario, seed=1, invariants=agrees, parameters={"retain": False}, until="1min")
    with pytest.raises(AssertionError, match="teller is gone"):
        mt.replay(
            scenario,
            seed=1,
            invariants=[mt.invariants.status_agrees(dies="2min")],
            parameters={"retain": True},
            until="1min",
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"faults": [mt.mischief.cuts]}, "faults: .*without parentheses"),
        ({"faults": [mt.mischief.cuts(), mt.mischief.cuts("1min")]}, "faults: has a kind twice"),
        ({"invariants": [mt.invariants.connected]}, r"invariants: call it: mt\.invariants\.conn"),
        ({"invariants": [3]}, "invariants: 3 cannot be called"),
        ({"invariants": "all"}, "invariants: must be a list"),
        ({"seeds": 0}, "seeds: must be"),
        ({"seeds": []}, "seeds: must hold at least one"),
        ({"until": 0}, "until: must"),
        ({"parameters": {"gauges": 3}}, "parameters: .*gauges"),
        ({"size": "gauges"}, "size: the scenario has no parameter 'gauges'"),
        ({"stop_after": 0}, "stop_after: must be"),
    ],
)
def test_wrong_use_is_explained(options, message):
    with pytest.raises(mt.ConfigError, match=message):
        mt.explore(fleet, **options)
    with pytest.raises(mt.ConfigError, match="neither a function nor a path"):
        mt.explore(3)


def test_the_command(tmp_path):
    file = tmp_path / "meters.py"
    file.write_text(
        textwrap.dedent(
            """
            import mqttwin as mt

            UNTIL = "3min"
            CALM = "1min"
            INVARIANTS = [mt.invariants.connected()]

            def scenario(world, *, devices: int = 3, patient: bool = True):
                world.broker()
                backoff = mt.backoff.exponential("1s", "10s") if patient else None
                world.fleet("meter", devices, keep_alive="20s", backoff=backoff)
            """
        )
    )

    def command(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "mqttwin", "explore", str(file), "--seeds", "8", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    fine = command("--fault", "cuts")
    assert (fine.returncode, fine.stdout) == (0, "8 runs: all is well\n"), fine.stderr
    test = tmp_path / "test_found.py"
    bad = command("-p", "patient=false", "--out", str(test), "-q")
    assert bad.returncode == 1, bad.stderr
    assert "violated: connected: of meter 1 are still not connected" in bad.stdout
    assert "mt.load_scenario(" in test.read_text()
    wrong = command("--fault", "cats")
    assert wrong.returncode == 2
    assert "none of cuts, outages" in wrong.stderr


SEARCHED = """
import pathlib, sys
import mqttwin as mt

marks = pathlib.Path(sys.argv[1])

def scenario(world, *, devices=3):
    with marks.open("a") as file:
        file.write(".")
    world.broker()
    world.fleet("meter", devices, backoff=None).publish("x", every="1s", payload="x")

if __name__ == "__main__":
    found = mt.explore(scenario, seeds=20_000, until=sys.argv[2], calm="1min", stop_after=None,
                       faults=[mt.mischief.cuts("1min")], workers=int(sys.argv[3]))
    told = [example.runs for example in found.counterexamples]
    print(found.interrupted, found.runs > 0, bool(found.failures), told, str(found)[:9999])
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_keeps_what_was_found(workers, tmp_path):
    marks = tmp_path / "marks"
    out = interrupted(tmp_path, marks, 100, "5min", workers, times=1)
    assert out.startswith("True True True [0] "), out
    assert "runs went wrong (seeds " in out
    assert "), then interrupted\n" in out
    assert "violated: connected: of meter" in out
    assert "def test_connected_seed_" in out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_second_ctrl_c_does_not_wait_for_runs(workers, tmp_path):
    out = interrupted(tmp_path, tmp_path / "marks", int(workers), "36000d", workers, times=2)
    assert out == "True False False [] 0 runs, then interrupted: all is well\n"


def interrupted(tmp_path, marks, begun, until, workers, *, times):
    script = tmp_path / "script.py"
    script.write_text(SEARCHED)
    with subprocess.Popen(
        [sys.executable, str(script), str(marks), until, workers],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as a terminal does, the signal goes to all of them
    ) as process:
        pause = threading.Event()
        end = time.monotonic() + 60
        while not (marks.exists() and marks.stat().st_size >= begun):
            assert process.poll() is None
            assert time.monotonic() < end
            pause.wait(0.01)
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            pause.wait(0.3 if times > 1 else 0)
        try:
            out, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:  # two signals at once were one
            os.killpg(process.pid, signal.SIGINT)
            out, _ = process.communicate(timeout=60)
    return out


def test_strategies():
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from mqttwin import strategies

    @settings(max_examples=10, deadline=None, database=None, derandomize=True)
    @given(
        strategies.schedules(["meter-0", "meter-1"], until="4min", max_size=4),
        strategies.links(["lte_m", "nb_iot"]),
        st.integers(0, 100),
    )
    def holds(faults, link, seed):
        def scenario(world):
            world.broker()
            world.add(Meter, 2, name="meter", link=link, careful=True)

        assert faults == sorted(faults)
        mt.replay(
            scenario,
            seed=seed,
            faults=faults,
            invariants=[mt.invariants.connected()],
            until="4min",
            calm="15min",
        )

    holds()
    with pytest.raises(mt.ConfigError, match="kinds: 'cats' is none of cut, "):
        strategies.faults(["meter-0"], kinds=["cats"])
    with pytest.raises(mt.ConfigError, match="must name at least one"):
        strategies.faults([], kinds=["cut"])


# --- order and pace ------------------------------------------------------------------------------


class Ticker(mt.Device):
    """Numbers, from a list, one every ten seconds."""

    numbers = (1, 2, 2, 3, 1, 4)

    async def main(self):
        await self.connect()
        for number in self.numbers:
            await self.publish("n/{id}", json.dumps({"seq": number}), qos=1)
            await self.sleep(10)


class Backwards(Ticker):
    numbers = (1, 3, 2, 4)


@pytest.mark.parametrize(
    ("device", "invariant", "text"),
    [
        (Ticker, mt.invariants.in_order("n/#"), None),
        (Backwards, mt.invariants.in_order("n/#"), r"n/ticker-0: seq 2 came after 3"),
        (Ticker, mt.invariants.pace("n/#", 6, per="60s"), None),
        (Ticker, mt.invariants.pace("n/#", 5, per="60s"), r"n/ticker-0: 6 messages in the last 60"),
        (Ticker, mt.invariants.pace("n/#", 2, per="25s"), None),
    ],
)
def test_order_and_pace(device, invariant, text):
    def scenario(world):
        world.broker()
        world.add(device, 1, name="ticker")

    def run():
        mt.replay(scenario, seed=1, invariants=[invariant], until="1ms", calm="60s")

    if text is None:
        run()
    else:
        with pytest.raises(AssertionError, match=text):
            run()
    assert repr(eval(repr(invariant), {"mt": mt})) == repr(invariant)


def test_a_pace_over_more_than_the_calm_is_refused():
    def scenario(world):
        world.broker()

    with pytest.raises(mt.ConfigError, match="longer than the calm"):
        mt.replay(
            scenario, seed=1, invariants=[mt.invariants.pace("n", 1)], until="5min", calm="1min"
        )
