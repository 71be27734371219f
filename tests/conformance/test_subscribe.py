"""SUBSCRIBE and SUBACK, as the broker takes and sends them."""

from __future__ import annotations

from .broker_role import Broker
from .packets import NOT_UTF8, puback, publish, suback, subscribe, to
from .suite import v5, v311
from .violations import answers, change, closes, drop, ignores, insert, replace, twice

TAKEN = suback(1, [0])
MINE = publish("a", b"mine")


# --- what is no SUBSCRIBE -------------------------------------------------------------------------


@v5("MQTT-3.8.1-1", answers(TAKEN), ignores())
@v311("MQTT-3.8.1-1", answers(TAKEN), ignores())
def test_flags_of_subscribe_are_0010(broker: Broker) -> None:
    for flags in (0, 1, 3, 6, 10, 15):
        peer = broker.connected()
        peer.send(subscribe(1, [to("a")], flags=flags))
        peer.expect_error(0x81)


@v5("MQTT-3.8.3-1", answers(TAKEN), ignores())
@v311("MQTT-3.8.3-1", answers(TAKEN), ignores())
def test_filters_of_subscribe_must_be_utf8(broker: Broker) -> None:
    for wrong in (NOT_UTF8, b"a/\xff", b"\xc0\xaf", b"#\xf4\x90\x80\x80"):
        peer = broker.connected()
        peer.send(subscribe(1, [to("good"), to(wrong)]))
        peer.expect_error(0x81)


@v5("MQTT-3.8.3-2", answers(suback(1, [])), ignores())
@v311("MQTT-3.8.3-3", answers(suback(1, [])), ignores())
def test_subscribe_needs_a_filter(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(subscribe(1, []))
    peer.expect_denied()


@v5("MQTT-3.8.3-2", answers(TAKEN), ignores())
@v311("MQTT-3.8.3-3", answers(TAKEN), ignores())
def test_a_filter_needs_its_options(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(subscribe(1, [to("a")], cut=1))
    peer.expect_error(0x81)


@v5("MQTT-3.8.3-5", answers(TAKEN), ignores(), change("DISCONNECT", reason=0x82))
@v311("MQTT-3.8.3-4", answers(TAKEN), ignores())
def test_reserved_bits_of_options_must_be_0(broker: Broker) -> None:
    for bit in (0x40, 0x80) if broker.level == 5 else (0x04, 0x08, 0x10, 0x20, 0x40, 0x80):
        peer = broker.connected()
        peer.send(subscribe(1, [("a", bit)]))
        peer.expect_error(0x81)


@v311("MQTT-3.8.3-4", answers(suback(1, [2])), ignores())
def test_qos_of_subscribe_is_0_1_or_2(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(subscribe(1, [to("a"), to("b", 3)]))
    peer.expect_closed()


# --- the answer -----------------------------------------------------------------------------------


@v5("MQTT-3.8.4-1", drop("SUBACK"), closes(instead_of="SUBACK"))
@v5("MQTT-3.8.4-2", change("SUBACK", id=8), change("SUBACK", id=0x0107))
@v311("MQTT-3.8.4-1", drop("SUBACK"), closes(instead_of="SUBACK"))
@v311("MQTT-3.8.4-2", change("SUBACK", id=8), change("SUBACK", id=0x0107))
def test_subscribe_is_answered(broker: Broker) -> None:
    peer = broker.connected()
    for number in (7, 1, 65535, 0x0701):
        peer.send(subscribe(number, [to("a/#", 1)]))
        peer.expect(suback(number))


@v5("MQTT-3.8.4-6", change("SUBACK", reasons=[0]), change("SUBACK", reasons=[0, 1, 2, 2]))
@v5("MQTT-3.9.3-1", change("SUBACK", reasons=[0, 1, 2]), change("SUBACK", reasons=[1, 0, 2]))
@v311("MQTT-3.8.4-5", change("SUBACK", reasons=[0]), change("SUBACK", reasons=[0, 1, 2, 2]))
@v311("MQTT-3.9.3-1", change("SUBACK", reasons=[0, 1, 2]), change("SUBACK", reasons=[1, 0, 2]))
def test_suback_has_a_code_for_each_filter_in_order(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(subscribe(1, [to("a", 2), to("b", 0), to("c", 1)]))
    peer.expect(suback(1, [2, 0, 1]))


@v5("MQTT-3.8.4-7", change("SUBACK", reasons=[0, 1, 2]))
@v5("MQTT-3.8.4-7", drop("PUBLISH"), change("PUBLISH", qos=0, id=None))
@v311("MQTT-3.8.4-5", change("SUBACK", reasons=[0, 1, 2]), drop("PUBLISH"))
def test_suback_tells_what_was_granted(broker: Broker) -> None:
    broker.start(maximum_qos=1)
    peer = broker.connected("c")
    peer.send(subscribe(1, [to("a", 0), to("b", 1), to("c", 2)]))
    granted = peer.expect(suback(1)).reasons
    assert granted == [0, 1, 1]
    other = broker.connected("other")
    for topic, qos in zip("abc", granted, strict=True):
        other.publish(topic)
        peer.expect(publish(topic, qos=qos))


@v5("MQTT-3.8.4-7", change("SUBACK", reasons=[1, 2, 1]))
@v5("MQTT-3.8.4-7", insert(publish("c", b"x", 1, 9), before="PINGRESP"))
@v5("MQTT-3.9.3-2", change("SUBACK", reasons=[1, 2, 0x03]), change("SUBACK", reasons=[1, 2]))
@v311("MQTT-3.8.4-5", change("SUBACK", reasons=[1, 2, 1]))
@v311("MQTT-3.9.3-2", change("SUBACK", reasons=[1, 2, 0x97]), change("SUBACK", reasons=[1, 2, 3]))
def test_suback_tells_what_was_refused(broker: Broker) -> None:
    broker.start(max_subscriptions_per_session=2)
    peer = broker.connected("c")
    peer.send(subscribe(1, [to("a", 1), to("b", 2), to("c", 1)]))
    peer.expect(suback(1, [1, 2, 0x97 if broker.level == 5 else 0x80]))
    broker.connected("other").publish("c")
    peer.expect_nothing()


@v311("MQTT-3.8.3-2", change("SUBACK", reasons=[1, 1]), change("SUBACK", reasons=[0x80, 0x80]))
@v311("MQTT-3.8.3-2", insert(publish("a/b", b"x", 1, 9), before="PINGRESP"))
def test_wildcards_are_refused_by_a_server_without(broker: Broker) -> None:
    broker.start(wildcard_subscriptions_available=False)
    peer = broker.connected("c")
    peer.send(subscribe(1, [to("a/+", 1), to("a/c", 1)]), subscribe(2, [to("#")]))
    peer.expect(suback(1, [0x80, 1]), suback(2, [0x80]))
    broker.connected("other").publish("a/b")
    peer.expect_nothing()


@v5("MQTT-3.9.2-1", change("SUBACK", reason_string="a reason of many words"))
@v5("MQTT-3.9.2-2", change("SUBACK", user_property=[("a key", "a value of some length")]))
def test_suback_stays_within_the_clients_maximum(broker: Broker) -> None:
    broker.start(max_subscriptions_per_session=1)
    peer = broker.connected("c", maximum_packet_size=20)
    peer.send(subscribe(1, [to("a"), to("b")]))
    answer = peer.expect(suback(1, [0, 0x97]))
    assert len(answer.encode(5)) <= 20


# --- several filters, and the same again ----------------------------------------------------------


@v5("MQTT-3.8.4-5", twice("SUBACK"), replace("SUBACK", suback(1, [1])), drop("PUBLISH"))
@v5("MQTT-3.8.4-5", change("PUBLISH", topic="a/x", nth=0, qos=1, id=9))
@v311("MQTT-3.8.4-4", twice("SUBACK"), replace("SUBACK", suback(1, [1])), drop("PUBLISH"))
@v311("MQTT-3.8.4-4", change("PUBLISH", topic="a/x", nth=0, qos=1, id=9))
def test_several_filters_are_as_many_subscribes(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.send(subscribe(1, [to("a/#", 1), to("b", 2), to("a/#", 0)]))
    peer.expect(suback(1, [1, 2, 0]))
    other = broker.connected("other")
    other.publish("a/x")
    other.publish("b", b"y", 2)
    peer.expect(publish("a/x", qos=0), publish("b", qos=2))  # the last of the same filter rules
    peer.expect_nothing()


@v5("MQTT-3.8.4-3", change("PUBLISH", qos=2, id=9), twice("PUBLISH"))
@v311("MQTT-3.8.4-3", change("PUBLISH", qos=2, id=9), twice("PUBLISH"), drop("PUBLISH"))
def test_identical_filter_replaces_the_subscription(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.subscribe("a/+", 2)
    peer.subscribe("a/+", 0)
    broker.connected("other").publish("a/b", b"x", 2)
    peer.expect(publish("a/b", b"x", 0))
    peer.expect_nothing()


@v5("MQTT-3.8.4-3", change("PUBLISH", subscription_identifier=[1]))
@v5("MQTT-3.8.4-3", change("PUBLISH", subscription_identifier=[1, 2]))
@v5("MQTT-3.8.4-3", insert(publish("a", b"mine", subscription_identifier=2), before="PINGRESP"))
def test_replacing_takes_the_new_options(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.subscribe("a", 1, subscription_identifier=1)
    peer.subscribe("a", 1, subscription_identifier=2, no_local=True)
    broker.connected("other").publish("a")
    peer.expect(publish("a", subscription_identifier=[2]))
    peer.send(MINE)
    peer.expect_nothing()


@v5("MQTT-3.8.4-3", drop("PUBLISH"), twice("PUBLISH", peer="c"))
def test_shared_subscriptions_are_others_than_plain_ones(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.subscribe("a")
    peer.subscribe("$share/g/a")
    broker.connected("other").publish("a")
    peer.expect(publish("a"), publish("a"))
    peer.expect_nothing()


@v5("MQTT-3.8.4-4", drop("PUBLISH"), drop("PUBLISH", nth=1), change("PUBLISH", retain=False))
def test_replacing_a_subscription_loses_nothing(broker: Broker) -> None:
    other = broker.connected("other")
    other.publish("a/kept", b"kept", retain=True)
    peer = broker.connected("c", receive_maximum=1)
    peer.send(subscribe(1, [to("a/#", 1)]))
    _, first = peer.expect_all(suback(1, [1]), publish("a/kept", b"kept", 1, retain=True))
    other.publish("a/new", b"new")  # waits for a place
    peer.send(subscribe(2, [to("a/#", 1)]))
    peer.expect(suback(2, [1]))
    peer.send(puback(first.id))
    second = peer.expect(publish("a/new", b"new", 1))
    peer.send(puback(second.id))
    peer.expect(publish("a/kept", b"kept", 1, retain=True))


@v5("MQTT-3.8.4-4", drop("PUBLISH", nth=2), drop("PUBLISH", nth=1), drop("PUBLISH"))
@v311("MQTT-3.8.4-3", drop("PUBLISH", nth=2), drop("PUBLISH", nth=1), drop("PUBLISH"))
def test_retained_messages_come_again_and_nothing_stops(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.publish("a/kept", b"kept", retain=True)
    peer.send(subscribe(1, [to("a/#", 0)]))
    peer.expect_all(suback(1, [0]), publish("a/kept", retain=True))
    peer.send(publish("a/1"), subscribe(2, [to("a/#", 0)]), publish("a/2"))
    peer.expect(publish("a/1", retain=False))
    peer.expect_all(suback(2, [0]), publish("a/kept", retain=True), publish("a/2", retain=False))


# --- what it brings -------------------------------------------------------------------------------


@v5("MQTT-3.8.4-8", change("PUBLISH", qos=1), change("PUBLISH", qos=0, id=None))
@v5("MQTT-3.8.4-8", change("PUBLISH", nth=0, qos=1, id=9), change("PUBLISH", nth=1, qos=1, id=9))
@v311("MQTT-3.8.4-6", change("PUBLISH", qos=1), change("PUBLISH", qos=0, id=None))
@v311("MQTT-3.8.4-6", change("PUBLISH", nth=0, qos=1, id=9), drop("PUBLISH"))
def test_qos_is_the_lower_of_published_and_granted(broker: Broker) -> None:
    peer = broker.connected("c")
    other = broker.connected("other")
    for granted in (0, 1, 2):
        peer.subscribe(f"to/{granted}", granted)
    for published in (0, 1, 2):
        for granted in (0, 1, 2):
            other.publish(f"to/{granted}", b"x", published)
            peer.expect(publish(f"to/{granted}", qos=min(published, granted)))


@v5("MQTT-3.8.4-8", change("PUBLISH", qos=2), change("PUBLISH", nth=0, qos=2, id=9))
@v311("MQTT-3.8.4-6", change("PUBLISH", qos=2), change("PUBLISH", nth=0, qos=2, id=9))
def test_qos_of_retained_messages_is_the_lower_one_too(broker: Broker) -> None:
    broker.connected("other").publish("a", b"x", 2, retain=True)
    for granted in (0, 1):
        peer = broker.connected()
        peer.send(subscribe(1, [to("a", granted)]))
        peer.expect_all(suback(1, [granted]), publish("a", qos=granted, retain=True))


@v5("MQTT-3.8.3-3", insert(MINE, before="PINGRESP", nth=0), drop("PUBLISH", peer="c"))
def test_no_local_is_heeded(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.subscribe("a", no_local=True)
    other = broker.connected("other")
    other.subscribe("a")
    peer.send(MINE)
    peer.expect_nothing()
    other.expect(MINE)
    other.send(publish("a", b"theirs"))
    other.expect(publish("a", b"theirs"))
    peer.expect(publish("a", b"theirs"))


@v5("MQTT-3.8.3-3", insert(MINE, before="PINGRESP"))
def test_no_local_is_about_the_client_not_the_connection(broker: Broker) -> None:
    peer = broker.keeping_session("c")
    peer.subscribe("a", 1, no_local=True)
    peer.publish("a", b"mine")
    peer.leave()
    again = broker.keeping_session("c")
    again.publish("a", b"mine")
    assert again.heard() == []


@v5("MQTT-3.8.3-4", answers(TAKEN), ignores(), change("DISCONNECT", reason=0x81))
def test_no_local_does_not_go_with_shared_subscriptions(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(subscribe(1, [to("$share/g/a", no_local=True)]))
    peer.expect_error(0x82)
