"""What a device in Python costs: wake-ups, messages, a whole test."""

from __future__ import annotations

from typing import Any

import pytest

import mqttwin as mt


class Sleeper(mt.Device):
    """Wakes every second."""

    async def main(self) -> None:
        while True:
            await self.sleep("1s")


class Reporter(mt.Device):
    """Publishes every minute, and listens."""

    clean_start = False
    session_expiry = "1h"

    async def main(self) -> None:
        await self.connect()
        await self.subscribe("cmd/{id}", qos=1)
        while True:
            await self.sleep("1min")
            await self.publish("data/{id}", b"21.5", qos=1)


@pytest.mark.parametrize("devices", [10, 10_000])
def test_600_000_wake_ups(benchmark: Any, devices: int) -> None:
    world = mt.World(seed=1)
    world.broker()
    world.add(Sleeper, devices, ramp="1s")
    world.run("2s")
    benchmark.pedantic(world.run, args=(600_000 // devices,), rounds=5)


def test_60_000_messages_of_1_000_devices(benchmark: Any) -> None:
    world = mt.World(seed=1)
    world.broker()
    world.add(Reporter, 1000, ramp="1min")
    world.run("2min")
    benchmark.pedantic(world.run, args=("1h",), rounds=3)


def test_10_devices_an_hour_and_3_outages(benchmark: Any) -> None:
    def scenario() -> None:
        world = mt.World(seed=1)
        broker = world.broker()
        world.add(Reporter, 10, link=mt.links.lte_m())
        for minute in (10, 25, 40):
            world.at(f"{minute}min", broker.down)
            world.at(f"{minute + 1}min", broker.up)
        world.run("1h")

    benchmark.pedantic(scenario, rounds=20)
