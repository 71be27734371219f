"""Parts of links: bursts of loss, sleep, random outages, TCP keep-alive, shared media."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from . import _core, units
from .errors import ConfigError
from .units import Duration, Probability, Rate, Size

T = TypeVar("T")
Both: TypeAlias = T | tuple[T, T]
"""One value for both directions, or a pair ``(up, down)``."""


def side(value: Any, index: int, key: str) -> Any:
    """The value of one direction: 0 is up, 1 is down."""
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ConfigError(f"{value!r} is neither a value nor a pair (up, down)", key=key)
        return value[index]
    return value


def checked(spec: Any, *, key: str = "") -> Any:
    """What the core says of a spec, as a `ConfigError` that names the keyword."""
    try:
        spec.check()
    except ValueError as error:
        name, _, must = str(error).partition(" must ")
        name = name.replace("tcp.keep_alive_", "tcp_keep_alive.")
        for prefix in ("up.", "down.", "nat.", "tcp."):
            name = name.removeprefix(prefix)
        name = name.replace("curve.points", "schedule").replace("curve.", "schedule.")
        name = name.replace("queue_bytes", "queue")
        raise ConfigError(f"must {must}", key=key + name) from None
    return spec


# --- Loss in bursts -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bursts:
    """Loss in bursts; made by `bursts` or `packet_bursts`. Durations in nanoseconds."""

    clock: str
    good: int = 0
    bad: int = 0
    to_bad: float = 0.0
    to_good: float = 0.0
    loss_in_good: float = 0.0
    loss_in_bad: float = 1.0

    def _core(self) -> _core.Bursts:
        out = _core.Bursts()
        for name, value in vars(self).items():
            setattr(out, name, value)
        return out

    def __str__(self) -> str:
        """For reports: the share of time or packets in the bad state, and how long it lasts."""
        if self.clock == "time":
            share, lasts = self.bad / (self.good + self.bad), units.format_duration(self.bad)
        else:
            total = self.to_bad + self.to_good
            share = self.to_bad / total if total else 0.0
            lasts = f"{1 / self.to_good:.3g} packets" if self.to_good else "for ever"
        return f"bursts of {lasts}, {100 * share:.3g} % bad"


def bursts(
    *,
    good: Duration,
    bad: Duration,
    loss_in_good: Probability = 0.0,
    loss_in_bad: Probability = 1.0,
) -> Bursts:
    """Gilbert–Elliott loss clocked by time: a radio that fades.

    The link is good or bad for exponentially distributed times; a packet is lost with the
    probability of the state. No source gives figures for any technology: yours are assumptions.

    Args:
        good: Mean time in the good state, more than 0.
        bad: Mean time in the bad state, more than 0.
        loss_in_good: Probability for a packet in the good state.
        loss_in_bad: Probability for a packet in the bad state.
    """
    return Bursts(
        "time",
        good=units.duration(good, "bursts.good", zero=False),
        bad=units.duration(bad, "bursts.bad", zero=False),
        loss_in_good=units.probability(loss_in_good, "bursts.loss_in_good"),
        loss_in_bad=units.probability(loss_in_bad, "bursts.loss_in_bad"),
    )


def packet_bursts(
    *,
    to_bad: Probability,
    to_good: Probability,
    loss_in_good: Probability = 0.0,
    loss_in_bad: Probability = 1.0,
) -> Bursts:
    """Gilbert–Elliott loss clocked by packets, as in ``tc netem loss gemodel``.

    Args:
        to_bad: Probability that a packet finds a good link turned bad.
        to_good: Probability that a packet finds a bad link turned good.
        loss_in_good: Probability for a packet in the good state.
        loss_in_bad: Probability for a packet in the bad state.
    """
    return Bursts(
        "packet",
        to_bad=units.probability(to_bad, "bursts.to_bad"),
        to_good=units.probability(to_good, "bursts.to_good"),
        loss_in_good=units.probability(loss_in_good, "bursts.loss_in_good"),
        loss_in_bad=units.probability(loss_in_bad, "bursts.loss_in_bad"),
    )


# --- Sleep ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sleep:
    """When a device does not listen; made by `psm`, `edrx` or `duty_cycle`. In nanoseconds."""

    name: str
    kind: str
    active: int
    window: int
    period: int
    wake_up: int
    buffered: int

    def _core(self) -> _core.SleepSpec:
        out = _core.SleepSpec()
        for name in ("kind", "active", "window", "period", "wake_up", "buffered"):
            setattr(out, name, getattr(self, name))
        return out

    def __str__(self) -> str:
        """For reports."""
        window, period = units.format_duration(self.window), units.format_duration(self.period)
        return f"{self.name} {window} of every {period}"


def _sleep(
    name: str, kind: str, *, active: int, window: int, period: int, wake_up: Duration, buffered: int
) -> Sleep:
    return Sleep(
        name,
        kind,
        active=active,
        window=window,
        period=period,
        wake_up=units.duration(wake_up, "sleep.wake_up"),
        buffered=units.whole(buffered, "sleep.buffered", 0, 65535),
    )


def psm(
    *,
    t3412: Duration = "1h",
    t3324: Duration = "10s",
    inactivity: Duration = "10s",
    wake_up: Duration = 0,
    buffered: int = 8,
) -> Sleep:
    """Power saving mode (3GPP TS 23.682): deaf until it sends, or until the periodic update.

    What is sent to it meanwhile waits in the network. The defaults are assumptions, except that
    the network decides on the timers.

    Args:
        t3412: Period of the tracking area update, at which it listens by itself.
        t3324: Active time: how long it listens after its connection was released.
        inactivity: Time without a packet after which the network releases the connection.
        wake_up: What a packet that it sends while asleep waits for the radio.
        buffered: Packets that the network keeps for it, up to 65,535; more are dropped.
    """
    active = units.duration(inactivity, "sleep.inactivity") + units.duration(t3324, "sleep.t3324")
    period = units.duration(t3412, "sleep.t3412", zero=False)
    if not 0 < active < period:
        raise ConfigError(
            "inactivity and t3324 must be more than 0 s and less than t3412", key="sleep"
        )
    return _sleep(
        "PSM",
        "psm",
        active=active,
        window=active,
        period=period,
        wake_up=wake_up,
        buffered=buffered,
    )


def edrx(
    *,
    cycle: Duration = "81.92s",
    paging_window: Duration = "2.56s",
    inactivity: Duration = "10s",
    wake_up: Duration = 0,
    buffered: int = 8,
) -> Sleep:
    """Extended discontinuous reception (3GPP TS 23.682): listens for a window of every cycle.

    81.92 s is one of the cycles of the standard; the other defaults are assumptions.

    Args:
        cycle: From one paging window to the next; each device has a phase of its own.
        paging_window: How long it listens.
        inactivity: How long it listens after a packet, in either direction.
        wake_up: What a packet that it sends while asleep waits for the radio.
        buffered: Packets that the network keeps for it, up to 65,535; more are dropped.
    """
    return _cyclic("eDRX", paging_window, cycle, inactivity, wake_up, buffered, "paging_window")


def duty_cycle(
    *,
    on: Duration,
    period: Duration,
    active: Duration = 0,
    wake_up: Duration = 0,
    buffered: int = 8,
) -> Sleep:
    """A radio that listens for `on` of every `period`; each device has a phase of its own.

    Args:
        on: How long it listens.
        period: From one time to the next.
        active: How long it listens after a packet, in either direction.
        wake_up: What a packet that it sends while asleep waits for the radio.
        buffered: Packets that are kept for it, up to 65,535; more are dropped.
    """
    return _cyclic("duty cycle", on, period, active, wake_up, buffered, "on")


def _cyclic(
    name: str,
    window: Duration,
    period: Duration,
    active: Duration,
    wake_up: Duration,
    buffered: int,
    window_key: str,
) -> Sleep:
    whole = units.duration(period, "sleep.period", zero=False)
    part = units.duration(window, f"sleep.{window_key}", zero=False)
    if part > whole:
        raise ConfigError("must be at most the period", key=f"sleep.{window_key}")
    return _sleep(
        name,
        "cyclic",
        active=units.duration(active, "sleep.active"),
        window=part,
        period=whole,
        wake_up=wake_up,
        buffered=buffered,
    )


# --- Outages --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RandomOutages:
    """Outages of each device on its own; made by `random_outages`. In nanoseconds."""

    kind: str
    up: int
    down: int

    def _core(self) -> _core.RandomOutages:
        out = _core.RandomOutages()
        out.kind, out.up, out.down = self.kind, self.up, self.down
        return out

    def __str__(self) -> str:
        """For reports."""
        down, up = units.format_duration(self.down), units.format_duration(self.up)
        return f"outages of {down} after {up}"


def random_outages(*, up: Duration, down: Duration, kind: str = "exponential") -> RandomOutages:
    """Outages of each device on its own, from a random stream of its own.

    Args:
        up: Time between outages: the mean ("exponential") or always the same ("fixed").
        down: How long one lasts, likewise. Both from 1 ms to 366 days.
        kind: "exponential" or "fixed".
    """
    if kind not in ("exponential", "fixed"):
        raise ConfigError(f"{kind!r} is neither exponential nor fixed", key="random_outages.kind")
    return RandomOutages(
        kind,
        units.duration(up, "random_outages.up", zero=False),
        units.duration(down, "random_outages.down", zero=False),
    )


# --- TCP ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TcpKeepAlive:
    """Keep-alive of the socket; made by `tcp_keep_alive`. In nanoseconds."""

    idle: int
    interval: int
    count: int


def tcp_keep_alive(
    *, idle: Duration = "2h", interval: Duration = "75s", count: int = 9
) -> TcpKeepAlive:
    """Keep-alive of the socket (``SO_KEEPALIVE``), apart from MQTT's; the defaults are Linux's.

    Args:
        idle: Time without a packet before the first probe.
        interval: From one probe to the next, at least 1 s.
        count: Probes without an answer after which the connection is given up, 1 to 127.
    """
    return TcpKeepAlive(
        units.duration(idle, "tcp_keep_alive.idle", zero=False),
        units.duration(interval, "tcp_keep_alive.interval", zero=False),
        units.whole(count, "tcp_keep_alive.count", 1, 127),
    )


# --- Shared media ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Shared:
    """A medium that devices compete for; made by `shared`. Two are never the same one.

    Attributes:
        name: For reports.
        bandwidth: (up, down) in bit/s; 0 is unlimited.
        queue: (up, down) in bytes; None is unbounded.
    """

    name: str
    bandwidth: tuple[float, float]
    queue: tuple[int | None, int | None]

    def _core(self) -> _core.SharedSpec:
        out = _core.SharedSpec()
        for i, way in enumerate((out.up, out.down)):
            queue = self.queue[i]
            way.bandwidth = self.bandwidth[i]
            way.queue_bytes = _core.PipeSpec.UNBOUNDED if queue is None else queue
        return out


def shared(
    *, bandwidth: Both[Rate], queue: Both[Size | None] = "64KiB", name: str = "shared medium"
) -> Shared:
    """A gateway's backhaul or a cell, whose capacity many devices compete for.

    First come, first served, packet by packet; a full queue drops at its tail. Give the same
    object to every link that shares it::

        cell = mt.links.shared(bandwidth="1Mbit/s", name="cell 7")
        world.fleet("meter", 500, link=mt.links.lte_m(shared=cell))

    Args:
        bandwidth: On the IP level, one value or a pair ``(up, down)``; 0 is unlimited.
        queue: What may wait for it, one value or a pair; None is unbounded.
        name: For reports.
    """
    rates = [units.rate(side(bandwidth, i, "shared.bandwidth"), "shared.bandwidth") for i in (0, 1)]
    queues = [_queue(side(queue, i, "shared.queue"), "shared.queue") for i in (0, 1)]
    out = Shared(name, (rates[0], rates[1]), (queues[0], queues[1]))
    checked(out._core(), key="shared.")
    return out


def _queue(value: Size | None, key: str) -> int | None:
    if value is None:
        return None
    size = units.size(value, key)
    if size == 0:
        raise ConfigError("must be at least one packet; None is unbounded", key=key)
    return size
