"""The simulators: how each is started, what it needs, what it models and what was promised."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "peers"
TO_READY = 3  # times the limit: getting ready, measuring, and a step too many
PATIENCE = 20  # wall seconds for a CPU second: the machine is shared


class PeerError(Exception):
    """Why there is no figure: not installed, does not compile, out of time."""


@dataclass(frozen=True)
class Run:
    """One run: what a program prints, see workload.measure."""

    messages: int
    cpu: float
    virtual: float
    setup: float
    peak_kib: int

    @property
    def rate(self) -> float:
        """Messages a second of CPU time."""
        return self.messages / self.cpu


@dataclass(frozen=True)
class Peer:
    name: str
    models: str
    command: Callable[[], list[str]]  # raises PeerError
    packages: tuple[str, ...] = ()  # Debian's
    targets: dict[int, float] = field(default_factory=dict)  # sensors: mqttwin's rate in its own

    def run(self, sensors: int, limit: float) -> Run:
        """A process of its own.

        Raises:
            PeerError: It cannot be had, or did not get as far as being measured.
        """
        most = math.ceil(TO_READY * limit) + 1
        words = ["prlimit", f"--cpu={most}", *self.command(), str(sensors), str(limit)]
        try:
            done = subprocess.run(
                words,
                check=False,
                capture_output=True,
                text=True,
                timeout=PATIENCE * most,
            )
        except subprocess.TimeoutExpired as late:
            raise PeerError(f"nothing to measure after {late.timeout:.0f} s") from None
        if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            raise PeerError(f"nothing to measure after {most} s of CPU time")
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise PeerError(said[-1] if said else f"ended with {done.returncode}")
        return Run(**json.loads(done.stdout))


def _script(name: str) -> list[str]:
    return [sys.executable, str(HERE / f"with_{name}.py")]


def _simpy() -> list[str]:
    if importlib.util.find_spec("simpy") is None:
        raise PeerError("SimPy is not installed (pip install simpy)")
    return _script("simpy")


def _compiled(name: str, header: str, libraries: list[str], package: str) -> list[str]:
    """Compiles with_NAME.cpp when it has changed."""
    if not Path(header).exists():
        raise PeerError(f"{package} is not installed")
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise PeerError("no C++ compiler")
    source, program = HERE / f"with_{name}.cpp", BUILT / name
    BUILT.mkdir(parents=True, exist_ok=True)
    newest = max(source.stat().st_mtime, (HERE / "workload.hpp").stat().st_mtime)
    if not program.exists() or program.stat().st_mtime < newest:
        words = [compiler, "-std=c++17", "-O2", str(source), "-o", str(program), *libraries]
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise PeerError(f"does not compile: {done.stderr.strip().splitlines()[0]}")
    return [str(program)]


def _simgrid() -> list[str]:
    return _compiled("simgrid", "/usr/include/simgrid/s4u.hpp", ["-lsimgrid"], "libsimgrid-dev")


def _ns3() -> list[str]:
    parts = ("core", "network", "internet", "point-to-point", "stats")
    libraries = [f"-lns3-{part}" for part in parts]
    return _compiled("ns3", "/usr/include/ns3/core-module.h", libraries, "libns3-dev")


PEERS = [
    Peer("mqttwin", "MQTT 5.0, all bytes; TCP; links by packet", lambda: _script("mqttwin")),
    Peer(
        "SimPy",
        "a delay; a dictionary for a broker",
        _simpy,
        targets={1_000: 10, 100_000: 25},
    ),
    Peer(
        "SimGrid",
        "flows that share links (fluid); mailboxes",
        _simgrid,
        ("libsimgrid-dev",),
        {100: 6, 1_000: 20},
    ),
    Peer(
        "ns-3",
        "TCP/IP by packet; a broker that passes bytes on",
        _ns3,
        ("libns3-dev",),
        {1_000: 150},
    ),
]
REAL = "paho + mosquitto"
REAL_MODELS = "nothing: the real thing, in real time"
REAL_PACKAGES = ("mosquitto",)
