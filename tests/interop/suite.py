"""What a test says of itself: which versions it is about, and what it takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from .brokers import mosquitto_missing
from .clients import FOREIGN, OURS
from .stage import VERSIONS, Library

Test = TypeVar("Test", bound=Callable[..., None])

# Where everything has been installed on purpose, nothing is left out silently.
STRICT = bool(os.environ.get("MQTTWIN_INTEROP_STRICT") or os.environ.get("CI"))
# Foreign clients on the foreign broker: where these fail, it is a test that is wrong.
CONTROL = bool(os.environ.get("MQTTWIN_INTEROP_CONTROL"))


@dataclass(frozen=True)
class Case:
    """A broker, and a client of it."""

    broker: str
    library: Library
    version: str

    @property
    def id(self) -> str:
        where = "" if self.broker == "mqttwin" else f"-on-{self.broker}"
        return f"{self.library.name}-{self.version}{where}"


def needs(*abilities: str) -> Callable[[Test], Test]:
    """A library that cannot do one of these is left out, with its reason."""

    def mark(test: Test) -> Test:
        test.needs = abilities  # type: ignore[attr-defined]
        return test

    return mark


def only(version: str) -> Callable[[Test], Test]:
    """What the other version of the protocol does not have."""

    def mark(test: Test) -> Test:
        test.versions = (version,)  # type: ignore[attr-defined]
        return test

    return mark


def on(broker: str) -> Callable[[Test], Test]:
    """What concerns one broker only."""

    def mark(test: Test) -> Test:
        test.brokers = (broker,)  # type: ignore[attr-defined]
        return test

    return mark


def with_users(**users: str) -> Callable[[Test], Test]:
    """On a broker that lets in nobody but these, by their passwords."""

    def mark(test: Test) -> Test:
        test.users = users  # type: ignore[attr-defined]
        return test

    return mark


def cannot(test: Any, case: Case) -> str | None:
    """Why a library cannot take part."""
    reasons = case.library.cannot
    needed = (n for what in getattr(test, "needs", ()) for n in (what, f"{what} {case.version}"))
    return next((reasons[what] for what in needed if what in reasons), None)


def cases(test: Any) -> Iterator[Case]:
    """Everybody on our broker, our client on the other one."""
    everybody = (*FOREIGN, OURS)
    guests = {"mqttwin": everybody, "mosquitto": everybody if CONTROL else (OURS,)}
    for version in getattr(test, "versions", VERSIONS):
        for broker in getattr(test, "brokers", guests):
            for library in guests[broker]:
                yield Case(broker, library, version)


def parameters(test: Any) -> list[Any]:
    result = []
    for case in cases(test):
        reason = cannot(test, case)
        marks = [pytest.mark.xfail(run=False, reason=reason)] if reason else []
        result.append(pytest.param(case, id=case.id, marks=marks))
    return result


def require(missing: str | None) -> None:
    """Skips a test, or fails it where everything was to be there."""
    if missing is None:
        return
    if STRICT:
        pytest.fail(f"not installed: {missing}", pytrace=False)
    pytest.skip(f"not installed: {missing} (./dev test installs it)")


def require_case(case: Case) -> None:
    require(case.library.missing())
    if case.broker == "mosquitto":
        require(mosquitto_missing())
