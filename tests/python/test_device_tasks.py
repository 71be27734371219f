"""The scheduler of devices: order, groups, time limits, cancellation."""

from __future__ import annotations

from typing import Any

import pytest

import mqttwin as mt
from mqttwin import device


def run(main: Any, seconds: float = 100, **more: Any) -> Any:
    world = mt.World(seed=3)
    world.broker()
    kind = type("Probe", (mt.Device,), {"main": main, **more})
    dut = world.add(kind)
    world.run(seconds)
    return dut


def test_sleep_takes_virtual_time() -> None:
    seen: list[float] = []

    async def main(self: mt.Device) -> None:
        for pause in ("1s", 2, 0.5, "1min"):
            await self.sleep(pause)
            seen.append(self.now)
        for wrong in ("1 s ago", -1, float("nan")):
            with pytest.raises(mt.ConfigError):
                await self.sleep(wrong)

    run(main)
    assert seen == [1, 3, 3.5, 63.5]


def test_tasks_run_in_the_order_of_their_start() -> None:
    seen: list[Any] = []

    async def worker(self: mt.Device, name: str, pause: float) -> str:
        seen.append(f"{name} starts")
        await self.sleep(pause)
        seen.append(name)
        return name * 2

    async def main(self: Any) -> None:
        tasks = [self.spawn(self.worker(name, 1)) for name in "abc"]
        seen.append("spawned")
        assert [await task for task in tasks] == ["aa", "bb", "cc"]
        assert await tasks[0] == "aa"  # again
        assert await self.all_of(self.worker("x", 2), self.worker("y", 1)) == ["xx", "yy"]

    run(main, worker=worker)
    assert seen == [
        "spawned",
        *("a starts", "b starts", "c starts", "a", "b", "c"),
        *("x starts", "y starts", "y", "x"),
    ]


def test_first_of_cancels_the_others() -> None:
    seen: list[Any] = []

    async def patient(self: mt.Device) -> None:
        try:
            await self.sleep("1h")
        except device.Cancelled:
            seen.append(("cancelled", self.now))
            raise

    async def main(self: Any) -> None:
        first = await self.first_of(self.patient(), self.sleep("5s"))
        seen.append((first.index, first.value, self.now))
        await self.connect()
        await self.subscribe("x")
        index, _ = await self.first_of(self.next_message(), self.sleep("1s"))
        assert index == 1
        self.publish("x", b"late")
        assert (await self.next_message()).payload == b"late"  # the cancelled one took nothing
        with pytest.raises(ValueError, match="of the first"):
            await self.first_of(self.failing(), self.sleep("5s"))

    async def failing(self: mt.Device) -> None:
        await self.sleep("1s")
        raise ValueError("of the first")

    run(main, patient=patient, failing=failing)
    assert seen == [(1, None, 5.0), ("cancelled", 5.0)]


def test_all_of_cancels_where_one_fails() -> None:
    seen: list[Any] = []

    async def failing(self: mt.Device) -> None:
        await self.sleep("1s")
        raise ValueError

    async def patient(self: mt.Device) -> None:
        try:
            await self.sleep("1h")
        finally:
            seen.append(self.now)

    async def main(self: Any) -> None:
        with pytest.raises(ValueError):  # noqa: PT011
            await self.all_of(self.patient(), self.failing())

    run(main, patient=patient, failing=failing)
    assert seen == [1.0]


def test_a_time_limit() -> None:
    seen: list[Any] = []

    async def main(self: mt.Device) -> None:
        with pytest.raises(mt.ClientTimeout, match="not done within 3 s"):
            async with self.timeout("3s"):
                await self.sleep("10s")
        seen.append(self.now)
        async with self.timeout("3s") as limit:
            await self.sleep("1s")
        assert not limit.expired
        with pytest.raises(mt.ClientTimeout, match="1 s"):
            async with self.timeout("5s"), self.timeout("1s"):
                await self.sleep("10s")
        with pytest.raises(mt.ClientTimeout, match="not done within 1 s"):
            async with self.timeout("1s"), self.timeout("5s"):
                await self.sleep("10s")
        seen.append(self.now)

    run(main)
    assert seen == [3.0, 6.0]


def test_cancelling_a_task() -> None:
    seen: list[Any] = []

    async def worker(self: mt.Device) -> None:
        try:
            while True:
                await self.sleep("1s")
        finally:
            seen.append(self.now)

    async def main(self: Any) -> None:
        task = self.spawn(self.worker())
        await self.sleep("2.5s")
        task.cancel()
        with pytest.raises(device.Cancelled):
            await task
        task.cancel()
        assert task.done

    run(main, worker=worker)
    assert seen == [2.5]


def test_every() -> None:
    seen: list[Any] = []

    async def slow(self: mt.Device) -> None:
        await self.sleep("25s")

    async def main(self: Any) -> None:
        ticks = self.every("10s", lambda: seen.append(self.now))
        self.every("7s", seen.append, "x", start=0).cancel()
        slow = self.every("10s", self.slow, start="1s")
        await self.sleep("35s")
        ticks.cancel()
        await self.sleep("30s")
        seen.append((ticks.count, slow.count, slow.skipped))

    run(main, slow=slow)
    assert seen == [10, 20, 30, (3, 3, 4)]


def test_code_that_only_publishes_is_told_of_the_faster_way() -> None:
    world = mt.World(seed=3)
    world.broker()

    class Sender(mt.Device):
        async def main(self) -> None:
            await self.connect()
            self.every("1s", self.sample)

        async def sample(self) -> None:
            await self.publish("t/{id}", b"21")

    class Busy(Sender):
        async def sample(self) -> None:
            await self.publish("t/{id}", b"21", qos=1)

    world.add(Sender, 100)
    world.add(Busy, 100)
    words = r"Sender\.sample.*fleet.*every=\"1s\""
    with pytest.warns(device.HotCallbackWarning, match=words) as got:
        world.run("150s")
    assert len(got) == 1


def test_a_foreign_yield_can_be_caught_where_it_is() -> None:
    class Strange:
        def __await__(self) -> Any:
            yield "something"

    seen: list[str] = []

    async def main(self: mt.Device) -> None:
        try:
            await Strange()
        except device.ForeignAwait as error:
            seen.append(str(error))
        await self.sleep(1)
        seen.append("goes on")

    run(main)
    assert "builtins.str" in seen[0]
    assert seen[1:] == ["goes on"]
