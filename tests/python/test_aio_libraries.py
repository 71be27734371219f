"""paho, aiomqtt and gmqtt, unmodified, where the network misbehaves."""

from __future__ import annotations

import asyncio
import time

import aiomqtt
import gmqtt
import paho.mqtt.client as paho
import pytest

import mqttwin as mt
from mqttwin import aio

LOSSY = mt.links.nb_iot(loss=0.05)


def a_day_of_paho() -> list[object]:
    log: list[object] = []

    def on_connect(client, userdata, flags, reason_code, properties):
        log.append((time.monotonic(), str(reason_code)))
        client.subscribe("command", qos=2)

    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_connect = on_connect
    client.on_disconnect = lambda *a: log.append((time.monotonic(), str(a[3])))
    client.on_message = lambda c, u, m: log.append((time.monotonic(), m.payload))
    client.connect("broker", keepalive=60)
    client.loop_start()
    time.sleep(10)  # until it has subscribed
    for k in range(20):
        client.publish("command", b"%d" % k, qos=2).wait_for_publish(30)
        time.sleep(20)
    client.disconnect()
    client.loop_stop()
    return log


async def a_day_of_aiomqtt() -> list[object]:
    log: list[object] = []
    async with aiomqtt.Client("broker", identifier="a", keepalive=60) as client:
        await client.subscribe("command", qos=2)
        for k in range(20):
            await client.publish("command", b"%d" % k, qos=2)
            message = await anext(client.messages)
            log.append((asyncio.get_running_loop().time(), message.payload))
            await asyncio.sleep(20)
    return log


async def a_day_of_gmqtt() -> list[object]:
    log: list[object] = []
    client = gmqtt.Client("g")

    async def on_message(client, topic, payload, qos, properties):
        log.append((asyncio.get_running_loop().time(), payload))
        return 0

    client.on_message = on_message
    await client.connect("broker", keepalive=60)
    client.subscribe("command", qos=2)
    for k in range(20):
        client.publish("command", b"%d" % k, qos=2)
        await asyncio.sleep(20)
    await client.disconnect()
    return log


@pytest.mark.parametrize("firmware", [a_day_of_paho, a_day_of_aiomqtt, a_day_of_gmqtt])
def test_over_a_lossy_link_all_arrives_and_repeats(firmware):
    def once(seed: int) -> tuple[list[object], str]:
        with mt.World(seed=seed) as world, aio.patched(world, link=LOSSY):
            world.broker()
            log = firmware() if firmware is a_day_of_paho else asyncio.run(firmware())
            return log, world.result().digest

    log, digest = once(8)
    assert [p for _, p in log if isinstance(p, bytes)] == [b"%d" % k for k in range(20)]
    assert once(8) == (log, digest)
    assert once(9) != (log, digest)


def test_paho_connects_again_after_a_cut():
    log: list[str] = []
    with mt.World(seed=1) as world:
        broker = world.broker()
        with aio.patched(world, link=LOSSY) as host:
            client = paho.Client(paho.CallbackAPIVersion.VERSION2)
            client.on_connect = lambda *a: log.append(str(a[3]))
            client.on_disconnect = lambda *a: log.append(str(a[3]))
            client.connect("broker", keepalive=60)
            client.loop_start()
            world.at("100s", host.cut)
            world.at("200s", broker.restart)
            world.at("300s", lambda: host.cut(silent=True))
            time.sleep(400)
            client.disconnect()
            client.loop_stop()
    assert log[::2] == ["Success"] * 4
    assert len(log) == 8


def test_paho_without_a_thread():
    with mt.World(seed=1) as world:
        world.broker()
        with aio.patched(world):
            client = paho.Client(paho.CallbackAPIVersion.VERSION2)
            assert client.connect("broker", keepalive=10) == 0
            while time.monotonic() < 100:
                assert client.loop(timeout=2.5) == 0
            assert client.is_connected()
        assert 100 <= world.now < 103


def test_paho_over_tls():
    with mt.World(seed=1) as world:
        world.broker(hostname="mqtt.example.com")
        with aio.patched(world, link=mt.links.lte_m()):
            client = paho.Client(paho.CallbackAPIVersion.VERSION2)
            client.tls_set()
            client.connect("mqtt.example.com", 8883)
            client.loop_start()
            client.publish("a", b"x" * 5000, qos=1).wait_for_publish(10)
            client.disconnect()
            client.loop_stop()
            other = paho.Client(paho.CallbackAPIVersion.VERSION2)
            other.tls_set()
            with pytest.raises(OSError, match="Hostname mismatch"):
                other.connect("198.18.0.1", 8883)


def test_aiomqtt_says_what_happened():
    async def main(host) -> str:
        with pytest.raises(aiomqtt.MqttError) as refused:
            async with aiomqtt.Client("broker", port=1):
                pass
        assert "refused" in str(refused.value)
        with pytest.raises(aiomqtt.MqttError) as error:
            await cut_off(host)
        return str(error.value)

    async def cut_off(host) -> None:
        async with aiomqtt.Client("broker") as client:
            host.cut()
            await client.publish("a", b"x", qos=1)

    with mt.World(seed=1) as world:
        world.broker()
        with aio.patched(world) as host:
            assert asyncio.run(main(host))
