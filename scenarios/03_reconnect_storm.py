"""A broker restart throws a whole fleet back at the door at once. How do they come back?"""

from dataclasses import dataclass, field

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

import mqttwin as mt

UNTIL = "30min"

RESTART = 600.0  # seconds
STEP = 0.1


@dataclass
class Side:
    """One of the two fleets, and how many of it were online, step by step."""

    fleet: mt.Fleet
    backoff: mt.Backoff
    times: list[float] = field(default_factory=list)
    online: list[int] = field(default_factory=list)

    def look(self, now: float) -> None:
        self.times.append(now)
        self.online.append(self.fleet.online)


def scenario(
    world: mt.World,
    *,
    devices: int = 5_000,
    down: mt.Duration = "60s",
    keep_sessions: bool = True,
    fixed: mt.Backoff = mt.backoff.fixed("5s"),  # noqa: B008
    jittered: mt.Backoff = mt.backoff.exponential("1s", "60s"),  # noqa: B008
):
    """Two equal fleets, each at its own broker; only their back-off differs."""
    sides = []
    for name, backoff in (("fixed", fixed), ("jittered", jittered)):
        broker = world.broker(name)
        fleet = world.fleet(
            f"{name}-device",
            devices,
            link=mt.links.lte_m(loss=0.005),
            broker=broker,
            backoff=backoff,
            session_expiry="1h",
            keep_alive="5min",
            ramp="2min",
        )
        fleet.publish(
            name + "/{id}/state",
            every="1min",
            qos=1,
            payload=mt.json(load=mt.gen.uniform(0, 100, digits=1)),
        )
        monitor = world.fleet(f"{name}-monitor", broker=broker, backoff=fixed, session_expiry="1h")
        monitor.subscribe(name + "/#", qos=1)
        world.at(RESTART, lambda b=broker: b.restart(down=down, keep_sessions=keep_sessions))
        sides.append(Side(fleet, backoff))

    def look() -> None:
        for side in sides:
            side.look(world.now)

    watch = world.every(STEP, look, start=RESTART)
    world.at(RESTART + mt.seconds(down) + 240, watch.cancel)

    def found(result: mt.Result):
        table = Table(box=None, padding=(0, 3, 0, 0))
        table.add_column("after the broker is back")
        for side in sides:
            table.add_column(side.fleet.name.partition("-")[0] + " back-off", justify="right")
        told = [_told(side, devices, mt.seconds(down)) for side in sides]
        table.add_row("waits", *(str(side.backoff) for side in sides))
        for label in told[0]:
            table.add_row(label, *(one[label] for one in told))
        pictures = [_picture(side, mt.seconds(down)) for side in sides]
        balance = (
            f"Meanwhile {result.delivered:,} of {result.conservation.expected:,} messages arrived, "
            f"{result.late:,} of them late; {result.lost:,} were lost, {result.duplicates:,} came "
            "twice."
        )
        return Group(table, "", *pictures, balance)

    return found


def _returns(side: Side, down: float) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since the broker was back, and devices that came back in the step before."""
    since = np.array(side.times) - RESTART - down
    back = np.maximum(np.diff(np.array(side.online), prepend=side.online[:1]), 0)
    return since[since >= 0], back[since >= 0]


def _told(side: Side, devices: int, down: float) -> dict[str, str]:
    if not side.times:
        return {"": "the run ended before the restart"}
    since, back = _returns(side, down)
    total = np.cumsum(back)

    def until(share: float) -> str:
        reached = np.flatnonzero(total >= share * devices)
        return f"{since[reached[0]]:.1f} s" if len(reached) else "not in time"

    window = round(1 / STEP)
    busiest = np.convolve(back, np.ones(window, dtype=int)).max() if len(back) else 0
    return {
        "half of them online after": until(0.5),
        "99 % after": until(0.99),
        "all after": until(1.0),
        "busiest second, connects": f"{busiest:,}",
        "busiest tenth of one": f"{back.max() if len(back) else 0:,}",
    }


def _picture(side: Side, down: float, seconds: int = 60) -> Text:
    """Connects a second, for a minute, as a row of bars."""
    bars = " ▁▂▃▄▅▆▇█"
    since, back = _returns(side, down)
    counts, _ = np.histogram(since, bins=np.arange(seconds + 1), weights=back)
    top = max(counts.max(initial=0), 1)
    row = "".join(bars[int(np.ceil(8 * count / top))] for count in counts)
    name = side.fleet.name.partition("-")[0]
    text = f"connects a second, {name} (full bar: {int(top):,})\n|{row}|\n"
    return Text(text + f"0 s{'':>{seconds - 6}}{seconds} s\n")
