"""DISCONNECT, and how the broker ends connections on which something is wrong."""

from __future__ import annotations

from .broker_role import Broker
from .conversation import Peer
from .packets import (
    ABSENT,
    Packet,
    auth,
    connack,
    connect,
    disconnect,
    is_error,
    pingreq,
    pingresp,
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

BYE = disconnect(0x82)
EXPLAINED = "a reason of many words"


def small(value: str | list[tuple[str, str]] | None) -> bool:
    """Whether a reason string, or user properties, fit into a DISCONNECT of 20 bytes."""
    if isinstance(value, str):
        return 4 + 3 + len(value) <= 20
    return 4 + sum(5 + len(name) + len(text) for name, text in value or []) <= 20


def expect_the_end(peer: Peer, reason: int | None = None) -> None:
    """DISCONNECT for what is malformed or wrong (or for this reason), and the end."""
    peer.expect_refused(*map(disconnect, [0x81, 0x82] if reason is None else [reason]))


# --- the packet -----------------------------------------------------------------------------------


@v5("MQTT-3.14.0-1", insert(BYE, before="closed"), insert(BYE, before="closed", nth=0))
@v5("MQTT-3.14.0-1", insert(BYE, before="CONNACK"))
def test_no_disconnect_before_connack(broker: Broker) -> None:
    for packet in (pingreq(), b"\0\0", connect("c", length=b"\xff\xff\xff\xff\x01")):
        peer = broker.peer()
        peer.send(packet)
        peer.expect_closed()
    peer = broker.peer()
    peer.send(connect("c", connect_flags=0x03), pingreq())
    peer.expect_rejected(0x81)  # which is the end, without DISCONNECT


@v5("MQTT-3.14.1-1", ignores(), drop("DISCONNECT"), change("DISCONNECT", reason=0x00))
@v311("MQTT-3.14.1-1", ignores(peer="c"), drop("PUBLISH"))
def test_disconnect_with_flags_is_malformed(broker: Broker) -> None:
    watcher = broker.connected("watcher")
    watcher.subscribe("will")
    for flags in (1, 2, 4, 8):
        peer = broker.connected("c", will=will("will"))
        peer.send(disconnect(flags=flags))
        peer.expect_error(0x81)
        watcher.expect(publish("will"))  # it is no goodbye


@v5("MQTT-3.14.2-1", *(change("DISCONNECT", reason=wrong) for wrong in (0x84, 0x10, 0x92)))
@v5("MQTT-3.14.2-2", change("DISCONNECT", session_expiry_interval=0))
@v5("MQTT-3.14.2-2", change("DISCONNECT", nth=0, session_expiry_interval=5))
@v5("MQTT-4.13.2-1", drop("closed"), drop("closed", nth=0))
def test_disconnect_of_the_broker(broker: Broker) -> None:
    broker.start(maximum_qos=1, retain_available=False, maximum_packet_size=100)
    for packet in (
        connect("c"),
        subscribe(1, []),
        publish("a/#", b"x"),
        publish("a", b"x" * 100),
        publish("a", b"x", retain=True),
        publish("a", b"x", 2, 1),
        publish("a", b"x", topic_alias=0),
        publish("", b"x", topic_alias=1),
        auth(0x19, authentication_method="m"),
        unsuback(1, [0]),
    ):
        peer = broker.connected(session_expiry_interval=10)
        peer.send(packet)
        peer.expect_refused(disconnect(is_error, session_expiry_interval=ABSENT))


@v5("MQTT-3.14.2-1", change("DISCONNECT", reason=0x91), drop("closed"))
@v5("MQTT-3.14.2-2", change("DISCONNECT", session_expiry_interval=0))
@v5("MQTT-3.14.4-1", insert(publish("a", b"x"), before="closed"))
@v5("MQTT-3.14.4-2", drop("closed"))
def test_disconnect_of_one_whose_session_is_taken_over(broker: Broker) -> None:
    first = broker.keeping_session("c")
    first.subscribe("a", 1)
    second = broker.keeping_session("c")
    broker.connected("other").publish("a")
    second.expect(publish("a", b"x", 1))
    first.expect_refused(disconnect(0x8E, session_expiry_interval=ABSENT))


@v5("MQTT-3.14.2-1", ignores())
def test_disconnect_has_one_of_its_reasons(broker: Broker) -> None:
    for reason in (0x01, 0x7F, 0x85, 0xFF):
        peer = broker.connected()
        peer.send(disconnect(reason))
        peer.expect_refused(disconnect(0x82), disconnect(0x81))


@v5("MQTT-3.14.2-3", change("DISCONNECT", reason_string=EXPLAINED))
@v5("MQTT-3.14.2-3", change("DISCONNECT", nth=0, reason_string=EXPLAINED))
@v5("MQTT-3.14.2-4", change("DISCONNECT", user_property=[("a", "of some length")]))
@v5("MQTT-3.14.2-4", change("DISCONNECT", nth=0, user_property=[("a", "of some length")]))
def test_disconnect_stays_within_the_clients_maximum(broker: Broker) -> None:
    for packet in (
        connect("c"),
        auth(0x19, authentication_method="m"),
        subscribe(0, [to("a")]),
    ):
        peer = broker.connected(maximum_packet_size=20)
        peer.send(packet)
        peer.expect_refused(disconnect(is_error, reason_string=small, user_property=small))


@v5("MQTT-3.14.4-1", insert(pingresp(), before="closed"))
@v5("MQTT-3.14.4-1", insert(suback(1, [0]), before="closed"))
@v5("MQTT-3.14.4-1", insert(publish("a", b"x"), before="closed"))
@v5("MQTT-3.14.4-2", drop("closed"), drop("closed", nth=0))
def test_disconnect_is_the_last_packet(broker: Broker) -> None:
    for wrong in (connect("c"), publish("a", b"", 3, 1)):
        peer = broker.connected()
        peer.subscribe("a")
        peer.send(wrong, pingreq(), subscribe(1, [to("b")]), publish("a", b"x"))
        peer.expect_refused(disconnect(is_error))


# --- errors ---------------------------------------------------------------------------------------

MALFORMED: list[Packet | bytes] = [
    b"\0\0",  # there is no such type
    b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
    publish("a", b"", 1, 1, cut=2),
    puback(1, tail=b"\0\0\0\0"),
    pingreq(tail=b"\0"),
    unsubscribe(1, ["a"], cut=1),
    subscribe(1, [to("a")], cut=1),
]


@v5("MQTT-4.13.1-1", ignores(), drop("closed", nth=0), change("DISCONNECT", reason=0))
def test_malformed_packets_end_the_connection(broker: Broker) -> None:
    for packet in MALFORMED:
        peer = broker.connected()
        peer.send(packet)
        expect_the_end(peer)


@v5("MQTT-4.13.1-1", ignores(), answers(suback(1, [0])), change("DISCONNECT", reason=0))
def test_packets_that_only_servers_send_end_the_connection(broker: Broker) -> None:
    for packet in (connack(0), suback(1, [0]), unsuback(1, [0]), pingresp()):
        peer = broker.connected()
        peer.send(packet)
        expect_the_end(peer)


@v5("MQTT-4.13.1-1", ignores(), answers(puback(1)), change("DISCONNECT", reason=0))
def test_wrong_properties_end_the_connection(broker: Broker) -> None:
    for reason, packet in (
        (None, b"\x30\x06" + b"\0\1a" + b"\x02\x7f\x00"),  # no such property
        (None, subscribe(1, [to("a")], topic_alias=1)),  # not there
        (None, subscribe(1, [to("a")], subscription_identifier=0)),
        (None, publish("a", b"x", payload_format_indicator=2)),
        (None, publish("", b"x", 1, 1)),
        (0x94, publish("a", b"x", topic_alias=0)),
        (None, disconnect(session_expiry_interval=1)),  # of a session that ends with the connection
        (None, publish("a", b"x", 1, 1, topic_alias_maximum=5)),
        (None, publish("a", b"x", 1, 1, content_type=["a", "b"])),  # twice
    ):
        peer = broker.connected()
        peer.send(packet)
        expect_the_end(peer, reason)


@v5("MQTT-4.13.1-1", answers(connack(0)), drop("closed"), ignores())
def test_wrong_properties_of_connect_end_the_connection(broker: Broker) -> None:
    for fields in (
        {"receive_maximum": 0},
        {"request_problem_information": 2},
        {"authentication_data": b"data"},  # without a method
        {"session_expiry_interval": [1, 1]},
        {"will": will("t", will_delay_interval=[1, 1])},
    ):
        peer = broker.peer()
        peer.send(connect("c", **fields))
        peer.expect_refused(connack(0x82), connack(0x81))


@v5("MQTT-4.13.2-1", drop("closed"))
def test_connack_with_an_error_is_the_end(broker: Broker) -> None:
    broker.start(allow_anonymous=False)
    for client in (connect("c"), connect("c", connect_flags=3), connect("c", level=9)):
        peer = broker.peer()
        peer.send(client, pingreq())
        peer.expect_refused(connack(is_error))
