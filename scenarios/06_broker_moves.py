"""A broker moves to another address. Who finds it again, and when?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

import mqttwin as mt

UNTIL = "4h"

LATE = 60.0  # seconds
MOVE = 3660.0  # seconds: all devices are there


@dataclass
class Kind:
    """One of the fleets, which differ by how they find their broker only."""

    label: str
    fleet: mt.Fleet


def scenario(
    world: mt.World,
    *,
    devices: int = 100,
    ttls: Sequence[str] = ("1min", "15min", "1h"),
    every: mt.Duration = "1min",
    keep_alive: mt.Duration = "30s",
    qos: Literal[0, 1, 2] = 1,
    max_queued: int = 100,
    backoff: mt.Backoff = mt.backoff.exponential("1s", "60s"),  # noqa: B008
):
    """Fleets that know a name, with several times to live, and one that knows an address."""
    kinds = []
    for ttl in (*ttls, None):
        kind = "address" if ttl is None else f"name-{ttl}"
        broker = world.broker(
            f"broker-{kind}", hostname=f"{kind}.example.com", ttl="1h" if ttl is None else ttl
        )
        fleet = world.fleet(
            kind,
            devices,
            link=mt.links.lte_cat1(),
            broker=broker,
            find="address" if ttl is None else "name",
            ramp="1h",  # so what they have been told is of any age when the broker moves
            keep_alive=keep_alive,
            session_expiry="never",
            max_queued=max_queued,
            backoff=backoff,
        )
        fleet.publish(
            kind + "/{index}",
            every=every,
            qos=qos,
            payload=mt.json(level=mt.gen.uniform(0, 100, digits=1), n=mt.gen.counter()),
        )
        monitor = world.fleet(f"monitor-{kind}", broker=broker, session_expiry="never")
        monitor.subscribe("#", qos=1)

        def move(broker=broker, monitor=monitor):
            broker.move()
            monitor.disconnect()  # who moves a broker tells those who watch it
            monitor.connect()

        world.at(MOVE, move)
        kinds.append(Kind("address" if ttl is None else f"TTL {ttl}", fleet))

    def found(result: mt.Result):
        if result.duration <= MOVE:
            return Text("The run ended before the broker moved.")
        table = Table(box=None, padding=(0, 3, 0, 0))
        table.add_column("back after")
        for title in ("50 %", "99 %", "all", "readings", "late", "missing"):
            table.add_column(title, justify="right")
        pictures = []
        for kind in kinds:
            back, delays = _heard(result, kind.fleet)
            published = int(result.devices(kind.fleet)["published"].sum())
            table.add_row(
                kind.label,
                *(_after(back, share, devices) for share in (0.5, 0.99, 1.0)),
                f"{published:,}",
                f"{np.count_nonzero(delays > LATE):,}",
                f"{published - len(delays):,}",
            )
            pictures.append(_picture(kind.label, back, devices))
        fate = (
            "A device is back when its first new reading arrives. "
            f"{result.waiting:,} readings still wait in devices, {result.lost:,} are lost: "
            f"of QoS 1 and 2 a device keeps {max_queued} while it is offline, the newest."
        )
        return Group(table, "", *pictures, fate)

    return found


def _heard(result: mt.Result, fleet: mt.Fleet) -> tuple[np.ndarray, np.ndarray]:
    """Seconds from the move to a device's first new reading, and how long each reading took."""
    messages = result.messages
    index_of = {f"{fleet.name}/{index}": index for index in range(len(fleet))}
    index = np.array([index_of.get(name, -1) for name in messages["publisher"]], int)
    mine = index >= 0
    index = index[mine]
    published = np.asarray(messages["published"])[mine] / np.timedelta64(1, "s")
    delivered = np.asarray(messages["delivered"])[mine] / np.timedelta64(1, "s")
    back = np.full(len(fleet), np.inf)
    new = published > MOVE
    np.minimum.at(back, index[new], delivered[new] - MOVE)
    # Rows come as they arrived; a reading that was sent again may be there twice.
    _, first = np.unique(np.stack((index, published)), axis=1, return_index=True)
    return np.sort(back), (delivered - published)[first]


def _after(back: np.ndarray, share: float, devices: int) -> str:
    when = back[max(int(np.ceil(share * devices)), 1) - 1]
    if not np.isfinite(when):
        return "never"
    return f"{when:.0f} s" if when < 120 else f"{when / 60:.1f} min"


def _picture(label: str, back: np.ndarray, devices: int, minutes: int = 70) -> Text:
    """The share that was heard of again, minute by minute, as a row of bars."""
    bars = " ▁▂▃▄▅▆▇█"
    share = [np.count_nonzero(back <= 60 * minute) / devices for minute in range(1, minutes + 1)]
    row = "".join(bars[int(np.ceil(8 * part))] for part in share)
    return Text(f"back, {label}\n|{row}|\n0 min{'':>{minutes - 9}}{minutes} min\n")
