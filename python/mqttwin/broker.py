"""A broker of a world."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import _core, units
from .errors import ConfigError, refusals
from .units import Duration

if TYPE_CHECKING:
    from .world import World

_DURATIONS = {"connect_timeout", "sys_interval"}
_SECONDS = {"max_session_expiry", "server_keep_alive"}
_SIZES = {"maximum_packet_size", "max_stored_bytes", "max_early_bytes"}
_FLAGS = {
    "queue_qos0_offline",
    "retain_available",
    "allow_anonymous",
    "wildcard_subscriptions_available",
    "subscription_identifiers_available",
    "shared_subscriptions_available",
    "retain_clears_with_empty",
    "check_payload_format",
    "redistribute_shared",
    "server_moved",
}
_TEXTS = {"shared_strategy", "server_reference", "response_information", "version_text"}
_NUMBERS = {
    "receive_maximum",
    "max_in_flight",
    "max_queued",
    "maximum_qos",
    "max_retained",
    "max_sessions",
    "max_subscriptions_per_session",
    "max_topic_levels",
    "topic_alias_maximum",
    "outbound_topic_aliases",
}
_OPTIONS = _DURATIONS | _SECONDS | _SIZES | _FLAGS | _TEXTS | _NUMBERS
_LONGEST_TEXT = 65_535  # bytes of an MQTT string
_MAY_BE_0 = {
    "maximum_qos",
    "topic_alias_maximum",
    "outbound_topic_aliases",
    "max_retained",
    "max_queued",
}
_AT_MOST = {
    "maximum_qos": 2,
    "receive_maximum": 65535,
    "topic_alias_maximum": 65535,
    "outbound_topic_aliases": 65535,
}


def options_of(values: dict[str, Any]) -> _core.BrokerOptions:
    """The core's options from what `World.broker` was given."""
    options = _core.BrokerOptions()
    for name, value in values.items():
        if name not in _OPTIONS:
            known = ", ".join(sorted(_OPTIONS))
            raise ConfigError(f"is no option of a broker (they are {known})", key=name)
        try:
            setattr(options, name, _option(name, value))
        except ConfigError:
            raise
        except ValueError as error:  # "name: what is wrong"
            raise ConfigError(str(error).removeprefix(f"{name}: "), key=name) from None
    return options


def _option(name: str, value: Any) -> int | bool | str:
    if name in _DURATIONS:
        return units.duration(value, name)
    if name in _SECONDS:
        return min(units.duration(value, name) // units.SECOND, 2**32 - 1)
    if name in _SIZES:
        return units.size(value, name)
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise ConfigError(f"must be True or False, not {value!r}", key=name)
        return value
    if name in _TEXTS:
        if not isinstance(value, str):
            raise ConfigError(f"must be a text, not {value!r}", key=name)
        if len(value.encode()) > _LONGEST_TEXT:
            raise ConfigError(f"must be at most {_LONGEST_TEXT} bytes", key=name)
        return value
    return units.whole(value, name, int(name not in _MAY_BE_0), _AT_MOST.get(name, 2**32 - 1))


class Broker:
    """A broker; made by `World.broker`."""

    def __init__(self, world: World, name: str, number: int, *, url: str = "") -> None:
        self.name = name
        self.url = url
        self.users: str | os.PathLike[str] | None = None
        self._world = world
        self._number = number

    def restart(self, *, keep_sessions: bool = True, down: Duration = 0) -> None:
        """Ends every connection, now; connects are refused until it is up again.

        To restart at a later instant: ``world.at("1h", lambda: broker.restart(down="60s"))``.

        Args:
            keep_sessions: Whether sessions, subscriptions, queued and retained messages are still
                there afterwards.
            down: How long it is gone.
        """
        gone = units.duration(down, "down")
        core = self._world._changing()
        core.broker_restart(self._number, keep_sessions)
        if gone > 0:
            core.broker_down(self._number)
            self._world._timeline.add(core.now + gone, self.up)

    def down(self) -> None:
        """Breaks every connection and refuses connects until `up`; sessions stay."""
        self._world._changing().broker_down(self._number)

    def up(self) -> None:
        """Accepts connects again."""
        self._world._changing().broker_up(self._number)

    def publish(
        self, topic: str, payload: bytes | str = b"", *, qos: int = 0, retain: bool = False
    ) -> None:
        """Publishes a message of the broker's own, now."""
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        units.whole(qos, "qos", 0, 2)
        with refusals():
            self._world._changing().broker_publish(self._number, topic, data, qos, retain)

    def __repr__(self) -> str:
        return f"<Broker {self.name!r}>"
