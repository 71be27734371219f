"""What a run will cost, beside what it does; and the bounds that end it."""

from __future__ import annotations

import gc

import pytest

import mqttwin as mt
from conftest import small_world
from mqttwin.estimate import heap_bytes


def meters(devices: int) -> mt.World:
    """The first scenario's fleet: QoS 1 over a lossy link, to one consumer."""
    world = mt.World(1, keep_messages=20_000)
    world.broker()
    fleet = world.fleet(
        "meter", devices, link=mt.links.nb_iot(loss=0.02), session_expiry="1h", ramp="2min"
    )
    fleet.publish("site/{group}/{id}", every="5min", jitter="60s", qos=1, payload=b"x" * 40)
    world.fleet("dashboard", session_expiry="1h").subscribe("site/#", qos=1)
    return world


def sensors(devices: int) -> mt.World:
    """The benchmark fleet: QoS 0, ten messages a minute."""
    world = mt.World(1, keep_messages=0)
    world.broker()
    world.fleet("consumer").subscribe("#")
    fleet = world.fleet("sensor", devices, link=mt.links.link(latency="20ms"), ramp="10s")
    fleet.publish("plant/{group}/{id}/t", every="6s", payload=mt.raw(b"x" * 64))
    return world


def peers(devices: int) -> mt.World:
    """Everybody hears a group, and one hears a command."""
    world = mt.World(1, keep_messages=0)
    world.broker()
    fleet = world.fleet("peer", devices, link=mt.links.wifi(), group_size=20)
    fleet.publish("g/{group}/{id}", every="60s", payload=b"x")
    fleet.subscribe("g/{group}/#", "cmd/{id}")
    world.fleet("worker", 5).subscribe("$share/w/g/#")
    world.fleet("server").publish("cmd/peer-17", every="1s", payload=b"y")
    return world


@pytest.mark.parametrize(
    ("describe", "devices", "duration"),
    [(meters, 8_000, "10min"), (sensors, 8_000, "20s"), (peers, 3_000, "70s")],
)
def test_an_estimate_is_right_to_a_factor(describe, devices, duration):
    # From now on glibc takes large blocks from its heap, as it does once it has freed one; those
    # that it maps count with all that aligning them leaves over.
    bytearray(31 << 20)
    gc.collect()  # worlds of earlier tests are not to be freed meanwhile
    before = heap_bytes()
    with describe(devices) as world:
        expected = world.estimate(duration)
        result = world.run(duration)
        taken = heap_bytes() - before
        assert expected.devices == sum(len(fleet) for fleet in world.fleets.values())
    assert f"{expected.deliveries:,} deliveries" in str(expected)
    assert expected.messages == pytest.approx(result.offered, rel=0.1)
    assert expected.deliveries == pytest.approx(result.conservation.expected, rel=0.1)
    assert expected.events == pytest.approx(result.counts["events"], rel=0.3)
    assert taken / 1.6 < expected.memory_bytes < taken * 1.6
    packets = result.counts["mqtt_packets_up"] + result.counts["mqtt_packets_down"]
    assert 2 * packets * 26 / 1.5 < expected.log_bytes < 2 * packets * 26 * 1.5
    # CPU time is measured on a machine that others use: a band that catches a wrong unit.
    assert result.wall_seconds / 20 < expected.cpu_seconds < result.wall_seconds * 20


def test_an_estimate_changes_nothing():
    with small_world() as asked, small_world() as other:
        first = asked.estimate("1h")
        asked.run("10min")
        later = asked.estimate("10min")
        assert asked.run("20min").digest == other.run("30min").digest
    assert first.messages == pytest.approx(1200, rel=0.1)
    assert later.messages == pytest.approx(200, rel=0.15)
    assert later.events < first.events / 4


def test_fleets_that_are_described_device_by_device():
    with mt.World() as world:
        world.broker()
        rooms = [f"room{i % 7}" for i in range(5_000)]
        fleet = world.fleet("lamp", 5_000, columns={"room": rooms})
        fleet.publish("{room}/{id}", every="10s", payload=b"on")
        world.fleet("ear").subscribe("room3/#")
        expected = world.estimate("1min")
    assert expected.messages == pytest.approx(30_000, rel=0.1)
    assert expected.deliveries == pytest.approx(30_000 / 7, rel=0.4)


def test_a_world_without_messages():
    with mt.World() as world:
        world.broker()
        assert world.estimate("1h").events == 0
        world.fleet("idle", 100, keep_alive="1min")
        assert world.estimate("1h").messages == 0
        events = world.run("1h").counts["events"]
    with mt.World() as world:
        world.broker()
        world.fleet("idle", 100, keep_alive="1min")
        assert world.estimate("1h").events == pytest.approx(events, rel=0.3)


def test_somebody_elses_broker_has_no_estimate():
    with mt.World() as world:
        world.broker(url="mqtt://127.0.0.1:1883")
        with pytest.raises(mt.ConfigError, match=r"^estimate: the broker 'broker' is somebody"):
            world.estimate("1h")


def test_bounds_end_a_run_with_what_it_has():
    with small_world(devices=200) as world:
        result = world.run("100000h", max_wall="150ms")
        assert result.stopped == "max_wall"
        assert not result.interrupted
        assert result.delivered > 0
        assert result.conservation.holds
        assert "(stopped by max_wall)" in result.report()
        assert "stopped by max_wall" in repr(result)
        result = world.run("100000h", max_memory=1)  # which it takes already
        assert result.stopped == "max_memory"
        assert result.conservation.holds
        reached = world.now
    with small_world(devices=200) as again:  # what was stopped can be repeated
        assert again.run(f"{round(reached * 1e9)}ns", max_memory="500GiB").digest == result.digest
        assert again.result().stopped == ""
        for wrong, message in [
            ({"max_memory": 0}, r"^max_memory: must be more than 0"),
            ({"max_memory": "much"}, r"^max_memory: "),
            ({"max_wall": 0}, r"^max_wall: "),
        ]:
            with pytest.raises(mt.ConfigError, match=message):
                again.run("1s", **wrong)


class Beacon(mt.Device):
    def on_connect(self, event):
        self.every("10s", self.beat)

    def beat(self):
        self.publish("beat", b"x", qos=1)


def test_devices_in_python_are_taken_to_go_on():
    with mt.World() as world:
        world.broker()
        world.add(Beacon, 20)
        world.fleet("sink").subscribe("beat")
        before = world.estimate("1h")
        assert before.unforeseen == 20
        assert "what 20 Python devices will do is not in it" in str(before)
        world.run("10min")
        after = world.estimate("1h")
        assert after.unforeseen == 0
        assert "Python" not in str(after)
        assert after.messages == pytest.approx(20 * 360, rel=0.05)
        assert after.deliveries == pytest.approx(20 * 360, rel=0.05)
