"""What a link is made of, and `link`, which makes one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from . import _core, link_curves, units
from .errors import ConfigError
from .link_curves import Curve
from .link_parts import Both, Bursts, RandomOutages, Shared, Sleep, TcpKeepAlive, checked, side
from .units import Duration, Rate, Size

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

JITTER_KINDS = ("none", "uniform", "normal", "exponential", "lognormal")
TCP_PROFILES = ("linux", "embedded")
ON_IDLE = ("forget", "reset")


@dataclass(frozen=True)
class Direction:
    """One direction of a link, in base units.

    Attributes:
        latency: Propagation, one way, in nanoseconds.
        jitter: In nanoseconds: half width (uniform), standard deviation (normal), mean
            (exponential) or median (lognormal) of what is added to the latency of each packet.
        jitter_kind: "none", "uniform", "normal", "exponential" or "lognormal".
        loss: Probability that a packet is lost, at least 0 and less than 1.
        bandwidth: In bit/s on the IP level; 0 is unlimited.
        queue: Bytes that may wait for the bandwidth; None is unbounded.
        queue_packets: Packets that may wait for the bandwidth or be on it; None is unbounded.
        reorder: Whether a later packet may overtake.
        bursts: Loss in bursts, besides `loss`.
        curve: Latency by time, in place of `latency`.
    """

    latency: int
    jitter: int
    jitter_kind: str
    loss: float
    bandwidth: float
    queue: int | None
    queue_packets: int | None = None
    reorder: bool = False
    bursts: Bursts | None = None
    curve: Curve | None = None

    def _core(self) -> _core.PipeSpec:
        out = _core.PipeSpec()
        out.latency = self.latency
        out.jitter = self.jitter
        out.jitter_kind = self.jitter_kind
        out.loss = self.loss
        out.bandwidth = self.bandwidth
        out.reorder = self.reorder
        if self.queue is not None:
            out.queue_bytes = self.queue
        if self.queue_packets is not None:
            out.queue_packets = self.queue_packets
        if self.bursts is not None:
            out.bursts = self.bursts._core()
        if self.curve is not None:
            out.curve = self.curve._core()
        return out

    def __str__(self) -> str:
        """One line for reports."""
        parts = [units.format_duration(self.latency) if self.curve is None else str(self.curve)]
        if self.jitter and self.jitter_kind != "none":
            parts.append(f"± {units.format_duration(self.jitter)} {self.jitter_kind}")
        if self.reorder:
            parts.append("reordering")
        if self.bandwidth:
            parts.append(units.format_rate(self.bandwidth))
        if self.loss:
            parts.append(f"{100 * self.loss:g} % loss")
        if self.bursts is not None:
            parts.append(str(self.bursts))
        return ", ".join(parts)


@dataclass(frozen=True)
class Link:
    """A link; made by `link` or by a preset. Durations in nanoseconds.

    Attributes:
        name: Of the preset, for reports.
        up: From the device to the broker.
        down: From the broker to the device.
        mtu: Largest IP packet, in bytes.
        sleep: When the device does not listen.
        outages: ``(from, to)`` since the start of the world, for every device.
        random_outages: Of each device on its own.
        idle_timeout: After which a middlebox forgets a flow; 0 is never.
        on_idle: What it then does: "forget" or "reset".
        tcp: Profile of TCP: "linux" or "embedded".
        user_timeout: ``TCP_USER_TIMEOUT``; 0 is off.
        tcp_keep_alive: Keep-alive of the socket.
        shared: The medium that it shares with other devices.
    """

    name: str
    up: Direction
    down: Direction
    mtu: int = 1500
    sleep: Sleep | None = None
    outages: tuple[tuple[int, int], ...] = ()
    random_outages: RandomOutages | None = None
    idle_timeout: int = 0
    on_idle: str = "forget"
    tcp: str = "linux"
    user_timeout: int = 0
    tcp_keep_alive: TcpKeepAlive | None = None
    shared: Shared | None = field(default=None, repr=False)

    def _core(self, shared: int = _core.LinkSpec.NOT_SHARED) -> _core.LinkSpec:
        """For the core; `shared` is the number of the shared medium in its world."""
        out = _core.LinkSpec()
        out.up = self.up._core()
        out.down = self.down._core()
        out.mtu = self.mtu
        if self.sleep is not None:
            out.sleep = self.sleep._core()
        out.outages = list(self.outages)
        if self.random_outages is not None:
            out.random_outages = self.random_outages._core()
        out.nat.idle_timeout = self.idle_timeout
        out.nat.reset = self.on_idle == "reset"
        out.tcp.profile = self.tcp
        out.tcp.user_timeout = self.user_timeout
        if self.tcp_keep_alive is not None:
            out.tcp.keep_alive_idle = self.tcp_keep_alive.idle
            out.tcp.keep_alive_interval = self.tcp_keep_alive.interval
            out.tcp.keep_alive_count = self.tcp_keep_alive.count
        out.shared = shared
        return out

    def __str__(self) -> str:
        """One line for reports."""
        ways = str(self.up) if self.up == self.down else f"up {self.up}; down {self.down}"
        parts = [ways]
        if self.sleep is not None:
            parts.append(str(self.sleep))
        if self.outages:
            count = len(self.outages)
            parts.append(f"{count} outage{'' if count == 1 else 's'}")
        if self.random_outages is not None:
            parts.append(str(self.random_outages))
        if self.idle_timeout:
            then = "reset" if self.on_idle == "reset" else "forgotten"
            parts.append(f"{then} after {units.format_duration(self.idle_timeout)} idle")
        if self.tcp != "linux":
            parts.append(f"{self.tcp} TCP (unvalidated)")
        if self.shared is not None:
            parts.append(f"shares {self.shared.name}")
        return f"{self.name} ({'; '.join(parts)})"


class Options(TypedDict, total=False):
    """The keywords of `link`, which every preset takes."""

    latency: Both[Duration]
    jitter: Both[Duration]
    jitter_kind: Both[str]
    reorder: Both[bool]
    loss: Both[float]
    bursts: Both[Bursts | None]
    bandwidth: Both[Rate]
    queue: Both[Size | None]
    queue_packets: Both[int | None]
    schedule: Both[Curve | list[Sequence[Any]] | None]
    trace: Both[Curve | PathLike | None]
    mtu: Size
    sleep: Sleep | None
    outages: Sequence[tuple[Duration, Duration]]
    random_outages: RandomOutages | None
    idle_timeout: Duration | None
    on_idle: str
    tcp: str
    user_timeout: Duration | None
    tcp_keep_alive: TcpKeepAlive | Duration | None
    shared: Shared | None
    name: str


def link(
    *,
    latency: Both[Duration] = "1ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    reorder: Both[bool] = False,
    loss: Both[float] = 0.0,
    bursts: Both[Bursts | None] = None,
    bandwidth: Both[Rate] = 0,
    queue: Both[Size | None] = None,
    queue_packets: Both[int | None] = None,
    schedule: Both[Curve | list[Sequence[Any]] | None] = None,
    trace: Both[Curve | PathLike | None] = None,
    mtu: Size = 1500,
    sleep: Sleep | None = None,
    outages: Sequence[tuple[Duration, Duration]] = (),
    random_outages: RandomOutages | None = None,
    idle_timeout: Duration | None = None,
    on_idle: str = "forget",
    tcp: str = "linux",
    user_timeout: Duration | None = None,
    tcp_keep_alive: TcpKeepAlive | Duration | None = None,
    shared: Shared | None = None,
    name: str = "link",
) -> Link:
    """A link of one's own. What is called a pair may be one value for both directions.

    Args:
        latency: Pair. Propagation, one way, at most 1 h.
        jitter: Pair. Added to the latency of each packet, never below zero in all: half width
            ("uniform"), standard deviation ("normal"), mean ("exponential") or median
            ("lognormal", with a sigma of 1).
        jitter_kind: Pair. "uniform", "normal", "exponential", "lognormal" or "none".
        reorder: Pair. Whether jitter lets a later packet overtake.
        loss: Pair. Probability for each packet, at least 0 and less than 1.
        bursts: Pair. More loss, in bursts: ``mt.links.bursts(good="20s", bad="1s")``.
        bandwidth: Pair. Such as "250kbit/s", on the IP level; 0 is unlimited.
        queue: Pair. What may wait for the bandwidth, such as "64KiB", at least one MTU; None is
            unbounded.
        queue_packets: Pair. The same as a number of packets, at least 1; None is unbounded.
        schedule: Pair. Latency by time in place of `latency`: a list of ``(at, latency)`` or
            ``(at, latency, loss)``, or what `mt.links.schedule` makes of one.
        trace: Pair. The same, recorded: a CSV file with the columns time, latency and perhaps
            loss, or what `mt.links.trace` reads.
        mtu: Largest IP packet, 68 to 65,535 bytes.
        sleep: When the device does not listen: `mt.links.psm`, `edrx` or `duty_cycle`.
        outages: ``(from, to)`` since the start of the world, in order, none overlapping another.
        random_outages: Those of each device: ``mt.links.random_outages(up="6h", down="2min")``.
        idle_timeout: A middlebox forgets a flow without a packet for so long, such as
            ``mt.links.idle_timeouts.AWS_NLB``; None is never.
        on_idle: Then it drops what comes ("forget") or tells both ends ("reset").
        tcp: Profile of TCP: "linux", or "embedded", a small stack, which is not validated against
            measurements.
        user_timeout: ``TCP_USER_TIMEOUT``: how long data may go without an acknowledgement; None
            leaves it to the retries.
        tcp_keep_alive: Keep-alive of the socket: ``mt.links.tcp_keep_alive(idle="60s")``, or the
            idle time alone. None is off.
        shared: A medium whose capacity devices compete for: `mt.links.shared`.
        name: For reports.

    Raises:
        ConfigError: A value that cannot be, by name, with its range.
    """
    sides = []
    for i in (0, 1):
        sides.append(
            Direction(
                latency=units.duration(side(latency, i, "latency"), "latency"),
                jitter=units.duration(side(jitter, i, "jitter"), "jitter"),
                jitter_kind=_one_of(
                    side(jitter_kind, i, "jitter_kind"), JITTER_KINDS, "jitter_kind"
                ),
                loss=units.probability(side(loss, i, "loss"), "loss", below_one=True),
                bandwidth=units.rate(side(bandwidth, i, "bandwidth"), "bandwidth"),
                queue=_queue(side(queue, i, "queue")),
                queue_packets=_packets(side(queue_packets, i, "queue_packets")),
                reorder=_truth(side(reorder, i, "reorder"), "reorder"),
                bursts=_part(side(bursts, i, "bursts"), Bursts, "bursts", "mt.links.bursts(...)"),
                curve=_curve(side(schedule, i, "schedule"), side(trace, i, "trace")),
            )
        )
    out = Link(
        name,
        sides[0],
        sides[1],
        mtu=_mtu(mtu),
        sleep=_part(sleep, Sleep, "sleep", "mt.links.psm(...)"),
        outages=_outages(outages),
        random_outages=_part(
            random_outages, RandomOutages, "random_outages", "mt.links.random_outages(...)"
        ),
        idle_timeout=_optional(idle_timeout, "idle_timeout"),
        on_idle=_one_of(on_idle, ON_IDLE, "on_idle"),
        tcp=_one_of(tcp, TCP_PROFILES, "tcp"),
        user_timeout=_optional(user_timeout, "user_timeout"),
        tcp_keep_alive=_keep_alive(tcp_keep_alive),
        shared=_part(shared, Shared, "shared", "mt.links.shared(...)"),
    )
    checked(out._core())
    return out


# --- Values ---------------------------------------------------------------------------------------


def _one_of(value: str, allowed: tuple[str, ...], key: str) -> str:
    if value not in allowed:
        raise ConfigError(f"{value!r} is none of {', '.join(allowed)}", key=key)
    return value


def _truth(value: bool, key: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"must be True or False, not {value!r}", key=key)
    return value


def _part(value: Any, kind: type, key: str, hint: str) -> Any:
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"{value!r} is none (write {hint})", key=key)
    return value


def _mtu(value: Size) -> int:
    size = units.size(value, "mtu")
    if not 68 <= size <= 65535:
        raise ConfigError(f"must be from 68 to 65,535 bytes, not {value!r}", key="mtu")
    return size


def _queue(value: Size | None) -> int | None:
    if value is None:
        return None
    size = units.size(value, "queue", limit=_core.PipeSpec.UNBOUNDED - 1)
    if size == 0:
        raise ConfigError("must be at least one MTU (None is unbounded), not 0", key="queue")
    return size


def _packets(value: int | None) -> int | None:
    return None if value is None else units.whole(value, "queue_packets", 1, 1_000_000)


def _optional(value: Duration | None, key: str) -> int:
    return 0 if value is None else units.duration(value, key, zero=False)


def _keep_alive(value: TcpKeepAlive | Duration | None) -> TcpKeepAlive | None:
    if value is None or isinstance(value, TcpKeepAlive):
        return value
    second = units.SECOND
    return TcpKeepAlive(units.duration(value, "tcp_keep_alive", zero=False), 75 * second, 9)


def _curve(
    schedule: Curve | list[Sequence[Any]] | None, trace: Curve | PathLike | None
) -> Curve | None:
    if schedule is not None and trace is not None:
        raise ConfigError("there is a schedule already, one of them is enough", key="trace")
    if isinstance(schedule, list):
        return link_curves.schedule(schedule)
    if isinstance(trace, str | os.PathLike):
        return link_curves.trace(trace)
    value = schedule if trace is None else trace
    key, hint = ("schedule", "[(at, latency), ...]") if trace is None else ("trace", "a file")
    curve: Curve | None = _part(value, Curve, key, hint)
    return curve


def _outages(outages: Sequence[tuple[Duration, Duration]]) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    for i, outage in enumerate(outages):
        key = f"outages[{i}]"
        if isinstance(outage, str) or not isinstance(outage, Sequence) or len(outage) != 2:
            raise ConfigError(f"{outage!r} is not a pair (from, to)", key=key)
        start, end = (units.duration(at, key) for at in outage)
        if end <= start:
            raise ConfigError(f"must end after it begins, not {outage!r}", key=key)
        if out and start < out[-1][1]:
            raise ConfigError("must begin after the one before has ended", key=key)
        out.append((start, end))
    return tuple(out)
