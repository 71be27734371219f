"""Devices in Python: connecting, messages, callbacks, power, crashes."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import Any

import pytest

import mqttwin as mt
from conftest import run_main
from mqttwin import device


@pytest.fixture
def world() -> mt.World:
    world = mt.World(seed=11)
    world.broker()
    return world


class Pump(mt.Device):
    """The one of the documentation."""

    will = mt.Message("pump/{id}/status", b"offline", qos=1, retain=True)
    setpoint = 0.0

    async def main(self) -> None:
        await self.connect(keep_alive=30, clean_start=False, session_expiry="1h")
        await self.subscribe("pump/{id}/cmd", qos=2)
        self.every("30s", self.sample)
        async for message in self.messages():
            self.setpoint = float(message.payload)

    async def sample(self) -> None:
        await self.sleep("200ms")
        await self.publish("pump/{id}/flow", b"3.2", qos=2)


# --- process style -------------------------------------------------------------------------------


def test_survives_an_outage_and_delivers_exactly_once(world: mt.World) -> None:
    watcher = world.fleet("watcher", keep=1000).subscribe("pump/#", qos=2)
    dut = world.add(Pump, link=mt.links.nb_iot())
    world.run_until(dut.connected)
    world.run("10min")
    world.brokers["broker"].publish("pump/pump/cmd", b"5.5", qos=2)
    with dut.link.down():
        world.run("90s")
        assert not dut.connected
    world.run_until(dut.connected & dut.outbox_empty, timeout="5min")
    assert dut.setpoint == 5.5
    topics = list(watcher.received["topic"])
    assert topics.count("pump/pump/status") == 1  # the will
    world.run("1min")
    world.run_until(dut.outbox_empty)
    result = world.run("1s")
    assert result.conservation.holds
    flows = list(watcher.received["topic"]).count("pump/pump/flow")
    assert flows == result.counts["offered"] > 20


def test_run_until_stops_at_the_very_event(world: mt.World) -> None:
    dut = world.add(Pump, link=mt.links.lte_m())
    world.run_until(dut.connected)
    first = world.now
    assert 0 < first < 5
    assert first != round(first)  # no second of a clock, no step of a poll
    world.run_until(~dut.connected | mt.when(lambda: world.now > 700), timeout="1h")
    assert world.now > 700


def test_conditions_combine(world: mt.World) -> None:
    dut = world.add(Pump)
    world.run_until(dut.connected & dut.outbox_empty & (lambda: dut.powered))
    assert bool(dut.connected & dut.powered)
    assert not bool(~dut.connected)
    assert (lambda: False) | dut.connected
    world.run("1s")
    dut.link.reset()
    assert not dut.connected  # at once, although no code of the device has run
    world.run_until(dut.connected, timeout="5min")
    with pytest.raises(mt.SimulationError, match="did not come true"):
        world.run_until(~dut.powered, timeout="10s")
    with pytest.raises(mt.ConfigError, match="when"):
        mt.when(3)  # type: ignore[arg-type]


def test_publish_and_what_awaiting_it_gives(world: mt.World) -> None:
    seen: list[Any] = []

    async def main(self: mt.Device) -> None:
        seen.append(await self.publish("early", "x"))
        waits = self.publish("early", 1, qos=1)  # in the outbox until there is a connection
        await self.connect()
        seen.append(await waits)
        seen.extend([await self.publish("t/{id}", None, qos=q) for q in (0, 1, 2)])
        with pytest.raises(mt.PublishError, match="topic"):
            self.publish("t/#", b"")
        with pytest.raises(mt.ConfigError, match="payload"):
            self.publish("t", object())  # type: ignore[arg-type]

    run_main(world, main)
    assert seen[0].dropped == "offline"
    assert [event.qos for event in seen[1:]] == [1, 0, 1, 2]
    assert [event.dropped for event in seen[1:]] == [""] * 4
    assert seen[2].topic == "t/probe"


def test_subscriptions_and_their_refusals() -> None:
    world = mt.World(seed=1)
    world.broker(shared_subscriptions_available=False)
    seen: list[Any] = []

    async def main(self: mt.Device) -> None:
        with pytest.raises(mt.DisconnectedError, match="not connected"):
            await self.subscribe("a")
        await self.connect()
        seen.append(await self.subscribe("a/{id}", "b/+", qos=1))
        seen.append(await self.unsubscribe("a/{id}", "c"))
        with pytest.raises(mt.SubscribeError):
            await self.subscribe("a/#/b")
        with pytest.raises(mt.SubscribeError):
            await self.subscribe("$share/g/a")
        seen.append("done")

    run_main(world, main)
    assert seen == [[1, 1], [0, 0x11], "done"]


def test_messages_and_next_message(world: mt.World) -> None:
    seen: list[Any] = []

    async def main(self: mt.Device) -> None:
        await self.connect()
        await self.subscribe("in")
        with pytest.raises(mt.ClientTimeout, match="no message within 2 s"):
            await self.next_message(timeout="2s")
        seen.append(self.now)
        for n in range(3):
            self.publish("in", n)
        seen.append((await self.next_message()).payload)
        async for message in self.messages():
            seen.append(message.payload)
            if message.payload == b"2":
                await self.disconnect()
        seen.append("over")
        with pytest.raises(mt.DisconnectedError):
            await self.next_message()

    run_main(world, main)
    assert 2 < seen[0] < 2.1
    assert seen[1:] == [b"0", b"1", b"2", "over"]


def test_without_backoff_a_lost_connection_is_the_codes_business(world: mt.World) -> None:
    seen: list[str] = []

    async def main(self: mt.Device) -> None:
        for _ in range(3):
            try:
                await self.connect(timeout="10s")
                async for _ in self.messages():
                    pass
            except mt.DisconnectedError as error:
                seen.append(str(error))
                await self.sleep("10s")

    dut = run_main(world, main, 5, backoff=None)
    dut.link.reset()
    world.run("5s")
    assert not dut.connected
    world.run("10s")
    assert dut.connected
    world.brokers["broker"].restart()
    world.run("20s")
    assert dut.connected
    assert len(seen) == 2


def test_a_refusal_ends_the_attempts() -> None:
    world = mt.World(seed=1)
    world.broker(max_sessions=1)
    world.fleet("first")
    seen: list[Any] = []

    async def main(self: mt.Device) -> None:
        await self.sleep("1s")
        try:
            await self.connect(timeout="20s")
        except (mt.ConnectError, mt.ClientTimeout) as error:
            seen.append(error)

    dut = run_main(world, main)
    assert len(seen) == 1
    assert not dut.connected


def test_connect_gives_up_in_time(world: mt.World) -> None:
    seen: list[Any] = []

    async def main(self: mt.Device) -> None:
        with pytest.raises(mt.ClientTimeout, match="not connected within 40 s"):
            await self.connect(timeout="40s")
        seen.append(self.now)

    kind = type("Late", (mt.Device,), {"main": main})
    dut = world.add(kind)
    dut.link.down()
    world.run("5min")
    assert seen == [40.0]
    dut.link.up()
    world.run("5min")
    assert not dut.connected


def test_what_connect_says_counts_for_the_device_alone() -> None:
    world = mt.World(seed=2)
    world.broker()
    watcher = world.fleet("watcher", keep=10).subscribe("status/#")

    class Own(mt.Device):
        will = mt.Message("status/{id}", b"of the class")

        async def main(self) -> None:
            if self.index == 0:
                await self.connect()
            elif self.index == 1:
                own = mt.Message("status/{id}/own", b"mine", qos=1)
                await self.connect(will=own, keep_alive=10, session_expiry="never")
            else:
                await self.connect(will=None)

    duts = world.add(Own, 3)
    world.run_until(duts.connected)
    world.run("1s")
    for dut in duts:
        dut.link.reset()
        dut.power_off()
    world.run("1s")
    got = sorted(zip(watcher.received["topic"], watcher.received["payload"], strict=True))
    assert got == [("status/own-0", b"of the class"), ("status/own-1/own", b"mine")]


# --- callback style ------------------------------------------------------------------------------


class Valve(mt.Device):
    """Handlers, plain and asynchronous."""

    def __init__(self, opening: int = 7) -> None:
        self.opening = opening
        self.seen: list[Any] = []

    def on_boot(self, event: device.BootEvent) -> None:
        self.seen.append((event.count, event.cause))
        self.connect()

    async def on_connect(self, event: device.ConnectEvent) -> None:
        self.seen.append(event.session_present)
        await self.subscribe("valve/{id}")
        self.publish("ready", self.opening, qos=1)

    def on_message(self, event: device.MessageEvent) -> None:
        self.seen.append((event.topic, event.payload))

    def on_publish(self, event: device.PublishEvent) -> None:
        self.seen.append((event.topic, event.reason_code))

    def on_disconnect(self, event: device.DisconnectEvent) -> None:
        self.seen.append((event.cause, event.was_connected, event.reconnects))


def test_handlers_take_one_event(world: mt.World) -> None:
    world.fleet("watcher").subscribe("ready", qos=1)
    valve = world.add(Valve, opening=9)
    world.run("1s")
    world.brokers["broker"].publish("valve/valve", b"3")
    world.run("1s")
    valve.link.reset()
    world.run("1min")
    assert valve.seen[:4] == [(1, "power_on"), False, ("ready", 0), ("valve/valve", b"3")]
    assert valve.seen[4:6] == [("transport", True, True), False]
    assert valve.seen[-1] == ("ready", 0)


def test_handlers_alone_connect_by_themselves(world: mt.World) -> None:
    class Listener(mt.Device):
        heard = 0

        def on_connect(self, event: device.ConnectEvent) -> None:
            self.subscribe("all/#")

        def on_message(self, event: device.MessageEvent) -> None:
            self.heard += 1

    dut = world.add(Listener)
    world.run("1s")
    world.brokers["broker"].publish("all/x", b"")
    world.run("1s")
    assert dut.heard == 1


# --- power ---------------------------------------------------------------------------------------


class Counter(mt.Device):
    """Counts in memory and in storage."""

    def __init__(self) -> None:
        self.in_memory = 0

    async def main(self) -> None:
        try:
            while True:
                self.in_memory += 1
                self.storage["count"] = self.storage.get("count", 0) + 1
                await self.sleep("1s")
        finally:
            self.storage["cleaned up"] = True  # has no power to run on


def test_a_reboot_empties_memory_and_keeps_storage(world: mt.World) -> None:
    dut = world.add(Counter)
    world.run("9.5s")
    assert (dut.in_memory, dut.storage["count"]) == (10, 10)
    dut.reboot(off_for="2s")
    assert not dut.powered
    world.run("1s")
    assert not dut.powered
    world.run("3.5s")
    assert (dut.in_memory, dut.storage["count"], dut.boots) == (3, 13, 2)
    dut.power_off()
    world.run("1min")
    assert dut.storage["count"] == 13
    dut.power_on()
    world.run("0.5s")
    assert (dut.in_memory, dut.storage["count"]) == (1, 14)
    assert "cleaned up" not in dut.storage


def test_a_device_may_switch_itself_off(world: mt.World) -> None:
    seen: list[str] = []

    async def main(self: mt.Device) -> None:
        seen.append(f"boot {self.boots}")
        await self.sleep("1s")
        if self.boots < 3:
            self.reboot()
            seen.append("never")
        self.power_off()
        seen.append("never")

    dut = run_main(world, main)
    assert seen == ["boot 1", "boot 2", "boot 3"]
    assert not dut.powered
    with pytest.raises(mt.MqttwinError, match="no power"):
        dut.publish("t", b"")


def test_a_power_cut_is_noticed_by_keep_alive_alone(world: mt.World) -> None:
    watcher = world.fleet("watcher", keep=10).subscribe("pump/+/status")
    dut = world.add(Pump)
    world.run_until(dut.connected)
    cut = world.now
    dut.power_off()
    world.run("44s")
    assert len(watcher.received["topic"]) == 0
    world.run("3s")
    assert list(watcher.received["payload"]) == [b"offline"]
    assert cut < 1


def test_a_brown_out_comes_from_the_devices_own_stream() -> None:
    def instants(others: int) -> list[float]:
        world = mt.World(seed=5)
        world.broker()
        if others:
            world.add(Valve, others)
        duts = world.add(Counter, 3)
        return [dut.brown_out(within="1min", off_for="5s") for dut in duts]

    assert instants(0) == instants(7)
    assert len(set(instants(0))) == 3
    world = mt.World(seed=5)
    world.broker()
    dut = world.add(Counter)
    at = dut.brown_out(within="1min")
    world.run("1min")
    assert 0 < at < 60
    assert dut.boots == 2


# --- what goes wrong -----------------------------------------------------------------------------


def test_an_exception_fails_the_run_with_its_traceback(world: mt.World) -> None:
    class Faulty(mt.Device):
        async def main(self) -> None:
            await self.sleep("17s")
            raise ZeroDivisionError("of the firmware")

    dut = world.add(Faulty)
    other = world.add(Counter)
    with pytest.raises(mt.SimulationError, match=r"'faulty' failed: ZeroDiv.*at 17 s") as got:
        world.run("1min")
    assert got.value.virtual_time == 17
    assert isinstance(got.value.__cause__, ZeroDivisionError)
    assert got.traceback[-1].name != "main"
    assert got.value.__cause__.__traceback__ is not None
    assert not dut.powered
    world.run("3s")  # the others go on
    assert other.in_memory > 18


def test_an_init_that_fails_at_a_reboot(world: mt.World) -> None:
    class Faulty(Counter):
        fails = False

        def __init__(self) -> None:
            super().__init__()
            if self.fails:
                raise RuntimeError("in __init__")

    dut = world.add(Faulty)
    world.run("5s")
    Faulty.fails = True
    dut.reboot()
    with pytest.raises(mt.SimulationError, match="in __init__"):
        world.run("10s")
    assert (dut.crashes, bool(dut.powered)) == (1, False)


def test_what_is_no_error_of_the_device_passes_as_it_is(world: mt.World) -> None:
    async def main(self: mt.Device) -> None:
        await self.sleep(1)
        pytest.fail("from within a device")

    with pytest.raises(pytest.fail.Exception, match="from within"):
        run_main(world, main)


def test_worlds_are_collected() -> None:
    world = mt.World(seed=1)
    world.broker()
    world.add(Counter)
    world.run("5s")
    gone = weakref.ref(world)
    del world
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("where", ["on_boot", "on_connect", "every", "task", "on_message"])
def test_wherever_it_comes_from(world: mt.World, where: str) -> None:
    class Faulty(Valve):
        def on_boot(self, event: device.BootEvent) -> None:
            self.fail_at("on_boot")
            self.connect()
            self.every("1s", self.fail_at, "every")
            self.spawn(self.task())

        async def task(self) -> None:
            await self.sleep("1s")
            self.fail_at("task")

        async def on_connect(self, event: device.ConnectEvent) -> None:
            self.fail_at("on_connect")
            await self.subscribe("x")
            self.publish("x", b"")

        def on_message(self, event: device.MessageEvent) -> None:
            self.fail_at("on_message")

        def fail_at(self, place: str) -> None:
            if place == where:
                raise RuntimeError(place)

    world.add(Faulty)
    with pytest.raises(mt.SimulationError, match=where):
        world.run("10s")


def test_a_device_that_may_crash_reboots(world: mt.World, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Counter):
        async def main(self) -> None:
            await self.sleep("10s")
            raise RuntimeError("again")

    dut = world.add(Faulty, may_crash=True, reboot_time="5s")
    with caplog.at_level(logging.ERROR, "mqttwin"):
        world.run("59s")
    assert (dut.crashes, dut.boots) == (4, 4)
    assert [record.virtual_time for record in caplog.records] == [10, 25, 40, 55]  # type: ignore[attr-defined]
    assert caplog.records[0].client_id == "faulty"  # type: ignore[attr-defined]
    assert "RuntimeError: again" in caplog.text


def test_names_and_numbers(world: mt.World) -> None:
    one, two = world.add(Counter), world.add(Counter)
    many = world.add(Counter, 3, name="meter")
    assert (one.client_id, two.client_id) == ("counter", "counter-2")
    assert [dut.client_id for dut in many] == ["meter-0", "meter-1", "meter-2"]
    assert [dut.index for dut in many[1:]] == [1, 2]
    assert many[2].text("{group}/{id}") == "0/meter-2"
    assert set(world.fleets) == {"counter", "counter-2", "meter"}
    assert "Counter counter" in repr(one)
    with pytest.raises(mt.ConfigError, match="there is one called"):
        world.add(Counter, name="meter")
