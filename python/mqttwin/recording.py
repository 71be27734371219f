"""What a world writes into files while it runs: its event log, and captures of its links."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, get_args

from . import units
from ._core import World as Core
from ._core import __version__
from .errors import ConfigError, MqttwinError, refusals
from .fleet import Fleet
from .trace import Trace
from .units import Size

Point = Literal["client", "server", "both"]

# The smallest bound on a capture: the header, an interface and what closes the file.
_LEAST_BYTES = 4_096


class Recording:
    """The part of a `World` that writes files."""

    seed: int
    fleets: dict[str, Fleet]
    _core: Core
    _trace: Trace | None = None  # that is being written

    def _changing(self) -> Core:
        raise NotImplementedError

    def trace(self, trace: Trace | str | os.PathLike[str]) -> None:
        """Logs events from now on into a file, for `mqttwin.read_trace`.

        It changes nothing in the run. A thread of its own writes the file; what waits for it is
        bounded by 16 MiB.

        Args:
            trace: What to log and where, or just where.

        Raises:
            ConfigError: A value that cannot be, a file that cannot be written, or another log
                that is being written.
        """
        wanted = trace if isinstance(trace, Trace) else Trace(trace)
        devices = wanted._ranges(self._own_fleet)
        header = {"mqttwin": __version__, "seed": str(self.seed)}
        with refusals("trace"):
            self._changing().start_event_log(
                os.fspath(wanted.path),
                header,
                devices=devices,
                topics=wanted._topics(),
                every=wanted._every(),
                max_bytes=wanted._max_bytes(),
            )
        self._trace = wanted

    def stop_trace(self) -> None:
        """Closes the event log.

        Raises:
            MqttwinError: Writing it failed on the way; the run itself is whole.
        """
        problem = self._end_trace()
        if problem:
            raise MqttwinError(f"the event log is incomplete: {problem}")

    def _end_trace(self) -> str:
        """Closes the event log, if there is one; what went wrong with it."""
        self._trace = None
        return self._core.stop_event_log()

    def _trace_failed(self) -> str:
        """What went wrong with a log without which a run must not go on."""
        if self._trace is None or self._trace.on_error != "run":
            return ""
        return self._core.event_log_problem()

    def track_latency(self, *fleets: Fleet | str) -> None:
        """From now on each device of these fleets has a histogram of its messages' latencies.

        It costs 32 bytes of memory a device for each octave between its smallest and its largest
        latency (`World.memory`, "device_latency"); percentiles are right to 6 %. `Result.devices`
        gets columns ``latency_p50``, ``latency_p90`` and ``latency_p99``, and
        `Result.device_latency` gives any other percentile.

        Args:
            *fleets: By name or themselves.
        """
        numbers = [self._own_fleet(fleet)._number for fleet in fleets]
        core = self._changing()
        for number in numbers:
            core.track_latency(number)

    def capture(
        self,
        path: str | os.PathLike[str],
        *,
        at: Point = "client",
        fleet: Fleet | str | None = None,
        devices: int | Iterable[int] | None = None,
        max_bytes: Size | None = None,
    ) -> None:
        """Writes what crosses links from now on into a pcapng file, for Wireshark and tshark.

        It changes nothing in the run. Of real connections it has what our end read and wrote,
        and when. See the page on captures for what is real in the file and what is synthetic.

        Args:
            path: Of the file; what is there is overwritten.
            at: Where one listens: "client" is what tcpdump on the devices would show, "server"
                what it would show on the broker's host, "both" an interface for each.
            fleet: Only its connections, by name or itself; None: all.
            devices: Only these of that fleet: an index or several; None: all.
            max_bytes: The file ends there; at least 4096 bytes; None: no bound.

        Raises:
            ConfigError: A value that cannot be, a file that cannot be written, or another capture
                that is running.
        """
        core = self._changing()
        if at not in get_args(Point):
            raise ConfigError(f"must be client, server or both, not {at!r}", key="at")
        chosen = None if fleet is None else self._own_fleet(fleet)
        if devices is not None and chosen is None:
            raise ConfigError("of which fleet? Give fleet=, too", key="devices")
        indices = None if devices is None or chosen is None else _indices(devices, len(chosen))
        limit = 0
        if max_bytes is not None:
            limit = units.size(max_bytes, "max_bytes", limit=2**63 - 1)
            if limit < _LEAST_BYTES:
                message = f"must be at least {_LEAST_BYTES:,} bytes, not {max_bytes!r}"
                raise ConfigError(message, key="max_bytes")
        with refusals("capture"):
            core.start_capture(
                os.fspath(path),
                at=at,
                fleet=None if chosen is None else chosen._number,
                devices=indices,
                max_bytes=limit,
            )

    def stop_capture(self) -> dict[str, int]:
        """Ends the capture.

        Returns:
            How many "packets" are in the file, how many were "left_out" because it had reached
            its bound, and its size in "bytes". Zeros, if there is no capture.

        Raises:
            MqttwinError: Writing it failed on the way; the run itself is whole.
        """
        told, problem = self._core.stop_capture()
        if problem:
            raise MqttwinError(f"the capture is incomplete: {problem}")
        return told

    def _own_fleet(self, fleet: Fleet | str) -> Fleet:
        if isinstance(fleet, str):
            if fleet not in self.fleets:
                raise ConfigError(f"there is none called {fleet!r}", key="fleet")
            return self.fleets[fleet]
        if not isinstance(fleet, Fleet):
            raise ConfigError(f"{fleet!r} is no fleet", key="fleet")
        if self.fleets.get(fleet.name) is not fleet:
            raise ConfigError("is one of another world", key="fleet")
        return fleet


def _indices(devices: int | Iterable[int], count: int) -> list[int]:
    several = devices if isinstance(devices, Iterable) else [devices]
    indices = [units.whole(device, "devices", 0, count - 1) for device in several]
    if not indices:
        raise ConfigError("must name at least one", key="devices")
    return indices
