"""Which statements a test checks: `@v5` and `@v311`.

    @v5("MQTT-3.1.0-2", ignores())
    @v311("MQTT-3.1.0-2", ignores())
    def test_second_connect_is_refused(broker):
        peer = broker.connected()
        peer.send(connect(peer.name))
        peer.expect_error(0x82)

A test runs for each version that it names a statement of, on each backend. Its argument is the
role under test, `broker` or `client`. After it has passed, it is played once for each violation
against what was heard, changed so: then it must fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .violations import Violation

Test = Callable[..., None]

LEVELS = {"5.0": 5, "3.1.1": 4}
ROLES = ("broker", "client")
TIMED = "time passes"


@dataclass(frozen=True)
class Claim:
    """A test checks a statement, and fails against each of the violations."""

    version: str  # "5.0" or "3.1.1"
    id: str
    violations: tuple[Violation, ...]


def _claims(version: str, id: str, violations: tuple[Violation, ...]) -> Callable[[Test], Test]:
    assert violations, f"{id} of {version}: by what would it be violated?"

    def decorate(test: Any) -> Test:
        test.claims = [Claim(version, id, violations), *getattr(test, "claims", [])]
        return test  # type: ignore[no-any-return]

    return decorate


def v5(id: str, *violations: Violation) -> Callable[[Test], Test]:
    """The test checks this statement of MQTT 5.0."""
    return _claims("5.0", id, violations)


def v311(id: str, *violations: Violation) -> Callable[[Test], Test]:
    """The test checks this statement of MQTT 3.1.1."""
    return _claims("3.1.1", id, violations)


def timed(test: Any) -> Test:
    """Marks a test in which time passes: it runs in virtual time only."""
    test.virtual_only = TIMED
    return test  # type: ignore[no-any-return]


def engine_only(why: str) -> Callable[[Test], Test]:
    """Marks a test of the client with a step that `mqttwin.Client` has not.

    It runs in virtual time only, where the test talks to the engine.
    """

    def decorate(test: Any) -> Test:
        test.virtual_only = why
        return test  # type: ignore[no-any-return]

    return decorate


def virtual_only(test: Any) -> str:
    """Why the test does not run on TCP; '' if it does."""
    return str(getattr(test, "virtual_only", ""))


def claims_of(test: Any) -> list[Claim]:
    """What the decorators said."""
    return list(getattr(test, "claims", []))


def versions_of(test: Any) -> list[str]:
    """The versions that the test runs for."""
    return [version for version in LEVELS if any(c.version == version for c in claims_of(test))]
