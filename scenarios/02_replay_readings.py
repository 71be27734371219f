"""Real readings, replayed: does what arrives equal what was measured?"""

import csv
import json

import numpy as np
from rich.console import Group
from rich.table import Table
from vega_datasets import data

import mqttwin as mt

UNTIL = "24h"

# Hourly temperatures in Seattle, 2010, in degrees Fahrenheit: public-domain data of NOAA, shipped
# within the package vega_datasets.
RECORDING = data.seattle_temps.filepath


def scenario(
    world: mt.World,
    *,
    stations: int = 300,
    every: mt.Duration = "5min",
    loss: mt.Probability = 0.01,
):
    """Weather stations replay Seattle's temperatures, each at its own place in the recording."""
    with open(RECORDING, newline="") as file:
        measured = [float(row["temp"]) for row in csv.DictReader(file)]
    offsets = np.arange(stations) * len(measured) // stations

    world.broker()
    world.fleet(
        "station",
        stations,
        link=mt.links.lte_m(loss=loss),
        keep_alive="10min",
        session_expiry="1h",
    ).publish(
        "weather/{index}/temperature",
        every=every,
        qos=1,
        payload=mt.json(
            n=mt.gen.counter(),
            fahrenheit=mt.gen.replay(RECORDING, "temp", offset=offsets),
        ),
    )
    consumer = world.fleet("consumer", keep=1_000_000, session_expiry="1h")
    consumer.subscribe("weather/+/temperature", qos=1)

    def found(result: mt.Result):
        received = result.received(consumer)
        numbers: list[list[int]] = [[] for _ in range(stations)]
        wrong = []
        for topic, payload, again in zip(
            received["topic"], received["payload"], received["duplicate"], strict=True
        ):
            if again:
                continue
            station = int(topic.split("/")[1])
            reading = json.loads(payload)
            numbers[station].append(reading["n"])
            expected = measured[(offsets[station] + reading["n"]) % len(measured)]
            if reading["fahrenheit"] != expected:
                wrong.append((station, reading["n"], reading["fahrenheit"], expected))
        if wrong:
            raise AssertionError(f"{len(wrong)} readings differ, the first: {wrong[0]}")
        gaps = sum(sorted(seen) != list(range(len(seen))) for seen in numbers)

        table = Table(box=None, show_header=False, padding=(0, 3, 0, 0))
        table.add_column(justify="left")
        table.add_column(justify="right")
        compared = sum(len(seen) for seen in numbers)
        table.add_row("readings in the recording", f"{len(measured):,}")
        table.add_row("stations that were heard", f"{sum(map(bool, numbers)):,} of {stations:,}")
        table.add_row("readings compared", f"{compared:,}")
        table.add_row("equal to what was measured", f"{compared - len(wrong):,}")
        table.add_row("stations with a gap", f"{gaps:,}")
        table.add_row("received more than once", f"{result.duplicates:,}")
        table.add_row("still on their way", f"{result.waiting + result.conservation.in_flight:,}")
        return Group("What arrived against what was measured:", "", table)

    return found
