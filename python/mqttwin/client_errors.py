"""What can go wrong for a client, as exceptions with the server's words."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from ._core import reason_name
from .errors import MqttwinError, ProtocolError

# CONNACK return codes of MQTT 3.1 and 3.1.1.
_RETURN_CODES = {
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}


class ConnectError(MqttwinError):
    """There is no connection: the network has none, or the server said no.

    Attributes:
        reason_code: Of the server's CONNACK (before MQTT 5.0: 1 to 5), or None.
        properties: Of that CONNACK: ``"reason_string"``, ``"server_reference"`` …
    """

    def __init__(
        self,
        message: str,
        *,
        reason_code: int | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        self.reason_code = reason_code
        self.properties = dict(properties or {})
        super().__init__(message + _more(reason_code, self.properties))


class DisconnectedError(MqttwinError):
    """The connection is over, and with it whatever waited for an answer.

    Attributes:
        reason_code: Of the server's DISCONNECT, or of what it did wrong; None where the network
            ended the connection.
        properties: Of that DISCONNECT: ``"reason_string"``, ``"server_reference"`` …
    """

    def __init__(
        self,
        message: str,
        *,
        reason_code: int | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        self.reason_code = reason_code
        self.properties = dict(properties or {})
        super().__init__(message + _more(reason_code, self.properties))


class PublishError(ProtocolError):
    """A message was refused, by the server or before it was sent."""


class SubscribeError(ProtocolError):
    """A subscription, or the end of one, was refused.

    Attributes:
        reason_code: The first one that refuses.
        reason_codes: One for each filter; empty where nothing was sent.
    """

    def __init__(
        self, message: str, *, reason_code: int, clause: str = "", reason_codes: Sequence[int] = ()
    ) -> None:
        self.reason_codes = list(reason_codes)
        super().__init__(message, reason_code=reason_code, clause=clause)


class AuthenticationError(MqttwinError):
    """The server could not prove who it is, or an exchange came to nothing."""


class ClientTimeout(MqttwinError, TimeoutError):
    """The server did not answer in time."""


def refusal(reason_code: int, version: int) -> str:
    """What a CONNACK says, in words."""
    if version < 5:
        return _RETURN_CODES.get(reason_code, "unknown return code")
    return reason_name(reason_code).lower()


def _more(reason_code: int | None, properties: Mapping[str, Any]) -> str:
    said = [str(properties[key]) for key in ("reason_string",) if key in properties]
    if "server_reference" in properties:
        said.append(f"try {properties['server_reference']}")
    if reason_code is not None:
        said.append(f"reason code 0x{reason_code:02X}")
    return f" ({', '.join(said)})" if said else ""


def cause_of(name: str) -> MqttwinError:
    """The error for the end of a connection, as the engine names it."""
    if name == "connect_timeout":
        return ClientTimeout("no answer to CONNECT in time")
    if name == "ping_timeout":
        return DisconnectedError("no answer to PINGREQ in time")
    if name == "by_command":
        return DisconnectedError("disconnected")
    return DisconnectedError("the connection is lost")


def restated(kind: type[Any], message: str, error: ProtocolError) -> Any:
    """A refusal of the engine as the error of what was tried."""
    text = str(error).split(" (reason code")[0]
    return kind(f"{message}: {text}", reason_code=error.reason_code, clause=error.clause)


def reason_of(error: OSError) -> str:
    """Why there is no connection, in a few words."""
    if isinstance(error, ssl.SSLError):  # its number is none of the system's
        problem = getattr(error, "verify_message", "")  # SSLCertVerificationError
        return f"certificate: {problem}" if problem else (error.reason or str(error)).lower()
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error) or type(error).__name__
