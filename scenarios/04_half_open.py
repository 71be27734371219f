"""A carrier forgets idle flows, and nobody says so. How long do commands vanish?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.console import Group
from rich.table import Table

import mqttwin as mt

UNTIL = "24h"

LATE = 5.0  # seconds


@dataclass
class Kind:
    """One of the fleets, which differ by their keep-alive only."""

    keep_alive: str
    fleet: mt.Fleet


def scenario(
    world: mt.World,
    *,
    devices: int = 50,
    keep_alives: Sequence[str] = ("2min", "4min", "5min", "10min", "20min"),
    idle_timeout: mt.Duration = mt.links.idle_timeouts.FRENCH_CARRIER,
    on_idle: Literal["forget", "reset"] = "forget",
    every: mt.Duration = "1h",
    qos: Literal[0, 1, 2] = 1,
):
    """A console sends each device a command now and then; what keeps the way open is a ping."""
    world.broker()
    kinds = []
    for keep_alive in keep_alives:
        fleet = world.fleet(
            f"valve-{keep_alive}",
            devices,
            link=mt.links.lte_m(idle_timeout=idle_timeout, on_idle=on_idle),
            keep_alive=keep_alive,
            session_expiry="4h",
            ramp="5min",
        )
        fleet.subscribe("valve/{index}/set", qos=qos)
        kinds.append(Kind(keep_alive, fleet))

    # One sender a valve number: all fleets are sent the same commands at the same instants. They
    # come at random, so the share that is late is the share of time that a device is deaf.
    console = world.fleet("console", devices)
    console.publish(
        "valve/{index}/set",
        when=mt.poisson(every),
        qos=qos,
        start="10min",
        payload=mt.json(open=mt.gen.uniform(0, 100, digits=0)),
    )

    def found(result: mt.Result):
        days = result.duration / 86_400
        sent = int(result.devices(console)["published"].sum())
        table = Table(box=None, padding=(0, 3, 0, 0))
        table.add_column("keep-alive")
        for title in ("late", "typically", "at most", "missing", "connects", "bytes a day"):
            table.add_column(title, justify="right")
        told = []
        for kind in kinds:
            delays = _delays(result, kind.fleet)
            late = delays[delays > LATE]
            traffic = result.traffic(kind.fleet)
            # What a carrier does not pass on down does not reach the device.
            down = traffic["ip_bytes_down"] - traffic["ip_bytes_lost_down"]
            data = (traffic["ip_bytes_up"] + down) / devices
            connects = result.devices(kind.fleet)["connects"].sum() / devices
            table.add_row(
                kind.keep_alive,
                f"{100 * len(late) / max(len(delays), 1):.1f} %",
                _minutes(np.median(late)) if len(late) else "–",
                _minutes(delays.max()) if len(delays) else "–",
                f"{sent - len(delays):,}",
                f"{connects / days:.0f}" if days else "–",
                f"{data / days / 1e3:.1f} kB" if days else "–",
            )
            bad = len(late) + sent - len(delays)
            told.append((mt.seconds(kind.keep_alive), kind.keep_alive, bad, data))
        head = (
            f"{sent:,} commands to the valves of each keep-alive, behind a carrier that forgets a "
            f"flow after {mt.seconds(idle_timeout):g} s:"
        )
        foot = (
            f"Late is more than {LATE:g} s, typically the median of those; missing is what QoS 0 "
            "lost, or what was on its way at the end. Connects and bytes (of IP, both ways) are a "
            "device's in a day."
        )
        return Group(head, "", table, "", foot, *_advice(told))

    return found


def _advice(told: list[tuple[float, str, int, float]]) -> list[str]:
    """Of (seconds, name, commands that were late or missing, bytes): what to choose."""
    safe = [one for one in told if one[2] == 0]
    if not safe or len(safe) == len(told):
        return []
    _, best, _, cost = max(safe)
    _, longest, _, other = max(told)
    change = 100 * (cost / other - 1)
    compared = f"{abs(change):.0f} % {'more' if change > 0 else 'fewer'} bytes than {longest}"
    return [f"{best} is the longest keep-alive here that loses no time; it takes {compared}."]


def _delays(result: mt.Result, fleet: mt.Fleet) -> np.ndarray:
    """Seconds from the console's decision to the valve, one a command that arrived."""
    messages = result.messages
    mine = np.array([name.split("/")[0] == fleet.name for name in messages["subscriber"]], bool)
    first = mine & ~np.asarray(messages["duplicate"], bool)
    took = np.asarray(messages["delivered"]) - np.asarray(messages["published"])
    return took[first] / np.timedelta64(1, "s")


def _minutes(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 60 else f"{seconds / 60:.1f} min"
