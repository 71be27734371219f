"""What can go wrong, as exceptions that name the place."""

from __future__ import annotations

import os
from types import TracebackType


class MqttwinError(Exception):
    """Base of every error that mqttwin raises on purpose."""


class ConfigError(MqttwinError, ValueError):
    """Something that the user wrote cannot be right.

    Attributes:
        message: What is wrong, in one line.
        file: The file that it is in, if it is in one.
        line: The line of that file, counted from 1.
        key: The name of the parameter, option or column.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | os.PathLike[str] | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        self.message = message
        self.file = None if file is None else os.fspath(file)
        self.line = line
        self.key = key
        place = "" if self.file is None else self.file + (f":{line}" if line else "")
        super().__init__(": ".join(part for part in (place, key, message) if part))


class ProtocolError(MqttwinError):
    """A peer broke the protocol, or refused what was asked.

    Attributes:
        reason_code: The MQTT 5.0 reason code.
        clause: The normative statement concerned, such as ``"MQTT-3.1.2-1"``, or ``""``.
    """

    def __init__(self, message: str, *, reason_code: int, clause: str = "") -> None:
        self.reason_code = reason_code
        self.clause = clause
        where = f" [{clause}]" if clause else ""
        super().__init__(f"{message} (reason code 0x{reason_code:02X}){where}")


class SnapshotError(MqttwinError):
    """A world cannot be stored, or a file is no snapshot that could be restored; it says why."""


class SimulationError(MqttwinError):
    """A run cannot go on, or did not come to what it was to reach.

    Attributes:
        message: What happened, without the instant.
        virtual_time: When, in seconds of virtual time.
    """

    def __init__(self, message: str, *, virtual_time: float) -> None:
        self.message = message
        self.virtual_time = virtual_time
        super().__init__(f"{message} (at {virtual_time:.9g} s of virtual time)")


class refusals:  # lower case, as it reads; a generator would cost more than most of what it guards
    """Within it, what the core refuses (a ValueError) becomes a ConfigError."""

    __slots__ = ("_key",)

    def __init__(self, key: str | None = None) -> None:
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, ValueError):
            raise refused(error, self._key) from None


def refused(error: ValueError, key: str | None = None) -> ConfigError:
    """What the core refuses, as a ConfigError."""
    if isinstance(error, ConfigError):
        return error
    return ConfigError(str(error).removeprefix("."), key=key)
