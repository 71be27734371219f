"""The live broker and its modelled links, in real time: conditions with a deadline, no waits."""

from __future__ import annotations

import itertools
import math
import statistics
import time

import pytest

import mqttwin as mt
from mqttwin.testing import LiveBroker, LiveClient
from mqttwin.testing.live_chance import Draws, Fading, jitter
from mqttwin.testing.live_connection import KEPT_BYTES, Pipe


@pytest.fixture
def broker():
    with LiveBroker(seed=3) as broker:
        yield broker


def test_a_broker_that_is_closed():
    with LiveBroker(seed=3) as broker:
        pass
    for use in (broker.link, lambda: broker.spy("#"), broker.broker.down):
        with pytest.raises(mt.MqttwinError, match=r"is closed: .*the one test that asked for it"):
            use()


def test_a_client_and_a_spy(broker):
    spy = broker.spy("a/#")
    with LiveClient(broker.host, broker.port, client_id="c") as client:
        client.subscribe("a/#", qos=2)
        client.publish("a/1", b"x" * 100_000, qos=2)
        message = client.next()
        assert (message.topic, len(message.payload), message.qos) == ("a/1", 100_000, 2)
        client.unsubscribe("a/#")
        assert broker.connections == 1
        with pytest.raises(AssertionError, match="no message came"):
            client.next(timeout="10ms")
    mt.testing.assert_published(spy, "a/1", count=1)
    names = [p.name for p in broker.exchange() if p.kind == "packet"]
    assert names[:2] == ["CONNECT", "CONNACK"]
    assert names.count("PUBLISH") == 2
    assert {p.client for p in broker.exchange()} == {"c"}
    with pytest.raises(mt.MqttwinError, match="closed"):
        client.publish("a", b"")


def test_latency_and_loss(broker):
    link = broker.link(latency="30ms", loss=0.0, bandwidth="10Mbit/s")
    with LiveClient(link.host, link.port, client_id="c") as client:
        began = time.monotonic()
        client.publish("a", b"1", qos=1)
        assert time.monotonic() - began >= 0.06
        client.publish("b", bytes(300_000), qos=1)  # more than a direction holds back
        assert time.monotonic() - began >= 0.06 + 300_000 * 8 / 10e6
    assert KEPT_BYTES < 300_000


def test_losses_are_retransmissions(broker):
    """A third of the segments is lost, and comes after time-outs of 200 ms and more."""
    link = broker.link(loss=0.3)
    began = time.monotonic()
    with LiveClient(link.host, link.port, client_id="c") as client:
        for n in range(3):
            client.publish("a", str(n), qos=1)
    assert time.monotonic() - began >= 0.2
    draws, same, other = Draws(1, "up"), Draws(1, "up"), Draws(1, "down")
    first = [draws() for _ in range(1000)]
    assert first == [same() for _ in range(1000)]
    assert first != [other() for _ in range(1000)]
    assert 0.45 < sum(first) / 1000 < 0.55
    assert 0 <= min(first) < max(first) < 1


@pytest.mark.parametrize(
    ("kind", "mean", "median"),
    [
        ("uniform", 0.0, 0.0),
        ("normal", 0.0, 0.0),
        ("exponential", 0.010, 0.010 * math.log(2)),
        ("lognormal", 0.010 * math.exp(0.5), 0.010),
    ],
)
def test_jitter_is_as_on_virtual_links(kind, mean, median):
    side = mt.links.link(latency="50ms", jitter="10ms", jitter_kind=kind).up
    draws, same = Draws(1, kind), Draws(1, kind)
    drawn = [jitter(side, draws) for _ in range(20_000)]
    assert drawn == [jitter(side, same) for _ in range(20_000)]
    assert statistics.fmean(drawn) == pytest.approx(mean, abs=0.0005)
    assert statistics.median(drawn) == pytest.approx(median, abs=0.0005)
    pipe = Pipe(side, 1500, 0.1, Draws(1, kind), None)
    arrivals = [pipe.release(n, 1) for n in range(100)]
    assert arrivals == [n + max(0, 0.05 + d) for n, d in enumerate(drawn[:100])]


def test_bursts_by_time_and_by_packet():
    fading = Fading(mt.links.bursts(good="20s", bad="5s"), Draws(1, "time"))
    fates = [fading.loses(n / 10) for n in range(100_000)]
    assert sum(fates) / len(fates) == pytest.approx(0.2, abs=0.02)
    ends = sum(a and not b for a, b in itertools.pairwise(fates))
    assert sum(fates) / ends / 10 == pytest.approx(5, rel=0.15)  # seconds a burst
    by_packet = mt.links.packet_bursts(to_bad=0.02, to_good=0.1, loss_in_bad=0.5)
    fading = Fading(by_packet, Draws(1, "packet"))
    fates = [fading.loses(0.0) for _ in range(100_000)]
    assert sum(fates) / len(fates) == pytest.approx(0.5 * 0.02 / 0.12, abs=0.01)


def test_a_live_link_that_loses_in_bursts(broker):
    """The link is bad for ever, one way: everything waits for time-outs that double."""
    always = mt.links.packet_bursts(to_bad=1, to_good=0, loss_in_bad=0.4)
    link = broker.link(bursts=(always, None), jitter="1ms", jitter_kind="exponential")
    began = time.monotonic()
    for n in range(3):
        with LiveClient(link.host, link.port, client_id="c") as client:
            client.publish("a", str(n), qos=1)
    assert time.monotonic() - began >= 0.2
    assert link.fading["down"] is None


def test_a_cut(broker):
    link = broker.link()
    client = LiveClient(link.host, link.port, client_id="c")
    assert link.connections == 1
    link.cut()
    broker.wait_until(lambda: link.connections == 0)
    with pytest.raises(mt.MqttwinError):
        client.publish("a", b"1", qos=1)
    client.close()


def test_a_cut_at_a_byte(broker):
    spy = broker.spy("#")
    link = broker.link()
    link.cut(after_bytes=5)
    with pytest.raises(mt.DisconnectedError):
        LiveClient(link.host, link.port, client_id="c")
    with LiveClient(link.host, link.port, client_id="c") as client:
        client.publish("a", b"1", qos=1)
    assert spy.count == 1
    assert link.accepted == 2


def test_down_and_up(broker):
    spy = broker.spy("#")
    link = broker.link()
    with LiveClient(link.host, link.port, client_id="c") as client:
        with link.down():
            client.publish("a", b"1")
            with pytest.raises(mt.ClientTimeout):
                client.publish("b", b"1", qos=1, timeout=0.1)
            assert spy.count == 0
        broker.wait_until(lambda: spy.count == 2)


def test_a_black_hole_and_a_stall(broker):
    spy = broker.spy("#")
    link = broker.link()
    with LiveClient(link.host, link.port, client_id="c") as client:
        link.stall(direction="up")
        client.publish("a", b"1")  # its reading has begun, so it passes
        broker.wait_until(lambda: spy.count == 1)
        with pytest.raises(mt.ClientTimeout):
            client.publish("b", b"1", qos=1, timeout=0.1)
        link.read_on(direction="up")
        broker.wait_until(lambda: spy.count == 2)
        seen = spy.count
        link.black_hole(direction="up")
        with pytest.raises(mt.ClientTimeout):
            client.publish("c", b"1", qos=1, timeout=0.1)
        assert spy.count == seen
        assert link.connections == 1
        link.cut()
        broker.wait_until(lambda: link.connections == 0)
        with pytest.raises(mt.MqttwinError):
            client.publish("c", b"1", qos=1)


def test_what_a_live_link_has_not(broker):
    with pytest.raises(mt.ConfigError, match="sleep: is for virtual links"):
        broker.link(sleep=mt.links.psm())
    with pytest.raises(mt.ConfigError, match="schedule: is for virtual links"):
        broker.link(schedule=[("0s", "10ms"), ("1s", "20ms")])
    with pytest.raises(mt.ConfigError, match="not both"):
        broker.link(mt.links.lte_m(), loss=0.1)
    with pytest.raises(mt.ConfigError, match="link"):
        broker.link("fast")
    link = broker.link(mt.links.lte_m())
    assert link.model.name == "LTE-M"
    with pytest.raises(mt.ConfigError, match="direction"):
        link.cut(after_bytes=1, direction="sideways")
    link.close()
    link.close()
    with pytest.raises(mt.MqttwinError, match="closed"):
        link.cut()


def test_a_broker_that_is_gone(broker):
    link = broker.link()
    broker.broker.down()
    with pytest.raises(mt.MqttwinError):
        LiveClient(link.host, link.port, client_id="c", timeout=2)
    broker.broker.up()
    with LiveClient(link.host, link.port, client_id="c") as client:
        client.publish("a", b"1", qos=1)
    with pytest.raises(AssertionError, match="did not come true"):
        broker.wait_until(lambda: False, timeout="20ms")
