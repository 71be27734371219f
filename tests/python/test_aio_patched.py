"""The scope in which blocking code is simulated: threads, clocks, sockets, chance."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import copyreg
import os
import pickle
import queue
import random
import select
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from datetime import date, datetime, timedelta, timezone
from time import monotonic as captured_clock

import pytest

import mqttwin as mt
from mqttwin import aio

CONNECT = bytes.fromhex("100d00044d5154540402003c000161")
CONNACK = bytes.fromhex("20020000")
REAL = (time.time, time.sleep, socket.socket, threading.Lock, select.select, random.random)


@pytest.fixture
def world():
    with mt.World(seed=3) as made:
        made.broker()
        yield made


def test_clocks_stand_still_and_sleep_passes_time(world):
    with aio.patched(world):
        began = (time.monotonic(), captured_clock(), time.perf_counter_ns(), time.time())
        time.sleep(3600)
        ended = (time.monotonic(), captured_clock(), time.perf_counter_ns(), time.time())
        assert [b - a for a, b in zip(began, ended, strict=True)] == [3600, 3600, 3600e9, 3600]
        assert time.strftime("%Y-%m-%d %H", time.gmtime()) == "2025-01-01 01"
    assert world.now == 3600
    assert (
        time.time,
        time.sleep,
        socket.socket,
        threading.Lock,
        select.select,
        random.random,
    ) == REAL
    assert captured_clock is time.monotonic


captured_now = datetime.utcnow


class Stamp(datetime):
    """Somebody's own, made before."""


def test_dates_are_virtual_and_real_ones(world):
    utc = timezone.utc
    real, table, methods = datetime, dict(copyreg.dispatch_table), dict(vars(Stamp))
    with aio.patched(world):
        time.sleep(3600.25)
        want = real.__new__(real, 2025, 1, 1, 1, 0, 0, 250_000)
        assert datetime.now(utc) == want.replace(tzinfo=utc)
        assert [datetime.utcnow(), captured_now()] == [want, want]
        assert datetime.now().timestamp() == datetime.today().timestamp() == time.time()
        assert date.today() == date(2025, 1, 1) or time.localtime().tm_gmtoff
        assert Stamp.now(utc) == Stamp(2025, 1, 1, 1, 0, 0, 250_000, utc)
        assert type(Stamp.utcnow()) is Stamp

        class Inside(datetime):
            pass

        now = datetime.now(utc)
        assert isinstance(now, datetime)
        assert isinstance(Inside.now(), datetime)
        assert type(Inside.now()) is Inside
        assert not isinstance(now, Inside)
        assert issubclass(real, datetime)
        assert issubclass(datetime, date)
        assert repr(datetime) == "<class 'datetime.datetime'>"
        assert copy.deepcopy(now) == copy.copy(now) == pickle.loads(pickle.dumps(now)) == now
        assert datetime.strptime("2020-02-29", "%Y-%m-%d") == datetime(2020, 2, 29)
        kept = pickle.dumps([now, Stamp.now(utc), datetime])
    assert (datetime, type(now), captured_now) == (real, real, real.utcnow)
    assert pickle.loads(kept) == [now, Stamp(2025, 1, 1, 1, 0, 0, 250_000, utc), real]
    assert (copyreg.dispatch_table, dict(vars(Stamp))) == (table, methods)
    assert Inside.now(utc) > Stamp.now(utc) - timedelta(minutes=1) > now


def test_dates_of_a_device_beside_patched_code(world):
    class Clerk(mt.Device):
        async def main(self):
            await self.sleep("10s")
            datetime.now()

    with aio.patched(world):
        world.add(Clerk)
        world.at("5s", lambda: seen.append(datetime.now().timestamp() - time.time()))
        seen = []
        with pytest.raises(mt.SimulationError, match=r"datetime\.now is the wall clock"):
            world.run("1min")
        assert seen == [0]


IMPORTING = """
import datetime, sys
import mqttwin as mt
from mqttwin import aio

def load():
    import pandas, pyarrow
    assert "pandas" in sys.modules

class Importer(mt.Device):
    async def main(self):
        load()

assert "pandas" not in sys.modules and "pyarrow" not in sys.modules
with mt.World(seed=1) as world:
    world.broker()
    if sys.argv[1] == "device":
        world.add(Importer)
        world.run("1s")
    else:
        with aio.patched(world):
            load()

import pandas
moment = datetime.datetime(2020, 2, 29, 12)
assert pandas.Timestamp(moment).to_pydatetime() == moment
assert type(pandas.Timestamp(moment).to_pydatetime()) is datetime.datetime
assert str(pandas.Series([moment]).dtype).startswith("datetime64")
"""


@pytest.mark.parametrize("where", ["device", "scope"])
def test_extension_modules_that_are_loaded_meanwhile_get_the_real_class(where):
    subprocess.run([sys.executable, "-W", "error", "-c", IMPORTING, where], check=True, timeout=60)


def test_a_blocking_socket(world):
    with aio.patched(world):
        with socket.create_connection(("broker", 1883), timeout=10) as sock:
            sock.sendall(CONNECT)
            assert sock.recv(100) == CONNACK
            sock.settimeout(5)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            assert 5 < time.monotonic() < 5.1
            assert select.select([sock], [sock], [], 1) == ([], [sock], [])
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
            assert sock.getpeername()[1] == 1883
            with selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_READ)
                sock.sendall(b"\xc0\x00")
                assert len(selector.select(10)) == 1
            assert sock.recv(9) == b"\xd0\x00"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("broker", 1884))
        with pytest.raises(socket.gaierror):
            socket.create_connection(("nowhere", 1883))
        with pytest.raises(TimeoutError):
            socket.create_connection(("10.99.0.1", 1883), timeout=3)


def test_a_blocking_tls_socket(world):
    context = ssl.create_default_context()
    with aio.patched(world):
        sock = socket.create_connection(("broker", 8883))
        with context.wrap_socket(sock, server_hostname="broker") as secured:
            assert secured.version() == "TLSv1.3"
            secured.sendall(CONNECT)
            assert secured.recv(100) == CONNACK
            secured.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):
                secured.recv(1)


def test_threads_pass_a_baton(world):
    def once() -> list[object]:
        log: list[object] = []
        lock, event = threading.Lock(), threading.Event()
        condition = threading.Condition()

        def worker(number: int) -> None:
            time.sleep(number % 3)
            with lock:
                log.append((time.monotonic(), number))
                time.sleep(10)
            with condition:
                assert not condition.wait(timeout=5)
            if number == 4:
                event.set()

        workers = [threading.Thread(target=worker, args=(k,), name=f"w{k}") for k in range(5)]
        began = time.monotonic()
        for each in workers:
            each.start()
        assert not event.wait(20)
        assert event.wait(100)
        for each in workers:
            each.join()
        assert not any(each.is_alive() for each in workers)
        log.append(time.monotonic() - began)
        return [entry if isinstance(entry, float) else entry[1] for entry in log]

    with aio.patched(world):
        first = once()
        assert first == once()
    assert first == [0, 3, 1, 4, 2, 55.0]


def test_queues_executors_and_semaphores(world):
    with aio.patched(world):
        jobs: queue.Queue[int] = queue.Queue(maxsize=1)
        done: queue.SimpleQueue[int] = queue.SimpleQueue()

        def worker() -> None:
            while (job := jobs.get()) >= 0:
                time.sleep(2)
                done.put(job * job)

        thread = threading.Thread(target=worker)
        thread.start()
        for k in range(3):
            jobs.put(k)
        jobs.put(-1)
        thread.join()
        assert [done.get() for _ in range(3)] == [0, 1, 4]
        with pytest.raises(queue.Empty):
            done.get(timeout=7)
        assert time.monotonic() == 13
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(time.sleep, 5) for _ in range(4)]
            assert len(concurrent.futures.wait(futures).done) == 4
        assert time.monotonic() == 23
        timer = threading.Timer(4, jobs.put, args=(9,))
        timer.start()
        assert jobs.get() == 9
        assert time.monotonic() == 27
        semaphore = threading.Semaphore(0)
        assert not semaphore.acquire(timeout=3)
        timer.join()


def test_chance_comes_from_the_seed():
    def once(seed: int, name: str = "pump") -> list[object]:
        with mt.World(seed=seed) as world, aio.patched(world, name):
            return [
                random.random(),
                random.Random().random(),
                os.urandom(4),
                uuid.uuid4(),
                uuid.uuid1(),
            ]

    assert once(1) == once(1)
    for other in (once(2), once(1, "fan")):
        assert not set(once(1)[:4]) & set(other[:4])


def test_asyncio_run_with_an_executor(world):
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(
            loop.run_in_executor(None, time.sleep, 5), asyncio.to_thread(time.sleep, 7)
        )
        time.sleep(1)  # blocks the loop, as it would
        return began, loop.time()

    with aio.patched(world):
        assert asyncio.run(main()) == (0, 8)


def test_what_would_escape_is_refused(world):
    outside = socket.socket()
    try:
        with aio.patched(world):
            for escape in (
                lambda: subprocess.run(["true"], check=False),
                lambda: os.system("true"),
                os.fork,
                lambda: select.select([outside], [], [], 1),
                lambda: outside.connect(("127.0.0.1", 9)),
                lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                select.epoll,
            ):
                with pytest.raises(aio.EscapeError):
                    escape()
            with (
                pytest.raises(mt.MqttwinError, match="in force already"),
                aio.patched(world),
            ):
                pass
        with aio.patched(world):
            pass  # and again, when it is over
    finally:
        outside.close()


def test_a_thread_from_outside_is_refused(world):
    ready, go = threading.Event(), threading.Event()
    seen: list[object] = []

    def stranger() -> None:
        ready.set()
        go.wait()
        for call in (lambda: time.sleep(1), socket.socket, lambda: time.monotonic() > 1e-3):
            try:
                seen.append(call())
            except aio.EscapeError as error:
                seen.append("outside" in str(error))

    thread = threading.Thread(target=stranger)
    thread.start()
    ready.wait()
    with aio.patched(world):
        go.set()
        with pytest.raises(aio.EscapeError, match="started outside"):
            thread.join()
        REAL[1](0)
        while len(seen) < 3:
            REAL[1](0.001)
    thread.join()
    assert seen == [True, True, True]  # it may look at the real clock


def test_threads_that_still_wait_unwind_at_the_end(world):
    log = []

    def worker() -> None:
        try:
            time.sleep(1e6)
        finally:
            log.append("unwound")

    with aio.patched(world):
        thread = threading.Thread(target=worker)
        thread.start()
        time.sleep(1)
    thread.join(10)
    assert log == ["unwound"]
    assert world.now == 1


def test_a_polling_loop_that_never_waits_is_told(world):
    with aio.patched(world):
        lock = threading.Lock()
        lock.acquire()

        def spin() -> None:
            while not lock.acquire(blocking=False):
                pass

        with pytest.raises(mt.SimulationError, match="turns in circles"):
            spin()


def test_blocking_code_beside_others_in_one_world(world):
    log = []

    def pump(name: str, period: float) -> None:
        sock = socket.create_connection(("broker", 1883))
        sock.sendall(CONNECT[:-1] + name[-1].encode())
        assert sock.recv(4) == CONNACK
        while True:
            time.sleep(period)
            sock.sendall(b"\xc0\x00")
            assert sock.recv(2) == b"\xd0\x00"
            log.append((round(time.monotonic(), 1), name))

    with aio.patched(world):
        for name, period in (("pump1", 20), ("pump2", 30)):
            host = aio.host(world, name, link=mt.links.lte_m())
            host.start(lambda name=name, period=period: pump(name, period))
        world.at("1s", lambda: time.sleep(1))
        with pytest.raises(aio.EscapeError, match="cannot wait"):
            world.run("2s")
        world.run("62s")
    assert log[0][1] == "pump1"
    assert {name for _, name in log} == {"pump1", "pump2"}
    assert len(log) == 5


def test_a_thread_that_hangs_in_real_time_is_named(world, monkeypatch):
    monkeypatch.setattr("mqttwin.aio.scheduler.PATIENCE", 0.05)
    real_lock = threading.Lock()
    real_lock.acquire()

    def hang_here() -> None:
        with real_lock:
            pass

    def run_it() -> None:
        with aio.patched(world):
            aio.host(world, "pump").start(hang_here)
            world.run("1s")

    with pytest.raises(aio.EscapeError, match=r"stood still .* \(hang_here\)"):
        run_it()
    real_lock.release()


def test_a_world_with_hosts_stays_in_virtual_time(world):
    aio.host(world, "pump")
    with pytest.raises(mt.MqttwinError, match="cannot follow the wall clock"), world.serve():
        pass
    with mt.World(seed=1) as other:
        other.broker(url="mqtt://localhost:1")
        with pytest.raises(mt.MqttwinError, match="no simulated hosts"):
            aio.host(other)
