"""Runs every test for each library, each version, and on whichever broker is to be met."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .brokers import BROKERS, Broker
from .stage import VERSIONS, Clients, all_of
from .suite import Case, parameters, require_case


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", parameters(metafunc.function))


@pytest.fixture
def broker(case: Case, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A fresh one."""
    require_case(case)
    users = getattr(request.function, "users", None)
    with BROKERS[case.broker](tmp_path, users) as fresh:
        yield fresh


@pytest.fixture
def clients(case: Case, broker: Broker) -> Iterator[Clients]:
    """Clients of that broker."""
    version = VERSIONS[case.version]
    with all_of(Clients(broker.host, broker.port, case.library, version)) as made:
        yield made
