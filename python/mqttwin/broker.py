"""A broker of a world."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
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
_LONGEST_NAME = 253  # RFC 1035, section 2.3.4
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_LONGEST_TTL = 365 * 86400 * units.SECOND
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


def hostname_of(value: str, brokers: Iterable[Broker]) -> str:
    """A DNS name that no other broker has, in lower case, in which names are compared."""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not _NAME.fullmatch(value):
        message = (
            "must be labels of 1 to 63 letters, digits and hyphens, "
            f"{_LONGEST_NAME} characters in all, not {value!r}"
        )
        raise ConfigError(message, key="hostname")
    name = value.lower()
    for other in brokers:
        if other.hostname == name:
            raise ConfigError(f"{value!r} is that of {other.name!r}", key="hostname")
    return name


def ttl_of(value: Duration) -> int:
    """Nanoseconds that an answer is believed."""
    ns = units.duration(value, "ttl")
    if ns > _LONGEST_TTL:
        raise ConfigError(f"must be at most 365 days, not {value!r}", key="ttl")
    return ns


def _truth(value: bool, key: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"must be True or False, not {value!r}", key=key)
    return value


class Broker:
    """A broker; made by `World.broker`."""

    def __init__(
        self, world: World, name: str, number: int, *, url: str = "", hostname: str = ""
    ) -> None:
        self.name = name
        self.url = url
        self.hostname = hostname
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

    def refuse(self, reason: int | None = 0x88) -> None:
        """Answers every CONNECT with a reason code from now on; who is connected stays.

        Args:
            reason: An error that a CONNACK can have (MQTT 5.0, 3.2.2.2): 0x88 "server
                unavailable", 0x89 "server busy", 0x97 "quota exceeded", ... Clients before 5.0 get
                the return code that is nearest. None: it takes clients again.
        """
        code = 0 if reason is None else units.whole(reason, "reason", 0x80, 0xFF)
        with refusals():
            self._simulated("refuse").broker_refuse(self._number, code)

    def has_connected(self, client_id: str) -> bool:
        """Whether a client of this identifier is connected, as far as the broker knows."""
        self._check_ours("has_connected")
        if not isinstance(client_id, str):
            raise ConfigError(f"must be a client identifier, not {client_id!r}", key="client_id")
        return self._world._core.broker_has(self._number, client_id)

    def up(self) -> None:
        """Accepts connects again."""
        self._world._changing().broker_up(self._number)

    def move(self, *, keep_sessions: bool = True, update_name: bool = True) -> None:
        """Goes on at another address, now; its old host is gone without a word.

        Nobody is told: devices learn of it from their own timers. Those that know its address
        only look for it where nobody is any more.

        Args:
            keep_sessions: Whether sessions, subscriptions, queued and retained messages move, too.
            update_name: Whether its DNS name, if it has one, says the new address from now on.
                Who has asked before believes the old answer until its time to live is over.
        """
        core = self._simulated("move")
        core.broker_move(
            self._number, _truth(keep_sessions, "keep_sessions"), _truth(update_name, "update_name")
        )

    def set_ttl(self, ttl: Duration) -> None:
        """How long an answer is believed that is given from now on.

        Args:
            ttl: 0 to 365 days; 0 is never: each connect asks.

        Raises:
            ConfigError: It is out of range, or the broker has no name.
        """
        ns = ttl_of(ttl)
        if not self.hostname:
            raise ConfigError(f"the broker {self.name!r} has no hostname", key="ttl")
        self._simulated("ttl").set_ttl(self._number, ns)

    def _simulated(self, key: str) -> _core.World:
        self._check_ours(key)
        return self._world._changing()

    def _check_ours(self, key: str) -> None:
        if self.url:
            raise ConfigError("is for simulated brokers, not for real sockets", key=key)

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
