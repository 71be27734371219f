"""Links between devices and brokers, and presets for the usual ones.

A link has two directions: *up*, from the device to the broker, and *down*. Most parameters are one
value for both, or a pair ``(up, down)``::

    mt.links.nb_iot(loss=0.02, sleep=mt.links.psm(t3412="24h"))
    mt.links.link(latency=("80ms", "20ms"), bandwidth=("250kbit/s", "1Mbit/s"))

MQTT rides on TCP: loss becomes delay or a broken connection, never a hole in the stream.

Each preset names source, date and grade of its figures (A: vendor or primary source, B: measured
and published, C: convention or tertiary source). What no source gives is called an assumption;
every keyword of `link` overrides. Sources speak of "latency" loosely: where a figure is read as a
round trip, half of it is the latency of each direction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import idle_timeouts
from .errors import ConfigError
from .link_curves import Curve, schedule, trace
from .link_parts import (
    Both,
    Bursts,
    RandomOutages,
    Shared,
    Sleep,
    TcpKeepAlive,
    bursts,
    duty_cycle,
    edrx,
    packet_bursts,
    psm,
    random_outages,
    shared,
    tcp_keep_alive,
)
from .link_spec import JITTER_KINDS, Direction, Link, Options, link

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "JITTER_KINDS",
    "PRESETS",
    "Both",
    "Bursts",
    "Curve",
    "Direction",
    "Link",
    "Options",
    "RandomOutages",
    "Shared",
    "Sleep",
    "TcpKeepAlive",
    "ble_gateway",
    "bursts",
    "duty_cycle",
    "edge",
    "edrx",
    "ethernet",
    "geo",
    "gprs",
    "idle_timeouts",
    "leo",
    "link",
    "lorawan_backhaul",
    "lte_cat1",
    "lte_m",
    "nb_iot",
    "nr_5g",
    "packet_bursts",
    "preset",
    "psm",
    "random_outages",
    "schedule",
    "shared",
    "tcp_keep_alive",
    "trace",
    "umts",
    "wifi",
]


def _made(options: Options, **figures: Unpack[Options]) -> Link:
    figures.update(options)
    return link(**figures)


def gprs(**options: Unpack[Options]) -> Link:
    """2G, packet data: 500 ms round trip, 50 kbit/s, 2 % loss.

    Source: README of tylertreat/comcast ("GPRS (good)"), undated, grade C. That tool delays one
    direction, so its 500 ms are a round trip. Assumptions: the same in both directions; no jitter,
    for which there is no figure; a queue of 64 KiB; MTU 1500.
    """
    return _made(
        options, name="GPRS", latency="250ms", loss=0.02, bandwidth="50kbit/s", queue="64KiB"
    )


def edge(**options: Unpack[Options]) -> Link:
    """2G, enhanced: 300 ms round trip, 250 kbit/s, 1.5 % loss.

    Source: README of tylertreat/comcast ("EDGE (good)"), undated, grade C; read as for `gprs`.
    Assumptions: the same in both directions; no jitter; a queue of 64 KiB; MTU 1500.
    """
    return _made(
        options, name="EDGE", latency="150ms", loss=0.015, bandwidth="250kbit/s", queue="64KiB"
    )


def umts(**options: Unpack[Options]) -> Link:
    """3G: 250 ms round trip, 750 kbit/s, 1.5 % loss.

    Source: README of tylertreat/comcast ("3G/HSDPA (good)"), undated, grade C; read as for `gprs`.
    Assumptions: the same in both directions; no jitter; a queue of 64 KiB; MTU 1500.
    """
    return _made(
        options, name="UMTS", latency="125ms", loss=0.015, bandwidth="750kbit/s", queue="64KiB"
    )


def nb_iot(**options: Unpack[Options]) -> Link:
    """NB-IoT: 837 ms one way, 60 kbit/s.

    Sources: latency 837 ms, measured at 264 bit/s of offered load by Ugwuanyi, Paul and Irvine
    (University of Strathclyde), Electronics 10(18):2224, 2021-09-10, grade B; about 60 kbit/s
    uplink from Pycom's documentation, undated, grade C. Assumptions: the measured latency is one
    way; the downlink is like the uplink; no loss and no jitter, for which there are no figures; a
    queue of 64 KiB; MTU 1500. It listens all the time unless you say otherwise:
    ``sleep=mt.links.psm(...)`` or ``mt.links.edrx(...)``.
    """
    return _made(options, name="NB-IoT", latency="837ms", bandwidth="60kbit/s", queue="64KiB")


def lte_m(**options: Unpack[Options]) -> Link:
    """LTE-M (Cat M1): 50 to 100 ms round trip, 375 kbit/s.

    Sources: 50 to 100 ms (and up to 1 Mbit/s in full duplex) from Arduino's documentation; about
    375 kbit/s in half duplex from Pycom's documentation; both undated, grade C. Assumptions: the
    range is a round trip, spread uniformly; half duplex is two independent directions; no loss; a
    queue of 64 KiB; MTU 1500.
    """
    return _made(
        options,
        name="LTE-M",
        latency="37.5ms",
        jitter="12.5ms",
        bandwidth="375kbit/s",
        queue="64KiB",
    )


def lte_cat1(**options: Unpack[Options]) -> Link:
    """LTE Cat 1: 30 to 50 ms round trip, 5 Mbit/s up, 10 Mbit/s down.

    Sources: rates from M5Stack's documentation; 30 to 50 ms, for LTE in general, from 5gworldpro;
    both undated, grade C. Assumptions: the range is a round trip, spread uniformly; no loss; a
    queue of 256 KiB; MTU 1500.
    """
    return _made(
        options,
        name="LTE Cat 1",
        latency="20ms",
        jitter="5ms",
        bandwidth=("5Mbit/s", "10Mbit/s"),
        queue="256KiB",
    )


def nr_5g(**options: Unpack[Options]) -> Link:
    """5G (NR), mobile broadband: 4 ms one way, 50 Mbit/s down, 10 Mbit/s up.

    Source: 4 ms are the user-plane latency *target* for mobile broadband as 5gworldpro gives it,
    undated, grade C; no field figure was found, and networks in the field are slower. Assumptions:
    the target is one way; both rates; no loss and no jitter; a queue of 256 KiB; MTU 1500.
    """
    return _made(
        options, name="5G", latency="4ms", bandwidth=("10Mbit/s", "50Mbit/s"), queue="256KiB"
    )


def wifi(**options: Unpack[Options]) -> Link:
    """Wi-Fi and what is behind it: 40 ms round trip, 30 Mbit/s, 0.2 % loss.

    Source: README of tylertreat/comcast ("WIFI (good)"), undated, grade C; read as for `gprs`.
    Assumptions: the same in both directions; no jitter; a queue of 256 KiB; MTU 1500.
    """
    return _made(
        options, name="Wi-Fi", latency="20ms", loss=0.002, bandwidth="30Mbit/s", queue="256KiB"
    )


def ble_gateway(**options: Unpack[Options]) -> Link:
    """A Bluetooth Low Energy sensor whose gateway speaks MQTT for it: 120 ms round trip.

    No figures were found, and RFC 8376 (2018-05), the usual place to start from for small radios,
    says nothing of BLE: all of it is an assumption of ours. A connection interval of 80 ms, half of
    which a packet waits on average, spread uniformly; 20 ms behind the gateway, as for `wifi`;
    100 kbit/s; no loss, for the radio repeats; a queue of 16 KiB; MTU 1280, the least of IPv6.
    """
    return _made(
        options,
        name="BLE gateway",
        latency="60ms",
        jitter="40ms",
        bandwidth="100kbit/s",
        queue="16KiB",
        mtu=1280,
    )


def lorawan_backhaul(**options: Unpack[Options]) -> Link:
    """The backhaul of a LoRaWAN gateway that speaks MQTT: 100 ms round trip, 1 Mbit/s.

    No figures were found. RFC 8376 (2018-05), section 2.1, has the gateway relay between the radio
    and a network server over IP, and gives no figures for that path: all of it is an assumption of
    ours, that of a cellular modem. TCP does not go over the LoRa radio: its latency and duty cycle
    belong to the payloads' arrival at the gateway, not to this link. A queue of 64 KiB; MTU 1500.
    """
    return _made(
        options, name="LoRaWAN backhaul", latency="50ms", bandwidth="1Mbit/s", queue="64KiB"
    )


def ethernet(**options: Unpack[Options]) -> Link:
    """A wired local network: 1 ms round trip, 100 Mbit/s, no loss.

    All figures are assumptions (100 Mbit/s and 1500 bytes are Fast Ethernet's nominal values).
    """
    return _made(options, name="Ethernet", latency="0.5ms", bandwidth="100Mbit/s", queue="256KiB")


def geo(**options: Unpack[Options]) -> Link:
    """A geostationary satellite: 600 ms round trip, 0.2 % loss.

    Sources: about 600 ms typical (at least 477 ms by physics), blog.apnic.net, 2022-05-02, grade
    B (A for the bound); 0.2 % loss from the README of tylertreat/comcast ("Satellite"), undated,
    grade C. Assumptions: 1 Mbit/s, no jitter, a queue of 256 KiB, MTU 1500.
    """
    return _made(
        options,
        name="GEO satellite",
        latency="300ms",
        loss=0.002,
        bandwidth="1Mbit/s",
        queue="256KiB",
    )


def leo(**options: Unpack[Options]) -> Link:
    """A low-orbit satellite (Starlink): 50 ms median round trip, quartiles 40 and 60 ms.

    Source: median, quartiles and minimum (20 ms) from blog.apnic.net, 2022-11-28, grade B.
    Assumptions: normal jitter of 10.5 ms a direction, which gives those quartiles; no loss;
    10 Mbit/s; a queue of 256 KiB; MTU 1500.
    """
    return _made(
        options,
        name="LEO satellite",
        latency="25ms",
        jitter="10.5ms",
        jitter_kind="normal",
        bandwidth="10Mbit/s",
        queue="256KiB",
    )


PRESETS: dict[str, Callable[..., Link]] = {
    "gprs": gprs,
    "edge": edge,
    "umts": umts,
    "3g": umts,
    "nb_iot": nb_iot,
    "lte_m": lte_m,
    "lte_cat1": lte_cat1,
    "5g": nr_5g,
    "wifi": wifi,
    "ble_gateway": ble_gateway,
    "lorawan_backhaul": lorawan_backhaul,
    "ethernet": ethernet,
    "geo": geo,
    "leo": leo,
}


def preset(name: str, /, **options: Unpack[Options]) -> Link:
    """A preset by name, as the command line gives it: ``preset("nb_iot", loss=0.02)``."""
    if name not in PRESETS:
        raise ConfigError(f"{name!r} is none of {', '.join(PRESETS)}", key="link")
    return PRESETS[name](**options)
