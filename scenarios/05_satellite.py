"""Telemetry over a geostationary satellite: what do QoS and TLS cost, and what do they give?"""

from dataclasses import dataclass

import numpy as np
from rich.console import Group
from rich.table import Table

import mqttwin as mt

UNTIL = "2h"

LOOK = 0.1  # seconds between two looks at how old the newest reading is


@dataclass
class Kind:
    """One of the fleets: quality of service, TLS, and how many readings may be under way."""

    qos: int
    tls: bool
    in_flight: int

    def __str__(self) -> str:
        one_by_one = ", one by one" if self.in_flight == 1 else ""
        return f"QoS {self.qos}{one_by_one}{', TLS' if self.tls else ''}"


KINDS = (
    Kind(0, False, 20),
    Kind(1, False, 20),
    Kind(2, False, 20),
    Kind(1, False, 1),  # as many small clients do
    Kind(2, False, 1),
    Kind(0, True, 20),
    Kind(1, True, 20),
    Kind(2, True, 20),
)


@dataclass
class Found:
    """What one of them did; times in seconds."""

    offered: int
    arrived: int
    data: int
    delays: np.ndarray
    ages: np.ndarray


def scenario(
    world: mt.World,
    *,
    stations: int = 5,
    every: mt.Duration = "1s",
    loss: mt.Probability = 0.002,
    fade: mt.Duration = "2min",
    user_timeout: mt.Duration = "30s",
    max_queued: int = 200,
):
    """Pipeline stations report pressure, as in 1999; rain breaks the link once an hour."""
    world.broker()
    # Known in advance, so that all fleets meet the same ones.
    fades = [(1800 + 3600 * hour, 1800 + 3600 * hour + mt.seconds(fade)) for hour in range(24)]
    link = mt.links.geo(
        loss=loss,
        outages=fades if mt.seconds(fade) > 0 else (),
        user_timeout=user_timeout,  # so long, then a socket gives up and its device connects again
    )
    fleets = []
    for kind in KINDS:
        fleet = world.fleet(
            str(kind),
            stations,
            link=link,
            tls=mt.tls(resumption=True) if kind.tls else None,
            client_id=f"{kind.qos}-{kind.in_flight}-{kind.tls}-{{index}}",
            session_expiry="1h",
            max_in_flight=kind.in_flight,
            max_queued=max_queued,
        )
        fleet.publish(
            "station/{index}/pressure",
            every=every,
            qos=kind.qos,
            payload=mt.json(
                bar=mt.gen.ou(mean=60, sigma=0.5, tau="10min", digits=2),
                n=mt.gen.counter(),
            ),
        )
        fleets.append(fleet)

    control = world.fleet("control", session_expiry="1h")
    control.subscribe("#", qos=2)

    def found(result: mt.Result):
        table = Table(box=None, padding=(0, 3, 0, 0))
        table.add_column("")
        for title in ("bytes", "delay p50", "p99", "age mean", "p99", "missing"):
            table.add_column(title, justify="right")
        for fleet in fleets:
            one = _found(result, fleet)
            delays = one.delays if len(one.delays) else np.full(1, np.inf)
            table.add_row(
                fleet.name,
                f"{one.data / max(one.offered, 1):.0f}",
                *(_time(x) for x in np.percentile(delays, (50, 99))),
                _time(one.ages.mean()),
                _time(np.percentile(one.ages, 99)),
                f"{100 * (1 - one.arrived / max(one.offered, 1)):.2f} %",
            )
        up, down = mt.tls().handshake()
        again = mt.tls(resumption=True).handshake(resumed=True)
        bill = (
            "Bytes are those of IP for each reading, both ways; age is that of the newest reading "
            f"that control has. TLS adds a round trip and {up + down:,} bytes to a station's first "
            f"connection, {sum(again):,} to the others, and 22 to each write."
        )
        return Group(table, "", bill)

    return found


def _found(result: mt.Result, fleet: mt.Fleet) -> Found:
    messages = result.messages
    publisher = np.array(messages["publisher"])
    published = np.asarray(messages["published"]) / np.timedelta64(1, "s")
    delivered = np.asarray(messages["delivered"]) / np.timedelta64(1, "s")
    delays, ages = [], []
    for index in range(len(fleet)):
        mine = publisher == f"{fleet.name}/{index}"
        # Rows come as they arrived; a reading that was sent again may be there twice.
        made, first = np.unique(published[mine], return_index=True)
        came = delivered[mine][first]
        delays.append(came - made)
        ages.append(_ages(made, came, result.duration))
    traffic = result.traffic(fleet)
    return Found(
        offered=int(result.devices(fleet)["published"].sum()),
        arrived=sum(map(len, delays)),
        data=traffic["ip_bytes_up"] + traffic["ip_bytes_down"],
        delays=np.concatenate(delays),
        ages=np.concatenate(ages),
    )


def _time(seconds: float) -> str:
    if not np.isfinite(seconds):
        return "–"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _ages(published: np.ndarray, delivered: np.ndarray, end: float) -> np.ndarray:
    """How old the newest reading of a station is, at each look from its first arrival on."""
    if not len(delivered):
        return np.array([end])
    order = np.argsort(delivered, kind="stable")
    delivered, newest = delivered[order], np.maximum.accumulate(published[order])
    looks = np.arange(delivered[0], end, LOOK)
    return looks - newest[np.searchsorted(delivered, looks, side="right") - 1]
