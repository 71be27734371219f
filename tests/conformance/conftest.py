"""Runs every test for its versions on its backends, then against its violations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from . import broker_role, client_role
from .client_engine import EngineClient
from .client_tcp import TcpClient
from .suite import LEVELS, claims_of, versions_of, virtual_only
from .violations import DoesNotApply

CLIENTS: dict[str, Callable[[], client_role.Backend]] = {
    "virtual": EngineClient,
    "tcp": TcpClient,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Versions × backends for whatever takes a role as its argument."""
    for role in ("broker", "client"):
        if role in metafunc.fixturenames:
            backends = _backends(role, metafunc.function)
            cases = [(v, b) for v in versions_of(metafunc.function) for b in backends]
            metafunc.parametrize(role, cases, indirect=True, ids=[f"{v}-{b}" for v, b in cases])


def _backends(role: str, test: Any) -> list[str]:
    in_real_time = not virtual_only(test)
    if role == "broker" and "MQTTWIN_CONFORMANCE_BROKER" in os.environ:
        return ["command"] if in_real_time else []
    return ["virtual", "tcp"] if in_real_time else ["virtual"]


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[broker_role.Broker]:
    """The broker under test."""
    version, backend = request.param
    stage = broker_role.broker_on(backend, LEVELS[version])
    yield stage
    stage.close()


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[client_role.Client]:
    """The client under test."""
    version, backend = request.param
    stage = client_role.Client(CLIENTS[backend](), LEVELS[version])
    yield stage
    stage.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """The test as it is, then shown that it can fail."""
    test = pyfuncitem.obj
    if not claims_of(test):
        return None
    role = next(role for role in ("broker", "client") if role in pyfuncitem.funcargs)
    stage = pyfuncitem.funcargs[role]
    test(**{role: stage})
    version, _ = cast("tuple[str, str]", pyfuncitem.callspec.params[role])
    show_that_it_can_fail(test, role, version, stage)
    return True


def show_that_it_can_fail(test: Any, role: str, version: str, stage: Any) -> None:
    """Plays a test that has passed against each violation of what it heard; it must fail."""
    heard = list(stage.transcript)
    test(**{role: stage.replay(heard)})  # so that a failure below is due to the violation
    for claim in claims_of(test):
        for violation in claim.violations if claim.version == version else ():
            try:
                changed = violation(heard)
            except DoesNotApply as error:
                if stage.lenient:
                    continue
                pytest.fail(f"{claim.id} of {version}, violated by {violation}: {error}", False)
            try:
                test(**{role: stage.replay(changed)})
            except AssertionError:
                continue
            pytest.fail(f"the test of {claim.id} cannot fail: it accepts {violation}", False)
