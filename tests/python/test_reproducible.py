"""The same seed gives the same run, however it is run."""

import subprocess
import sys

import pytest

import mqttwin as mt
from conftest import small_world

HALF = 1800


def digest(seed=1, **more):
    return small_world(seed, **more).run("30min").digest


def test_twice_in_a_row_and_in_another_process():
    code = (
        "from conftest import small_world; "
        "print(small_world(1).run('30min', progress=False).digest)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77", "PATH": ""},
    )
    assert digest() == digest() == ran.stdout.strip()


def test_another_seed_is_another_run():
    assert len({digest(seed) for seed in range(10)}) == 10


@pytest.mark.parametrize("change", [{"devices": 21}, {"qos": 0}, {"loss": 0.06}])
def test_any_change_shows(change):
    assert digest(**change) != digest()


def test_with_and_without_a_trace(tmp_path):
    world = small_world()
    world.trace(tmp_path / "t.msgpack")
    traced = world.run("30min")
    world.stop_trace()
    assert traced.digest == digest()
    events, header = mt.read_trace(tmp_path / "t.msgpack")
    assert "damage" not in header
    assert len(events) > 1000


def test_however_run_is_split():
    world = small_world()
    for step in ("1ns", "1s", "0.1s", "10min", 0, "7min"):
        world.run(step)
    rest = HALF * 10**9 - world.result().info.virtual_ns
    result = world.run(f"{rest}ns")
    assert result.duration == HALF
    assert result.digest == digest()


def test_however_often_it_is_looked_at():
    world = small_world()
    world.every("7s", lambda: world.fleets["meter"].online)
    world.every("1min", world.result)
    assert world.run("30min").digest == digest()


def test_whatever_is_kept():
    world = mt.World(1, keep_messages=5, series_buckets=2, late_after=1)
    twin = mt.World(1)
    for each in (world, twin):
        each.broker()
        each.fleet("dev", 3, link=mt.links.gprs()).publish("t", every="1s", qos=1, payload=1)
        each.fleet("ear", keep=3 if each is world else 0).subscribe("t", qos=1)
    assert world.run("10min").digest == twin.run("10min").digest


def messages_of(world, fleet):
    rows = world.result().messages.to_pandas()
    mine = rows[rows["publisher"].str.startswith(fleet + "/")]
    return mine.reset_index(drop=True)


@pytest.mark.parametrize("first", [False, True])
def test_a_stranger_changes_nobodys_messages(first):
    """One that shares no queue and no subscription, added before or after, by any name."""

    def build(*, with_stranger):
        world = mt.World(9)
        world.broker()

        def stranger():
            if with_stranger:
                other = world.fleet("aaa" if first else "zzz", 7, link=mt.links.nb_iot(loss=0.1))
                other.publish("elsewhere/{id}", every="13s", qos=2, payload=b"x")

        if first:
            stranger()
        fleet = world.fleet("dev", 10, link=mt.links.lte_m(loss=0.05), session_expiry="1h")
        fleet.publish("t/{id}", every="20s", jitter="5s", qos=1, payload=mt.json(x=mt.gen.normal()))
        world.fleet("ear", link=mt.links.wifi(), session_expiry="1h").subscribe("t/#", qos=1)
        if not first:
            stranger()
        world.run("1h")
        return world

    alone = messages_of(build(with_stranger=False), "dev")
    together = messages_of(build(with_stranger=True), "dev")
    assert len(alone) > 1000
    assert alone.equals(together)


def test_order_of_creation_does_not_matter():
    def build(names):
        world = mt.World(4)
        world.broker()
        for name in names:
            fleet = world.fleet(name, 5, link=mt.links.edge())
            fleet.publish(name + "/{id}", every="30s", payload=mt.json(x=mt.gen.uniform()))
        return world.run("10min").digest

    assert build(["a", "b", "c"]) == build(["c", "a", "b"])


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_conservation_under_loss_and_disconnects(qos):
    for seed in range(8):
        world = small_world(seed, devices=15, qos=qos, loss=0.2)
        meters, broker = world.fleets["meter"], world.brokers["broker"]
        world.every("97s", lambda w=meters: w.cut(range(0, 15, 2)))
        world.every("171s", lambda w=meters: w.cut(range(1, 15, 3), silent=True))
        world.every("211s", lambda w=world: w.fleets["dashboard"].cut())
        world.at("15min", lambda b=broker: b.restart(down="20s"))
        result = world.run("30min")
        assert result.conservation.holds, (seed, result.conservation)
        if qos:
            assert result.conservation.dropped == 0
        if qos == 2:
            assert result.duplicates == 0
            numbers = [
                (topic, payload)
                for topic, payload in zip(
                    result.received("dashboard")["topic"],
                    result.received("dashboard")["payload"],
                    strict=True,
                )
            ]
            assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("qos", [1, 2])
def test_every_message_arrives_over_hundreds_of_seeds(qos):
    """20 % loss, connections cut at both ends, a broker that goes away: nothing gets lost."""
    for seed in range(150):
        world = mt.World(seed)
        broker = world.broker()
        devices = world.fleet(
            "dev",
            4,
            link=mt.links.link(latency="50ms", jitter="20ms", loss=0.2),
            keep_alive="30s",
            session_expiry="1h",
            backoff=mt.backoff.exponential("1s", "10s"),
        )
        devices.publish(
            "t/{id}",
            every="20s",
            jitter="20s",
            start="2min",  # somebody has subscribed by then
            until="7min",
            qos=qos,
            payload=mt.json(d=mt.gen.index(), n=mt.gen.counter()),
        )
        ear = world.fleet(
            "ear",
            link=mt.links.link(latency="20ms", loss=0.2),
            keep_alive="30s",
            session_expiry="1h",
            backoff=mt.backoff.fixed("2s"),
            keep=10_000,
        )
        ear.subscribe("t/#", qos=qos)
        for at in range(130, 420, 23):
            world.at(at, lambda w=devices, d=at % 4: w.cut(d, silent=d == 1))
        for at in range(147, 420, 61):
            world.at(at, ear.cut)
        world.at("5min", lambda b=broker: b.restart(down="10s"))
        result = world.run("30min")
        assert result.conservation.holds, seed
        assert (result.lost, result.waiting, result.conservation.in_flight) == (0, 0, 0), seed
        rows = ear.received
        unique = set(rows["payload"])
        assert result.counts["unmatched"] == 0, seed
        assert len(unique) == result.offered > 40, seed
        if qos == 2:
            assert len(rows) == len(unique), seed
