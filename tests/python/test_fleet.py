"""What can be said about fleets and brokers, and what is refused."""

import json

import pytest

import mqttwin as mt


@pytest.fixture
def world():
    world = mt.World(5)
    world.broker()
    return world


def test_topics_and_templates(world):
    fleet = world.fleet(
        "pump",
        250,
        client_id="p{index:04}",
        group_size=100,
        columns={"site": [f"s{i % 3}" for i in range(250)]},
    )
    assert len(fleet) == 250
    assert fleet.ids()[7] == "p0007"
    assert fleet.text("{site}/{group}/{id}/{fleet}", 207) == "s0/2/p0207/pump"
    fleet.publish("{site}/{id}/flow", every="1min", payload=1)
    fleet.subscribe("{site}/+/cmd", "all/#", qos=1)
    assert fleet.topics == ["{site}/{id}/flow"]
    assert fleet.filters == ["{site}/+/cmd", "all/#"]
    assert world.fleet("g", 10, groups=3).text("{group}", 7) == "1"
    assert repr(fleet) == "<Fleet 'pump' of 250>"


def test_what_is_previewed_is_what_comes(world):
    fleet = world.fleet("dev", 3)
    fleet.publish(
        "t/{index}",
        every="1min",
        jitter="20s",
        payload=mt.json(x=mt.gen.normal(0, 1), n=mt.gen.counter()),
    )
    ear = world.fleet("ear", keep=100).subscribe("t/#")
    world.run("5min")
    rows = ear.received
    got = [p for topic, p in zip(rows["topic"], rows["payload"], strict=True) if topic == "t/1"]
    previewed = [payload for _, _, payload in fleet.preview(1, len(got))]
    assert len(got) >= 4
    assert [json.loads(p) for p in previewed] == [json.loads(p) for p in got]


def test_received_holds_what_was_kept(world):
    world.fleet("dev", 2).publish("t/{id}", every="10s", payload=b"\x00\x01", qos=2, phase=0)
    ear = world.fleet("ear", keep=3).subscribe("t/+", qos=2)
    result = world.run("1min")
    rows = ear.received
    assert len(rows) == 3
    assert rows.metadata["not_kept"] == str(result.delivered - 3)
    assert rows["payload"] == [b"\x00\x01"] * 3
    assert set(rows["qos"].tolist()) == {2}
    assert rows["publisher"][0].startswith("dev/")
    assert not rows["duplicate"].any()
    assert len(result.received("ear")) == 3


def test_retained_messages_and_wills(world):
    message = mt.Message("status/{id}", b"gone", qos=1, retain=True)
    pump = world.fleet("pump", 2, will=message, keep_alive="10s")
    world.run("1s")
    pump.cut(0)
    world.run("5s")
    ear = world.fleet("ear", keep=10).subscribe("status/#", qos=1)
    result = world.run("5s")
    assert ear.received["payload"] == [b"gone"]
    assert ear.received["topic"] == ["status/pump-0"]
    assert result.counts["replays"] == 1


def test_the_broker_publishes(world):
    ear = world.fleet("ear", 3, keep=10).subscribe("news", qos=1)
    world.run("1s")
    world.brokers["broker"].publish("news", "hear", qos=1)
    result = world.run("1s")
    assert ear.received["payload"] == [b"hear"] * 3
    assert result.conservation.expected == 3
    with pytest.raises(mt.ConfigError, match="topic"):
        world.brokers["broker"].publish("a/+", b"")


def test_devices_leave_and_come_back(world):
    fleet = world.fleet("dev", 5)
    world.run("1s")
    assert fleet.online == 5
    fleet.disconnect([0, 1])
    world.run("1min")
    assert fleet.online == 3
    fleet.connect(0)
    world.run("1s")
    assert fleet.online == 4
    fleet.cut(silent=False)
    world.run("0.4ms")
    assert fleet.online == 0
    world.run("5min")
    assert fleet.online == 4
    with pytest.raises(mt.ConfigError, match="device"):
        fleet.cut(5)


def test_restart_with_a_pause_keeps_connects_out(world):
    fleet = world.fleet("dev", 20, backoff=mt.backoff.fixed("1s"))
    world.at("10s", lambda: world.brokers["broker"].restart(down="30s"))
    world.run("20s")
    assert fleet.online == 0
    result = world.run("19s")
    assert fleet.online == 0
    assert result.counts["connects_failed"] > 100
    result = world.run("10s")
    assert fleet.online == 20
    assert result.counts["reconnects"] == 20


@pytest.mark.parametrize("keep", [True, False])
def test_restart_keeps_sessions_or_forgets_them(world, keep):
    world.fleet("dev", 4, session_expiry="1h", backoff=mt.backoff.fixed("1s"))
    world.at("10s", lambda: world.brokers["broker"].restart(keep_sessions=keep))
    result = world.run("20s")
    assert result.counts["reconnects"] == 4
    assert result.counts["sessions_resumed"] == (4 if keep else 0)


def test_two_brokers_do_not_hear_each_other():
    world = mt.World(1)
    east, west = world.broker("east"), world.broker("west")
    world.fleet("a", broker=east).publish("t", every="1s", payload=1)
    ear = world.fleet("b", broker="west", keep=10).subscribe("#")
    result = world.run("10s")
    assert len(ear.received) == 0
    assert result.counts["unmatched"] == result.published > 5
    assert [repr(broker) for broker in (east, west)] == ["<Broker 'east'>", "<Broker 'west'>"]
    with pytest.raises(mt.ConfigError, match="which one"):
        world.fleet("c")


@pytest.mark.parametrize("version", ["3.1", "3.1.1", "5.0"])
def test_every_version(world, version):
    world.fleet("dev", 3, version=version).publish("t", every="1s", payload=1, qos=2)
    world.fleet("ear", version=version).subscribe("t", qos=2)
    result = world.run("20s")
    assert result.delivered > 30
    assert result.duplicates == 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"count": 0}, "count: must be from 1"),
        ({"count": 2**24 + 1}, "count: "),
        ({"count": 1.5}, "count: 1.5 is not an integer"),
        ({"link": "nb_iot"}, "link: 'nb_iot' is no link"),
        ({"version": "4"}, "version: '4' is none of 3.1, 3.1.1, 5.0"),
        ({"keep_alive": "20h"}, "keep_alive: must be at most 65,535 s"),
        ({"keep_alive": "1.5s"}, "keep_alive: must be whole seconds"),
        ({"session_expiry": "soon"}, "session_expiry: 'soon' is not a duration"),
        ({"backoff": "5s"}, "backoff: '5s' is none"),
        ({"ramp": -1}, "ramp: -1 is negative"),
        ({"client_id": "all-the-same", "count": 2}, "all-the-same"),
        ({"client_id": "{nobody}"}, "nobody"),
        ({"groups": -1}, "groups"),
        ({"group_size": 0}, "group_size"),
        ({"columns": {"room": ["a"]}, "count": 2}, "room"),
        ({"keep": -1}, "keep"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"broker": "nowhere"}, "broker: there is none called 'nowhere'"),
        ({"will": mt.Message("a/+")}, "will"),
        ({"connect_timeout": 0}, "connect_timeout"),
    ],
)
def test_wrong_fleets(world, wrong, told):
    with pytest.raises(mt.ConfigError) as error:
        world.fleet("dev", **wrong)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert "dev" not in world.fleets


@pytest.mark.parametrize(
    ("topic", "told"),
    [("", "empty"), ("a/#", "wildcard"), ("a/+/b", "wildcard"), ("{grp}/x", "grp"), ("a/{", "{")],
)
def test_invalid_topics(world, topic, told):
    with pytest.raises(mt.ConfigError) as error:
        world.fleet("dev").publish(topic, every="1s", payload=1)
    assert "topic" in str(error.value)
    assert told in str(error.value)


@pytest.mark.parametrize("filter_", ["", "a#", "a/#/b", "a+", "$share/x", "{nobody}/#"])
def test_invalid_filters(world, filter_):
    with pytest.raises(mt.ConfigError, match="filter"):
        world.fleet("dev").subscribe(filter_)


def test_other_wrong_words(world):
    fleet = world.fleet("dev", 2)
    with pytest.raises(mt.ConfigError, match="qos"):
        fleet.publish("t", every="1s", payload=1, qos=3)
    with pytest.raises(mt.ConfigError, match="at least one"):
        fleet.subscribe()
    with pytest.raises(mt.ConfigError, match="none of send"):
        fleet.subscribe("a", retain_handling="maybe")
    with pytest.raises(mt.ConfigError, match="already"):
        world.fleet("dev")
    with pytest.raises(mt.ConfigError, match="already"):
        world.broker()
    with pytest.raises(mt.ConfigError, match="is no name"):
        world.fleet("")
    with pytest.raises(mt.ConfigError, match="call world"):
        mt.World().fleet("a")
    with pytest.raises(mt.ConfigError, match="another world"):
        world.fleet("b", broker=mt.World().broker())
    fleet.publish("t", every="1s", payload=1)
    with pytest.raises(mt.ConfigError, match="tell them apart with name="):
        fleet.publish("t", every="1s", payload=1)
    fleet.publish("t", every="1s", payload=1, name="again")
    with pytest.raises(mt.ConfigError, match="behaviours"):
        world.fleet("idle").preview()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_quued": 5}, "max_quued: is no option of a broker (they are "),
        ({"maximum_qos": 3}, "maximum_qos: must be from 0 to 2"),
        ({"maximum_packet_size": "big"}, "maximum_packet_size: "),
        ({"allow_anonymous": "yes"}, "allow_anonymous: must be True or False"),
        ({"connect_timeout": "-1s"}, "connect_timeout: "),
        ({"receive_maximum": 70000}, "receive_maximum: "),
    ],
)
def test_wrong_brokers(options, told):
    with pytest.raises(mt.ConfigError) as error:
        mt.World().broker(**options)
    assert str(error.value).startswith(told)


def test_options_of_a_broker_work():
    world = mt.World(1)
    world.broker(maximum_qos=0, max_queued=10, server_keep_alive="30s", max_session_expiry="1h")
    world.fleet("dev").publish("t", every="1s", payload=1)
    world.fleet("ear", keep=5).subscribe("t", qos=2)
    result = world.run("10s")
    assert set(result.received("ear")["qos"].tolist()) == {0}


def test_topic_matching_is_at_hand():
    assert mt.topic_matches("a/+/#", "a/b/c/d")
    assert not mt.topic_matches("#", "$SYS/x")
