"""CONNECT and CONNACK, as the client sends and takes them."""

from __future__ import annotations

from .client_role import Client, message, online, refused
from .packets import SURROGATE, connack, connect, pingreq, pingresp, puback, publish, will
from .suite import engine_only, timed, v5, v311
from .violations import change, closes, drop, insert, late, twice


@v5("MQTT-3.1.0-1", insert(pingreq(), before="CONNECT"), drop("CONNECT"))
@v311("MQTT-3.1.0-1", insert(pingreq(), before="CONNECT"), drop("CONNECT"))
def test_client_begins_with_connect(client: Client) -> None:
    client.start(client_id="c")
    client.accept().expect(connect("c"))


@v5("MQTT-3.2.2-21", drop("PINGREQ"), late("PINGREQ", 100))
@v5("MQTT-3.1.2-21", drop("PINGREQ"), late("PINGREQ", 100))
@timed
def test_client_uses_the_servers_keep_alive(client: Client) -> None:
    server = client.connected(answer={"server_keep_alive": 10}, keep_alive=1000)
    server.expect(pingreq(), within="10s")


@v5("MQTT-3.1.2-20", drop("PINGREQ"), late("PINGREQ", 20))
@v311("MQTT-3.1.2-23", drop("PINGREQ"), late("PINGREQ", 20))
@timed
def test_client_pings_within_its_keep_alive(client: Client) -> None:
    server = client.connected(keep_alive=10)
    for _ in range(3):
        server.expect(pingreq(), within="10s")
        server.send(pingresp())


@v5("MQTT-3.1.2-11", change("CONNECT", connect_flags=0x0A))
@v311("MQTT-3.1.2-13", change("CONNECT", connect_flags=0x0A))
@v5("MQTT-3.1.2-13", change("CONNECT", connect_flags=0x22))
@v311("MQTT-3.1.2-15", change("CONNECT", connect_flags=0x22))
@v5("MQTT-3.1.2-16", change("CONNECT", user_name="u", connect_flags=0x02))
@v311("MQTT-3.1.2-18", change("CONNECT", user_name="u", connect_flags=0x02))
@v5("MQTT-3.1.2-18", change("CONNECT", password=b"p", connect_flags=0x02))
@v311("MQTT-3.1.2-20", change("CONNECT", password=b"p", connect_flags=0x02))
@v311("MQTT-3.1.2-11", change("CONNECT", will=will("t"), connect_flags=0x02))
def test_plain_connect_has_nothing_more(client: Client) -> None:
    client.start(client_id="c", clean_start=True)
    client.accept().expect(connect("c", True, will=None, user_name=None, password=None))


@v5("MQTT-3.2.2-4", drop("closed"))
def test_client_has_no_session_and_the_server_has(client: Client) -> None:
    client.start(client_id="c", clean_start=True)
    server = client.accept()
    server.expect(connect())
    server.send(connack(0, session_present=True))
    server.expect_refused()


EVERYTHING = {
    "client_id": "c",
    "keep_alive": 30,
    "will": will("t", b"gone", 2, True),
    "user_name": "u",
    "password": b"p",
}


@v5("MQTT-3.1.2-1", change("CONNECT", protocol_name="MQTX"))
@v5("MQTT-3.1.2-9", change("CONNECT", will=None, connect_flags=0xF6), change("CONNECT", will=None))
@v311("MQTT-3.1.2-9", change("CONNECT", will=None, connect_flags=0xF6))
@v5("MQTT-3.1.2-12", change("CONNECT", connect_flags=0xFE))
@v311("MQTT-3.1.2-14", change("CONNECT", connect_flags=0xFE))
@v5("MQTT-3.1.2-17", change("CONNECT", user_name=None, connect_flags=0xF6))
@v311("MQTT-3.1.2-19", change("CONNECT", user_name=None, connect_flags=0xF6))
@v5("MQTT-3.1.2-19", change("CONNECT", password=None, connect_flags=0xF6))
@v311("MQTT-3.1.2-21", change("CONNECT", password=None, connect_flags=0xF6))
@v5("MQTT-3.1.3-1", change("CONNECT", client_id="u", user_name="c"))
@v311("MQTT-3.1.3-1", change("CONNECT", client_id="u", user_name="c"))
@v5("MQTT-3.1.3-3", change("CONNECT", cut=3), change("CONNECT", client_id=""))
@v311("MQTT-3.1.3-3", change("CONNECT", cut=3), change("CONNECT", client_id=""))
def test_connect_has_what_its_flags_say(client: Client) -> None:
    client.start(**EVERYTHING)
    client.accept().expect(connect(**EVERYTHING, clean_start=True, protocol_name="MQTT"))


@v311("MQTT-3.1.2-22", drop("REFUSED"))
def test_client_has_no_password_without_a_user_name(client: Client) -> None:
    client.start(client_id="c", password=b"p")
    client.expect(refused())
    client.expect_no_connection(during="1s")


@v5("MQTT-3.1.3-4", drop("REFUSED"))
@v311("MQTT-3.1.3-4", drop("REFUSED"))
def test_client_identifier_of_the_client_is_utf8(client: Client) -> None:
    client.start(client_id=SURROGATE)
    client.expect(refused())
    client.expect_no_connection(during="1s")


@v5("MQTT-3.1.3-11", drop("REFUSED"))
@v311("MQTT-3.1.3-10", drop("REFUSED"))
def test_will_topic_of_the_client_is_utf8(client: Client) -> None:
    client.start(client_id="c", will=will(SURROGATE))
    client.expect(refused())
    client.expect_no_connection(during="1s")


@v5("MQTT-3.1.3-12", drop("REFUSED"))
@v311("MQTT-3.1.3-11", drop("REFUSED"))
def test_user_name_of_the_client_is_utf8(client: Client) -> None:
    client.start(client_id="c", user_name=SURROGATE)
    client.expect(refused())
    client.expect_no_connection(during="1s")


@v311("MQTT-3.1.3-7", change("CONNECT", clean_start=False))
def test_client_without_an_identifier_starts_clean(client: Client) -> None:
    client.start(client_id="", clean_start=False)
    client.accept().expect(connect("", True))


# --- sessions -------------------------------------------------------------------------------------


@v5("MQTT-3.1.2-23", drop("PUBLISH"), change("PUBLISH", id=9), change("PUBLISH", dup=False))
@v311("MQTT-3.1.2-4", drop("PUBLISH"), change("PUBLISH", id=9), change("PUBLISH", dup=False))
@v5("MQTT-3.1.3-2", change("CONNECT", client_id="d"))
@v311("MQTT-3.1.3-2", change("CONNECT", client_id="d"))
def test_client_keeps_its_session(client: Client) -> None:
    server = client.connected(client_id="c", clean_start=False, session_expiry_interval=3600)
    client.publish("a", b"x", 1)
    sent = server.expect(publish("a", b"x", 1, dup=False))
    server.abort()
    client.connect()
    again = client.accept()
    again.expect(connect("c", False))
    again.send(connack(0, session_present=True))
    again.expect(publish("a", b"x", 1, sent.id, dup=True))


@v5("MQTT-3.1.2-4", change("PUBLISH", dup=True), change("CONNECT", clean_start=False))
@v311("MQTT-3.1.2-6", change("PUBLISH", dup=True), change("CONNECT", clean_start=False))
@engine_only("Client gives up unsent messages together with its session")
def test_client_forgets_its_session_with_clean_start(client: Client) -> None:
    server = client.connected(client_id="c", clean_start=True)
    client.publish("a", b"x", 1)
    server.expect(publish("a", b"x", 1, dup=False))
    server.abort()
    client.connect()
    again = client.accept()
    again.expect(connect("c", True))
    again.send(connack(0, session_present=False))
    again.expect(publish("a", b"x", 1, dup=False))  # as a new message


@v5("MQTT-4.5.0-2", drop("PUBACK"), twice("PUBACK", nth=0), closes(instead_of="PUBACK"))
def test_client_acknowledges(client: Client) -> None:
    server = client.connected()
    server.send(publish("a", b"x", 1, 5), publish("a", b"y", 0))
    server.expect(puback(5, 0))
    server.expect_nothing()
    client.expect(online(False), message("a", b"x", 1), message("a", b"y", 0))
