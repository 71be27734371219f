"""`World.snapshot`, `World.restore`, `World.fork`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mqttwin as mt
from mqttwin import plain
from mqttwin.users import add_user


def busy_world(seed: int = 7) -> mt.World:
    """A bit of everything that a description may hold."""
    world = mt.World(seed=seed, keep_messages=500, series_width="2s")
    world.parameters["size"] = 12
    broker = world.broker("hub", hostname="mqtt.example", ttl="30s", sys_interval="10s")
    cell = mt.links.shared(bandwidth="100kbit/s", name="cell 7")
    link = mt.links.link(
        latency="40ms",
        jitter="10ms",
        loss=0.05,
        shared=cell,
        random_outages=mt.links.random_outages(up="30s", down="3s"),
    )
    meters = world.fleet(
        "meter",
        20,
        link=link,
        find="name",
        ramp="3s",
        columns={"room": [f"r{i % 3}" for i in range(20)]},
        session_expiry="1h",
        keep_alive="10s",
        will=mt.Message("gone/{id}", b"x", qos=1),
        keep=100,
    )
    meters.publish(
        "m/{room}/{id}",
        payload=mt.json(t=mt.gen.ou(mean=21.0, digits=1), n=mt.gen.counter()),
        every="700ms",
        jitter="100ms",
        qos=1,
    )
    meters.publish("x/{id}", payload=mt.random_bytes(64), when=mt.poisson("3s"), qos=2)
    meters.subscribe("cmd/{id}", qos=2)
    tags = world.fleet("tag", 5, link=link, tls=True, websocket=True, version="3.1.1")
    tags.publish("tag/{index}", payload=mt.struct("<f", mt.gen.random_walk()), every="1s")
    sink = world.fleet("sink", 2)
    sink.subscribe("$share/g/m/#", "x/#", "tag/#", "gone/#", qos=1)
    world.at("11s", functools.partial(broker.restart, down="2s"))
    world.every("9s", functools.partial(meters.cut, [1, 2]))
    return world


def same(a: mt.Result, b: mt.Result) -> None:
    assert a.digest == b.digest
    assert a.counts == b.counts
    assert a.latency.count == b.latency.count
    assert a.devices("meter")["delivered"].tolist() == (b.devices("meter")["delivered"].tolist())


@pytest.mark.parametrize("at", ["0s", "50ms", "4s", "11s", "13.7s"])
def test_a_restored_world_comes_to_the_same(tmp_path: Path, at: str) -> None:
    whole = busy_world().run("30s")
    world = busy_world()
    world.run(at)
    world.snapshot(tmp_path / "w.snapshot")
    rest = f"{30_000_000_000 - world._core.now}ns"
    again = mt.World.restore(tmp_path / "w.snapshot")
    assert again.now == world.now
    assert repr(again) == repr(world)
    same(world.run(rest), whole)
    same(again.run(rest), whole)


def test_it_is_described_as_it_was(tmp_path: Path) -> None:
    world = busy_world()
    world.run("5s")
    world.snapshot(tmp_path / "w.snapshot")
    again = mt.World.restore(tmp_path / "w.snapshot")
    assert list(again.brokers) == ["hub"]
    assert again.brokers["hub"].hostname == "mqtt.example"
    assert list(again.fleets) == ["meter", "tag", "sink"]
    for name, fleet in world.fleets.items():
        other = again.fleets[name]
        assert len(other) == len(fleet)
        assert other.link.shared is None or other.link.shared.name == "cell 7"
        assert str(other.link) == str(fleet.link)
        assert other.tls == fleet.tls
        assert other.websocket == fleet.websocket
        assert other.topics == fleet.topics
        assert other.filters == fleet.filters
        assert other.ids() == fleet.ids()
        assert other.online == fleet.online
        assert other.received.to_pandas().equals(fleet.received.to_pandas())
    assert again.fleets["meter"].link.shared is again.fleets["tag"].link.shared
    assert again.fleets["meter"].text("{room}", 4) == "r1"
    assert again.parameters == {"size": 12}
    assert str(again.result()) == str(world.result())


def test_a_restored_world_can_be_changed_further(tmp_path: Path) -> None:
    def more(world: mt.World) -> mt.Result:
        world.fleets["sink"].subscribe("more/#")
        late = world.fleet("late", 3, link=world.fleets["meter"].link)
        late.publish("more/{index}", payload=b"x", every="1s")
        cut_off = world.partition("meter")
        world.run("2s")
        cut_off.heal()
        return world.run("10s")

    world = busy_world()
    world.run("5s")
    world.snapshot(tmp_path / "w.snapshot")
    again = mt.World.restore(tmp_path / "w.snapshot")
    same(more(again), more(world))


def test_partitions_and_their_ends_are_stored() -> None:
    def world_of() -> mt.World:
        world = busy_world()
        world.run("5s")
        world.at("9s", world.partition("meter").heal)
        return world

    a, b = world_of(), world_of()
    a.run("1s")
    b.run("1s")
    fork = a.fork()
    same(fork.run("20s"), b.run("20s"))


def test_forks_share_nothing() -> None:
    world = busy_world()
    world.run("5s")
    left, right = world.fork(), world.fork()
    left.brokers["hub"].restart(keep_sessions=False)
    first = left.run("10s")
    second = right.run("10s")
    assert first.digest != second.digest
    same(world.run("10s"), second)


def test_users_are_stored(tmp_path: Path) -> None:
    users = tmp_path / "users"
    add_user(users, "meter", "secret")

    def world_of() -> mt.World:
        world = mt.World(seed=2)
        world.broker(users=users)
        link = mt.links.link(latency="50ms", loss=0.2)
        right = world.fleet("right", 3, user_name="meter", password="secret", link=link)
        right.publish("r/{id}", payload=b"x", every="1s")
        world.fleet("wrong", 3, user_name="meter", password="guessed", link=link, ramp="20s")
        return world

    whole = world_of().run("30s")
    world = world_of()
    world.run("3s")
    world.snapshot(tmp_path / "w.snapshot")
    users.unlink()
    assert mt.World.restore(tmp_path / "w.snapshot").run("27s").digest == whole.digest


# --- devices whose behaviour is Python ------------------------------------------------------------


class Pump(mt.Device):
    """Handlers and periodic functions only."""

    flow = mt.Sensor(mt.gen.random_walk(start=10.0))
    session_expiry = "1h"

    def __init__(self, step: float = 1.0) -> None:
        self.step = step
        self.seen: list[str] = []
        self.table = np.arange(4)
        self.sent = 0

    def on_boot(self, event: mt.device.BootEvent) -> None:
        self.storage["boots"] = self.storage.get("boots", 0) + 1
        self.connect()
        self.timer = self.every("1.7s", self.sample, "flow", start="100ms")

    def on_connect(self, event: mt.device.ConnectEvent) -> None:
        if not event.session_present:
            self.subscribe("pump/{id}/set", qos=2)

    def on_message(self, message: Any) -> None:
        self.seen.append(message.topic)
        if len(self.seen) % 3 == 0:
            self.clock.step("1s")

    def sample(self, what: str) -> None:
        self.sent += 1
        value = self.flow.read() + self.random.random() * self.step
        self.publish("pump/{id}/" + what, f"{value:.3f} {self.clock.now():.6f}", qos=1)
        if self.sent % 6 == 0:
            self.brown_out(within="5s")
        if self.sent % 7 == 0:
            self.timer.cancel()
            self.timer = self.every("900ms", self.sample, "flow")


def pumps(seed: int = 3) -> mt.World:
    world = mt.World(seed=seed)
    world.broker()
    link = mt.links.link(latency="60ms", loss=0.1)
    world.add(Pump, 4, link=link, ramp="2s", step=0.5)
    boss = world.fleet("boss", 1, link=link)
    boss.publish("pump/pump-1/set", payload=b"1", every="1s", qos=2)
    world.fleet("sink", 1).subscribe("pump/#", qos=1)
    return world


@pytest.mark.parametrize("at", ["0s", "1s", "5.05s", "17s"])
def test_devices_with_handlers_go_on(tmp_path: Path, at: str) -> None:
    whole = pumps()
    end = whole.run("40s")
    world = pumps()
    world.run(at)
    world.snapshot(tmp_path / "w.snapshot")
    again = mt.World.restore(tmp_path / "w.snapshot", devices=[Pump])
    rest = f"{40_000_000_000 - world._core.now}ns"
    assert world.run(rest).digest == end.digest
    assert again.run(rest).digest == end.digest
    for mine, theirs in zip(again.devices["pump"], whole.devices["pump"], strict=True):
        assert isinstance(mine, Pump)
        assert mine.sent == theirs.sent
        assert mine.seen == theirs.seen
        assert mine.boots == theirs.boots
        assert dict(mine.storage) == dict(theirs.storage)
        assert mine.clock.error == theirs.clock.error
        assert mine.table.tolist() == [0, 1, 2, 3]


def test_forks_have_devices_of_their_own() -> None:
    world = pumps()
    world.run("5s")
    fork = world.fork()
    mine, theirs = world.devices["pump"][1], fork.devices["pump"][1]
    assert mine is not theirs
    before = mine.sent
    fork.run("10s")
    assert mine.sent == before
    assert theirs.boots > mine.boots


def test_a_fork_tells_classes_of_one_name_apart() -> None:
    def named(level: int) -> type[mt.Device]:
        return type("Twin", (Pump,), {"level": level})

    world = mt.World(seed=1)
    world.broker()
    world.add(named(1), name="a")
    world.add(named(2), name="b")
    fork = world.fork()
    assert [getattr(fork.devices[name][0], "level") for name in "ab"] == [1, 2]  # noqa: B009


def test_a_class_is_asked_for(tmp_path: Path) -> None:
    world = pumps()
    world.snapshot(tmp_path / "w.snapshot")
    with pytest.raises(mt.SnapshotError, match=r"w\.snapshot: .*restore\(path, devices=\[Pump\]\)"):
        mt.World.restore(tmp_path / "w.snapshot")


class Custom(mt.Device):
    """Remembers what is not plain, and says how to store it."""

    def __init__(self) -> None:
        self.window = iter(range(100))
        self.taken = 0

    def on_connect(self, event: mt.device.ConnectEvent) -> None:
        self.every("1s", self.take)

    def take(self) -> None:
        self.taken = next(self.window)
        self.publish("taken", self.taken)


class Stored(Custom):
    """The same with state() and restore()."""

    def state(self) -> int:
        return self.taken

    def restore(self, state: int) -> None:
        self.taken = state
        self.window = iter(range(state + 1, 100))


class Named(mt.Device):
    """Firmware with names of its own."""

    def __init__(self) -> None:
        self.state = "idle"  # type: ignore[method-assign,assignment]

    def on_connect(self, event: mt.device.ConnectEvent) -> None:
        self.state = "running"  # type: ignore[method-assign,assignment]
        self.every("1s", self.restore)

    def restore(self) -> None:  # type: ignore[override]
        self.publish("named", str(self.state))


def one_of(device: type[mt.Device]) -> mt.World:
    world = mt.World(seed=1)
    world.broker()
    world.add(device)
    return world


def test_a_device_may_say_what_it_remembers() -> None:
    world = one_of(Stored)
    world.run("5.5s")
    fork = world.fork()
    assert fork.run("10s").digest == world.run("10s").digest
    assert fork.devices["stored"][0].taken == world.devices["stored"][0].taken


def test_firmware_may_call_something_else_so() -> None:
    world = one_of(Named)
    world.run("2.5s")
    fork = world.fork()
    assert fork.devices["named"][0].state == "running"
    assert fork.run("10s").digest == world.run("10s").digest


def test_what_cannot_be_stored_is_named() -> None:
    world = one_of(Custom)
    world.run("2s")
    with pytest.raises(
        mt.SnapshotError, match=r"Custom 'custom' remembers a range_iterator, .*state\(\)"
    ):
        world.fork()


class Process(mt.Device):
    async def main(self) -> None:
        await self.connect()
        while True:
            await self.publish("p", b"x", qos=1)
            await self.sleep("1s")


def test_coroutines_are_refused_by_name(tmp_path: Path) -> None:
    world = one_of(Process)
    world.run("2s")
    with pytest.raises(mt.SnapshotError, match=r"Process 'process' is in main\(\).*replay=True"):
        world.snapshot(tmp_path / "w.snapshot")
    assert list(tmp_path.iterdir()) == []


def test_code_of_timers_is_refused_by_name() -> None:
    world = busy_world()
    world.at("20s", lambda: None)
    with pytest.raises(mt.SnapshotError, match=r"<lambda> \(.*test_snapshot\.py:\d+\)"):
        world.fork()


def test_a_callback_may_take_a_snapshot(tmp_path: Path) -> None:
    world = busy_world()
    world.at("5s", lambda: world.snapshot(tmp_path / "w.snapshot"))
    whole = world.run("20s")
    same(mt.World.restore(tmp_path / "w.snapshot").run("15s"), whole)


# --- by repetition --------------------------------------------------------------------------------


def describe(world: mt.World) -> None:
    world.broker()
    world.add(Process, 3, link=mt.links.link(latency="50ms", loss=0.1))
    world.run("3s")
    world.brokers["broker"].restart()


def test_a_replayed_world_comes_to_the_same(tmp_path: Path) -> None:
    world = mt.World(seed=5)
    describe(world)
    world.run("7.123456789s")
    world.snapshot(tmp_path / "w.snapshot", replay=True)
    again = mt.World.restore(tmp_path / "w.snapshot", replay=describe)
    assert again.now == world.now
    assert again.run("20s").digest == world.run("20s").digest


def test_another_description_is_found_out(tmp_path: Path) -> None:
    world = mt.World(seed=5)
    describe(world)
    world.run("7s")
    path = tmp_path / "w.snapshot"
    world.snapshot(path, replay=True)
    with pytest.raises(mt.SnapshotError, match="holds no state"):
        mt.World.restore(path)

    def other(world: mt.World) -> None:
        describe(world)
        world.fleets["process"].cut(1)

    with pytest.raises(mt.SnapshotError, match="describes another world"):
        mt.World.restore(path, replay=other)
    with pytest.raises(mt.SnapshotError, match="past 10 s"):
        mt.World.restore(path, replay=lambda world: (describe(world), world.run("8s")))


# --- files ----------------------------------------------------------------------------------------


def test_damage_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.snapshot"
    with pytest.raises(mt.SnapshotError, match="No such file"):
        mt.World.restore(path)
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(mt.SnapshotError, match=r"w\.snapshot: byte 0: this is no snapshot"):
        mt.World.restore(path)
    world = busy_world()
    world.run("3s")
    world.snapshot(path)
    good = path.read_bytes()
    for place in range(len(good) // 20, len(good), len(good) // 20):
        bad = bytearray(good)
        bad[place] ^= 0x10
        path.write_bytes(bad)
        with pytest.raises(mt.SnapshotError, match=r"byte \d+: "):
            mt.World.restore(path)
    path.write_bytes(good[:-1])
    with pytest.raises(mt.SnapshotError, match="ends in the middle of a piece"):
        mt.World.restore(path)


def test_a_snapshot_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(mt.SnapshotError, match="cannot write: No such file"):
        busy_world().snapshot(tmp_path / "nowhere" / "w.snapshot")


def test_wrong_use_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "w.snapshot"
    world = one_of(Stored)
    world.run("1s")
    world.snapshot(path)
    assert mt.World.restore(path, devices=Stored).now == 1  # type: ignore[arg-type]
    for wrong, message in [
        ({"devices": [1]}, r"^devices: 1 is no subclass"),
        ({"devices": "Stored"}, r"^devices: 'S' is no subclass"),
        ({"devices": [Stored, type("Stored", (Pump,), {})]}, r"^devices: two of them are called"),
        ({"replay": 5}, r"^replay: 5 cannot be called"),
        ({"devices": [Stored], "replay": describe}, r"replay: is for snapshots that hold no state"),
    ]:
        with pytest.raises(mt.ConfigError, match=message):
            mt.World.restore(path, **wrong)  # type: ignore[arg-type]
    with pytest.raises(mt.ConfigError, match=r"^path: must be that of a file, not 5"):
        world.snapshot(5)  # type: ignore[arg-type]
    with pytest.raises(mt.ConfigError, match=r"^replay: must be True or False"):
        world.snapshot(path, replay="yes")  # type: ignore[arg-type]
    world.close()
    with pytest.raises(mt.MqttwinError, match="the world is closed"):
        world.fork()


def test_live_worlds_are_refused() -> None:
    world = mt.World(seed=1)
    with world.serve(), pytest.raises(mt.SnapshotError, match="real sockets cannot be stored"):
        world.fork()


# --- plain values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -5,
        2**70,
        0.1,
        float("inf"),
        "ü",
        b"\x00\xff",
        bytearray(b"x"),
        [1, [2, (3, {"a": {4}})]],
        {1: "a", (2, 3): b"b"},
        frozenset({"x", "y"}),
        mt.links.nb_iot(),
        mt.tls(),
        mt.backoff.fixed("5s"),
        mt.Message("t", b"p", delay="5s"),
    ],
)
def test_plain_values_come_back(value: Any) -> None:
    import json

    back = plain.decode(json.loads(json.dumps(plain.encode(value))))
    assert back == value
    assert type(back) is type(value)


def test_arrays_come_back() -> None:
    for array in (np.arange(6, dtype="i2").reshape(2, 3), np.array([1.5, np.nan])):
        back = plain.decode(plain.encode(array))
        assert back.dtype == array.dtype
        assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")


class Odd(int):
    pass


@pytest.mark.parametrize("value", [object(), Odd(3), lambda: 0, [open], {"a": 1j}])
def test_what_is_not_plain_is_refused(value: Any) -> None:
    with pytest.raises(plain.NotPlain):
        plain.encode(value)


def test_what_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(plain.NotPlain, match="contains itself"):
        plain.encode(loop)


@pytest.mark.parametrize(
    "value",
    [
        {"is": "System", "of": "rm"},
        {"is": "Link", "of": {"nonsense": 1}},
        {"is": "bytes", "of": "?"},
        {"is": "dict", "of": [1]},
        {"is": None},
    ],
)
def test_foreign_values_make_nothing(value: Any) -> None:
    with pytest.raises(ValueError, match=r"no |unknown|base64"):
        plain.decode(value)
