"""Worlds that real clients join."""

import logging
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import mqttwin as mt
from conftest import ROOT, small_world
from mqttwin.users import add_user

DEADLINE = 20.0


class Talker:
    """A client of the real world that speaks bytes: MQTT 3.1.1 or 5.0."""

    def __init__(self, port, *, version=5, client_id="talker", user=None, keep_alive=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        flags, tail = 2, b""
        for name in user or ():
            tail += len(name).to_bytes(2, "big") + name.encode()
        if user:
            flags |= 0xC0
        body = b"\0\4MQTT" + bytes([version, flags]) + keep_alive.to_bytes(2, "big")
        body += b"\0" if version == 5 else b""
        body += len(client_id).to_bytes(2, "big") + client_id.encode() + tail
        self.send(0x10, body)

    def send(self, first, body):
        assert len(body) < 128
        self.socket.sendall(bytes([first, len(body)]) + body)

    def publish(self, topic, payload, version=5):
        name = topic.encode()
        self.send(
            0x30, len(name).to_bytes(2, "big") + name + (b"\0" if version == 5 else b"") + payload
        )

    def subscribe(self, topic):
        name = topic.encode()
        self.send(0x82, b"\0\1\0" + len(name).to_bytes(2, "big") + name + b"\0")

    def read(self):
        """The next packet: its first byte and its body; empty at the end."""
        head = self.socket.recv(1)
        if not head:
            return 0, b""
        size, shift = 0, 0
        while True:
            byte = self.socket.recv(1)[0]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        body = b""
        while len(body) < size:
            body += self.socket.recv(size - len(body))
        return head[0], body

    def connected(self):
        first, body = self.read()
        assert first == 0x20
        return body[1]

    def close(self):
        self.socket.close()


@pytest.fixture
def talk():
    """Makes clients, and closes them."""
    talkers = []

    def make(port, **options):
        talkers.append(Talker(port, **options))
        return talkers[-1]

    yield make
    for talker in talkers:
        talker.close()


def until(condition):
    """Waits for something that another thread brings about."""
    deadline = time.monotonic() + DEADLINE
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        tick.wait(0.005)


def test_a_world_is_served_within_a_with_block(talk):
    with mt.World() as world:
        broker = world.broker()
        with world.serve() as server:
            assert server.url == f"mqtt://127.0.0.1:{server.port}"
            talker = talk(server.port)
            assert talker.connected() == 0
            talker.subscribe("news/#")
            assert talker.read()[0] == 0x90
            broker.publish("news/today", b"real")
            assert talker.read()[1].endswith(b"real")
            assert server.connections == 1
            talker.close()
            until(lambda: server.connections == 0)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port), timeout=1)


def test_virtual_devices_live_beside_real_clients(talk):
    with small_world(devices=3) as world:
        with world.serve(speed=600) as server:
            talker = talk(server.port)
            assert talker.connected() == 0
            talker.subscribe("site/#")
            assert talker.read()[0] == 0x90
            first, body = talker.read()
            assert first >> 4 == 3
            assert b"site/" in body
            talker.publish("site/0/talker", b"{}")
            until(lambda: world.result().messages.to_pandas()["topic"].eq("site/0/talker").any())
            talker.close()
        assert world.now > 0
        # And on it goes, in virtual time.
        before = world.result().delivered
        assert world.run("1h").delivered > before


def test_fleets_are_counted_and_cut_while_the_world_is_served():
    with mt.World() as world:
        world.broker()
        fleet = world.fleet("meter", 10, backoff=mt.backoff.fixed("1h"))
        with world.serve():
            until(lambda: fleet.online == 10)
            fleet.cut(3)
            until(lambda: fleet.online == 9)


def test_callbacks_are_called_while_the_world_is_served(talk):
    with mt.World() as world:
        broker = world.broker()
        called = threading.Event()
        with world.serve() as server:
            talker = talk(server.port)
            talker.connected()
            talker.subscribe("t")
            talker.read()
            world.at(world.now + 0.05, lambda: (broker.publish("t", b"timer"), called.set()))
            assert talker.read()[1].endswith(b"timer")
            assert called.wait(DEADLINE)
            talker.close()


def test_what_a_callback_raises_is_raised_at_the_end():
    def bad():
        raise ZeroDivisionError("mine")

    with mt.World() as world:
        world.broker()
        seen = threading.Event()
        world.at("10ms", lambda: (seen.set(), bad()))
        with pytest.raises(ZeroDivisionError, match="mine"), world.serve():
            assert seen.wait(DEADLINE)


def test_as_fast_as_possible_is_real_time_while_somebody_is_there(talk):
    with small_world(devices=3) as world, world.serve(speed="max") as server:
        until(lambda: world.now > 3600)
        talker = talk(server.port)
        assert talker.connected() == 0
        before, wall = world.now, time.monotonic()
        talker.send(0xC0, b"")
        assert talker.read() == (0xD0, b"")
        assert world.now - before < 10 * (time.monotonic() - wall) + 1
        talker.close()
        before = world.now
        until(lambda: world.now > before + 3600)


def test_a_world_that_cannot_keep_up_says_by_how_much(caplog):
    with mt.World() as world:
        world.broker()
        busy = world.fleet("busy", 300)
        busy.publish("t/{id}", every="10ms", payload=mt.text("x"))
        busy.subscribe("t/#")
        with caplog.at_level(logging.WARNING, "mqttwin"), world.serve(speed=100_000) as server:
            until(lambda: "behind real time" in caplog.text)
            assert server.behind > 0


def test_only_one_server_a_world_and_no_run_meanwhile():
    with mt.World() as world, world.serve():
        with pytest.raises(mt.MqttwinError, match="served already"):
            world.serve()
        with pytest.raises(mt.MqttwinError, match="running"):
            world.run("1s")


def test_a_world_can_be_served_again(talk):
    with mt.World() as world:
        for _ in range(3):
            with world.serve() as server:
                talker = talk(server.port)
                assert talker.connected() == 0
                talker.close()
        assert world.run("1h").info.virtual_ns >= 3600e9


def test_run_in_this_thread_for_a_while():
    with mt.World() as world:
        server = world.serve()
        server.run("50ms")
        assert world.now >= 0.05


# --- who comes in ---------------------------------------------------------------------------------


def test_users_with_passwords(tmp_path, talk):
    path = tmp_path / "users"
    add_user(path, "ada", "secret", iterations=4096)
    with mt.World() as world, world.serve(users=path) as server:
        assert talk(server.port, user=("ada", "secret")).connected() == 0
        assert talk(server.port, user=("ada", "wrong")).connected() == 0x86
        assert talk(server.port, user=("bob", "secret")).connected() == 0x86
        assert talk(server.port).connected() == 0x87
        assert talk(server.port, version=4, user=("ada", "wrong")).connected() == 4
        assert talk(server.port, version=4).connected() == 5


def test_the_brokers_own_users_hold_for_real_clients_too(tmp_path, talk):
    path = tmp_path / "users"
    add_user(path, "ada", "secret", iterations=4096)
    with mt.World() as world:
        world.broker(users=path)
        meter = world.fleet("meter", 2, user_name="ada", password="secret")
        stranger = world.fleet("stranger", 2, backoff=None)
        with world.serve() as server:
            until(lambda: meter.online == 2)
            assert talk(server.port).connected() == 0x87
            assert stranger.online == 0


def test_strangers_are_let_in_on_loopback_only(talk):
    for address, allow, answer in [
        ("0.0.0.0", None, 0x87),
        ("0.0.0.0", True, 0),
        ("127.0.0.1", False, 0x87),
        ("localhost", None, 0),
    ]:
        with mt.World() as world, world.serve(host=address, allow_anonymous=allow) as server:
            assert talk(server.port).connected() == answer, address


# --- wrong input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"speed": 0}, "speed: must be a number from 0 to 1e6"),
        ({"speed": "fast"}, "speed: must be a number"),
        ({"port": 70_000}, "port"),
        ({"host": "no.such.host.invalid"}, "cannot listen on no.such.host.invalid"),
        ({"users": "no such file"}, "no such file"),
        ({"broker": "other"}, "other"),
        ({"max_connections": 0}, "max_connections"),
    ],
)
def test_wrong_arguments(arguments, message):
    with mt.World() as world:
        world.broker()
        with pytest.raises(mt.ConfigError, match=message):
            world.serve(**arguments)
        with world.serve():  # and nothing is left behind
            pass


def test_a_port_in_use():
    refused = pytest.raises(mt.ConfigError, match="in use")
    with mt.World() as first, first.serve() as server, mt.World() as second, refused:
        second.serve(port=server.port)


# --- somebody else's broker -----------------------------------------------------------------------


def test_a_fleet_uses_somebody_elses_broker():
    with mt.World() as theirs, theirs.serve() as server, mt.World() as world:
        world.broker(url=server.url)
        meters = world.fleet("meter", 5)
        meters.publish("t/{id}", every="20ms", qos=1, payload=mt.text("x"))
        ears = world.fleet("ear", keep=1000)
        ears.subscribe("t/#", qos=1)
        result = world.run_until(
            lambda: world.result().counts["acknowledged"] > 20, timeout="20s", step="50ms"
        )
        assert meters.online == 5
        assert result.info.virtual_ns >= 40e6, "in real time"
        assert len(ears.received) > 10
        assert result.published > 20
        assert result.conservation.holds
        assert result.latency.count == 0, "nobody knows since when they were under way"
        assert result.counts["mqtt_bytes_down"] > 0
        assert result.messages.to_pandas()["published"].isna().all()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mqtt://broker.example.com", "is not this machine"),
        ("mqtt://10.0.0.1:1883", "allow_remote=True"),
        ("http://localhost", "must look like"),
        ("localhost:1883", "must look like"),
        ("mqtt://localhost:port", "url"),
        ("mqtt://me:secret@localhost", "credentials"),
    ],
)
def test_other_machines_are_not_flooded_by_accident(url, message):
    with mt.World() as world, pytest.raises(mt.ConfigError, match=message):
        world.broker(url=url)


def test_another_machine_if_that_is_meant():
    with mt.World() as world:
        world.broker(url="mqtt://broker.example.com", allow_remote=True)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def serving():
    """Starts the command on any free port."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "mqttwin", "serve", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        line = process.stdout.readline()
        assert "listening on 127.0.0.1:" in line, line + process.stderr.read()
        return process, int(line.rsplit(":", 1)[1])

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", ["terminate", "interrupt"])
def test_the_command_serves_and_stops_cleanly(how, talk, serving):
    process, port = serving()
    talker = talk(port)
    assert talker.connected() == 0
    process.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGINT)
    assert talker.read()[0] in (0xE0, 0)
    out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out, err) == (0, "", "")


def test_the_command_serves_a_scenario(talk, serving):
    process, port = serving(ROOT / "scenarios" / "01_hello_fleet.py", "-p", "devices=5")
    talker = talk(port)
    assert talker.connected() == 0
    process.terminate()
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, err
    assert "seed" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "0"], "speed"),
        (["--port", "70000"], "--port"),
        (["--host", "203.0.113.7"], "cannot listen on 203.0.113.7"),
        (["--users", "/no/such/file"], "/no/such/file"),
        (["-p", "devices=3"], "needs a scenario"),
        (["no_such.py"], "no_such.py"),
    ],
)
def test_the_command_explains_wrong_input(mqttwin, arguments, message):
    said = mqttwin("serve", *arguments)
    assert said.status == 2
    assert message in said.line
