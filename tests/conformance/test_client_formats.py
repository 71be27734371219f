"""Strings, integers, flags, packet identifiers, properties: as the client takes and sends them."""

from __future__ import annotations

from .client_role import Client, message, refused
from .packets import (
    ABSENT,
    NOT_UTF8,
    SURROGATE,
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
from .suite import timed, v5, v311
from .test_formats import ILL_FORMED
from .violations import answers, change, drop, ignores, insert, replace

# --- strings --------------------------------------------------------------------------------------


@v5("MQTT-1.5.4-1", ignores(), answers(puback(1)))
@v311("MQTT-1.5.3-1", ignores(), answers(puback(1)))
def test_client_closes_on_ill_formed_text(client: Client) -> None:
    server = client.connected()
    packets = [publish(wrong, b"x", 1, 1) for wrong in ILL_FORMED]
    if client.level == 5:
        packets.append(publish("a", b"x", 1, 1, content_type=NOT_UTF8))
    for number, packet in enumerate(packets):
        server = client.reconnected() if number else server
        server.send(packet)
        server.expect_error(0x81)


@v5("MQTT-1.5.4-2", ignores(), answers(puback(1)))
@v311("MQTT-1.5.3-2", ignores(), answers(puback(1)))
def test_client_closes_on_the_null_character(client: Client) -> None:
    server = client.connected()
    server.send(publish("a\0b", b"x", 1, 1))
    server.expect_error(0x81)


@v5("MQTT-1.5.4-1", drop("REFUSED"), insert(publish(NOT_UTF8), before="PUBACK"))
@v5("MQTT-1.5.4-2", drop("REFUSED"), insert(publish("a\0b"), before="PUBACK"))
@v311("MQTT-1.5.3-1", drop("REFUSED"), insert(publish(NOT_UTF8), before="PUBACK"))
@v311("MQTT-1.5.3-2", drop("REFUSED"), insert(publish("a\0b"), before="PUBACK"))
def test_client_sends_no_wrong_text(client: Client) -> None:
    server = client.connected()
    for wrong in (SURROGATE, "a\0b"):
        client.publish(wrong)
        client.expect(refused())
        client.subscribe(to(wrong))
        client.expect(refused())
        client.unsubscribe(wrong)
        client.expect(refused())
    server.expect_nothing()


@v5("MQTT-1.5.4-3", change("PUBLISH", topic="a"), change("MESSAGE", nth=0, topic="a"))
@v311("MQTT-1.5.3-3", change("PUBLISH", topic="a"), change("MESSAGE", nth=0, topic="a"))
def test_client_keeps_a_byte_order_mark(client: Client) -> None:
    server = client.connected()
    server.send(publish(b"\xef\xbb\xbfa", b"x"))
    client.expect(message("\ufeffa", b"x"))
    client.publish("\ufeffa")
    server.expect(publish(b"\xef\xbb\xbfa".decode()))


@v5("MQTT-1.5.7-1", ignores())
def test_client_closes_on_a_pair_of_wrong_strings(client: Client) -> None:
    server = client.connected()
    for number, pair in enumerate(((NOT_UTF8, "value"), ("name", NOT_UTF8), ("name", "\0"))):
        server = client.reconnected() if number else server
        server.send(publish("a", b"x", user_property=[pair]))
        server.expect_error(0x81)


@v5("MQTT-1.5.7-1", drop("REFUSED"))
@v5("MQTT-1.5.7-1", insert(publish("a", user_property=[("name", NOT_UTF8)]), before="PUBACK"))
def test_client_sends_no_pair_of_wrong_strings(client: Client) -> None:
    server = client.connected()
    for pair in ((SURROGATE, "value"), ("name", SURROGATE), ("name", "\0")):
        client.publish("a", user_property=[pair])
        client.expect(refused())
    server.expect_nothing()


# --- integers -------------------------------------------------------------------------------------


@v5("MQTT-1.5.5-1", ignores())
def test_client_closes_on_integers_that_are_too_long(client: Client) -> None:
    server = client.connected()
    packets = (
        publish("a", b"xy", length=b"\x86\x00").encode(5),
        b"\x30\x06" + data("a") + b"\x80\x00x",  # the length of the properties
        b"\x30\x08" + data("a") + b"\x03\x0b\x81\x00x",  # subscription identifier 1
    )
    for number, packet in enumerate(packets):
        server = client.reconnected() if number else server
        server.send(packet)
        server.expect_error(0x81)


@v5("MQTT-1.5.5-1", change("PUBLISH", length=b"\xff\x00"))
@v5("MQTT-1.5.5-1", change("SUBSCRIBE", nth=0, length=b"\x8c\x00"))
def test_integers_of_the_client_are_short(client: Client) -> None:
    server = client.connected()
    for number in (16_383, 16_384, 128, 127):
        client.subscribe(to("a"), subscription_identifier=number)
        request = server.expect(subscribe(subscription_identifier=[number]))
        server.send(suback(request.id, [0]))
        payload = b"x" * (number - 4)  # remaining length: the same number
        client.publish("a", payload)
        server.expect(publish("a", payload))


# --- flags of the fixed header --------------------------------------------------------------------


@v5("MQTT-2.1.3-1", ignores())
@v311("MQTT-2.2.2-2", ignores(), answers(pingreq()))
def test_client_closes_on_wrong_flags(client: Client) -> None:
    server = client.connected()
    for number, packet in enumerate(
        (
            puback(1, flags=1),
            pubrec(1, flags=8),
            pubrel(1, flags=0),
            pubrel(1, flags=3),
            pubcomp(1, flags=2),
            pingresp(flags=2),
        )
    ):
        server = client.reconnected() if number else server
        server.send(packet)
        server.expect_error(0x81)


@v5("MQTT-2.1.3-1", ignores())
@v311("MQTT-2.2.2-2", ignores())
def test_client_closes_on_connack_with_flags(client: Client) -> None:
    client.start()
    server = client.accept()
    server.expect(connect())
    server.send(connack(0, flags=1))
    server.expect_closed()


WITHOUT_FLAGS = ("CONNECT", "PUBACK", "PUBREC", "PUBCOMP", "PINGREQ", "DISCONNECT")
WITH_FLAGS = ("PUBREL", "SUBSCRIBE", "UNSUBSCRIBE")
FLAGS = [change(kind, flags=1) for kind in WITHOUT_FLAGS]
FLAGS += [change(kind, flags=0) for kind in WITH_FLAGS]


@v5("MQTT-2.1.3-1", *FLAGS)
@v311("MQTT-2.2.2-1", *FLAGS)
@timed
def test_flags_of_the_client_have_their_values(client: Client) -> None:
    server = client.connected(keep_alive=10)
    client.subscribe(to("a"))
    server.send(suback(server.expect(subscribe()).id, [0]))
    client.unsubscribe("a")
    server.send(unsuback(server.expect(unsubscribe()).id, [0]))
    client.publish("a", b"x", 2)
    sent = server.expect(publish("a", b"x", 2)).id
    server.send(pubrec(sent))
    server.expect(pubrel(sent))
    server.send(pubcomp(sent), publish("a", b"x", 2, 9))
    server.expect(pubrec(9))
    server.send(pubrel(9))
    server.expect(pubcomp(9))
    server.fence()
    server.expect(pingreq(), within="11s")
    server.send(pingresp())
    client.disconnect()
    server.expect(disconnect())


# --- packet identifiers ---------------------------------------------------------------------------


@v5("MQTT-2.2.1-2", change("PUBLISH", id=1))
@v311("MQTT-2.3.1-5", change("PUBLISH", id=1))
def test_client_gives_qos_0_no_packet_identifier(client: Client) -> None:
    server = client.connected()
    client.publish("a", b"x", 0)
    server.expect(publish("a", b"x", 0))  # the decoder of the tests takes none


@v5("MQTT-2.2.1-2", change("MESSAGE", payload=b"payload"), drop("MESSAGE"))
@v311("MQTT-2.3.1-5", change("MESSAGE", payload=b"payload"), drop("MESSAGE"))
def test_client_looks_for_no_packet_identifier_in_qos_0(client: Client) -> None:
    server = client.connected()
    server.send(publish("a", b"\0\1payload", 0))
    client.expect(message("a", b"\0\1payload", 0))


@v5("MQTT-2.2.1-4", ignores())
@v311("MQTT-2.3.1-1", ignores(), answers(puback(1)))
def test_client_closes_on_packet_identifier_0(client: Client) -> None:
    server = client.connected()
    for number, qos in enumerate((2, 1)):
        server = client.reconnected() if number else server
        server.send(publish("a", b"x", qos, 0))
        server.expect_refused(*([disconnect(0x82), disconnect(0x81)] if client.level == 5 else []))


KINDS_WITH_ID = ("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE")


@v5("MQTT-2.2.1-3", *(change(kind, id=0) for kind in KINDS_WITH_ID))
@v5("MQTT-2.2.1-3", change("SUBSCRIBE", id=777) + change("PUBLISH", id=777))
@v5("MQTT-2.2.1-3", change("UNSUBSCRIBE", id=777) + change("PUBLISH", nth=0, id=777))
@v311("MQTT-2.3.1-1", *(change(kind, id=0) for kind in KINDS_WITH_ID))
@v311("MQTT-2.3.1-2", change("SUBSCRIBE", id=777) + change("PUBLISH", id=777))
@v311("MQTT-2.3.1-2", change("UNSUBSCRIBE", id=777) + change("PUBLISH", nth=0, id=777))
def test_identifiers_of_the_client_are_unused(client: Client) -> None:
    server = client.connected()
    client.publish("a", b"x", 2)
    first = server.expect(publish("a", b"x", 2)).id
    server.send(pubrec(first))
    server.expect(pubrel(first))  # it has its identifier still
    client.publish("a", b"x", 1)
    client.subscribe(to("a"))
    client.unsubscribe("b")
    client.publish("a", b"x", 2)
    kinds = (publish("a", qos=1), subscribe(), unsubscribe(), publish("a", qos=2))
    used = {first, *(packet.id for packet in server.expect_all(*kinds))}
    assert len(used) == 5, "an identifier of two packets"


@v311("MQTT-2.3.1-3", change("PUBLISH", id=777), change("PUBREL", id=777))
@v311("MQTT-2.3.1-3", change("PUBLISH", nth=1, id=777))
def test_client_sends_again_under_the_same_identifier(client: Client) -> None:
    server = client.connected(client_id="c", clean_start=False, session_expiry_interval=60)
    client.publish("a", b"one", 2)
    client.publish("a", b"two", 1)
    one = server.expect(publish("a", b"one", 2)).id
    two = server.expect(publish("a", b"two", 1)).id
    server.send(pubrec(one))
    server.expect(pubrel(one))
    server.abort()
    again = client.reconnected(session_present=True)
    again.expect_all(pubrel(one), publish("a", b"two", 1, two, dup=True))


@v5("MQTT-2.2.1-5", *(change(kind, id=8) for kind in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")))
@v311("MQTT-2.3.1-6", *(change(kind, id=8) for kind in ("PUBACK", "PUBREC", "PUBREL")))
def test_client_acknowledges_under_the_identifier_of_the_message(client: Client) -> None:
    server = client.connected()
    server.send(publish("a", b"x", 1, 65535), publish("a", b"x", 1, 7), publish("a", b"x", 2, 300))
    server.expect(puback(65535), puback(7), pubrec(300))
    server.send(pubrel(300))
    server.expect(pubcomp(300))
    client.publish("a", b"x", 2)
    sent = server.expect(publish("a", b"x", 2))
    server.send(pubrec(sent.id))
    server.expect(pubrel(sent.id))


# --- properties -----------------------------------------------------------------------------------


@v5("MQTT-2.2.2-1", replace("PUBLISH", publish("a", b"x").encode(4)))
@v5("MQTT-2.2.2-1", replace("SUBSCRIBE", subscribe(1, [to("a")]).encode(4)))
@v5("MQTT-2.2.2-1", replace("UNSUBSCRIBE", unsubscribe(1, ["a"]).encode(4)))
@v5("MQTT-2.2.2-1", replace("CONNECT", connect("c", level=5).encode(4)))
def test_no_properties_of_the_client_are_a_length_of_0(client: Client) -> None:
    client.start(client_id="c")
    server = client.accept()
    server.expect(connect("c", user_property=ABSENT))
    server.send(connack(0))
    client.subscribe(to("a"))
    server.expect(subscribe(filters=[to("a")]))
    client.unsubscribe("a")
    server.expect(unsubscribe(filters=["a"]))
    client.publish("a", b"x")
    server.expect(publish("a", b"x"))


@v5("MQTT-2.2.2-1", ignores(), answers(puback(1)))
def test_client_closes_where_there_is_no_length_of_properties(client: Client) -> None:
    server = client.connected()
    server.send(publish("a", b"", 1, 1).encode(4))
    server.expect_error(0x81)


@v5("MQTT-2.2.2-1", drop("MESSAGE"), change("MESSAGE", payload=b"\0x"))
def test_client_takes_packets_without_properties(client: Client) -> None:
    server = client.connected()
    server.send(b"\x30\x05" + data("a") + b"\0" + b"x")
    client.expect(message("a", b"x"))
