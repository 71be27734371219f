"""Spies, and what `mqttwin.testing` says about what they have seen."""

from __future__ import annotations

import pytest

import mqttwin as mt
from mqttwin import testing
from mqttwin.spy import KEPT_MESSAGES


def pumps(world: mt.World, count: int = 3, *, qos: int = 1, loss: float = 0.0) -> mt.Fleet:
    world.broker()
    link = mt.links.link(latency="40ms", loss=loss)
    will = mt.Message("pump/{id}/status", b"offline", qos=1, retain=True)
    fleet = world.fleet("pump", count, link=link, will=will, session_expiry="1h", keep_alive="30s")
    payload = mt.json(n=mt.gen.counter())
    return fleet.publish("pump/{id}/flow", every="30s", qos=qos, payload=payload)


def test_what_a_spy_sees():
    with mt.World(3) as world:
        fleet = pumps(world)
        spy = world.spy("pump/#")
        other = world.spy("nobody/#")
        world.run("5min")
        assert spy.count == len(spy) == len(spy.messages) == 30
        assert other.count == 0
        first = spy[0]
        assert first.client_id in fleet.ids()
        assert first.topic == f"pump/{first.client_id}/flow"
        assert first.payload == b'{"n":0}'
        assert (first.qos, first.retain) == (1, False)
        assert first.time == pytest.approx(first.published + 0.04, abs=1e-3)
        assert spy.last("pump/pump-1/+").client_id == "pump-1"
        assert [m.time for m in spy] == sorted(m.time for m in spy)
        spy.clear()
        assert (spy.count, spy.messages) == (0, [])
        with pytest.raises(AssertionError, match="nothing that matches 'pump/x' was published"):
            spy.last("pump/x")


def test_a_spy_changes_nothing():
    digests = set()
    for watched in (False, True):
        with mt.World(5) as world:
            fleet = pumps(world, 20, qos=2, loss=0.1)
            if watched:
                world.spy("#")
                world.watch_packets(50)
            world.run("3min")
            fleet.cut(range(10))
            result = world.run("3min")
            digests.add((result.digest, world._core.events))
    assert len(digests) == 1


def test_wills_and_what_a_broker_says():
    with mt.World(1) as world:
        fleet = pumps(world, 1)
        spy = world.spy("#")
        world.run("10s")
        world.brokers["broker"].publish("pump/all", b"hello", retain=True)
        with fleet.link_down():
            world.run("2min")
        will = testing.assert_published(spy, "pump/+/status", payload=b"offline", retain=True)
        assert will.client_id == "pump-0"
        said = testing.assert_published(spy, "pump/all", payload="hello", qos=0, count=1)
        assert said.client_id == ""


def test_properties_are_kept():
    with mt.World(1) as world:
        world.broker()
        world.fleet("a").publish(
            "t", every="1min", payload=b"x", content_type="text/plain", user_properties={"k": "v"}
        )
        spy = world.spy("t")
        world.run("2min")
        properties = spy.last().properties
        assert properties == {"content_type": "text/plain", "user_properties": [("k", "v")]}


@pytest.mark.parametrize(
    ("filter", "why"),
    [
        ("pump/#/x", "^filter: 'pump/#/x' is no filter for a spy: # is not the whole last level"),
        ("", "^filter: '' is no filter for a spy: empty"),
        ("x" * 70_000, r"^filter: '\w{80}'… is no filter for a spy: .*65,535 bytes$"),
        ("$share/a/pump/#", r"must not be shared: a spy sees every message$"),
        (5, "must be text such as 'pump/#', not 5"),
    ],
)
def test_a_filter_that_is_none_is_refused(filter, why):
    with mt.World(1) as world, pytest.raises(mt.ConfigError, match=why):
        world.spy(filter)


def test_what_a_spy_cannot_see_is_refused():
    with mt.World(1) as world:
        pumps(world, 1)
        spy = world.spy("pump/+/flow")
        for filter in ("pump/#", "#", "+/x/flow", "pump/+/flow/#", "pump/x/+"):
            testing.assert_never(spy, filter)
        for filter in ("motor/#", "pump/x", "pump/x/level", "pump/x/flow/now"):
            with pytest.raises(mt.ConfigError, match=r"spy on 'pump/.*' sees nothing that matches"):
                testing.assert_never(spy, filter)


def test_its_memory_is_bounded():
    with mt.World(1) as world:
        pumps(world, 10)
        spy = world.spy("#", keep=7)
        world.run("2min")
        assert len(spy) == 7
        assert spy.count == 40
        assert spy.left_out == 33
        with pytest.raises(AssertionError, match="33 messages are not kept"):
            testing.assert_never(spy, "nothing/at/all")
        with pytest.raises(mt.ConfigError, match="keep"):
            world.spy("#", keep=0)
    assert KEPT_MESSAGES <= 10**6


# --- Assertions -----------------------------------------------------------------------------------


def test_published_and_never():
    with mt.World(1) as world:
        pumps(world, 1)
        spy = world.spy("pump/#")
        world.run("2min")
        testing.assert_published(spy, payload=lambda p: b'"n":2' in p)
        testing.assert_never(spy, "pump/+/status")
        testing.assert_never(spy, qos=2)
        with pytest.raises(AssertionError, match=r"'pump/\+/status' with payload b'x' was not"):
            testing.assert_published(spy, "pump/+/status", payload=b"x")
        with pytest.raises(AssertionError, match=r"(?s)was published 4 times, not twice.*\"n\":3"):
            testing.assert_published(spy, "pump/+/flow", count=2)
        with pytest.raises(AssertionError, match=r"(?s)was published 4 times\n.*pump/pump-0/flow"):
            testing.assert_never(spy, "pump/+/flow")
        with pytest.raises(AssertionError, match=r"(?s)at QoS 2 was not.*instead.*QoS 1"):
            testing.assert_published(spy, "pump/+/flow", qos=2)
        with pytest.raises(mt.ConfigError, match="makes one"):
            testing.assert_published("pump/#")


def test_exactly_once_holds_at_qos_2_over_outages():
    with mt.World(4) as world:
        fleet = pumps(world, 3, qos=2, loss=0.05)
        spy = world.spy("pump/#")
        for _ in range(3):
            world.run("100s")
            with fleet.link_down():
                world.run("80s")
        world.at(world.now + 300, lambda: None)
        world.run_until(lambda: fleet.online == 3, timeout="10min")
        world.run("20s")
        published = len(world._applications().by(set(fleet.ids()), "#"))
        assert published > 30
        testing.assert_exactly_once(spy, fleet, "pump/+/flow")
        testing.assert_in_order(spy, fleet, "pump/+/flow")


def test_exactly_once_tells_what_is_missing():
    with mt.World(4) as world:
        fleet = pumps(world, 1, qos=0)
        spy = world.spy("pump/#")
        world.run("1min")
        testing.assert_exactly_once(spy, fleet, "pump/+/flow")
        with fleet.link_down():
            world.run("90s")
        world.run("5min")
        with pytest.raises(AssertionError, match=r"(?s)not seen: \d+\n.*pump-0/flow.*published"):
            testing.assert_exactly_once(spy, fleet, "pump/+/flow")
        with pytest.raises(AssertionError, match=r"published nothing that matches 'pump/\+/x'"):
            testing.assert_exactly_once(spy, fleet, "pump/+/x")
        with pytest.raises(mt.ConfigError, match="no device"):
            testing.assert_exactly_once(spy, 5)


def test_exactly_once_tells_what_came_twice():
    """The acknowledgement of QoS 1 is cut off: the broker routes the message again."""
    with mt.World(4) as world:
        fleet = pumps(world, 1, qos=1)
        spy = world.spy("pump/#")
        world.run("40s")
        fleet.cut(after_bytes=1, direction="down")
        world.run("5min")
        assert len({m.payload for m in spy}) < spy.count
        testing.assert_at_least_once(spy, fleet)
        with pytest.raises(AssertionError, match="seen again: "):
            testing.assert_exactly_once(spy, fleet)


def test_in_order():
    with mt.World(1) as world:
        pumps(world, 1)
        spy = world.spy("pump/#")
        world.run("3min")
        testing.assert_in_order(spy, "pump/+/flow", ("pump/pump-0/flow", b'{"n":4}'))
        with pytest.raises(AssertionError, match="did not follow"):
            testing.assert_in_order(spy, ("#", b'{"n":4}'), ("#", b'{"n":3}'))
        with pytest.raises(mt.ConfigError, match="takes filters, or a device"):
            testing.assert_in_order(spy)


def test_wait_for():
    with mt.World(1) as world:
        fleet = pumps(world, 1)
        spy = world.spy("pump/#")
        message = testing.wait_for(spy, "pump/+/flow", payload=b'{"n":2}', timeout="3min")
        assert message.payload == b'{"n":2}'
        assert world.now < message.time + 0.2
        testing.wait_for(world, lambda: fleet.online == 1)
        with pytest.raises(AssertionError, match=r"(?s)not published within '10s'.*has seen"):
            testing.wait_for(spy, "pump/+/alarm", timeout="10s")
        with pytest.raises(AssertionError, match="did not come true"):
            testing.wait_for(world, lambda: False, timeout="10s")
        with pytest.raises(mt.ConfigError, match="what"):
            testing.wait_for(world, "pump/#")
