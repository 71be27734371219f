"""Simulated devices and real programs: on our broker, and on somebody else's."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import mqttwin as mt

from . import brokers
from .brokers import Broker, mosquitto_missing
from .clients import LIBRARIES
from .stage import VERSIONS, Clients, Message, all_of, until
from .suite import Case, on, require, require_case

AT = mt.replay_times([0.05 * i for i in range(6)])
LINK = mt.links.link(latency="2ms")


@contextlib.contextmanager
def served(world: mt.World, case: Case) -> Iterator[Clients]:
    """Clients of a library in a world."""
    require_case(case)
    with world.serve() as server:
        clients = Clients(server.host, server.port, case.library, VERSIONS[case.version])
        with all_of(clients):
            yield clients


@on("mqttwin")
@pytest.mark.parametrize("devices", ["3.1.1", "5.0"])
def test_reads_what_devices_publish(case: Case, devices: str) -> None:
    """It reads what simulated devices publish, of every QoS, with their properties."""
    with mt.World(seed=3) as world:
        world.broker()
        meters = world.fleet("meter", 3, version=devices, link=LINK)
        for qos in (0, 1, 2):
            payload = mt.json(n=mt.gen.counter())
            meters.publish(
                f"site/{{id}}/{qos}",
                every="50ms",
                qos=qos,
                payload=payload,
                content_type="application/json" if devices == "5.0" else "",
            )
        with served(world, case) as clients:
            reader = clients.connect("reader")
            reader.subscribe("site/#", 2)
            got = [reader.receive() for _ in range(36)]
    topics = Counter(m.topic for m in got)
    assert set(topics) == {f"site/meter-{i}/{qos}" for i in range(3) for qos in (0, 1, 2)}
    assert all(m.topic.endswith(f"/{m.qos}") for m in got)
    for topic in topics:
        readings = [json.loads(m.payload)["n"] for m in got if m.topic == topic]
        assert readings == list(range(readings[0], readings[0] + len(readings)))
    if case.version == devices == "5.0":
        assert {m.properties["content_type"] for m in got} == {"application/json"}


@on("mqttwin")
@pytest.mark.parametrize("devices", ["3.1.1", "5.0"])
def test_devices_read_what_it_publishes(case: Case, devices: str) -> None:
    """Simulated devices read what it publishes, of every QoS."""
    with mt.World(seed=3) as world:
        world.broker()
        lamps = world.fleet("lamp", 2, version=devices, link=LINK, keep=100)
        lamps.subscribe("lamps/{id}/#", "all/#", qos=2)
        with served(world, case) as clients:
            writer = clients.connect("writer")
            # Retained, so that it does not matter which of them have subscribed already.
            for qos in (0, 1, 2):
                writer.publish(Message(f"all/{qos}", b"on", qos, retain=True))
                writer.publish(Message(f"lamps/lamp-1/{qos}", b"\x00\xff", qos, retain=True))
            until(lambda: len(lamps.received) == 9, "nine messages")
            received = lamps.received
    got = sorted(zip(received["device"], received["topic"], received["payload"], strict=True))
    everybody = [(i, f"all/{qos}", b"on") for i in (0, 1) for qos in (0, 1, 2)]
    one = [(1, f"lamps/lamp-1/{qos}", b"\x00\xff") for qos in (0, 1, 2)]
    assert got == sorted(everybody + one)


@on("mqttwin")
def test_hears_of_a_device_that_is_gone(case: Case) -> None:
    """It reads the will of a simulated device whose connection breaks."""
    with mt.World(seed=3) as world:
        world.broker()
        will = mt.Message("status/{id}", b"gone", qos=1, retain=True)
        devices = world.fleet("device", 2, link=LINK, will=will, backoff=None)
        with served(world, case) as clients:
            until(lambda: devices.online == 2, "both are connected")
            reader = clients.connect("reader")
            reader.subscribe("status/#", 1)
            devices.cut(1)
            got = reader.receive()
            assert (got.topic, got.payload) == ("status/device-1", b"gone")
            assert devices.online == 1


# --- a fleet on somebody else's broker ------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Broker]:
    require(mosquitto_missing())
    with brokers.mosquitto(tmp_path) as broker:
        yield broker


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
def test_fleet_on_mosquitto(elsewhere: Broker, version: str) -> None:
    """Devices publish and subscribe through mosquitto; every message arrives."""
    with mt.World(seed=5) as world:
        world.broker(url=elsewhere.url)
        readers = world.fleet("reader", 2, version=version, keep=1000)
        readers.subscribe("site/#", qos=2)
        meters = world.fleet("meter", 5, version=version, start="200ms")
        for qos in (0, 1, 2):
            payload = mt.json(n=mt.gen.counter())
            meters.publish(f"site/{{id}}/{qos}", when=AT, qos=qos, payload=payload)
        result = world.run("1s")
        received = readers.received
    assert result.lost == result.duplicates == 0
    assert result.delivered == 2 * result.offered > 100
    assert len(received) == result.delivered
    for qos in (0, 1, 2):
        assert Counter(received["qos"])[qos] == result.delivered // 3


def test_fleet_on_mosquitto_meets_strangers(elsewhere: Broker) -> None:
    """What paho-mqtt publishes on mosquitto, devices read, and the other way round."""
    paho = LIBRARIES["paho"]
    require(paho.missing())
    with mt.World(seed=5) as world, all_of(Clients(*elsewhere.address, paho, 5)) as clients:
        world.broker(url=elsewhere.url)
        devices = world.fleet("device", 3, keep=100)
        devices.subscribe("cmd/{id}", qos=1)
        devices.publish("state/{id}", every="100ms", qos=1, payload=b"fine")
        stranger = clients.connect("stranger")
        stranger.subscribe("state/+", 1)
        for device in devices.ids():
            stranger.publish(Message(f"cmd/{device}", device.encode(), 1, retain=True))
        world.run_until(lambda: len(devices.received) == 3, timeout="5s", step="10ms")
        world.run("200ms")
        topics = {stranger.receive().topic for _ in range(3)}
        received = devices.received
    assert topics == {f"state/{device}" for device in devices.ids()}
    assert sorted(received["payload"]) == [b"device-0", b"device-1", b"device-2"]


def test_sessions_and_wills_of_a_fleet_on_mosquitto(elsewhere: Broker) -> None:
    """Mosquitto keeps the session of a device that is away, and publishes the will of one whose
    connection broke."""
    paho = LIBRARIES["paho"]
    require(paho.missing())
    with mt.World(seed=5) as world, all_of(Clients(*elsewhere.address, paho, 5)) as clients:
        world.broker(url=elsewhere.url)
        device = world.fleet(
            "device",
            session_expiry="1h",
            clean_start=False,
            will=mt.Message("status/{id}", b"gone", qos=1),
            backoff=None,
            keep=10,
        )
        device.subscribe("cmd/{id}", qos=2)
        stranger = clients.connect("stranger")
        stranger.subscribe("status/#", 1)
        # Retained: it comes with the subscription, which is there from then on.
        stranger.publish(Message("cmd/device-0", b"hello", 1, retain=True))
        world.run_until(lambda: len(device.received) == 1, timeout="5s", step="10ms")
        device.cut()
        world.run("10ms")
        assert stranger.receive().payload == b"gone"
        stranger.publish(Message("cmd/device-0", b"while away", 2))
        device.connect()
        world.run_until(lambda: len(device.received) == 2, timeout="5s", step="10ms")
        assert list(device.received["payload"]) == [b"hello", b"while away"]
