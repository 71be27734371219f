"""24 hours of keep-alives of unmodified clients, in virtual time."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiomqtt
import gmqtt
import paho.mqtt.client as paho
import pytest

import mqttwin as mt
from mqttwin import aio

DAY = 86_400


async def with_gmqtt() -> None:
    client = gmqtt.Client("client")
    await client.connect("broker", keepalive=60)
    await asyncio.sleep(DAY)
    assert client.is_connected
    await client.disconnect()


async def with_aiomqtt() -> None:
    async with aiomqtt.Client("broker", identifier="client", keepalive=60):
        await asyncio.sleep(DAY)


def with_paho() -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("broker", keepalive=60)
    client.loop_start()
    time.sleep(DAY)
    assert client.is_connected()
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize(
    "firmware",
    [lambda: asyncio.run(with_gmqtt()), lambda: asyncio.run(with_aiomqtt()), with_paho],
    ids=["gmqtt", "aiomqtt", "paho with its thread"],
)
def test_a_day_of_keep_alives(benchmark: Any, firmware: Callable[[], None]) -> None:
    def day() -> None:
        with mt.World(seed=1) as world:
            world.broker()
            with aio.patched(world):
                firmware()
            assert world.now >= DAY

    benchmark.pedantic(day, rounds=3)
