"""What the tests of the Python face share."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

import mqttwin as mt
from mqttwin import cli

mpl.use("Agg")

ROOT = Path(__file__).resolve().parents[2]

# Whoever starts a command in the background of a script has SIGINT ignored, and so have its
# children: then nothing would ever interrupt what these tests want to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr, without the program's name."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("mqttwin: ")
        return lines[0].removeprefix("mqttwin: ")


@pytest.fixture
def mqttwin(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """The command line within this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Said:
        capfd.readouterr()
        status = cli.main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Said(status, captured.out, captured.err)

    return call


HELLO = """
import mqttwin as mt
from typing import Literal
import enum

UNTIL = "10min"

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

def scenario(
    world,
    *,
    devices: int = 3,
    loss: mt.Probability = 0.0,
    every: mt.Duration = "1min",
    qos: Literal[0, 1, 2] = 1,
    loud: bool = False,
    colour: Colour = Colour.RED,
    backoff: mt.Backoff = mt.backoff.fixed("5s"),
    name="thing",
):
    '''Things say hello.

    Not told.
    '''
    world.broker()
    link = mt.links.link(latency="10ms", loss=loss)
    things = world.fleet(name, devices, link=link, backoff=backoff)
    things.publish("hello/{id}", every=every, qos=qos, payload=mt.json(n=mt.gen.counter()))
    world.fleet("ear").subscribe("hello/#", qos=qos)

    def found(result):
        return f"found {result.delivered} of {colour.name}, loud={loud}"

    return found
"""


@pytest.fixture
def scenario_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a scenario; by default a small one with parameters of every kind."""

    def write(text: str = HELLO, name: str = "hello.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def small_world(seed: int = 1, devices: int = 20, *, qos: int = 1, loss: float = 0.05) -> mt.World:
    """Meters and a dashboard, not run yet."""
    world = mt.World(seed)
    world.broker()
    meters = world.fleet(
        "meter",
        devices,
        link=mt.links.link(latency="40ms", jitter="5ms", loss=loss),
        session_expiry="1h",
        keep_alive="5min",
    )
    meters.publish(
        "site/{group}/{id}",
        every="1min",
        jitter="10s",
        qos=qos,
        payload=mt.json(t=mt.gen.ou(mean=21, sigma=0.4, tau="1h", digits=2), n=mt.gen.counter()),
    )
    dashboard = world.fleet("dashboard", session_expiry="1h", keep=100_000)
    dashboard.subscribe("site/#", qos=qos)
    return world


def run_main(world: mt.World, main: Any, seconds: float = 60, **attributes: Any) -> Any:
    """A device with that main, after so long."""
    kind = type("Probe", (mt.Device,), {"main": main, **attributes})
    dut = world.add(kind)
    world.run(seconds)
    return dut


@pytest.fixture
def a_result() -> mt.Result:
    """Half an hour of the small world."""
    with small_world() as world:
        return world.run("30min")
