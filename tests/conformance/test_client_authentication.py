"""AUTH and enhanced authentication, by the client: the method "m" is the application's."""

from __future__ import annotations

from typing import Any

from .client_role import Client, Server, authenticate, refused
from .packets import ABSENT, auth, connack, connect, puback, publish, suback, subscribe, to
from .suite import engine_only, v5
from .violations import answers, change, drop, ignores, insert

MINE: dict[str, Any] = {"authentication_method": "m", "authentication_data": b"1"}
MORE = auth(0x18, authentication_method="m", authentication_data=b"more")
DONE = auth(0x00, authentication_method="m", authentication_data=b"done")


def asked(client: Client, **fields: Any) -> Server:
    """A connection on which the client was asked, and its application knows."""
    client.start(client_id="c", **MINE, **fields)
    server = client.accept()
    server.expect(connect("c", **MINE))
    server.send(MORE)
    client.expect(authenticate(0x18, authentication_data=b"more"))
    return server


def online(client: Client, **fields: Any) -> Server:
    """A connection that used the method."""
    client.start(client_id="c", **MINE)
    return client.welcome(authentication_method="m", **fields)


# --- the packet -----------------------------------------------------------------------------------


@v5("MQTT-3.15.1-1", answers(MORE), ignores())
def test_client_closes_on_auth_with_flags(client: Client) -> None:
    for number, flags in enumerate((1, 2, 4, 8)):
        if number:
            client.connect()
        else:
            client.start(**MINE)
        server = client.accept()
        server.expect(connect())
        server.send(MORE.but(flags=flags))
        server.expect_closed()


@v5("MQTT-3.15.1-1", answers(MORE), ignores())
def test_client_closes_on_auth_with_flags_while_connected(client: Client) -> None:
    server = online(client)
    client.reauthenticate(b"again")
    server.expect(auth(0x19))
    server.send(DONE.but(flags=1))
    server.expect_error(0x81)


@v5("MQTT-3.15.1-1", change("AUTH", flags=1), change("AUTH", nth=0, flags=8))
@v5("MQTT-3.15.2-1", change("AUTH", reason=0x87), change("AUTH", nth=0, reason=0x01))
@v5("MQTT-4.12.0-3", change("AUTH", nth=0, reason=0x00), change("AUTH", nth=0, reason=0x19))
@v5("MQTT-4.12.0-3", change("AUTH", reason=0x19))
@v5("MQTT-4.12.0-5", change("AUTH", nth=0, authentication_method="n"))
@v5("MQTT-4.12.0-5", change("AUTH", nth=0, authentication_method=None))
@v5("MQTT-4.12.0-5", change("AUTH", authentication_method=None))
@v5("MQTT-4.12.1-1", change("AUTH", nth=1, reason=0x18), change("AUTH", nth=1, reason=0))
@v5("MQTT-4.12.1-1", change("AUTH", nth=1, authentication_method="n"))
@v5("MQTT-4.12.1-1", drop("AUTH", nth=1))
def test_client_authenticates_and_once_more(client: Client) -> None:
    server = asked(client)
    client.authenticate(b"2")
    server.expect(auth(0x18, authentication_method="m", authentication_data=b"2"))
    server.send(connack(0, authentication_method="m", authentication_data=b"done"))
    server.fence()
    client.reauthenticate(b"3")
    server.expect(auth(0x19, authentication_method="m", authentication_data=b"3"))
    server.send(publish("a", b"x", 1, 7))  # goes on meanwhile
    server.expect(puback(7))
    server.send(MORE)
    client.expect(authenticate(0x18, authentication_data=b"more"))
    client.authenticate(b"4")
    server.expect(auth(0x18, authentication_method="m", authentication_data=b"4"))
    server.send(DONE)
    client.expect(authenticate(0x00, authentication_data=b"done"))
    server.fence()


@v5("MQTT-3.15.2-1", ignores())
@v5("MQTT-4.12.0-2", ignores())
def test_client_closes_on_auth_with_a_wrong_reason(client: Client) -> None:
    for number, reason in enumerate((0x87, 0x01, 0x19, 0x00)):
        if number:
            client.connect()
        else:
            client.start(**MINE)
        server = client.accept()
        server.expect(connect())
        server.send(MORE.but(reason=reason))
        server.expect_closed()


LONG = "x" * 50


@v5("MQTT-3.15.2-2", change("AUTH", reason_string=LONG))
@v5("MQTT-3.15.2-3", change("AUTH", user_property=[("why", LONG)]))
@engine_only("Client.reauthenticate takes no properties")
def test_auth_of_the_client_stays_within_the_maximum_packet_size(client: Client) -> None:
    server = online(client, maximum_packet_size=30)
    client.reauthenticate(b"again", reason_string=LONG, user_property=[("why", LONG)])
    seen = server.expect(auth(0x19, authentication_method="m", authentication_data=b"again"))
    assert len(seen.encode(5)) <= 30


# --- the exchange ---------------------------------------------------------------------------------


@v5("MQTT-3.1.2-30", insert(publish("a", b"x", 1, 1), before="AUTH"))
@v5("MQTT-3.1.2-30", insert(subscribe(1, [to("a")]), before="AUTH"))
@v5("MQTT-3.1.2-30", insert(publish("a", b"x", 1, 1), after="AUTH", nth=0))
@engine_only("commands before CONNACK")
def test_client_sends_nothing_but_auth_before_connack(client: Client) -> None:
    server = asked(client, max_queued=10)
    client.publish("a", b"x", 1)
    client.subscribe(to("a"))
    client.authenticate(b"2")
    server.expect(auth(0x18, authentication_data=b"2"))
    server.send(MORE)
    client.expect(authenticate(0x18))
    client.publish("a", b"y")
    client.authenticate(b"3")
    server.expect(auth(0x18, authentication_data=b"3"))
    server.send(connack(0, authentication_method="m"))
    server.expect(publish("a", b"x", 1))


@v5("MQTT-4.12.0-5", ignores())
def test_client_closes_on_another_method(client: Client) -> None:
    answers_of_others = (
        MORE.but(authentication_method="n"),
        MORE.but(authentication_method=None),
        connack(0, authentication_method="n"),
        connack(0),
    )
    for number, answer in enumerate(answers_of_others):
        if number:
            client.connect()
        else:
            client.start(**MINE)
        server = client.accept()
        server.expect(connect())
        server.send(answer)
        server.expect_closed()


@v5("MQTT-4.12.0-6", ignores(), drop("closed"))
def test_client_closes_on_a_method_that_it_has_not(client: Client) -> None:
    client.start()
    for number, answer in enumerate((MORE, connack(0, authentication_method="m"))):
        if number:
            client.connect()
        server = client.accept()
        server.expect(connect(authentication_method=ABSENT))
        server.send(answer)
        server.expect_closed()


@v5("MQTT-4.12.0-7", insert(auth(0x19, authentication_method="m"), before="PUBACK"))
@v5("MQTT-4.12.0-7", insert(auth(0x18, authentication_method="m"), before="PUBACK"))
@engine_only("an answer that nobody has asked for")
def test_client_without_a_method_sends_no_auth(client: Client) -> None:
    server = client.connected()
    client.reauthenticate(b"1")
    client.expect(refused())
    client.authenticate(b"1")
    client.expect(refused())
    server.expect_nothing()


@v5("MQTT-4.12.0-7", answers(auth(0x18, authentication_method="m")), ignores())
def test_client_without_a_method_closes_on_auth(client: Client) -> None:
    server = client.connected()
    server.send(MORE)
    server.expect_error(0x82)


@v5("MQTT-4.12.0-4", drop("closed"))
def test_client_takes_a_refusal_for_the_end(client: Client) -> None:
    server = asked(client)
    client.authenticate(b"a guess")
    server.expect(auth(0x18))
    server.send(connack(0x87))
    server.expect_closed()


# --- re-authentication ----------------------------------------------------------------------------


@v5("MQTT-4.12.1-1", insert(auth(0x19, authentication_method="m"), before="AUTH"))
@engine_only("commands before CONNACK")
def test_client_does_not_re_authenticate_before_connack(client: Client) -> None:
    server = asked(client)
    client.reauthenticate(b"1")
    client.expect(refused())
    client.authenticate(b"2")
    server.expect(auth(0x18, authentication_data=b"2"))
    server.send(connack(0, authentication_method="m"))
    client.subscribe(to("a"))
    server.send(suback(server.expect(subscribe()).id, [0]))


@v5("MQTT-4.12.1-2", drop("closed"), ignores())
def test_client_closes_when_re_authentication_fails(client: Client) -> None:
    server = online(client)
    for number, answer in enumerate(
        (
            DONE.but(authentication_method="n"),
            DONE.but(reason=0x19),
            MORE.but(authentication_method=None),
        )
    ):
        if number:
            server = client.reconnected(authentication_method="m")
        client.reauthenticate(b"again")
        server.expect(auth(0x19))
        server.send(answer)
        server.expect_error(0x82)
