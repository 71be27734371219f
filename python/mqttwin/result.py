"""What a run gathered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import _core, units
from .conservation import Conservation
from .errors import ConfigError, MqttwinError, refusals
from .latency import Latency
from .limits import INTERRUPTED, ended_early
from .links import Link
from .table import Table

if TYPE_CHECKING:
    from .fleet import Fleet
    from .plot import Plots


@dataclass(frozen=True)
class RunInfo:
    """What a result says about the run itself."""

    seed: int
    virtual_ns: int
    wall_seconds: float
    events: int
    stopped: str  # what ended it early: "", "interrupted", "max_wall" or "max_memory"
    trace_problem: str
    late_after_ns: int
    fleets: Mapping[str, tuple[int, int]]  # name: (number, count)
    links: Mapping[str, Link]
    layers: Mapping[str, str]  # of those fleets that have some
    parameters: Mapping[str, object]


class Result:
    """Everything that a world gathered from its start to the end of a run.

    It stays as it is when the world runs on.
    """

    def __init__(self, core: _core.World, info: RunInfo) -> None:
        self._core = core
        self._frozen = False
        self.info = info
        self._devices: dict[str, Table] = {}
        self._received: dict[str, Table] = {}
        self._traffic: dict[str, dict[str, int]] = {}

    # --- the run --------------------------------------------------------------------------------

    @property
    def seed(self) -> int:
        """The seed of the world."""
        return self.info.seed

    @property
    def duration(self) -> float:
        """Virtual time, in seconds."""
        return self.info.virtual_ns / units.SECOND

    @property
    def wall_seconds(self) -> float:
        """Real time that running took."""
        return self.info.wall_seconds

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run early."""
        return self.info.stopped == INTERRUPTED

    @property
    def stopped(self) -> str:
        """What ended the run early: "" (nothing), "interrupted", "max_wall" or "max_memory"."""
        return self.info.stopped

    @property
    def trace_problem(self) -> str:
        """What went wrong with the event log: it ends there, the run is whole. "": nothing."""
        return self.info.trace_problem

    @cached_property
    def digest(self) -> str:
        """128 bits, in hexadecimal, over all that every connection brought, and when.

        The same seed gives the same digest. One flipped bit, one nanosecond or one lost packet
        changes it.
        """
        return self._core.digest()

    # --- numbers --------------------------------------------------------------------------------

    @cached_property
    def counts(self) -> dict[str, int]:
        """Every counter by name; some by reason, such as ``dropped.queue_full``."""
        return self._core.counts()

    def total(self, family: str) -> int:
        """The sum of a counter that is kept by reason: ``total("dropped")``."""
        prefix = family + "."
        return sum(n for name, n in self.counts.items() if name.startswith(prefix))

    def traffic(self, fleet: str | Fleet) -> dict[str, int]:
        """IP packets and their bytes between a fleet and its broker, as they were sent.

        Returns:
            ``ip_bytes_up``, ``ip_bytes_down``, ``ip_packets_up``, ``ip_packets_down``, with what
            was lost among them: ``ip_bytes_lost_up``, ``ip_bytes_lost_down`` and
            ``ip_packets_lost`` (both directions).
        """
        name = self._fleet_name(fleet)
        if name not in self._traffic:
            self._traffic[name] = self._core.traffic(self.info.fleets[name][0])
        return self._traffic[name]

    @property
    def offered(self) -> int:
        """Messages that devices handed to their clients."""
        return self.counts["offered"]

    @property
    def published(self) -> int:
        """Messages that brokers accepted and routed."""
        return sum(self.counts[f"published_qos{qos}"] for qos in (0, 1, 2))

    @property
    def delivered(self) -> int:
        """First deliveries to subscribers."""
        return self.conservation.delivered

    @property
    def duplicates(self) -> int:
        """Further deliveries of a message to the same subscriber."""
        return self.counts["duplicates"]

    @property
    def late(self) -> int:
        """First deliveries that took longer than the world's `late_after`."""
        return self.counts["late"]

    @property
    def waiting(self) -> int:
        """Messages still with the devices: queued, unacknowledged, or on their way up (QoS 0)."""
        return self._balance["unsent"]

    @property
    def lost(self) -> int:
        """Deliveries that will never happen, and messages that never got to the broker."""
        return self.conservation.dropped + self.total("unsent")

    @cached_property
    def conservation(self) -> Conservation:
        """Whether every delivery that was owed is accounted for."""
        return Conservation(**{name: self._balance[name] for name in Conservation.NAMES})

    @cached_property
    def _balance(self) -> dict[str, int]:
        return self._core.conservation()

    @cached_property
    def latency(self) -> Latency:
        """From the device's timer to the subscriber's callback, first deliveries."""
        return Latency(self._core.latency(), "latency")

    @cached_property
    def ingest(self) -> Latency:
        """From the device's timer to the broker's routing of the message."""
        return Latency(self._core.ingest(), "ingest")

    @cached_property
    def ack(self) -> Latency:
        """From the device's timer to the acknowledgement at the device (QoS 1 and 2)."""
        return Latency(self._core.ack(), "ack")

    # --- columns --------------------------------------------------------------------------------

    @cached_property
    def messages(self) -> Table:
        """Deliveries, one a row: published, delivered, publisher, subscriber, topic, qos, …."""
        return Table(self._core.messages())

    @cached_property
    def series(self) -> Table:
        """Rates and levels over virtual time, one row a bucket."""
        return Table(self._core.series())

    def devices(self, fleet: str | Fleet) -> Table:
        """One row a device of a fleet.

        Columns: device (its index), published, delivered (first deliveries of its messages), lost
        (deliveries of its messages that will never happen, and messages that never got to the
        broker), received, connects, reconnects (those that were not the first), offline (time
        without a connection since it was switched on), mqtt_bytes_up and mqtt_bytes_down (sent by
        it, and to it), latency_mean and latency_max (of its messages until their delivery); with
        `World.track_latency` also latency_p50, latency_p90 and latency_p99.
        """
        name = self._fleet_name(fleet)
        if name not in self._devices:
            self._devices[name] = Table(self._core.devices(self.info.fleets[name][0]))
        return self._devices[name]

    def device_latency(self, fleet: str | Fleet, percent: float) -> Any:
        """A percentile of each device's latencies, in seconds; right to 6 %.

        Args:
            fleet: One of which `World.track_latency` was told.
            percent: From 0 to 100.

        Returns:
            A NumPy array, one value a device; NaN where nothing was delivered.

        Raises:
            ConfigError: Its latencies are not tracked.
            MqttwinError: The world has run on, and with it the histograms.
        """
        name = self._fleet_name(fleet)
        if self._frozen:
            raise MqttwinError("the world has run on: ask before it does")
        if not 0 <= percent <= 100:
            raise ConfigError(f"must be from 0 to 100, not {percent!r}", key="percent")
        with refusals("fleet"):
            table = self._core.device_latency(self.info.fleets[name][0], percent / 100)
        return Table(table).seconds("latency")

    def received(self, fleet: str | Fleet) -> Table:
        """What a fleet received, with payloads, where it was told to `keep` something."""
        name = self._fleet_name(fleet)
        if name not in self._received:
            self._received[name] = Table(self._core.received(self.info.fleets[name][0]))
        return self._received[name]

    def _fleet_name(self, fleet: str | Fleet) -> str:
        name = fleet if isinstance(fleet, str) else fleet.name
        if name not in self.info.fleets:
            known = ", ".join(self.info.fleets)
            raise ConfigError(f"there is none called {name!r} (there are {known})", key="fleet")
        return name

    def _freeze(self) -> None:
        """Takes what has not been looked at yet, before the world changes."""
        self._frozen = True
        for name in ("digest", "counts", "_balance", "latency", "ingest", "ack"):
            getattr(self, name)
        for name in ("messages", "series"):
            getattr(self, name)
        for name in self.info.fleets:
            self.devices(name)
            self.received(name)
            self.traffic(name)

    # --- to look at -----------------------------------------------------------------------------

    def report(self) -> str:
        """What happened, as plain text."""
        from .report import sections_of, to_text

        return to_text(sections_of(self))

    @cached_property
    def plot(self) -> Plots:
        """Plots: ``result.plot.latency_cdf()``; each takes `ax` and returns it."""
        from .plot import Plots

        return Plots(self)

    def write(self, directory: str | os.PathLike[str], **more: Any) -> None:
        """Writes columns, counts, a manifest and the report as one HTML file into a directory.

        Args:
            directory: Created where it is missing.
            **more: Further entries of the manifest.
        """
        from .output import write_result

        write_result(self, directory, more)

    def _repr_html_(self) -> str:
        from .html import result_html

        return result_html(self)

    def __repr__(self) -> str:
        stopped = f", {ended_early(self.stopped)}" if self.stopped else ""
        return (
            f"<Result of {units.format_duration(self.info.virtual_ns)}: {self.published:,} "
            f"published, {self.delivered:,} delivered, {self.lost:,} lost{stopped}>"
        )
