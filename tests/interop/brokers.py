"""Brokers to talk with: ours, and the one that Debian has."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import mqttwin as mt
from mqttwin import users as user_files

from .stage import until

LARGEST = "8MiB"  # of a packet


@dataclass(frozen=True)
class Broker:
    """Where it is."""

    host: str
    port: int

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"


@contextlib.contextmanager
def ours(folder: Path, users: Mapping[str, str] | None = None) -> Iterator[Broker]:
    """A world without devices that serves its broker."""
    path = None
    if users is not None:
        path = folder / "users"
        for name, password in users.items():
            user_files.add_user(path, name, password)
    with mt.World(seed=1) as world:
        world.broker(maximum_packet_size=LARGEST, outbound_topic_aliases=8, users=path)
        with world.serve() as server:
            yield Broker(server.host, server.port)


# Debian keeps it where a user's PATH does not lead.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def mosquitto_missing() -> str | None:
    return None if shutil.which("mosquitto", path=_PATH) else "the broker mosquitto"


@contextlib.contextmanager
def mosquitto(folder: Path, users: Mapping[str, str] | None = None) -> Iterator[Broker]:
    """A mosquitto of our own, on a port that was free a moment ago."""
    program = shutil.which("mosquitto", path=_PATH)
    assert program is not None
    config = ["log_dest stderr", "persistence false", "max_queued_messages 1000"]
    if users is None:
        config += ["allow_anonymous true"]
    else:
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        for name, password in users.items():
            subprocess.run(["mosquitto_passwd", "-b", passwords, name, password], check=True)
        config += ["allow_anonymous false", f"password_file {passwords}"]
        if os.geteuid() == 0:
            config += ["user root"]  # it would become somebody who may not read the file
    for _ in range(5):  # somebody else may take the port in between
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        path = folder / "mosquitto.conf"
        path.write_text("\n".join([f"listener {port} 127.0.0.1", *config, ""]))
        log = folder / "mosquitto.log"
        with log.open("wb") as sink:
            process = subprocess.Popen([program, "-c", path], stdout=sink, stderr=sink)
        try:
            until(partial(_settled, process, log), "mosquitto is ready")
            if process.poll() is None:
                yield Broker("127.0.0.1", port)
                return
        finally:
            process.kill()  # it has nothing to save
            process.wait()
    raise AssertionError(f"mosquitto does not start: {log.read_text()}")


def _settled(process: subprocess.Popen[bytes], log: Path) -> bool:
    return process.poll() is not None or b" running" in log.read_bytes()


BROKERS = {"mqttwin": ours, "mosquitto": mosquitto}
