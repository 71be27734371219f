"""What leaves the simulation, or cannot be in it."""

from __future__ import annotations

from ..errors import MqttwinError


class EscapeError(MqttwinError, RuntimeError):
    """Something tried to leave virtual time: a real socket, a process, a thread from outside."""


class Stopped(SystemExit):
    """Raised in a thread that still waits when its scope ends: it unwinds, unreported."""
