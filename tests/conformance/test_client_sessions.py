"""How long the client's part of a session lasts."""

from __future__ import annotations

from .client_role import Client, message
from .packets import connack, connect, pubcomp, publish, pubrec, pubrel
from .suite import timed, v5, v311
from .violations import change, drop, insert, twice


@v5("MQTT-4.1.0-1", twice("MESSAGE", nth=0), change("PUBCOMP", reason=0x92))
@v311("MQTT-4.1.0-1", twice("MESSAGE", nth=0))
@v311("MQTT-4.1.0-2", twice("MESSAGE", nth=0))
@timed
def test_session_of_the_client_lasts_as_long_as_its_connection(client: Client) -> None:
    server = client.connected(client_id="c", clean_start=True, keep_alive=0)
    server.send(publish("a", b"x", 2, 5))
    server.expect(pubrec(5))
    client.elapse("2h")
    server.send(publish("a", b"x", 2, 5, dup=True))
    server.expect(pubrec(5))
    server.send(pubrel(5))
    server.expect(pubcomp(5, 0))
    client.expect(message("a", b"x", 2))
    client.expect_none(server, "MESSAGE")  # it is known as the same message


@v5("MQTT-4.1.0-1", drop("PUBREL"), change("PUBREL", id=300))
@v311("MQTT-4.1.0-1", drop("PUBREL"), change("PUBREL", id=300))
@v311("MQTT-4.1.0-2", drop("PUBREL"), change("PUBREL", id=300))
@timed
def test_messages_of_the_client_last_as_long_as_its_connection(client: Client) -> None:
    server = client.connected(client_id="c", clean_start=True, keep_alive=0)
    client.publish("a", b"x", 2)
    sent = server.expect(publish("a", b"x", 2))
    client.elapse("2h")
    server.send(pubrec(sent.id))
    server.expect(pubrel(sent.id))


@v311("MQTT-4.1.0-1", drop("PUBREL"), drop("PUBLISH"), insert(message("b"), before="MESSAGE"))
@timed
def test_client_stores_its_session(client: Client) -> None:
    server = client.connected(client_id="c", clean_start=False)
    client.publish("a", b"one", 2)
    client.publish("a", b"two", 2)
    one = server.expect(publish("a", b"one", 2)).id
    two = server.expect(publish("a", b"two", 2)).id
    server.send(pubrec(one), publish("b", b"x", 2, 5))
    server.expect(pubrel(one), pubrec(5))
    client.expect(message("b", b"x"))
    server.abort()
    client.elapse("2h")
    again = client.reconnected(session_present=True)
    again.expect(pubrel(one), publish("a", b"two", 2, two, dup=True))
    again.send(publish("b", b"x", 2, 5, dup=True))
    again.expect(pubrec(5))
    client.expect_none(again, "MESSAGE")


@v5("MQTT-3.2.2-5", change("PUBLISH", dup=True), drop("MESSAGE", nth=1))
@v5("MQTT-3.2.2-5", insert(pubrel(1), after="CONNECT"))
@v5("MQTT-3.2.2-5", change("MESSAGE", nth=1, payload=b"x"))
def test_client_discards_its_session_where_the_server_has_none(client: Client) -> None:
    server = client.connected(client_id="c", clean_start=False, session_expiry_interval=60)
    client.publish("a", b"one", 2)
    client.publish("a", b"two", 1)
    one = server.expect(publish("a", b"one", 2)).id
    server.expect(publish("a", b"two", 1))
    server.send(pubrec(one), publish("b", b"x", 2, 5))
    server.expect(pubrel(one), pubrec(5))
    client.expect(message("b", b"x"))
    server.abort()
    client.connect()
    again = client.accept()
    again.expect(connect("c"))
    again.send(connack(0, session_present=False))
    again.expect(publish("a", b"two", 1, dup=False))  # as a new message, not one of the session
    again.send(publish("b", b"y", 2, 5))  # and so is this, whatever its identifier
    again.expect(pubrec(5, 0))
    client.expect(message("b", b"y", 2))
    again.expect_nothing()
