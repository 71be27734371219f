"""A day in the life of 10,000 meters on a lossy narrow-band link."""

from typing import Literal

from rich.console import Group
from rich.table import Table

import mqttwin as mt

UNTIL = "24h"


def scenario(
    world: mt.World,
    *,
    devices: int = 10_000,
    every: mt.Duration = "15min",
    loss: mt.Probability = 0.02,
    qos: Literal[0, 1, 2] = 1,
):
    """Meters send a reading every 15 minutes over NB-IoT; a dashboard wants to see them all."""
    world.broker()

    meters = world.fleet(
        "meter",
        devices,
        link=mt.links.nb_iot(loss=loss),
        keep_alive="20min",  # longer than the pause between readings: no pings are needed
        session_expiry="1h",
        ramp="5min",  # they are not all switched on at once
    )
    meters.publish(
        "site/{group}/{id}",
        every=every,
        jitter="60s",
        qos=qos,
        payload=mt.json(
            t=mt.gen.ou(mean=mt.dist.normal(21, 2), sigma=0.4, tau="1h", digits=2),
            seq=mt.gen.counter(),
        ),
    )

    dashboard = world.fleet("dashboard", link=mt.links.ethernet(), session_expiry="1h")
    dashboard.subscribe("site/#", qos=qos)

    def found(result: mt.Result):
        table = Table("reading on the dashboard after", "share", box=None, padding=(0, 3, 0, 0))
        table.columns[1].justify = "right"
        for limit in ("1s", "2s", "3s", "5s", "10s"):
            share = 1 - result.latency.share_above(limit)
            table.add_row(f"at most {limit}", f"{100 * share:.3f} %")

        days = result.duration / 86_400
        up = result.counts["ip_bytes_up"] / devices / days if days else 0
        down = result.counts["ip_bytes_down"] / devices / days if days else 0
        payload = result.counts["payload_bytes_up"] / devices / days if days else 0
        bill = (
            f"A meter sends {up / 1e3:.1f} kB and receives {down / 1e3:.1f} kB a day, to bring "
            f"{payload / 1e3:.1f} kB of readings: {30 * (up + down) / 1e6:.2f} MB a month."
        )
        fate = (
            f"Of {result.offered:,} readings {result.delivered:,} arrived, {result.lost:,} were "
            f"lost, {result.duplicates:,} came twice."
        )
        return Group("What a lost packet costs is time:", "", table, "", fate, bill)

    return found
