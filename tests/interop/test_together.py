"""Everybody at once on one broker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from . import brokers
from .brokers import Broker
from .clients import FOREIGN, OURS
from .line import Line
from .stage import VERSIONS, Clients, Message, Version, all_of, until
from .suite import require

ALL_VERSIONS: dict[str, Version] = {"3.1": 3, **VERSIONS}
EVERYBODY = [
    (library, version)
    for library in (*FOREIGN, OURS)
    for version in ALL_VERSIONS
    if f"MQTT {version}" not in library.cannot
]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Broker]:
    with brokers.ours(tmp_path) as broker:
        yield broker


@pytest.fixture
def clients(place: Broker) -> Iterator[Clients]:
    for library in (*FOREIGN, OURS):
        require(library.missing())
    with all_of(Clients(place.host, place.port, OURS, 5)) as made:
        yield made


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_everybody_understands_everybody(clients: Clients, qos: int) -> None:
    """Each library in each version reads what each other one has written."""
    people = {
        f"{library.name}-{version}": clients.connect(
            f"{library.name}-{version}", library=library, version=ALL_VERSIONS[version]
        )
        for library, version in EVERYBODY
    }
    for person in people.values():
        assert person.subscribe("square/#", qos) == qos
    for name, person in people.items():
        person.publish(Message("square/" + name, name.encode(), qos))
    for reader, person in people.items():
        got = [person.receive() for _ in people]
        assert sorted(m.payload.decode() for m in got) == sorted(people), reader
        assert {m.qos for m in got} == {qos}, reader


def test_everybody_keeps_alive(clients: Clients, place: Broker) -> None:
    """Clients that have nothing to say ping, and the broker answers."""
    with contextlib.ExitStack() as stack:
        lines = {}
        for library, version in EVERYBODY:
            if "short keep alive" in library.cannot:
                continue
            name = f"{library.name}-{version}"
            line = lines[name] = stack.enter_context(Line(place.host, place.port))
            client = clients.connect(
                name, library=library, version=ALL_VERSIONS[version], at=line.address, keep_alive=1
            )
            client.subscribe("nothing", 0)
        for name, line in lines.items():
            until(partial(_answered_twice, line), f"two answers to pings of {name}")
        clients.close()


def _answered_twice(line: Line) -> bool:
    return line.heard(b"\xd0\x00") >= 2
