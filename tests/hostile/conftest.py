"""Every test of hostile input runs in virtual time and over TCP, with bystanders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from .arena import BACKENDS, Arena, arena_on


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend."""
    return str(request.param)


@pytest.fixture
def arena(backend: str) -> Iterator[Arena]:
    """A broker with the default options."""
    with arena_on(backend) as made:
        yield made


@pytest.fixture
def arena_with(backend: str) -> Iterator[Callable[..., Arena]]:
    """Makes a broker with these options; `alone` puts the server into a process of its own."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> Arena:
            return stack.enter_context(arena_on(backend, **arguments))

        yield make
