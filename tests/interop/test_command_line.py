"""`mqttwin pub` and `mqttwin sub` beside mosquitto_pub and mosquitto_sub: the same options do the
same, on either broker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mqttwin import cli

from .brokers import BROKERS, Broker, mosquitto_missing
from .clients import LIBRARIES
from .stage import DEADLINE, VERSIONS, Clients, Message, all_of
from .suite import require

Program = Callable[..., bytes]
VERSION_OPTIONS = {"3.1.1": "mqttv311", "5.0": "mqttv5"}


@pytest.fixture(params=list(BROKERS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    require(mosquitto_missing())
    require(LIBRARIES["mosquitto"].missing())
    with BROKERS[request.param](tmp_path) as broker:
        yield broker


@pytest.fixture(params=list(VERSION_OPTIONS))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ours(place: Broker, version: str, capfdbinary: pytest.CaptureFixture[bytes]) -> Program:
    """Runs one of our commands in this process; returns what it prints."""

    def run(command: str, *arguments: str) -> bytes:
        capfdbinary.readouterr()
        where = ["-h", place.host, "-p", str(place.port), "-V", VERSION_OPTIONS[version]]
        status = cli.main([command, *where, *arguments])
        said = capfdbinary.readouterr()
        assert status == 0, said.err
        return said.out

    return run


@pytest.fixture
def theirs(place: Broker, version: str) -> Program:
    """Runs mosquitto's."""

    def run(command: str, *arguments: str) -> bytes:
        where = ["-h", place.host, "-p", str(place.port), "-V", VERSION_OPTIONS[version]]
        program = [f"mosquitto_{command}", "--nodelay", *where, *arguments]
        return subprocess.run(program, stdout=subprocess.PIPE, timeout=DEADLINE, check=True).stdout

    return run


@pytest.fixture
def paho(place: Broker, version: str) -> Iterator[Clients]:
    library = LIBRARIES["paho"]
    require(library.missing())
    with all_of(Clients(*place.address, library, VERSIONS[version])) as clients:
        yield clients


@pytest.mark.parametrize(
    "options",
    [
        "-m hello",
        "-m grüße -q 1",
        "-m hello -q 2 -r",
        "-n -q 1",
        "-m again -q 1 --repeat 3",
        "-m hello -q 1 -u somebody -P something -k 30 -i me",
    ],
)
def test_pub(ours: Program, theirs: Program, paho: Clients, options: str) -> None:
    eye = paho.connect("eye")
    eye.subscribe("a/b", 2)
    seen = []
    for program in (theirs, ours):
        program("pub", "-t", "a/b", *options.split())
        program("pub", "-t", "a/b", "-m", "that was all", "-q", "2" if "-q 2" in options else "1")
        seen.append(eye.receive_until(b"that was all"))
    assert seen[0] == seen[1] != []


@pytest.mark.parametrize("version", ["5.0"], indirect=True)
@pytest.mark.parametrize(
    "options",
    [
        "content-type text/plain",
        "response-topic answers/here",
        "correlation-data 17",
        "message-expiry-interval 100",
        "payload-format-indicator 1",
        "user-property unit degrees",
    ],
)
def test_properties_of_pub(ours: Program, theirs: Program, paho: Clients, options: str) -> None:
    eye = paho.connect("eye")
    eye.subscribe("a", 1)
    for program in (theirs, ours):
        program("pub", "-t", "a", "-m", "x", "-q", "1", "-D", "publish", *options.split())
    first, second = eye.receive().properties, eye.receive().properties
    assert first == second != {}


@pytest.mark.parametrize(
    "options",
    [
        "-t one",
        "-t one -v",
        "-t one -q 2 -N",
        "-t one -t two -q 1 -v",
        "-t # -T one -T three/+ -v",
        "-t one -F %t|%q|%r|%l|%p|%x|%X",
        "-t one -q 1 -F %q%%@@\\t%20t|%-8p|",
    ],
)
def test_sub(ours: Program, theirs: Program, paho: Clients, options: str) -> None:
    hand = paho.connect("hand")
    for topic in ("one", "two", "three/four"):
        hand.publish(Message(topic, f"of {topic}".encode(), 1, retain=True))
    count = str(options.count("-t "))
    said = [program("sub", "-C", count, *options.split()) for program in (theirs, ours)]
    assert sorted(said[0].splitlines()) == sorted(said[1].splitlines())
    assert b"one" in said[0] or b"two" in said[0]


def test_session_passes_from_one_to_the_other(ours: Program, theirs: Program) -> None:
    session = ("-c", "-i", "someone", "-q", "1", "-t", "news/#")
    theirs("sub", *session, "-E")
    theirs("pub", "-t", "news/a", "-m", "first", "-q", "1")
    assert ours("sub", *session, "-C", "1") == b"first\n"
    ours("pub", "-t", "news/b", "-m", "second", "-q", "1")
    assert theirs("sub", *session, "-C", "1") == b"second\n"


def test_file_of_any_bytes(ours: Program, theirs: Program, paho: Clients, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 4096 + b"the end")
    eye = paho.connect("eye")
    eye.subscribe("large", 1)
    for program in (theirs, ours):
        program("pub", "-t", "large", "-f", str(path), "-q", "1")
        assert eye.receive().payload == path.read_bytes()
    eye.publish(Message("large", path.read_bytes(), 1, retain=True))
    for program in (theirs, ours):
        assert program("sub", "-t", "large", "-C", "1", "-N") == path.read_bytes()
