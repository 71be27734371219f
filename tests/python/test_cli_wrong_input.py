"""Wrong input: one clear line, exit status 2, no traceback."""

import os

import pytest

FLEET = """
import mqttwin as mt
def scenario(world):
    world.broker()
    fleet = world.fleet("a", 2)
    {line}
"""


def expect(said, *told):
    assert said.status == 2, said.err
    for text in told:
        assert text in said.line
    assert said.out == ""


def test_a_scenario_that_is_not_there(mqttwin, tmp_path):
    expect(mqttwin("run", tmp_path / "absent.py"), "absent.py", "no such file")
    expect(mqttwin("run", tmp_path), "is a directory")
    expect(mqttwin("run"), "missing argument SCENARIO.py")


def test_a_file_without_the_function(mqttwin, scenario_file):
    expect(mqttwin("run", scenario_file("x = 1\n")), "hello.py: has no function scenario(world")
    expect(mqttwin("run", scenario_file("scenario = 1\n")), "has no function scenario(world")
    expect(mqttwin("run", scenario_file("def scenario(): pass\n")), "takes no world")


def test_a_file_that_is_no_python(mqttwin, scenario_file):
    expect(mqttwin("run", scenario_file("def scenario(world:\n")), "hello.py:1: is no Python")
    path = scenario_file()
    path.write_bytes(b"\0\xff")
    expect(mqttwin("run", path), "is no Python")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("devcies=5", "no parameter 'devcies' (did you mean devices?)"),
        ("zzz=5", "no parameter 'zzz' (it has devices, loss, every"),
        ("devices=many", "-p devices: 'many' is not an integer"),
        ("devices=1.5", "-p devices: '1.5' is not an integer"),
        ("devices=", "-p devices: '' is not an integer"),
        ("devices", "'devices' is not NAME=VALUE"),
        ("=5", "'=5' is not NAME=VALUE"),
        ("loss=1.5", "-p loss: must be from 0 to 1, not 1.5"),
        ("loss=-0.1", "-p loss: must be from 0 to 1"),
        ("loss=high", "-p loss: 'high' is not a number"),
        ("loss=nan", "-p loss: 'nan' is not a number"),
        ("every=5 bananas", "-p every: '5 bananas' is not a duration"),
        ("every=-1s", "-p every: '-1s' is negative"),
        ("qos=3", "-p qos: '3' is none of 0, 1, 2"),
        ("loud=perhaps", "-p loud: 'perhaps' is neither true nor false"),
        ("colour=GREEN", "-p colour: 'GREEN' is none of RED, BLUE"),
        ("backoff=often", "-p backoff: 'often' is not a back-off"),
        ("backoff=fixed:0s", "-p backoff: must be more than 0"),
    ],
)
def test_parameters(mqttwin, scenario_file, given, told):
    expect(mqttwin("run", scenario_file(), "-p", given), told)


def test_a_parameter_given_twice_or_not_at_all(mqttwin, scenario_file):
    path = scenario_file()
    expect(mqttwin("run", path, "-p", "devices=1", "-p", "devices=2"), "devices is given twice")
    path = scenario_file("def scenario(world, *, n: int): pass\n")
    expect(mqttwin("run", path), "n: needs a value: -p n=…")
    path = scenario_file("def scenario(world, *, n: complex = 1j): pass\n")
    expect(mqttwin("run", path, "-p", "n=1"), "-p n: is a complex, which the command line cannot")
    path = scenario_file("def scenario(world): pass\n")
    expect(mqttwin("run", path, "-p", "n=1"), "no parameter 'n' (it has none)")


@pytest.mark.parametrize("until", ["soon", "-1h", "", "1 fortnight", "inf", "1000000d"])
def test_until(mqttwin, scenario_file, until):
    expect(mqttwin("run", scenario_file(), f"--until={until}"), "--until: ")


def test_until_of_the_scenario(mqttwin, scenario_file):
    path = scenario_file("UNTIL = 'late'\ndef scenario(world): world.broker()\n")
    expect(mqttwin("run", path), "hello.py: UNTIL: 'late' is not a duration")


@pytest.mark.parametrize("seed", ["x", "-1", "1.5"])
def test_seed(mqttwin, scenario_file, seed):
    expect(mqttwin("run", scenario_file(), "--seed", seed), "seed")


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("latency.p99", "is no check"),
        ("latency.p99 << 5s", "'< 5s' is not a duration"),
        ("< 5s", "is no check"),
        ("latency.p99 < ", "is no check"),
        ("__import__('os') == 1", "is no check"),
        ("latncy.p99 < 5s", "did you mean latency.p99"),
        ("xyzzy == 5", "there is no 'xyzzy' (there are latency.count"),
        ("latency < 5s", "there is no 'latency'"),
        ("latency.p99 < fast", "'fast' is not a duration"),
        ("lost == none", "'none' is not a number"),
        ("lost < 5s", "'5s' is not a number"),
        ("mqtt_bytes_up < 5 bananas", "is not a size"),
    ],
)
def test_checks(mqttwin, scenario_file, check, told):
    expect(mqttwin("run", scenario_file(), "--check", check), "--check", told)


def test_out_that_cannot_be_written(mqttwin, scenario_file, tmp_path):
    (tmp_path / "file").write_text("")
    expect(mqttwin("run", scenario_file(), "--out", tmp_path / "file"), "file: out: cannot be writ")
    expect(mqttwin("run", scenario_file(), "--out", tmp_path / "file" / "x"), "cannot be written")
    expect(mqttwin("run", scenario_file(), "--out", "/proc/nowhere"), "cannot be written")
    expect(mqttwin("run", scenario_file(), "--trace"), "--trace: needs --out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_out_without_permission(mqttwin, scenario_file, tmp_path):
    tmp_path.chmod(0o555)
    expect(mqttwin("run", scenario_file(), "--out", tmp_path / "o"), "Permission denied")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('fleet.publish("a/#", every="1s", payload=1)', "topic"),
        ('fleet.publish("", every="1s", payload=1)', "topic"),
        ('fleet.publish("{grp}", every="1s", payload=1)', "grp"),
        ('fleet.subscribe("a/#/b")', "filter"),
        ('fleet.publish("t", every="0s", payload=1)', "every: must be more than 0"),
        ('fleet.publish("t", every="10 parsecs", payload=1)', "every: '10 parsecs'"),
        ('world.fleet("b", link=mt.links.nb_iot(loss=2))', "loss: must be"),
        ('world.fleet("b", link=mt.links.nb_iot(latency="-1s"))', "latency: '-1s' is negative"),
        ('world.fleet("b", keep_alive="soon")', "keep_alive: 'soon'"),
        ("world.run('-5s')", "run: '-5s' is negative"),
    ],
)
def test_what_a_scenario_passes_on_is_told_with_its_line(mqttwin, scenario_file, line, told):
    path = scenario_file(FLEET.format(line=line))
    expect(mqttwin("run", path), f"{path}:6: ", told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("t,x\n1,2\n2,warm\n", "data.csv:3: column 'x': 'warm' is not a number"),
        ("t,x\n1\n", "data.csv:2: column 'x': the row has 1 of 2 cells"),
        ("t,y\n1,2\n", "data.csv: has no column 'x' (it has t, y)"),
        (None, "data.csv: cannot be read: No such file"),
    ],
)
def test_recordings(mqttwin, scenario_file, tmp_path, content, told):
    data = tmp_path / "data.csv"
    if content is not None:
        data.write_text(content)
    line = f'fleet.publish("t", every="1s", payload=mt.json(x=mt.gen.replay({str(data)!r}, "x")))'
    expect(mqttwin("run", scenario_file(FLEET.format(line=line))), told)


def test_replay(mqttwin, scenario_file, tmp_path):
    expect(mqttwin("replay", tmp_path), "manifest.json: cannot be read: No such file")
    (tmp_path / "manifest.json").write_text("{")
    expect(mqttwin("replay", tmp_path), "manifest.json: is not JSON")
    (tmp_path / "manifest.json").write_text("{}")
    expect(mqttwin("replay", tmp_path), "is not the manifest of a run")
    (tmp_path / "manifest.json").write_text('{"format": "mqttwin-run", "format_version": 99}')
    expect(mqttwin("replay", tmp_path), "has format version 99, not 1")
    (tmp_path / "manifest.json").write_text('{"format": "mqttwin-run", "format_version": 1}')
    expect(mqttwin("replay", tmp_path), "does not say which scenario was run")
    path = scenario_file()
    mqttwin("run", path, "-q", "--out", tmp_path / "o", "--until", "1min")
    path.unlink()
    expect(mqttwin("replay", tmp_path / "o"), "hello.py: the scenario is not there any more")
    expect(mqttwin("replay"), "DIR")


def test_words_that_the_command_line_does_not_know(mqttwin, scenario_file):
    expect(mqttwin("walk"), "walk", "--help")
    expect(mqttwin("run", scenario_file(), "--fast"), "--fast", "--help")
    expect(mqttwin("run", scenario_file(), "another.py"), "another.py")
    expect(mqttwin("run", scenario_file(), "--until"), "--until")


def test_a_capture_that_cannot_be_written(mqttwin, scenario_file, tmp_path):
    expect(mqttwin("run", scenario_file(), "--capture", tmp_path / "absent" / "a"), "capture: ")
