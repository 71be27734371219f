"""Brokers as processes, each pinned to a core, started and stopped for one measurement."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 30.0  # to be ready
STOP_S = 10.0  # to be gone after SIGTERM
POLL_S = 0.02

# How a broker that chooses its own port says which: the first host:port that it prints.
READY = re.compile(r"(?P<host>\d+\.\d+\.\d+\.\d+|localhost):(?P<port>\d+)")

# As Debian ships it, but for what a benchmark of the network path must not pay: no files, no log.
# Nagle's algorithm is its default, spares it work where much is on its way, and holds back single
# messages for up to 40 ms; so where latency is measured it gets the option that turns that off.
MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
log_dest none
"""
MOSQUITTO_PROMPT = "set_tcp_nodelay true\n"


class BrokerError(Exception):
    """A broker that does not start; the text says what it printed."""


@dataclass(frozen=True)
class Running:
    """A broker that answers at an address."""

    host: str
    port: int
    pid: int


@dataclass(frozen=True)
class Broker:
    """What to start: words with {port} or {config} in them, or what runs already.

    Without {port} the broker chooses a port and prints it. `prompt` is added to the configuration
    where latency counts.
    """

    name: str
    command: tuple[str, ...] = ()
    config: str = ""
    prompt: str = ""
    running: Running | None = None

    @contextmanager
    def started(self, core: int, *, prompt: bool) -> Iterator[Running]:
        """A fresh process on that core; what runs already is left as it is.

        Raises:
            BrokerError: It ended or said nothing within 30 s.
        """
        if self.running is not None:
            yield self.running
            return
        with tempfile.TemporaryDirectory(prefix="mqttwin-live-") as name:
            folder = Path(name)
            port = _free_port()
            config = folder / "broker.conf"
            text = self.config + (self.prompt if prompt else "")
            config.write_text(text.replace("{port}", str(port)))
            # Some brokers give up root before they read it.
            folder.chmod(0o755)
            words = [
                word.replace("{port}", str(port)).replace("{config}", str(config))
                for word in self.command
            ]
            known = port if any("{port}" in text for text in (*self.command, self.config)) else None
            log = folder / "output"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    ["taskset", "-c", str(core), *words],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                )
            try:
                host, port = self._wait(process, log, known)
                yield Running(host, port, process.pid)
            finally:
                _stop(process)

    def _wait(
        self, process: subprocess.Popen[bytes], log: Path, known: int | None
    ) -> tuple[str, int]:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                said = log.read_text(errors="replace").strip()[-2000:]
                raise BrokerError(f"{self.name} ended with status {process.returncode}:\n{said}")
            if known is not None:
                if _answers(known):
                    return "127.0.0.1", known
            elif (found := READY.search(log.read_text(errors="replace"))) and _answers(
                int(found["port"])
            ):
                return "127.0.0.1", int(found["port"])
            time.sleep(POLL_S)
        raise BrokerError(f"{self.name} was not ready after {START_S:g} s")


def broker(text: str) -> Broker:
    """What `--broker` names: mosquitto, mqttwin, or NAME=COMMAND.

    Raises:
        ValueError: It is none of these, or the executable is missing.
    """
    name, _, command = text.partition("=")
    if command:
        return Broker(name, tuple(shlex.split(command)))
    if name == "mosquitto":
        # Debian keeps it out of the path of ordinary users.
        path = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None:
            raise ValueError("mosquitto is not installed (apt-get install mosquitto)")
        return Broker(name, (path, "-c", "{config}"), MOSQUITTO, MOSQUITTO_PROMPT)
    if name == "mqttwin":
        script = Path(sys.executable).parent / "mqttwin"
        return Broker(name, (str(script), "serve", "--port", "0"))
    raise ValueError(f"no broker {name!r}: mosquitto, mqttwin or NAME=COMMAND")


def running(text: str) -> Broker:
    """What `--url` names: [NAME=]HOST:PORT/PID.

    Raises:
        ValueError: It does not look like that.
    """
    found = re.fullmatch(r"(?:(?P<name>[^=]+)=)?(?P<host>[^:/]+):(?P<port>\d+)/(?P<pid>\d+)", text)
    if found is None:
        raise ValueError(f"--url wants HOST:PORT/PID, or NAME=HOST:PORT/PID, not {text!r}")
    host = socket.gethostbyname(found["host"])
    if not host.startswith("127."):
        # Its CPU time is read from this machine's kernel; and nobody wants this load by accident.
        raise ValueError(f"{found['host']} is not this machine")
    return Broker(
        found["name"] or "under test", running=Running(host, int(found["port"]), int(found["pid"]))
    )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
