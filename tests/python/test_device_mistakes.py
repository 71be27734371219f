"""Wrong use of devices in Python, and what is said about it."""

from __future__ import annotations

import asyncio
import pickle
import queue
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from copyreg import dispatch_table
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from time import time as captured_time
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
    async def main(self) -> None:
        await self.connect()


def test_foreign_awaitables_are_explained(world: mt.World) -> None:
    async def main(self: mt.Device) -> None:
        loop = asyncio.new_event_loop()
        try:
            await loop.create_future()
        finally:
            loop.close()

    with pytest.raises(mt.SimulationError, match=r"_asyncio\.Future.*not of the simulation") as got:
        run_main(world, main)
    assert isinstance(got.value.__cause__, device.ForeignAwait)


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda: time.time() + 0, r"self\.clock\.now"),
        (lambda: time.monotonic() + 0, r"self\.now"),
        (lambda: time.perf_counter() + 0, r"self\.now"),
        (lambda: captured_time() + 0, r"self\.clock\.now"),
        (lambda: time.strftime("%H"), r"time\.strftime.*gmtime\(self\.clock"),
        (lambda: time.localtime()[0], r"time\.localtime\(self\.clock"),
        (lambda: datetime.now(timezone.utc), r"datetime\.fromtimestamp\(self\.clock"),
        (lambda: datetime.utcnow() + timedelta(), r"datetime\.fromtimestamp\(self\.clock"),
        (date.today, r"self\.clock\.now"),
        (lambda: time.sleep(1), r"await self\.sleep"),
        (lambda: asyncio.sleep(1), r"await self\.sleep"),
    ],
)
def test_the_wall_clock_is_explained(world: mt.World, call: Any, instead: str) -> None:
    async def main(self: mt.Device) -> None:
        self.log.info("a record has a time, and may")
        call()

    before = time.time, time.sleep, asyncio.sleep, captured_time, datetime, dict(dispatch_table)
    with pytest.raises(mt.SimulationError, match=f"wall clock.*{instead}") as caught:
        run_main(world, main)
    after = time.time, time.sleep, asyncio.sleep, captured_time, datetime, dict(dispatch_table)
    assert before == after
    assert str(caught.value).count("virtual time)") == 1


def use_a_socket() -> None:
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", 9))


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: threading.Event().wait(5), "threading.*would wait in real time.*await self.sleep"),
        (lambda: threading.Thread(target=print).start(), "a thread.*self.spawn"),
        (lambda: queue.Queue().get(timeout=5), "queue.*await self.sleep"),
        (lambda: Future().result(timeout=5), "threading.*await self.sleep"),
        (use_a_socket, "a socket.*mqttwin.aio"),
        (lambda: subprocess.run(["true"], check=False), "a process.*modelled"),
    ],
)
def test_waits_in_real_time_are_explained(world: mt.World, call: Any, why: str) -> None:
    async def main(self: mt.Device) -> None:
        call()

    before = threading.Condition.wait, socket.socket.connect, subprocess.Popen.__init__
    with pytest.raises(mt.SimulationError, match=why):
        run_main(world, main)
    assert before == (threading.Condition.wait, socket.socket.connect, subprocess.Popen.__init__)
    assert "connect" not in vars(socket.socket)
    done = threading.Event()
    threading.Thread(target=done.set).start()
    assert done.wait(5)


def test_others_may_wait_meanwhile(world: mt.World) -> None:
    waited = []

    async def main(self: mt.Device) -> None:
        assert not threading.Event().wait(0), "it only looks"
        await self.sleep(1)

    world.at("0.5s", lambda: waited.append(threading.Event().wait(0.001)))
    run_main(world, main)
    assert waited == [False]


@pytest.mark.parametrize(
    "call",
    [
        lambda self: asyncio.wait_for(self.connect(), 5),
        lambda self: asyncio.Event().wait(),
        lambda self: asyncio.create_task(self.connect()),
        lambda self: asyncio.get_running_loop(),
    ],
)
def test_asyncio_without_a_loop_is_explained(world: mt.World, call: Any) -> None:
    async def main(self: mt.Device) -> None:
        await call(self)

    with pytest.raises(mt.SimulationError, match=r"asyncio has no loop.*self\.spawn.*mqttwin\.aio"):
        run_main(world, main)


def test_who_awaits_a_device_from_outside_is_told(world: mt.World) -> None:
    dut = world.add(Pump)
    world.run("5s")

    async def test() -> None:
        await dut.publish("x", b"", qos=1)

    with pytest.raises(RuntimeError, match=r"of a device: .* waits with world\.run_until"):
        asyncio.run(test())


def test_dates_and_times_that_ask_no_clock_are_fine(world: mt.World) -> None:
    async def main(self: mt.Device) -> None:
        now = datetime.fromtimestamp(self.clock.now(), timezone.utc)
        assert str(now) == "2025-01-01 00:00:00+00:00"
        assert isinstance(now, datetime)
        assert isinstance(now, date)
        assert pickle.loads(pickle.dumps(now)) == now
        self.storage["since"] = now
        assert time.strftime("%Y", time.gmtime(self.clock.now())) == "2025"
        assert datetime(2020, 2, 29) - timedelta(days=1) == datetime.fromisoformat("2020-02-28")

    run_main(world, main)
    outside = []
    world.at(world.now + 1, lambda: outside.append(datetime.now() - datetime.fromtimestamp(0)))
    world.run("2s")
    assert outside[0].total_seconds() > 1.7e9  # that of somebody who is no device


def test_what_is_imported_during_a_run_has_the_real_clock_afterwards(
    world: mt.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_late.py").write_text(
        "from datetime import datetime\nfrom time import time"
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def main(self: mt.Device) -> None:
        import imported_late  # type: ignore[import-not-found]

        with pytest.raises(mt.SimulationError, match="wall clock"):
            imported_late.datetime.now()

    run_main(world, main)
    late = sys.modules.pop("imported_late")
    assert (late.datetime, late.time) == (datetime, captured_time)


def test_a_class_without_anything_to_do_is_refused(world: mt.World) -> None:
    class Nothing(mt.Device):
        pass

    class Plain(mt.Device):
        def main(self) -> None:  # type: ignore[override]
            pass

    with pytest.raises(mt.ConfigError, match=r"nothing to do.*main"):
        world.add(Nothing)
    with pytest.raises(mt.ConfigError, match="must be async"):
        world.add(Plain)
    with pytest.raises(mt.ConfigError, match=r"no subclass of mqttwin\.Device"):
        world.add(object)  # type: ignore[type-var]
    with pytest.raises(mt.ConfigError, match=r"takes the class: world\.add\(Pump\), not"):
        world.add(Pump())  # type: ignore[call-overload]
    for slip, meant in {"mian": "main", "on_conect": "on_connect"}.items():
        with pytest.raises(mt.ConfigError, match=f"is {slip} to be {meant}\\?$"):
            world.add(type("Slip", (mt.Device,), {slip: Pump.main}))
    with pytest.raises(mt.ConfigError, match=r"def on_message\(self, event\)"):
        world.add(type("Short", (mt.Device,), {"on_message": lambda self: None}))
    world.add(type("Any", (mt.Device,), {"on_message": lambda self, *any_: None}))
    with pytest.raises(mt.ConfigError, match="on_crash"):
        world.add(Pump, on_crash="ignore")
    with pytest.raises(mt.ConfigError, match=r"world\.add\(Pump\)"):
        Pump().publish("x", b"")
    with pytest.raises(mt.ConfigError, match="will topic"):
        world.add(type("W", (Pump,), {"will": mt.Message("a/#")}))


def test_a_loop_that_never_sleeps_is_found(world: mt.World) -> None:
    async def main(self: mt.Device) -> None:
        done = self.spawn(self.random_walk())
        while True:
            done = self.spawn(self.random_walk())
            await done

    async def random_walk(self: mt.Device) -> None:
        pass

    with pytest.raises(mt.SimulationError, match="never sleeps"):
        run_main(world, main, random_walk=random_walk)
