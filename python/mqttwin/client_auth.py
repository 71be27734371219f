"""Enhanced authentication of MQTT 5.0, as a client does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from . import _core
from .client_errors import AuthenticationError
from .errors import ConfigError

T = TypeVar("T")


class Authenticator(Protocol):
    """One exchange with a server.

    Attributes:
        method: The name of the authentication method.
    """

    method: str

    def first(self) -> bytes:
        """What CONNECT, or the AUTH that starts anew, carries."""

    def next(self, data: bytes) -> bytes:
        """The answer to the server's question."""

    def finish(self, data: bytes) -> None:
        """Looks at the server's last word. Raises ValueError if it does not convince."""


AuthMethod: TypeAlias = "str | Callable[[], Authenticator]"
"""``"SCRAM-SHA-256"``, or what makes an `Authenticator` for each exchange."""


class Scram:
    """SCRAM-SHA-256 (RFC 7677): the password does not travel, and both sides prove themselves."""

    method = "SCRAM-SHA-256"

    def __init__(self, username: str, password: str) -> None:
        self._client = _core.ScramClient(username, password)

    def first(self) -> bytes:
        """The user's name, and a nonce."""
        return self._client.first()

    def next(self, data: bytes) -> bytes:
        """The proof that the password is known."""
        return self._client.next(data)

    def finish(self, data: bytes) -> None:
        """Whether the server knows the password, too."""
        self._client.finish(data)


def maker(
    auth: AuthMethod | None, username: str | None, password: str | bytes | None
) -> Callable[[], Authenticator] | None:
    """What makes authenticators, from what a user has written.

    Raises:
        ConfigError: The method is unknown, or lacks a name or a password.
    """
    if auth is None or callable(auth):
        return auth
    if auth.upper() != Scram.method:
        raise ConfigError(f"{auth!r} is unknown (there is {Scram.method})", key="auth")
    if username is None or password is None:
        raise ConfigError(f"{Scram.method} needs username and password", key="auth")
    name = username
    secret = password if isinstance(password, str) else password.decode()
    return lambda: Scram(name, secret)


class Exchange:
    """The state of an authentication: what to say to which event."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self.method = authenticator.method

    def first(self) -> bytes:
        """What to start with."""
        return _checked(self._authenticator.first)

    def answer(self, properties: dict[str, Any]) -> bytes:
        """To AUTH with "continue authentication"."""
        return _checked(self._authenticator.next, properties.get("authentication_data", b""))

    def finish(self, properties: dict[str, Any]) -> None:
        """With the CONNACK, or the AUTH, that says that all is well."""
        _checked(self._authenticator.finish, properties.get("authentication_data", b""))


def _checked(step: Callable[..., T], *arguments: bytes) -> T:
    try:
        return step(*arguments)
    except ValueError as error:
        raise AuthenticationError(f"authentication failed: {error}") from error
