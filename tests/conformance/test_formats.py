"""Strings, integers, flags, packet identifiers, properties: as the broker takes and sends them."""

from __future__ import annotations

from typing import Any

from .broker_role import Broker
from .packets import (
    ABSENT,
    NOT_UTF8,
    connack,
    connect,
    data,
    disconnect,
    pingreq,
    pingresp,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    to,
    unsuback,
    unsubscribe,
)
from .suite import v5, v311
from .violations import answers, change, drop, ignores, insert, replace

# An over-long form, a surrogate, beyond U+10FFFF, a byte that begins nothing, an end too early.
ILL_FORMED = (b"/\xc0\xaf", b"a\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xffb", b"\xe2\x82")


# --- strings --------------------------------------------------------------------------------------


@v5("MQTT-1.5.4-1", ignores(), change("DISCONNECT", reason=0))
@v311("MQTT-1.5.3-1", ignores(), answers(puback(1)))
def test_ill_formed_text_ends_the_connection(broker: Broker) -> None:
    topics = [publish(wrong, b"x", 1, 1) for wrong in ILL_FORMED]
    filters = [subscribe(1, [to("a"), to(NOT_UTF8)]), unsubscribe(1, ["a", NOT_UTF8])]
    properties = [publish("a", b"x", 1, 1, content_type=NOT_UTF8)] if broker.level == 5 else []
    for packet in (*filters, *properties, *topics):
        peer = broker.connected()
        peer.send(packet)
        peer.expect_error(0x81)


@v5("MQTT-1.5.4-2", ignores(), change("DISCONNECT", reason=0))
@v311("MQTT-1.5.3-2", ignores(), answers(puback(1)))
def test_the_null_character_ends_the_connection(broker: Broker) -> None:
    properties = [publish("a", b"x", 1, 1, content_type="a\0b")] if broker.level == 5 else []
    filters = [subscribe(1, [to("\0")]), unsubscribe(1, ["a\0"])]
    for packet in (*filters, *properties, publish("a\0b", b"x", 1, 1)):
        peer = broker.connected()
        peer.send(packet)
        peer.expect_error(0x81)


@v5("MQTT-1.5.4-1", change("PUBLISH", topic=NOT_UTF8), change("PUBLISH", content_type=NOT_UTF8))
@v5("MQTT-1.5.4-2", change("PUBLISH", topic="a\0"), change("PUBLISH", content_type="\0"))
@v5("MQTT-1.5.7-1", change("PUBLISH", user_property=[(NOT_UTF8, "v")]))
@v5("MQTT-1.5.7-1", change("PUBLISH", user_property=[("n", "\0")]))
@v311("MQTT-1.5.3-1", change("PUBLISH", topic=NOT_UTF8))
@v311("MQTT-1.5.3-2", change("PUBLISH", topic="a\0"))
def test_text_is_handed_on_as_it_is(broker: Broker) -> None:
    text = "~ \u00a0 ߿ ࠀ \ud7ff \ue000 \ufffd 𐀀 \U0010fffd"  # the ends of what each length can say
    more: dict[str, Any] = {}
    if broker.level == 5:
        more = {"content_type": text, "user_property": [(text, text)]}
    peer = broker.connected()
    peer.subscribe("#")
    broker.connected().publish(text, **more)
    peer.expect(publish(text, b"x", **more))


@v5("MQTT-1.5.4-3", change("PUBLISH", topic="a"), change("PUBLISH", content_type="text"))
@v5("MQTT-1.5.4-3", insert(publish("\ufeffa", b"x"), before="PINGRESP"))
@v311("MQTT-1.5.3-3", change("PUBLISH", topic="a"))
@v311("MQTT-1.5.3-3", insert(publish("\ufeffa", b"x"), before="PINGRESP"))
def test_a_byte_order_mark_is_a_character(broker: Broker) -> None:
    more: dict[str, Any] = {"content_type": "\ufefftext"} if broker.level == 5 else {}
    peer = broker.connected()
    peer.subscribe("\ufeffa")
    other = broker.connected("other")
    other.subscribe("a")
    broker.connected().publish("\ufeffa", **more)
    peer.expect(publish(b"\xef\xbb\xbfa".decode(), b"x", **more))
    other.expect_nothing()


@v5("MQTT-1.5.7-1", ignores(), change("DISCONNECT", reason=0))
def test_both_strings_of_a_pair_are_utf8(broker: Broker) -> None:
    for pair in ((NOT_UTF8, "value"), ("name", NOT_UTF8), ("a\0", "value"), ("name", "\0")):
        peer = broker.connected()
        peer.send(publish("a", b"x", 1, 1, user_property=[("good", "pair"), pair]))
        peer.expect_error(0x81)


# --- integers -------------------------------------------------------------------------------------


@v5("MQTT-1.5.5-1", answers(pingresp()), ignores())
def test_integers_that_are_too_long_end_the_connection(broker: Broker) -> None:
    for packet in (
        publish("a", b"xy", length=b"\x86\x00"),
        b"\x30\x06" + data("a") + b"\x80\x00x",  # the length of the properties
        b"\x82\x0a\x00\x01\x03\x0b\x81\x00" + data("a") + b"\x00",  # subscription identifier 1
        pingreq(length=b"\x80\x80\x80\x00"),
        pingreq(length=b"\x80\x00"),
    ):
        peer = broker.connected()
        peer.send(packet)
        peer.expect_error(0x81)


@v5("MQTT-1.5.5-1", change("PUBLISH", length=b"\xff\x00"))
@v5("MQTT-1.5.5-1", change("PUBLISH", nth=0, length=b"\xff\xff\x80\x00"))
def test_integers_are_no_longer_than_they_must_be(broker: Broker) -> None:
    peer = broker.connected()
    publisher = broker.connected()
    for number in (16_383, 16_384, 128, 127):
        peer.subscribe("a", subscription_identifier=number)
        around = len(publish("a", b"", subscription_identifier=number).encode(5)) - 2
        payload = b"x" * (number - around)  # remaining length: the same number
        publisher.publish("a", payload)
        peer.expect(publish("a", payload, subscription_identifier=[number]))


# --- flags of the fixed header --------------------------------------------------------------------


@v5("MQTT-2.1.3-1", ignores(), change("DISCONNECT", reason=0))
@v311("MQTT-2.2.2-2", ignores(), answers(pingresp()))
def test_wrong_flags_end_the_connection(broker: Broker) -> None:
    for packet in (
        puback(1, flags=1),
        pubrec(1, flags=2),
        pubrel(1, flags=0),
        pubrel(1, flags=10),
        pubcomp(1, flags=8),
        subscribe(1, [to("a")], flags=0),
        subscribe(1, [to("a")], flags=3),
        unsubscribe(1, ["a"], flags=0),
        unsubscribe(1, ["a"], flags=6),
        disconnect(flags=4),
        pingreq(flags=1),
    ):
        peer = broker.connected()
        peer.send(packet)
        peer.expect_error(0x81)


WITHOUT_FLAGS = ("CONNACK", "PUBACK", "PUBREC", "PUBCOMP", "SUBACK", "UNSUBACK", "PINGRESP")
FLAGS = [change(kind, flags=8) for kind in WITHOUT_FLAGS] + [change("PUBREL", flags=0)]


@v5("MQTT-2.1.3-1", *FLAGS, change("DISCONNECT", flags=2))
@v311("MQTT-2.2.2-1", *FLAGS)
def test_flags_have_their_values(broker: Broker) -> None:
    peer = broker.connected()
    peer.subscribe("a", 2)
    peer.send(unsubscribe(9, ["b"]))
    peer.expect(unsuback(9))
    other = broker.connected()
    other.publish("b", qos=1)
    other.publish("a", qos=2)
    seen = peer.expect(publish("a", qos=2))
    peer.send(pubrec(seen.id))
    peer.expect(pubrel(seen.id))
    peer.send(pubcomp(seen.id))
    peer.fence()
    peer.send(connect())
    peer.expect_error(0x82)


# --- packet identifiers ---------------------------------------------------------------------------


@v5("MQTT-2.2.1-2", change("PUBLISH", id=1), change("PUBLISH", nth=0, id=1))
@v311("MQTT-2.3.1-5", change("PUBLISH", id=1), change("PUBLISH", nth=0, id=1))
def test_qos_0_has_no_packet_identifier(broker: Broker) -> None:
    peer = broker.connected()
    peer.subscribe("a")
    broker.connected().publish("a", b"one", 1)
    peer.expect(publish("a", b"one", 0))
    broker.connected().publish("a", b"two", 0)
    peer.expect(publish("a", b"two", 0))  # the decoder of the tests takes none


@v5("MQTT-2.2.1-3", ignores())
@v311("MQTT-2.3.1-1", ignores(), answers(puback(1)))
def test_packet_identifier_0_ends_the_connection(broker: Broker) -> None:
    for packet in (
        subscribe(0, [to("a")]),
        unsubscribe(0, ["a"]),
        publish("a", b"x", 2, 0),
        publish("a", b"x", 1, 0),
    ):
        peer = broker.connected()
        peer.send(packet)
        peer.expect_refused(*([disconnect(0x82), disconnect(0x81)] if broker.level == 5 else []))


SAME = change("PUBLISH", nth=1, id=777) + change("PUBLISH", id=777)


@v5("MQTT-2.2.1-4", change("PUBLISH", id=0), SAME)
@v311("MQTT-2.3.1-1", change("PUBLISH", id=0))
@v311("MQTT-2.3.1-4", SAME)
def test_identifiers_of_the_broker_are_unused(broker: Broker) -> None:
    peer = broker.connected()
    peer.subscribe("a", 2)
    other = broker.connected()
    used = set()
    for n, qos in enumerate((1, 2, 2, 1, 2), 1):
        other.publish("a", qos=qos)
        used.add(peer.expect(publish("a", qos=qos)).id)
        if n == 2:  # a message that awaits PUBCOMP has its identifier still
            number = max(used)
            peer.send(pubrec(number))
            peer.expect(pubrel(number))
        assert len(used) == n, "an identifier of two messages"


@v311("MQTT-2.3.1-4", change("PUBLISH", id=777), change("PUBLISH", nth=1, id=777))
def test_broker_sends_again_under_the_same_identifier(broker: Broker) -> None:
    peer = broker.keeping_session("c")
    peer.subscribe("a", 2)
    other = broker.connected("other")
    for payload in (b"one", b"two"):
        other.publish("a", payload, 2)
    ids = [peer.expect(publish("a", payload, 2)).id for payload in (b"one", b"two")]
    peer.send(pubrec(ids[0]))
    peer.expect(pubrel(ids[0]))
    peer.abort()
    again = broker.peer("again")
    again.send(connect("c", clean_start=False))
    again.expect(connack(0, session_present=True))
    again.expect_all(pubrel(ids[0]), publish("a", b"two", 2, ids[1], dup=True))


@v5("MQTT-2.2.1-5", *(change(kind, id=8) for kind in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")))
@v311("MQTT-2.3.1-6", *(change(kind, id=8) for kind in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")))
def test_acknowledgements_have_the_identifier_of_their_message(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("a", 2)
    peer = broker.connected("peer")
    peer.send(publish("b", b"x", 1, 65535), publish("b", b"x", 1, 7))
    peer.expect(puback(65535), puback(7))
    peer.send(publish("a", b"x", 2, 300))
    peer.expect(pubrec(300))
    peer.send(pubrel(300))
    peer.expect(pubcomp(300))
    seen = watcher.expect(publish("a", b"x", 2))
    watcher.send(pubrec(seen.id))
    watcher.expect(pubrel(seen.id))


@v5("MQTT-2.2.1-6", change("SUBACK", id=301), change("UNSUBACK", id=1))
@v311("MQTT-2.3.1-7", change("SUBACK", id=301), change("UNSUBACK", id=1))
def test_answers_have_the_identifier_of_their_request(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(subscribe(300, [to("a")]), subscribe(2, [to("b")]), unsubscribe(65535, ["a"]))
    peer.expect(suback(300), suback(2), unsuback(65535))


# --- properties -----------------------------------------------------------------------------------


@v5("MQTT-2.2.2-1", replace("PUBLISH", publish("a", b"x").encode(4)))
@v5("MQTT-2.2.2-1", replace("SUBACK", suback(1, [0]).encode(4)))
@v5("MQTT-2.2.2-1", replace("CONNACK", connack(0).encode(4)))
def test_no_properties_are_a_length_of_0(broker: Broker) -> None:
    peer = broker.connected()
    peer.send(subscribe(1, [to("a")]), publish("a", b"x"))
    seen = peer.expect(suback(1, [0]), publish("a", b"x", user_property=ABSENT))
    assert seen.encode(5) == publish("a", b"x").encode(5)


@v5("MQTT-2.2.2-1", ignores(), answers(suback(1, [0])))
def test_no_length_of_properties_ends_the_connection(broker: Broker) -> None:
    for packet in (
        publish("a", b"x"),
        publish("a", b"", 1, 1),
        unsubscribe(1, ["a"]),
        subscribe(1, [to("a")]),
    ):
        peer = broker.connected()
        peer.send(packet.encode(4))
        peer.expect_error(0x81)


@v5("MQTT-2.2.2-1", drop("CONNACK"), change("CONNACK", reason=0x81))
def test_connect_without_properties(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(b"\x10\x0e" + data("MQTT") + b"\x05\x02\x00\x00" + b"\x00" + data("c"))
    peer.expect(connack(0))
