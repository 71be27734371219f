"""Topic names and topic filters, as the broker takes and matches them."""

from __future__ import annotations

from collections.abc import Sequence

from .broker_role import Broker
from .packets import (
    connack,
    connect,
    is_error,
    puback,
    publish,
    suback,
    subscribe,
    to,
    unsuback,
    unsubscribe,
    will,
)
from .suite import v5, v311
from .violations import answers, change, drop, ignores, insert

TAKEN = suback(1, [0])

# A filter, what it matches, what it does not.
Case = tuple[str, Sequence[str], Sequence[str]]
MULTI_LEVEL: tuple[Case, ...] = (
    ("#", ("a", "a/b", "/", "/a/b", "a/"), ()),
    ("a/#", ("a", "a/", "a/b", "a/b/c"), ("b", "ab", "b/a", "/a", "aa/b")),
    ("/#", ("/", "/a", "/a/b"), ("a", "a/b")),
    ("a/b/#", ("a/b", "a/b/", "a/b/c/d"), ("a", "a/c", "a/bc")),
)
SINGLE_LEVEL: tuple[Case, ...] = (
    ("+", ("a", "bc"), ("a/b", "/a", "a/")),
    ("a/+", ("a/", "a/b"), ("a", "a/b/c", "/a/b", "b/a", "a//")),
    ("+/b", ("a/b", "/b"), ("b", "a/b/c", "a/c")),
    ("/+", ("/", "/a"), ("a", "/a/b")),
    ("a/+/c", ("a/b/c", "a//c"), ("a/c", "a/b/b/c", "a/b/d")),
    ("+/+", ("a/b", "/", "/a", "a/"), ("a", "a/b/c")),
    ("+/b/#", ("a/b", "/b/c", "a/b/c/d"), ("b", "a/c", "a/a/b")),
)


def expect_no_filters(broker: Broker, *filters: str) -> None:
    """A subscription with such a filter is refused, or ends the connection."""
    for filter in filters:
        peer = broker.connected()
        peer.send(subscribe(1, [to(filter)]))
        peer.expect_denied(suback(1, lambda codes: len(codes) == 1 and codes[0] >= 0x80))


def matches_as_told(broker: Broker, cases: Sequence[Case]) -> None:
    """Each filter gets what it matches, in order, and nothing else."""
    peer = broker.connected("c")
    other = broker.connected("other")
    for filter, yes, no in cases:
        peer.subscribe(filter)
        for topic in (*yes, *no):
            other.publish(topic)
        assert [packet.topic for packet in peer.heard()] == list(yes), filter
        peer.send(unsubscribe(9, [filter]))
        peer.expect(unsuback(9))


# --- wildcards ------------------------------------------------------------------------------------


@v5("MQTT-4.7.0-1", answers(puback(7)), ignores())
@v5("MQTT-4.7.0-1", insert(publish("a/+", b"x"), before="PINGRESP"))
@v311("MQTT-4.7.1-1", answers(puback(7)), ignores())
@v311("MQTT-4.7.1-1", insert(publish("a/+", b"x"), before="PINGRESP"))
def test_no_wildcards_in_topic_names(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("#")
    for topic in ("#", "+", "a/#", "a/+", "a+", "#a/b", "a/long/topic/name/with/a#"):
        peer = broker.connected()
        peer.send(publish(topic, b"x", 1, 7))
        if broker.level == 5:
            peer.expect_denied(puback(7, is_error))
        else:
            peer.expect_closed()
    watcher.expect_nothing()


@v5("MQTT-4.7.0-1", answers(connack(0)), ignores())
@v311("MQTT-4.7.1-1", answers(connack(0)), ignores())
def test_no_wildcards_in_will_topics(broker: Broker) -> None:
    for topic in ("a/+", "#"):
        peer = broker.peer()
        peer.send(connect("c", will=will(topic)))
        peer.expect_refused(connack(is_error)) if broker.level == 5 else peer.expect_closed()


@v5("MQTT-4.7.1-1", change("SUBACK", reasons=[0]), change("SUBACK", nth=0, reasons=[0]))
@v311("MQTT-4.7.1-2", change("SUBACK", reasons=[0]), change("SUBACK", nth=0, reasons=[0]))
def test_multi_level_wildcard_is_all_of_the_last_level(broker: Broker) -> None:
    expect_no_filters(broker, "a#", "#a", "a/b#", "a/#/b", "#/", "##", "+#", "a/#b")


@v5("MQTT-4.7.1-1", drop("PUBLISH"), insert(publish("a/b", b"x"), before="PINGRESP"))
@v311("MQTT-4.7.1-2", drop("PUBLISH"), insert(publish("a/b", b"x"), before="PINGRESP"))
def test_multi_level_wildcard_matches_all_below(broker: Broker) -> None:
    matches_as_told(broker, MULTI_LEVEL)


@v5("MQTT-4.7.1-2", change("SUBACK", reasons=[0]), change("SUBACK", nth=0, reasons=[0]))
@v311("MQTT-4.7.1-3", change("SUBACK", reasons=[0]), change("SUBACK", nth=0, reasons=[0]))
def test_single_level_wildcard_is_a_whole_level(broker: Broker) -> None:
    expect_no_filters(broker, "a+", "+a", "a/+b", "a/b+/c", "++", "a/++/b")


@v5("MQTT-4.7.1-2", drop("PUBLISH"), insert(publish("a/b", b"x"), before="PINGRESP"))
@v311("MQTT-4.7.1-3", drop("PUBLISH"), insert(publish("a/b", b"x"), before="PINGRESP"))
def test_single_level_wildcard_matches_one_level(broker: Broker) -> None:
    matches_as_told(broker, SINGLE_LEVEL)


DOLLAR = publish("$state/a", b"x")


@v5("MQTT-4.7.2-1", insert(DOLLAR, before="PINGRESP", peer="c"))
@v5("MQTT-4.7.2-1", change("PUBLISH", topic="$state/a", peer="later"))
@v311("MQTT-4.7.2-1", insert(DOLLAR, before="PINGRESP", peer="c"))
@v311("MQTT-4.7.2-1", change("PUBLISH", topic="$state/a", peer="later"))
def test_wildcards_at_the_root_leave_dollar_topics_alone(broker: Broker) -> None:
    peer = broker.connected("c")
    for filter in ("#", "+/a", "+/#", "+/+"):
        peer.subscribe(filter)
    knows = broker.connected("knows")
    knows.subscribe("$state/#")
    other = broker.connected("other")
    other.publish("$state/a", retain=True)
    knows.expect(publish("$state/a"))
    peer.expect_nothing()
    other.publish("state/a", retain=True)
    later = broker.connected("later")  # to whom retained messages come
    later.send(subscribe(1, [to("+/a")]))
    later.expect_all(suback(1, [0]), publish("state/a", retain=True))
    later.expect_nothing()


@v5("MQTT-4.7.2-1", insert(DOLLAR, before="PINGRESP"))
def test_shared_wildcards_leave_dollar_topics_alone(broker: Broker) -> None:
    peer = broker.connected("c")
    for filter in ("$share/g/#", "$share/g/+/a"):
        peer.subscribe(filter)
    broker.connected("other").publish("$state/a")
    peer.expect_nothing()


# --- characters -----------------------------------------------------------------------------------


@v5("MQTT-4.7.3-1", answers(puback(7)), ignores(), answers(TAKEN, peer="peer2"))
@v5("MQTT-4.7.3-1", answers(unsuback(1, [0]), peer="peer3"), ignores(peer="peer3"))
@v311("MQTT-4.7.3-1", answers(puback(7)), ignores(), answers(TAKEN, peer="peer2"))
@v311("MQTT-4.7.3-1", answers(unsuback(1, [0]), peer="peer3"), ignores(peer="peer3"))
def test_topics_have_a_character_at_least(broker: Broker) -> None:
    watcher = broker.connected()
    watcher.subscribe("#")
    peer = broker.connected()
    peer.send(subscribe(1, [to("a"), to("")]))
    peer.expect_denied(suback(1, lambda codes: codes[1:] >= [0x80]))
    peer = broker.connected()
    peer.send(unsubscribe(1, [""]))
    peer.expect_denied(unsuback(1, lambda codes: codes >= [0x80]))
    peer = broker.connected()
    peer.send(publish("", b"x", 1, 7))
    peer.expect_denied()
    watcher.expect_nothing()


@v5("MQTT-4.7.3-2", answers(puback(7)), ignores(), answers(TAKEN, peer="peer2"))
@v5("MQTT-4.7.3-2", answers(unsuback(1, [0]), peer="peer4"), ignores(peer="peer4"))
@v311("MQTT-4.7.3-2", answers(puback(7)), ignores(), answers(TAKEN, peer="peer2"))
@v311("MQTT-4.7.3-2", answers(unsuback(1, [0]), peer="peer4"), ignores(peer="peer4"))
def test_topics_have_no_null_character(broker: Broker) -> None:
    watcher = broker.connected()
    watcher.subscribe("#")
    for packet in (
        subscribe(1, [to("a\0b")]),
        subscribe(1, [to("\0/+")]),
        unsubscribe(1, ["a\0"]),
        publish("\0", b"x", 1, 7),
        publish("a/topic\0/of/some/length", b"x", 1, 7),
    ):
        peer = broker.connected()
        peer.send(packet)
        peer.expect_denied()
    watcher.expect_nothing()


LONGEST = "ü" + "x" * 65_533  # in UTF-8, 65,535 bytes


@v5("MQTT-4.7.3-3", change("SUBACK", reasons=[0x8F]), drop("PUBLISH"))
@v5("MQTT-4.7.3-3", change("PUBLISH", topic=LONGEST[:-1]), change("PUBLISH", topic="x" * 65_535))
@v311("MQTT-4.7.3-3", change("SUBACK", reasons=[0x80]), drop("PUBLISH"))
@v311("MQTT-4.7.3-3", change("PUBLISH", topic=LONGEST[:-1]), change("PUBLISH", topic="x" * 65_535))
def test_topics_of_65535_bytes(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.subscribe(LONGEST)
    peer.publish(LONGEST[:-1])
    peer.send(publish(LONGEST, b"x"))
    peer.expect(publish(LONGEST, b"x"))
    peer.send(unsubscribe(9, [LONGEST]))
    peer.expect(unsuback(9))
    peer.send(publish(LONGEST, b"x"))
    peer.expect_nothing()


# Topics that somebody might take for the same.
ALIKE = (
    ("caf\u00e9", "cafe\u0301", "CAF\u00c9", "cafe"),
    ("Topic", "topic", "TOPIC", " Topic", "Topic ", "T\u043epic"),
    ("a/b", "a//b", "/a/b", "a/b/", "./a/b", "a/../a/b", "a\\b", "a%2Fb"),
    ("\ufeffbom", "bom", "\u200bbom"),
    ("stra\u00dfe", "strasse", "\ufb01ne", "fine"),
    ("\ue000", "\ufffd", "?", "\U0010fffd"),
)


@v5("MQTT-4.7.3-4", change("PUBLISH", topic="\ufffd"), drop("PUBLISH"), drop("PUBLISH", nth=0))
@v5("MQTT-4.7.3-4", insert(publish("cafe\u0301", b"x"), before="PINGRESP", nth=0))
@v5("MQTT-4.7.3-4", change("PUBLISH", nth=3, topic="bom"))
@v311("MQTT-4.7.3-4", change("PUBLISH", topic="\ufffd"), drop("PUBLISH"), drop("PUBLISH", nth=0))
@v311("MQTT-4.7.3-4", insert(publish("cafe\u0301", b"x"), before="PINGRESP", nth=0))
@v311("MQTT-4.7.3-4", change("PUBLISH", nth=3, topic="bom"))
def test_topics_are_compared_as_they_are(broker: Broker) -> None:
    matches_as_told(broker, [(one, (one,), others) for one, *others in ALIKE])
    matches_as_told(broker, [(one, (one,), rest) for *rest, one in ALIKE])
