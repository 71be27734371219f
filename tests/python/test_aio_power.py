"""Hosts that lose their power: what is lost, what stays, and what cannot be switched."""

from __future__ import annotations

import asyncio
import datetime
import functools
import gc
import socket
import time

import aiomqtt
import pytest

import mqttwin as mt
from mqttwin import aio


async def speak(host: aio.Host, log: list[str]) -> None:
    """CONNECT as the host, with a will, then silence."""
    host.storage["starts"] = host.storage.get("starts", 0) + 1
    log.append(f"{asyncio.get_running_loop().time():.0f} {host.storage['starts']}")
    _, writer = await asyncio.open_connection("broker", 1883)
    name = host.name.encode()
    rest = b"\0\4MQTT\4\6\0\x0a\0" + bytes([len(name)]) + name + b"\0\4gone\0\1!"
    writer.write(bytes([0x10, len(rest)]) + rest)
    while True:
        await asyncio.sleep(5)
        writer.write(b"\xc0\0")


@pytest.mark.parametrize("thread", [True, False])
def test_memory_is_lost_and_storage_stays(thread):
    log: list[str] = []
    with mt.World(seed=1) as world, aio.patched(world):
        world.broker()
        wills = world.spy("gone")
        host = aio.host(world, "meter")
        host.start(functools.partial(speak, host, log), thread=thread)
        world.run("100s")
        assert host.connected
        assert host.powered
        host.reboot(off_for="60s")
        assert not host.powered
        world.run("1s")
        assert host.connected, "nobody was told"
        world.run("58s")
        assert not host.connected, "the keep-alive has found it"
        assert len(wills) == 1
        world.run("10s")
        assert host.connected
        assert host.boots == 1
    assert log == ["0 1", "160 2"]


def test_a_thread_that_blocks_is_stopped_where_it_stands():
    ended = []

    def blocking() -> None:
        try:
            while True:
                time.sleep(10)
        finally:
            ended.append(time.monotonic())

    with mt.World(seed=1) as world, aio.patched(world):
        host = aio.host(world, "meter")
        host.start(blocking)
        world.run("25s")
        host.power_off()
        assert ended == [25.0]
        world.run("25s")
        host.power_on()
        world.run("25s")
        assert ended == [25.0]
        host.reboot("1s")
        host.power_off()  # it stays off
        world.run("25s")
        assert not host.powered
    assert ended == [25.0, 75.0]


@pytest.mark.parametrize("thread", [True, False])
def test_code_that_unwinds_has_no_power(thread):
    """Neither its memory chip nor its peer hears of what `finally` does."""
    noticed = []

    async def main(host: aio.Host) -> None:
        _, writer = await asyncio.open_connection("broker", 1883)
        writer.write(bytes.fromhex("100d 0004 4d515454 04 02 003c 0001 61"))
        host.storage["unit"] = 3
        try:
            await asyncio.sleep(1000)
        finally:
            host.storage.clear()
            host.storage["clean"] = True
            writer.write(b"\xe0\0")  # DISCONNECT
            sock = writer.get_extra_info("socket")
            noticed.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            writer.close()

    with mt.World(seed=1) as world, aio.patched(world):
        broker = world.broker()
        host = aio.host(world, "meter", client_id="a")
        host.start(functools.partial(main, host), thread=thread)
        world.run("10s")
        host.power_off()
        world.run("10s")
        assert noticed == [0]
        assert dict(host.storage) == {"unit": 3}
        assert host.storage.writes == 1
        assert broker.has_connected("a"), "nobody has told it"
        host.storage["serial"] = 17  # by who repairs it
        assert host.storage["serial"] == 17


def test_a_power_cut_is_quiet(capfd, caplog):
    async def main() -> None:
        async with aiomqtt.Client("broker", identifier="meter") as client:
            await client.publish("x", "1", qos=1)
            await asyncio.sleep(1000)

    with mt.World(seed=1) as world, aio.patched(world):
        world.broker()
        host = aio.host(world, "meter")
        host.start(main)
        world.run("10s")
        host.reboot("5s")
        world.run("10s")
        assert host.connected
        gc.collect()
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_a_function_that_makes_a_coroutine_is_awaited():
    seen = []

    async def main() -> None:
        await asyncio.sleep(1)
        seen.append(asyncio.get_running_loop().time())

    with mt.World(seed=1) as world, aio.patched(world):
        aio.host(world, "meter").start(lambda: [main()][0])
        world.run("2s")
    assert seen == [1.0]


def test_a_server_without_power_is_silent():
    outcome = []

    async def serve() -> None:
        server = await asyncio.start_server(lambda r, w: w.close(), port=7000)
        await server.serve_forever()

    async def ask() -> None:
        for _ in range(3):
            try:
                async with asyncio.timeout(20) if hasattr(asyncio, "timeout") else _timeout(20):
                    await asyncio.open_connection("server", 7000)
                outcome.append("there")
            except (TimeoutError, asyncio.TimeoutError):
                outcome.append("silent")
            await asyncio.sleep(10)

    with mt.World(seed=1) as world, aio.patched(world):
        server = aio.host(world, "server")
        server.start(serve)
        aio.host(world, "asker").start(ask)
        world.at("5s", functools.partial(server.reboot, off_for="30s"))
        world.run("2min")
    assert outcome == ["there", "silent", "there"]


class _timeout:  # asyncio.timeout, before Python 3.11
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._timer = asyncio.get_running_loop().call_later(self._seconds, task.cancel)

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        self._timer.cancel()
        if isinstance(error, asyncio.CancelledError):
            raise TimeoutError


def test_a_clock_that_is_set_is_that_of_one_host():
    seen: dict[str, tuple[float, float, int]] = {}

    def look(name: str) -> None:
        time.sleep(10)
        seen[name] = (time.time(), time.monotonic(), datetime.datetime.now().year)

    with mt.World(seed=1) as world, aio.patched(world) as main:
        hosts = [aio.host(world, name) for name in ("right", "wrong")]
        for host in hosts:
            host.start(functools.partial(look, host.name))
        before = time.time()
        hosts[1].clock.step("-365d")
        assert hosts[1].clock.error == -365 * 86400
        world.run("20s")
        assert time.time() == before + 20
        main.clock.set(0)
        assert time.time() == 0
        assert time.gmtime().tm_year == 1970
        assert time.strftime("%Y") == "1970"
        assert "1970" in time.ctime()
    assert seen["right"] == (before + 10, 10.0, 2025)
    assert seen["wrong"] == (before + 10 - 365 * 86400, 10.0, 2024)
    with pytest.raises(mt.ConfigError, match="step"):
        hosts[1].clock.step("soon")
    with pytest.raises(mt.ConfigError, match="seconds since 1970"):
        hosts[1].clock.set("noon")  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_run():
    def digest() -> str:
        with mt.World(seed=7) as world, aio.patched(world):
            world.broker()
            for number in range(3):
                host = aio.host(world, f"m{number}", link=mt.links.lte_m(loss=0.05))
                host.start(functools.partial(speak, host, []), thread=number == 1)
                world.at(f"{40 + 7 * number}s", functools.partial(host.reboot, off_for="11s"))
            return world.run("5min").digest

    assert digest() == digest()


def test_what_cannot_be_switched_says_so():
    async def main() -> None:
        await asyncio.sleep(1000)

    async def suicide() -> None:
        await asyncio.sleep(1)
        host.reboot()

    with mt.World(seed=1) as world, aio.patched(world) as here:
        once = aio.host(world, "once")
        with pytest.raises(mt.MqttwinError, match=r"nothing was started on once.*host\.start"):
            once.power_off()
        once.start(main())
        world.run("1s")
        with pytest.raises(mt.MqttwinError, match=r"once runs a coroutine.*host\.start\(main\)"):
            once.reboot()
        once.power_off()
        with pytest.raises(mt.MqttwinError, match="has no power"):
            once.start(main)
        with pytest.raises(mt.MqttwinError, match="begin anew"):
            once.power_on()
        with pytest.raises(mt.MqttwinError, match="nothing was started on firmware"):
            here.reboot()
        host = aio.host(world, "tired")
        host.start(suicide)
        with pytest.raises(mt.MqttwinError, match=r"cannot switch itself off: use world\.at"):
            world.run("2s")
        with pytest.raises(mt.ConfigError, match="is no firmware"):
            host.start(17)
        with pytest.raises(mt.ConfigError, match="without a thread of its own"):
            host.start(lambda: None, thread=False)
        with pytest.raises(mt.ConfigError, match="is no client identifier"):
            aio.host(world, "nobody", client_id="")
        other = aio.host(world, "other", client_id="x")
        other.start(main)
        other.power_off()
    with pytest.raises(mt.MqttwinError, match=r"is over"):
        other.power_on()


# --- scopes that last as long as a world, and brokers that refuse ---------------------------------


def test_a_scope_lasts_until_the_world_is_closed():
    real = time.sleep
    with mt.World(seed=1) as world:
        host = world.enter(aio.patched(world))
        assert isinstance(host, aio.Host)
        assert time.sleep is not real
        world.run("1s")
    assert time.sleep is real
    with pytest.raises(mt.MqttwinError, match="closed"):
        world.enter(aio.patched(world))


def test_only_scopes_are_entered():
    with mt.World(seed=1) as world, pytest.raises(mt.ConfigError, match="with statement"):
        world.enter(17)  # type: ignore[arg-type]


def test_a_broker_that_refuses():
    class Asker(mt.Device):
        backoff = mt.backoff.fixed("5s")

        def on_boot(self, event):
            self.connect()

    with mt.World(seed=1) as world:
        broker = world.broker()
        early, late = world.add(Asker, 2)
        late.power_off()
        world.run("2s")
        broker.refuse(0x89)
        late.power_on()
        world.run("10s")
        assert early.connected
        assert broker.has_connected(early.client_id)
        assert not late.connected
        assert not broker.has_connected(late.client_id)
        broker.refuse(None)
        world.run("10s")
        assert late.connected
        with pytest.raises(mt.ConfigError, match="client identifier"):
            broker.has_connected(b"asker-0")  # type: ignore[arg-type]
        for wrong in (0, 0x10, 0x81 + 0x7F, 0x8E, "busy"):
            with pytest.raises(mt.ConfigError, match="reason"):
                broker.refuse(wrong)  # type: ignore[arg-type]
