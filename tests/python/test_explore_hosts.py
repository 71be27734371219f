"""Exploring firmware that runs on hosts over sockets: unmodified clients, and code of one's own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sys

import aiomqtt
import paho.mqtt.client as paho
import pytest

import mqttwin as mt
from conftest import ROOT
from mqttwin import aio
from mqttwin.mischief import Fault

sys.path.insert(0, str(ROOT / "tests"))

from planted.raw import RawFirmware, live

PERIOD = 20


@pytest.fixture(autouse=True)
def quiet():
    """Clients that are meant to lose their connections need not tell."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def hosts(world, devices, firmware, **options):
    """Each with a firmware that knows its host."""
    world.broker()
    world.enter(aio.patched(world))
    for number in range(devices):
        host = aio.host(world, f"meter-{number}", link=mt.links.lte_m())
        host.start(functools.partial(firmware, host), **options)


async def with_aiomqtt(host):
    while True:
        try:
            client = aiomqtt.Client("broker", identifier=host.name, keepalive=30)
            async with client:
                while True:
                    await client.publish(f"d/{host.name}", b"1", qos=1)
                    await asyncio.sleep(PERIOD)
        except aiomqtt.MqttError:
            await asyncio.sleep(5)


async def with_aiomqtt_once(host):
    """Believes that a connection lasts."""
    async with aiomqtt.Client("broker", identifier=host.name, keepalive=30) as client:
        try:
            while True:
                await client.publish(f"d/{host.name}", b"1", qos=1)
                await asyncio.sleep(PERIOD)
        except aiomqtt.MqttError:
            await asyncio.sleep(10**6)


def with_paho(host):
    import time

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=host.name)
    client.connect_async("broker", keepalive=30)
    client.loop_start()
    while True:
        client.publish(f"d/{host.name}", b"1", qos=1)
        time.sleep(PERIOD)


def aiomqtts(world, *, devices=2, patient=True):
    hosts(world, devices, with_aiomqtt if patient else with_aiomqtt_once)


def pahos(world, *, devices=2):
    hosts(world, devices, with_paho)


@pytest.mark.parametrize("scenario", [aiomqtts, pahos])
def test_unmodified_clients_bear_every_kind_of_fault(scenario):
    mt.explore(scenario, seeds=6, workers=1, stop_after=None, shrink=False).check()


def test_a_firmware_that_connects_once_is_found_and_shrunk():
    found = mt.explore(
        aiomqtts,
        seeds=5,
        parameters={"patient": False},
        faults=[mt.mischief.cuts(), mt.mischief.outages(), mt.mischief.clock_jumps()],
        workers=1,
    )
    example = found.counterexamples[0]
    assert example.violations[0].text == "meter-0 is still not connected"
    assert example.parameters["devices"] == 1
    assert len(example.faults) == 1, example.story
    assert "CONNECT" in example.story or "PUBLISH" in example.story


def raw(world, *, devices=2, firmware=RawFirmware):
    world.broker()
    world.enter(aio.patched(world))
    acted = []
    for number in range(devices):
        host = aio.host(world, f"device-{number}", link=mt.links.lte_m())
        host.start(functools.partial(live, firmware, host, acted), thread=False)


NETWORK = [
    Fault("impostor", 60.0, "device-0"),
    Fault("stall", 100.0, "device-0", direction="up", lasts=30.0),
    Fault("stall", 200.0, "device-0", direction="down", lasts=30.0),
    Fault("outage", 300.0, "device-1", lasts=40.0),
    Fault("cut", 330.0, "device-0", after_bytes=20, anew=True),
    Fault("black_hole", 340.0, "device-1", after_bytes=20),
    Fault("clock", 350.0, "device-1", by=-3600.0),
    Fault("power", 360.0, "device-0", off_for=30.0),
    Fault("refusal", 420.0, "broker", lasts=20.0),
    Fault("restart", 500.0, "broker", keep_sessions=False, down=20.0),
]
STATUS = mt.invariants.status_agrees("d/{id}/status", dies="3min")


def test_every_fault_strikes_a_host():
    struck = []

    def note(trial):
        struck.extend(trial.faults)
        assert trial.hosts["device-0"].boots == 1
        assert trial.hosts["device-1"].clock.error == -3600
        assert trial.hosts["device-0"].connects >= 7

    mt.replay(
        raw,
        seed=1,
        faults=NETWORK,
        invariants=[mt.invariants.connected(), mt.invariants.no_gaps("d/+/data"), note, STATUS],
    )
    assert struck == NETWORK


class Hammer(RawFirmware):
    """Tries again at once."""

    async def main(self):
        while True:
            try:
                await self.connection()
            except Exception:
                await asyncio.sleep(0.5)


class InStep(RawFirmware):
    """Waits for always the same."""

    async def main(self):
        while True:
            with contextlib.suppress(Exception):
                await self.connection()
            await asyncio.sleep(7)


class Silent(RawFirmware):
    """Never says that it is there."""

    def publish(self, topic, payload, qos, number, **more):
        if not topic.endswith("status"):
            super().publish(topic, payload, qos, number, **more)


@pytest.mark.parametrize(
    ("firmware", "invariant", "text"),
    [
        (Hammer, mt.invariants.no_hammering(), "device-0 has tried"),
        (InStep, mt.invariants.not_in_step(), "all of the hosts were back"),
        (Silent, STATUS, "device-0 is connected"),
    ],
)
def test_what_is_expected_of_devices_is_expected_of_hosts(firmware, invariant, text):
    faults = [Fault("restart", at, "broker", down=60.0) for at in (60.0, 240.0)]
    scenario = functools.partial(raw, devices=3, firmware=firmware)
    with pytest.raises(AssertionError, match=text):
        mt.replay(scenario, seed=1, faults=faults, invariants=[invariant])
    scenario = functools.partial(raw, devices=3)
    mt.replay(scenario, seed=1, faults=faults, invariants=[invariant])


def test_a_host_with_a_coroutine_has_no_power_switch():
    def scenario(world):
        world.broker()
        world.enter(aio.patched(world))
        host = aio.host(world, "meter", client_id="m")
        host.start(with_aiomqtt(host))
        other = aio.host(world, "spare")
        other.start(functools.partial(with_aiomqtt, other))
        spared = aio.host(world, "backend")
        spared.start(functools.partial(with_aiomqtt, spared))
        return Subject

    class Subject:
        spared = ("backend",)

    def look(trial):
        assert list(trial.machines) == ["m", "spare"]
        assert list(trial.switched()) == ["spare"]
        assert [name for _, _, name in trial.targets("device")] == ["m", "spare"]
        assert [name for _, _, name in trial.targets("python")] == ["spare"]
        assert [name for _, _, name in trial.targets("clock")] == ["m", "spare"]

    mt.replay(scenario, seed=1, invariants=[look], until="1min", calm="1s")


def test_faults_of_one_kind_do_not_end_each_other():
    def look(trial):
        assert seen == [False, False, True]

    seen = []

    def scenario(world):
        raw(world, devices=1)
        for at in (90, 130, 240):
            world.at(at, lambda: seen.append(world.brokers["broker"].has_connected("device-0")))

    faults = [
        Fault("refusal", 30.0, "broker", lasts=30.0),
        Fault("refusal", 45.0, "broker", lasts=90.0),
        Fault("refusal", 50.0, "broker", lasts=2.0),
    ]
    mt.replay(scenario, seed=1, faults=faults, invariants=[look])


def test_wrong_scenarios_and_faults_are_explained():
    def ended(world):
        world.broker()
        with aio.patched(world):
            aio.host(world, "m").start(asyncio.sleep)

    def twice(world):
        world.broker()
        world.enter(aio.patched(world))
        for name in ("one", "two"):
            aio.host(world, name, client_id="x").start(with_paho)

    with pytest.raises(mt.ConfigError, match=r"scope .* has ended.*world\.enter"):
        mt.replay(ended, seed=1)
    with pytest.raises(mt.ConfigError, match="two are called 'x'"):
        mt.replay(twice, seed=1)
    with pytest.raises(mt.ConfigError, match=r"'pump-7'.* has no target: there are device-0, dev"):
        mt.replay(raw, seed=1, faults=[Fault("cut", 1.0, "pump-7")])
    with pytest.raises(mt.ConfigError, match="has no target: there are broker"):
        mt.replay(raw, seed=1, faults=[Fault("restart", 1.0, "device-0")])


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("refusal", {"reason": 0}),
        ("refusal", {"reason": "busy"}),
        ("power", {"off_for": -1.0}),
        ("outage", {"lasts": float("nan")}),
        ("clock", {"by": "1h"}),
        ("cut", {"after_bytes": -1}),
        ("cut", {"after_bytes": 1.5}),
        ("cut", {"direction": "left"}),
        ("restart", {"keep_sessions": 1}),
    ],
)
def test_details_that_cannot_be_are_refused_at_once(kind, details):
    (name,) = details
    with pytest.raises(mt.ConfigError, match=f"{name}: must be"):
        Fault(kind, 1.0, "x", **details)
