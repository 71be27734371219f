"""mqttwin.aio: asyncio code on virtual time, over simulated sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct

import pytest

import mqttwin as mt
from mqttwin import aio

CONNECT = bytes.fromhex("100d00044d5154540402003c000161")
CONNACK = bytes.fromhex("20020000")
PING, PONG = b"\xc0\x00", b"\xd0\x00"


SATELLITE = mt.links.geo()


def now() -> float:
    return asyncio.get_running_loop().time()


async def opened(name: str = "broker", port: int = 1883, *, packet: bytes = CONNECT, **options):
    reader, writer = await asyncio.open_connection(name, port, **options)
    writer.write(packet)
    assert await reader.readexactly(4) == CONNACK
    return reader, writer


def ping_for(hours: int, **link):
    async def main() -> tuple[int, float]:
        reader, writer = await opened()
        for _ in range(hours * 60):
            await asyncio.sleep(60)
            writer.write(PING)
            assert await reader.readexactly(2) == PONG
        writer.close()
        await writer.wait_closed()
        return hours, now()

    return main


def test_streams_take_virtual_time_only():
    with mt.World(seed=1) as world:
        world.broker()
        hours, ended = aio.run(world, ping_for(24)())
        assert hours == 24
        assert 24 * 3600 < ended < 24 * 3600 + 60
        assert world.now == pytest.approx(ended)


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_the_same_seed_gives_the_same_run(loss):
    def once(seed: int) -> tuple[str, float]:
        with mt.World(seed=seed) as world:
            world.broker()
            _, ended = aio.run(world, ping_for(2)(), link=mt.links.nb_iot(loss=loss))
            return world.result().digest, ended

    assert once(7) == once(7)
    assert int(once(7)[0], 16) != 0
    if loss:
        assert once(7) != once(8)


def test_a_large_write_waits_for_the_link():
    size = 2_000_000
    topic = b"big"
    packet = b"\x30" + bytes([0x85 & 0xFF | 0x80, 0, 0, 0])  # replaced below
    body = struct.pack("!H", len(topic)) + topic + bytes(size)
    length, digits = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        digits += bytes([digit | (0x80 if length else 0)])
        if not length:
            break
    packet = b"\x30" + digits + body

    async def main() -> float:
        _, writer = await opened()
        began = now()
        writer.write(packet)
        await writer.drain()
        took = now() - began
        writer.close()
        await writer.wait_closed()
        return took

    with mt.World(seed=1) as world:
        world.broker(maximum_packet_size=4_000_000)
        world.fleet("listener").subscribe("big")
        world.run("1s")
        took = aio.run(world, main(), link=mt.links.lte_m())
        # Not all of it fits into buffers; at about 1 Mbit/s it takes seconds.
        assert took > 1
        world.run("2min")
        assert world.result().delivered == 1


def test_a_reader_that_does_not_read_holds_the_sender_back():
    async def slow() -> int:
        no_keep_alive = CONNECT.replace(b"\x00\x3c", b"\x00\x00")
        reader, writer = await opened(packet=no_keep_alive)
        writer.write(bytes.fromhex("82060001000161" + "00"))
        assert (await reader.readexactly(5))[0] == 0x90
        writer.transport.pause_reading()
        await asyncio.sleep(600)
        writer.transport.resume_reading()
        count = 0
        with contextlib.suppress(asyncio.TimeoutError):
            while data := await asyncio.wait_for(reader.read(65536), 60):
                count += len(data)
        writer.close()
        return count

    with mt.World(seed=1) as world:
        world.broker()
        world.fleet("talker").publish("a", payload=bytes(20_000), every="1s", phase=0, until="100s")
        assert aio.run(world, slow()) > 50 * 20_000


def test_nobody_listens_nobody_is_there_and_no_such_name():
    async def main() -> list[object]:
        seen: list[object] = []
        for name, port in [("broker", 9), ("10.99.99.99", 1883), ("nowhere.example", 1883)]:
            began = now()
            with pytest.raises(OSError) as error:  # noqa: PT011
                await asyncio.open_connection(name, port)
            seen.append((type(error.value).__name__, round(now() - began, 1)))
        return seen

    with mt.World(seed=1) as world:
        world.broker()
        refused, silent, unknown = aio.run(world, main())
    assert refused == ("ConnectionRefusedError", 0.0)
    assert silent[0] == "TimeoutError"
    assert 120 < silent[1] < 140  # tcp_syn_retries of Linux
    assert unknown == ("gaierror", 0.0)


def test_names_are_asked_for_over_the_link():
    async def main() -> float:
        began = now()
        await opened("mqtt.example.com")
        return now() - began

    def took(**options) -> float:
        with mt.World(seed=1) as world:
            broker = world.broker(hostname="mqtt.example.com")
            hosts = {"mqtt.example.com": broker} if options else None
            return aio.run(world, main(), link=SATELLITE, hosts=hosts)

    # Three round trips of 0.5 s instead of two.
    assert took() > took(hosts=True) + 0.4


def test_a_cut_is_a_reset_and_a_broker_that_restarts_too():
    async def main(world, host) -> list[str]:
        seen = []
        for strike in (host.cut, world.brokers["broker"].restart):
            reader, writer = await opened()
            world.at(now() + 5, strike)
            try:
                seen.append(repr(await reader.read()))
            except OSError as error:
                seen.append(type(error).__name__)
            writer.close()
        host.cut(after_bytes=len(CONNECT) - 1)
        reader, writer = await asyncio.open_connection("broker", 1883)
        writer.write(CONNECT)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(4)
        return seen

    with mt.World(seed=1) as world:
        world.broker()
        host = aio.host(world, "pump")
        seen = aio.run(world, main(world, host), host=host)
    assert seen[0] == "ConnectionResetError"
    assert seen[1] in ("ConnectionResetError", "b''")


def test_a_link_that_is_down_ends_in_a_time_out():
    async def main(host) -> float:
        reader, writer = await opened()
        host.link_down()
        began = now()
        writer.write(PING)
        with pytest.raises(TimeoutError):
            await reader.read()
        return now() - began

    with mt.World(seed=1) as world:
        world.broker()
        host = aio.host(world)
        assert 800 < aio.run(world, main(host), host=host) < 1200  # tcp_retries2 of Linux


def test_half_close():
    async def main() -> tuple[bytes, bytes]:
        reader, writer = await opened()
        writer.write(PING)
        writer.write_eof()
        return await reader.read(), await reader.read()

    with mt.World(seed=1) as world:
        world.broker()
        assert aio.run(world, main()) == (PONG, b"")


def test_tls_costs_bytes_and_round_trips():
    context = ssl.create_default_context()

    async def main(**options) -> tuple[float, object]:
        began = now()
        _, writer = await opened("mqtt.example.com", **options)
        took = now() - began
        return took, writer.get_extra_info("ssl_object")

    def once(**options):
        with mt.World(seed=1) as world:
            world.broker(hostname="mqtt.example.com")
            took, tls = aio.run(world, main(**options), link=SATELLITE)
            return took, tls and tls.version(), world.result().counts["ip_bytes_down"]

    plain, no_version, plain_bytes = once()
    secure, version, secure_bytes = once(port=8883, ssl=context)
    assert no_version is None
    assert version == "TLSv1.3"
    assert secure > plain + 0.4
    assert secure_bytes > plain_bytes + 1000


def test_tls_where_there_is_none_and_for_another_name():
    async def main() -> None:
        with pytest.raises(ssl.SSLError, match="WRONG_VERSION"):
            await opened("a.example", 1883, ssl=True)
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await opened("a.example", 8883, ssl=True, server_hostname="b.example")
        with pytest.raises(ConnectionResetError):
            await opened("a.example", 8883)  # in clear

    with mt.World(seed=1) as world:
        world.broker(hostname="a.example")
        aio.run(world, main())


def test_start_tls_on_a_connection():
    async def main() -> bytes:
        reader, writer = await asyncio.open_connection("broker", 8883)
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context()
        context.check_hostname = False
        transport = writer.transport
        same = await loop.start_tls(transport, transport.get_protocol(), context)
        assert same is transport
        writer.write(CONNECT)
        return await reader.readexactly(4)

    with mt.World(seed=1) as world:
        world.broker()
        assert aio.run(world, main()) == CONNACK


def test_a_server_on_another_host():
    async def serve() -> None:
        async def echo(reader, writer):
            while data := await reader.read(100):
                writer.write(data.upper())
            writer.close()

        server = await asyncio.start_server(echo, "0.0.0.0", 8888)
        await server.serve_forever()

    async def ask(name: str) -> bytes:
        reader, writer = await asyncio.open_connection(name, 8888)
        writer.write(b"hello")
        answer = await reader.readexactly(5)
        writer.close()
        return answer

    answers = []

    async def client() -> None:
        await asyncio.sleep(1)
        answers.append(await ask("server"))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("server", 8889)

    with mt.World(seed=1) as world, aio.patched(world):
        aio.host(world, "server").start(serve)
        aio.host(world, "client", link=mt.links.lte_m()).start(client)
        world.run("10s")
    assert answers == [b"HELLO"]


@pytest.mark.parametrize("thread", [True, False])
def test_several_firmwares_beside_a_fleet(thread):
    async def firmware(client_id: bytes) -> None:
        _, writer = await opened(packet=CONNECT[:-1] + client_id)
        for _ in range(10):
            writer.write(bytes.fromhex("300400016178"))
            await asyncio.sleep(60)

    def once() -> tuple[int, str]:
        with mt.World(seed=1) as world, aio.patched(world):
            world.broker()
            world.fleet("dashboard", 3).subscribe("a")
            for k in range(4):
                pump = aio.host(world, f"pump{k}", link=mt.links.nb_iot())
                pump.start(firmware(b"%d" % k), thread=thread)
            result = world.run("1h")
            return result.delivered, result.digest

    first = once()
    assert first[0] == 120
    assert first == once()


def test_a_failing_firmware_ends_the_run():
    async def firmware() -> None:
        await asyncio.sleep(5)
        raise ZeroDivisionError("in the pump")

    for thread in (True, False):
        with mt.World(seed=1) as world, aio.patched(world):
            aio.host(world, "pump").start(firmware, thread=thread)
            with pytest.raises(ZeroDivisionError, match="in the pump"):
                world.run("1h")
            assert world.now == 5


def test_time_outs_and_cancellation():
    async def main() -> float:
        reader, _ = await opened()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(), 7)
        task = asyncio.create_task(reader.read())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return now()

    with mt.World(seed=1) as world:
        world.broker()
        assert aio.run(world, main()) == pytest.approx(8, abs=0.1)


def test_wrong_use_is_explained():
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with mt.World(seed=1) as world:
        with pytest.raises(mt.SimulationError, match="nothing wakes it any more"):
            aio.run(world, forever(), timeout="1h")
        with pytest.raises(mt.ConfigError, match="no coroutine"):
            aio.run(world, forever)  # type: ignore[arg-type]
        with pytest.raises(mt.ConfigError, match="is one of another world"):
            aio.run(world, forever(), host=aio.host(mt.World(seed=2)))
        with pytest.raises(mt.MqttwinError, match="inside `with mqttwin"):
            aio.host(world, "pump").start(forever)
        with pytest.raises(mt.ConfigError, match="called 'pump' already"):
            aio.host(world, "pump")
        with pytest.raises(mt.ConfigError, match="keeps its link"):
            aio.loop(world, "pump", link=mt.links.lte_m())
        with pytest.raises(mt.ConfigError, match="leave it out"):
            aio.host(world, "other").cut([1])
