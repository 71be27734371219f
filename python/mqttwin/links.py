"""Links between devices and brokers, and presets for the usual ones.

A link has two directions: *up*, from the device to the broker, and *down*. Every parameter is one
value for both, or a pair ``(up, down)``::

    mt.links.nb_iot(loss=0.02)
    mt.links.link(latency=("80ms", "20ms"), bandwidth=("250kbit/s", "1Mbit/s"))

MQTT rides on TCP: loss becomes delay or a broken connection, never a hole in the stream.

Each preset names source, date and grade of its figures (A: vendor or primary source, B: measured
and published, C: convention or tertiary source). What no source gives is called an assumption;
every value can be overridden. Sources speak of "latency" loosely: where a figure is read as a round
trip, half of it is the latency of each direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from . import _core, units
from .errors import ConfigError
from .units import Duration, Rate, Size

T = TypeVar("T")
Both: TypeAlias = T | tuple[T, T]

JITTER_KINDS = ("none", "uniform", "normal", "exponential")


@dataclass(frozen=True)
class Direction:
    """One direction of a link, in base units.

    Attributes:
        latency: Propagation, one way, in nanoseconds.
        jitter: In nanoseconds: half width (uniform), standard deviation (normal) or mean
            (exponential) of what is added to the latency of each packet.
        jitter_kind: "none", "uniform", "normal" or "exponential".
        loss: Probability that a packet is lost, at least 0 and less than 1.
        bandwidth: In bit/s on the IP level; 0 is unlimited.
        queue: Bytes that may wait for the bandwidth; 0 is unbounded.
    """

    latency: int
    jitter: int
    jitter_kind: str
    loss: float
    bandwidth: float
    queue: int

    def _core(self) -> _core.PipeSpec:
        out = _core.PipeSpec()
        out.latency = self.latency
        out.jitter = self.jitter
        out.jitter_kind = self.jitter_kind
        out.loss = self.loss
        out.bandwidth = self.bandwidth
        out.queue_bytes = self.queue or _core.UNBOUNDED
        return out

    def __str__(self) -> str:
        """One line for reports."""
        parts = [units.format_duration(self.latency)]
        if self.jitter:
            parts.append(f"± {units.format_duration(self.jitter)} {self.jitter_kind}")
        if self.bandwidth:
            parts.append(units.format_rate(self.bandwidth))
        if self.loss:
            parts.append(f"{100 * self.loss:g} % loss")
        return ", ".join(parts)


@dataclass(frozen=True)
class Link:
    """A link; made by `link` or by a preset.

    Attributes:
        name: Of the preset, for reports.
        up: From the device to the broker.
        down: From the broker to the device.
        mtu: Largest IP packet, in bytes.
    """

    name: str
    up: Direction
    down: Direction
    mtu: int = 1500

    def _core(self) -> _core.LinkSpec:
        out = _core.LinkSpec()
        out.up = self.up._core()
        out.down = self.down._core()
        out.mtu = self.mtu
        return out

    def __str__(self) -> str:
        """One line for reports."""
        if self.up == self.down:
            return f"{self.name} ({self.up})"
        return f"{self.name} (up {self.up}; down {self.down})"


def link(
    *,
    latency: Both[Duration] = "1ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.0,
    bandwidth: Both[Rate] = 0,
    queue: Both[Size] = 0,
    mtu: Size = 1500,
    name: str = "link",
) -> Link:
    """A link of one's own; every parameter is one value for both directions or ``(up, down)``.

    Args:
        latency: Propagation, one way.
        jitter: Added to the latency of each packet, which stays in order and never gets below
            zero: half width ("uniform"), standard deviation ("normal") or mean ("exponential").
        jitter_kind: "uniform", "normal", "exponential" or "none".
        loss: Probability for each packet, at least 0 and less than 1.
        bandwidth: Such as "250kbit/s", on the IP level; 0 is unlimited.
        queue: What may wait for the bandwidth, such as "64KiB"; 0 is unbounded.
        mtu: Largest IP packet, in bytes.
        name: For reports.

    Raises:
        ConfigError: A value that cannot be.
    """
    sides = [
        Direction(
            latency=units.duration(_side(latency, i), "latency"),
            jitter=units.duration(_side(jitter, i), "jitter"),
            jitter_kind=_jitter_kind(_side(jitter_kind, i)),
            loss=units.probability(_side(loss, i), "loss", below_one=True),
            bandwidth=units.rate(_side(bandwidth, i), "bandwidth"),
            queue=units.size(_side(queue, i), "queue"),
        )
        for i in (0, 1)
    ]
    bytes_mtu = units.size(mtu, "mtu")
    if not 68 <= bytes_mtu <= 65535:
        raise ConfigError(f"must be from 68 to 65,535 bytes, not {mtu!r}", key="mtu")
    return Link(name, sides[0], sides[1], bytes_mtu)


def _side(value: Any, index: int) -> Any:
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ConfigError(f"{value!r} is neither a value nor a pair (up, down)", key="link")
        return value[index]
    return value


def _jitter_kind(kind: str) -> str:
    if kind not in JITTER_KINDS:
        raise ConfigError(f"{kind!r} is none of {', '.join(JITTER_KINDS)}", key="jitter_kind")
    return kind


def gprs(
    *,
    latency: Both[Duration] = "250ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.02,
    bandwidth: Both[Rate] = "50kbit/s",
    queue: Both[Size] = "64KiB",
    mtu: Size = 1500,
) -> Link:
    """2G, packet data: 500 ms round trip, 50 kbit/s, 2 % loss.

    Source: README of tylertreat/comcast ("GPRS (good)"), undated, grade C. That tool delays one
    direction, so its 500 ms are a round trip. Assumptions: the same in both directions; no jitter,
    for which there is no figure; a queue of 64 KiB; MTU 1500.
    """
    return link(name="GPRS", **locals())


def edge(
    *,
    latency: Both[Duration] = "150ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.015,
    bandwidth: Both[Rate] = "250kbit/s",
    queue: Both[Size] = "64KiB",
    mtu: Size = 1500,
) -> Link:
    """2G, enhanced: 300 ms round trip, 250 kbit/s, 1.5 % loss.

    Source: README of tylertreat/comcast ("EDGE (good)"), undated, grade C; read as for `gprs`.
    Assumptions: the same in both directions; no jitter; a queue of 64 KiB; MTU 1500.
    """
    return link(name="EDGE", **locals())


def umts(
    *,
    latency: Both[Duration] = "125ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.015,
    bandwidth: Both[Rate] = "750kbit/s",
    queue: Both[Size] = "64KiB",
    mtu: Size = 1500,
) -> Link:
    """3G: 250 ms round trip, 750 kbit/s, 1.5 % loss.

    Source: README of tylertreat/comcast ("3G/HSDPA (good)"), undated, grade C; read as for `gprs`.
    Assumptions: the same in both directions; no jitter; a queue of 64 KiB; MTU 1500.
    """
    return link(name="UMTS", **locals())


def nb_iot(
    *,
    latency: Both[Duration] = "837ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.0,
    bandwidth: Both[Rate] = "60kbit/s",
    queue: Both[Size] = "64KiB",
    mtu: Size = 1500,
) -> Link:
    """NB-IoT: 837 ms one way, 60 kbit/s.

    Sources: latency 837 ms, measured at 264 bit/s of offered load by Ugwuanyi, Paul and Irvine
    (University of Strathclyde), Electronics 10(18):2224, 2021-09-10, grade B; about 60 kbit/s
    uplink from Pycom's documentation, undated, grade C. Assumptions: the measured latency is one
    way; the downlink is like the uplink; no loss and no jitter, for which there are no figures; a
    queue of 64 KiB; MTU 1500.
    """
    return link(name="NB-IoT", **locals())


def lte_m(
    *,
    latency: Both[Duration] = "37.5ms",
    jitter: Both[Duration] = "12.5ms",
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.0,
    bandwidth: Both[Rate] = "375kbit/s",
    queue: Both[Size] = "64KiB",
    mtu: Size = 1500,
) -> Link:
    """LTE-M (Cat M1): 50 to 100 ms round trip, 375 kbit/s.

    Sources: 50 to 100 ms (and up to 1 Mbit/s in full duplex) from Arduino's documentation; about
    375 kbit/s in half duplex from Pycom's documentation; both undated, grade C. Assumptions: the
    range is a round trip, spread uniformly; half duplex is two independent directions; no loss; a
    queue of 64 KiB; MTU 1500.
    """
    return link(name="LTE-M", **locals())


def lte_cat1(
    *,
    latency: Both[Duration] = "20ms",
    jitter: Both[Duration] = "5ms",
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.0,
    bandwidth: Both[Rate] = ("5Mbit/s", "10Mbit/s"),
    queue: Both[Size] = "256KiB",
    mtu: Size = 1500,
) -> Link:
    """LTE Cat 1: 30 to 50 ms round trip, 5 Mbit/s up, 10 Mbit/s down.

    Sources: rates from M5Stack's documentation; 30 to 50 ms, for LTE in general, from 5gworldpro;
    both undated, grade C. Assumptions: the range is a round trip, spread uniformly; no loss; a
    queue of 256 KiB; MTU 1500.
    """
    return link(name="LTE Cat 1", **locals())


def wifi(
    *,
    latency: Both[Duration] = "20ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.002,
    bandwidth: Both[Rate] = "30Mbit/s",
    queue: Both[Size] = "256KiB",
    mtu: Size = 1500,
) -> Link:
    """Wi-Fi and what is behind it: 40 ms round trip, 30 Mbit/s, 0.2 % loss.

    Source: README of tylertreat/comcast ("WIFI (good)"), undated, grade C; read as for `gprs`.
    Assumptions: the same in both directions; no jitter; a queue of 256 KiB; MTU 1500.
    """
    return link(name="Wi-Fi", **locals())


def ethernet(
    *,
    latency: Both[Duration] = "0.5ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.0,
    bandwidth: Both[Rate] = "100Mbit/s",
    queue: Both[Size] = "256KiB",
    mtu: Size = 1500,
) -> Link:
    """A wired local network: 1 ms round trip, 100 Mbit/s, no loss.

    All figures are assumptions (100 Mbit/s and 1500 bytes are Fast Ethernet's nominal values).
    """
    return link(name="Ethernet", **locals())


def geo(
    *,
    latency: Both[Duration] = "300ms",
    jitter: Both[Duration] = 0,
    jitter_kind: Both[str] = "uniform",
    loss: Both[float] = 0.002,
    bandwidth: Both[Rate] = "1Mbit/s",
    queue: Both[Size] = "256KiB",
    mtu: Size = 1500,
) -> Link:
    """A geostationary satellite: 600 ms round trip, 0.2 % loss.

    Sources: about 600 ms typical (at least 477 ms by physics), blog.apnic.net, 2022-05-02, grade
    B (A for the bound); 0.2 % loss from the README of tylertreat/comcast ("Satellite"), undated,
    grade C. Assumptions: 1 Mbit/s, no jitter, a queue of 256 KiB, MTU 1500.
    """
    return link(name="GEO satellite", **locals())


def leo(
    *,
    latency: Both[Duration] = "25ms",
    jitter: Both[Duration] = "10.5ms",
    jitter_kind: Both[str] = "normal",
    loss: Both[float] = 0.0,
    bandwidth: Both[Rate] = "10Mbit/s",
    queue: Both[Size] = "256KiB",
    mtu: Size = 1500,
) -> Link:
    """A low-orbit satellite (Starlink): 50 ms median round trip, quartiles 40 and 60 ms.

    Source: median, quartiles and minimum (20 ms) from blog.apnic.net, 2022-11-28, grade B.
    Assumptions: normal jitter of 10.5 ms a direction, which gives those quartiles; no loss;
    10 Mbit/s; a queue of 256 KiB; MTU 1500.
    """
    return link(name="LEO satellite", **locals())


PRESETS = {
    "gprs": gprs,
    "edge": edge,
    "umts": umts,
    "3g": umts,
    "nb_iot": nb_iot,
    "lte_m": lte_m,
    "lte_cat1": lte_cat1,
    "wifi": wifi,
    "ethernet": ethernet,
    "geo": geo,
    "leo": leo,
}


def preset(name: str) -> Link:
    """A preset by name, as the command line gives it: ``preset("nb_iot")``."""
    if name not in PRESETS:
        raise ConfigError(f"{name!r} is none of {', '.join(PRESETS)}", key="link")
    return PRESETS[name]()
