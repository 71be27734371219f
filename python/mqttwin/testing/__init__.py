"""Tests of firmware: assertions over what a spy has seen, all in virtual time.

>>> spy = world.spy("pump/#")
>>> world.run("10min")
>>> mt.testing.assert_published(spy, "pump/+/status", payload=b"online", retain=True)
>>> mt.testing.assert_exactly_once(spy, pumps, "pump/+/flow")

What fails says what was seen instead. The fixtures `mqtt_world`, `mqtt_broker` and `mqtt_client`
come with the package, as a plugin of pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..spy import SpiedMessage, Spy
from .assertions import (
    assert_at_least_once,
    assert_exactly_once,
    assert_in_order,
    assert_never,
    assert_published,
    wait_for,
)

if TYPE_CHECKING:
    from .conformance import Check, Report, conformance
    from .live import LiveBroker, LiveClient
    from .live_link import LiveLink

__all__ = [
    "Check",
    "LiveBroker",
    "LiveClient",
    "LiveLink",
    "Report",
    "SpiedMessage",
    "Spy",
    "assert_at_least_once",
    "assert_exactly_once",
    "assert_in_order",
    "assert_never",
    "assert_published",
    "conformance",
    "spy",
    "wait_for",
]


def spy(where: Any, filter: str, **options: Any) -> Spy:
    """A spy on a world or a live broker: the same as ``world.spy(filter)``."""
    made: Spy = where.spy(filter, **options)
    return made


# Imported when they are asked for: few tests need sockets and threads, or the suite.
_LATER = {
    "Check": "conformance",
    "Report": "conformance",
    "conformance": "conformance",
    "LiveBroker": "live",
    "LiveClient": "live",
    "LiveLink": "live_link",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f".{_LATER[name]}", __name__)
    value = getattr(module, name)
    globals()[name] = value  # also where importing has put the module of that name
    return value
