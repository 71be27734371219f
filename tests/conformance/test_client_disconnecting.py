"""DISCONNECT, and how the client ends connections on which something is wrong."""

from __future__ import annotations

from .client_role import Client, offline, refused
from .packets import (
    connack,
    connect,
    disconnect,
    pingreq,
    puback,
    publish,
    subscribe,
    to,
)
from .suite import v5, v311
from .test_disconnecting import EXPLAINED
from .violations import change, drop, ignores, insert

# --- the packet -----------------------------------------------------------------------------------


@v5("MQTT-3.14.1-1", ignores(), drop("DISCONNECT"))
def test_client_takes_a_disconnect_with_flags_for_malformed(client: Client) -> None:
    server = client.connected()
    for number, flags in enumerate((1, 2, 4, 8)):
        server = client.reconnected() if number else server
        server.send(disconnect(0x8B, flags=flags))
        server.expect_error(0x81)


# What table 3-10 gives a client.
MINE = {0x00, 0x04, *range(0x80, 0x84), 0x90, *range(0x93, 0x9A)}


@v5("MQTT-3.14.2-1", *(change("DISCONNECT", reason=wrong) for wrong in (0x84, 0x01, 0x8E)))
@v5("MQTT-4.13.2-1", drop("closed"))
@v5("MQTT-3.14.4-2", drop("closed"), drop("closed", nth=0))
def test_disconnect_of_the_client_has_one_of_its_reasons(client: Client) -> None:
    server = client.connected()
    for number, reason in enumerate((0x00, 0x04, 0x98)):
        server = client.reconnected() if number else server
        client.disconnect(reason)
        assert server.expect(disconnect(reason)).reason in MINE
        server.expect_closed()


@v5("MQTT-3.14.2-1", insert(disconnect(0x8E), before="PUBACK"), drop("REFUSED"))
def test_client_does_not_disconnect_for_a_reason_of_servers(client: Client) -> None:
    server = client.connected()
    for reason in (0x8E, 0x8B, 0x85, 0x01):
        client.disconnect(reason)
        client.expect(refused())
    server.expect_nothing()


@v5("MQTT-3.14.2-2", ignores())
def test_server_says_nothing_about_session_expiry_in_disconnect(client: Client) -> None:
    server = client.connected()
    server.send(disconnect(0x8B, session_expiry_interval=5))
    server.expect_error(0x82)


@v5("MQTT-3.14.2-3", change("DISCONNECT", reason_string=EXPLAINED))
@v5("MQTT-3.14.2-4", change("DISCONNECT", user_property=[("a", "of some length")]))
def test_disconnect_of_the_client_stays_within_the_servers_maximum(client: Client) -> None:
    server = client.connected(answer={"maximum_packet_size": 20})
    pairs = [("a", "of some length")]
    client.disconnect(0x04, reason_string=EXPLAINED, user_property=pairs)
    assert len(server.expect(disconnect(0x04)).encode(5)) <= 20
    server.expect_closed()


@v5("MQTT-3.14.4-1", insert(publish("a", b"x"), before="closed"))
@v5("MQTT-3.14.4-1", insert(subscribe(1, [to("a")]), before="closed"))
@v5("MQTT-3.14.4-1", insert(pingreq(), before="closed"))
@v5("MQTT-3.14.4-2", drop("closed"))
@v311("MQTT-3.14.4-1", drop("closed"))
@v311("MQTT-3.14.4-2", insert(publish("a", b"x"), before="closed"))
@v311("MQTT-3.14.4-2", insert(subscribe(1, [to("a")]), before="closed"))
@v311("MQTT-3.14.4-2", insert(pingreq(), before="closed"))
def test_disconnect_is_the_last_of_the_client(client: Client) -> None:
    server = client.connected(max_in_flight=1)
    client.publish("a", b"0", 1)
    client.publish("a", b"1", 1)  # waits
    server.expect(publish("a", b"0", 1))
    client.disconnect()
    client.publish("a", b"2")
    client.subscribe(to("a"))
    server.expect(disconnect())
    server.expect_closed()


@v5("MQTT-3.14.4-1", insert(puback(5), before="closed"))
@v5("MQTT-3.14.4-2", drop("closed"))
def test_nothing_follows_the_error_of_the_client(client: Client) -> None:
    server = client.connected()
    server.send(connack(0), publish("a", b"x", 1, 5))
    server.expect_error(0x82)


# --- errors ---------------------------------------------------------------------------------------


@v5("MQTT-4.13.2-1", drop("closed"), drop("closed", nth=0))
def test_client_closes_after_an_error_of_the_server(client: Client) -> None:
    server = client.connected()
    server.send(disconnect(0x8B))  # and does not close
    server.expect_closed()
    client.expect(offline(0x8B))
    client.connect()
    server = client.accept()
    server.expect(connect())
    server.send(connack(0x88))
    server.expect_closed()
    client.expect(offline(0x88))
