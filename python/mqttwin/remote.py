"""Brokers of somebody else's: where they are, and whether that is meant."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from .errors import ConfigError

MQTT_PORT = 1883


def is_loopback(host: str) -> bool:
    """Whether this is surely the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def remote_of(url: str, *, allow_remote: bool) -> tuple[str, int]:
    """Host and port of ``mqtt://host:port``.

    Raises:
        ConfigError: It is none, or lies beyond this machine and that is not allowed.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r}: {error}", key="url") from None
    if parts.scheme not in ("mqtt", "tcp") or not host:
        raise ConfigError(f'must look like "mqtt://host:1883", not {url!r}', key="url")
    if parts.username or parts.password or parts.path.strip("/") or parts.query:
        message = "holds more than host and port (credentials are the fleet's: user_name, password)"
        raise ConfigError(message, key="url")
    if not is_loopback(host) and not allow_remote:
        message = (
            f"{host} is not this machine: a fleet of thousands would flood it. "
            "Say allow_remote=True if that is meant"
        )
        raise ConfigError(message, key="url")
    return host, port or MQTT_PORT
