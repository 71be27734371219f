"""The choices of a broker, from Python."""

import pytest

import mqttwin as mt
from mqttwin.users import add_user


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("shared_strategy", "fair", "round_robin, random, sticky"),
        ("shared_strategy", 3, "must be a text"),
        ("server_reference", "x" * 65_536, "at most 65535 bytes"),
        ("topic_alias_maximum", 65_536, "topic_alias_maximum"),
        ("outbound_topic_aliases", -1, "outbound_topic_aliases"),
        ("redistribute_shared", 1, "True or False"),
        ("max_stored_bytes", "lots", "max_stored_bytes"),
        ("sys_interval", "-1s", "sys_interval"),
        ("users", "/no/such/file", "/no/such/file"),
        ("colour", "red", "is no option of a broker"),
    ],
)
def test_wrong_options(option, value, message):
    with mt.World() as world, pytest.raises(mt.ConfigError, match=message):
        world.broker(**{option: value})


@pytest.mark.parametrize(
    "strategy",
    ["round_robin", "random", "sticky", "hash_publisher", "hash_topic", "least_in_flight"],
)
def test_a_shared_subscription_serves_each_message_once(strategy):
    with mt.World(seed=4) as world:
        world.broker(shared_strategy=strategy)
        workers = world.fleet("worker", 5, keep=10_000)
        workers.subscribe("$share/team/job/#", qos=1)
        world.fleet("boss", 10, start="5s").publish(
            "job/{id}", every="10s", qos=1, payload=mt.json(n=mt.gen.counter())
        )
        result = world.run("20min")
        table = workers.received.to_pandas()
        assert result.conservation.holds
        assert not table.duplicated(["topic", "payload"]).any()
        assert len(table) == result.published
        used = table["device"].nunique()
        assert used == {"sticky": 1}.get(strategy, used)
        if strategy in ("round_robin", "random"):
            assert used == 5


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_when_members_of_a_shared_subscription_leave(seed):
    with mt.World(seed=seed) as world:
        world.broker()
        workers = world.fleet(
            "worker", 6, session_expiry="20s", backoff=mt.backoff.fixed("1min"), keep=10_000
        )
        workers.subscribe("$share/team/job/#", qos=1)
        boss = world.fleet("boss", 10, start="5s")
        boss.publish("job/{id}", every="3s", qos=1, payload=mt.json(n=mt.gen.counter()))
        for minute in range(1, 10):
            world.at(f"{minute}min", lambda m=minute: workers.cut([m % 6, (m + 1) % 6]))
        result = world.run("12min")
        assert result.conservation.holds
        assert result.lost == 0
        sent = set(workers.received.to_pandas()["payload"])
        assert len(sent) >= result.published / 10 - 1


@pytest.mark.parametrize("qos", [1, 2])
def test_what_comes_although_its_session_is_over_is_delivered_and_not_dropped(qos):
    with mt.World(seed=qos) as world:
        broker = world.broker()
        link = mt.links.link(latency="80ms", loss=0.05)
        readers = world.fleet("reader", 40, link=link, session_expiry="1h", ramp="5s")
        readers.subscribe("t/{index}/#", qos=qos)
        sensors = world.fleet("sensor", 40, link=link, ramp="5s")
        sensors.publish("t/{index}/x", every="500ms", qos=qos, payload=b"1")
        for instant in ("20s", "40s", "47s"):
            world.at(instant, lambda: broker.restart(keep_sessions=False))
        world.at("46950ms", lambda: readers.cut(range(10)))  # these get nothing after all
        result = world.run("70s")
        assert result.conservation.holds, f"seed {world.seed}: {result.conservation}"
        assert result.conservation.dropped > 0
        assert result.series.to_pandas()["dropped"].sum() == result.conservation.dropped
        assert result.devices(sensors).to_pandas()["lost"].sum() == result.lost


def test_what_comes_although_another_member_has_been_given_it_is_a_duplicate():
    with mt.World(seed=3) as world:
        broker = world.broker()
        link = mt.links.link(latency="400ms")
        members = world.fleet("member", 20, link=link, ramp="3s")
        members.subscribe("$share/team/t/#", qos=1)
        sensors = world.fleet("sensor", 20, link=link, ramp="3s")
        sensors.publish("t/{index}", every="300ms", qos=1, payload=b"1")
        world.at("20s", lambda: broker.restart(down="2s"))
        result = world.run("30s")
        assert result.conservation.holds, f"seed {world.seed}: {result.conservation}"
        assert result.counts["duplicates"] > 0


def test_virtual_clients_with_and_without_the_right_password(tmp_path):
    path = tmp_path / "users"
    add_user(path, "ada", "secret", iterations=4096)
    with mt.World() as world:
        world.broker(users=path)
        known = world.fleet("known", 200, user_name="ada", password="secret")
        wrong = world.fleet("wrong", 5, user_name="ada", password="guess", backoff=None)
        nobody = world.fleet("nobody", 5, backoff=None)
        result = world.run("1min")
        assert (known.online, wrong.online, nobody.online) == (200, 0, 0)
        assert result.counts["connects_refused"] == 10


def test_the_broker_counts_itself_without_anybody_there():
    with mt.World() as world:
        world.broker(sys_interval="10s", version_text="mine")
        late = world.fleet("late", start="1min", keep=1000)
        late.subscribe("$SYS/broker/#")
        world.run("65s")
        table = late.received.to_pandas()
        seen = dict(zip(table["topic"], table["payload"], strict=True))
        assert seen["$SYS/broker/version"] == b"mine"
        assert seen["$SYS/broker/uptime"].startswith(b"60")


def test_a_wildcard_at_the_root_sees_no_system_topics():
    with mt.World() as world:
        world.broker(sys_interval="1s")
        ear = world.fleet("ear", keep=10)
        ear.subscribe("#").subscribe("+/broker/version")
        world.run("10s")
        assert len(ear.received) == 0


def test_everybody_is_sent_elsewhere():
    with mt.World() as world:
        world.broker(server_reference="other.example:1883", server_moved=True)
        fleet = world.fleet("meter", 3, backoff=None)
        assert world.run("10s").counts["connects_refused"] == 3
        assert fleet.online == 0
