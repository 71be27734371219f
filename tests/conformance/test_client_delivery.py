"""Sections 4.3 to 4.6 at the client: the exchanges of QoS 1 and 2, redelivery, order."""

from __future__ import annotations

from .client_role import Client, Server, acknowledged, message
from .packets import puback, pubcomp, publish, pubrec, pubrel
from .suite import timed, v5, v311
from .violations import change, closes, drop, insert, replace, swap, twice

NO_SUBSCRIBERS = 0x10  # a reason code below 0x80; in 3.1.1 there are none


def staying(client: Client) -> Server:
    """Connected, with a session that outlives the connection."""
    return client.connected(
        client_id="c", clean_start=False, session_expiry_interval=3600, keep_alive=0
    )


def back(client: Client, server: Server) -> Server:
    """The connection breaks, and the client comes back to its session."""
    server.abort()
    return client.reconnected(session_present=True)


# --- the client sends -----------------------------------------------------------------------------

SAME_ID = change("PUBLISH", id=lambda last: last - 1)  # identifiers are given out one by one


@v5("MQTT-4.3.2-1", SAME_ID)
@v5("MQTT-4.3.2-2", change("PUBLISH", dup=True), change("PUBLISH", qos=0), change("PUBLISH", id=0))
@v311("MQTT-4.3.2-1", SAME_ID, change("PUBLISH", dup=True), change("PUBLISH", qos=0))
def test_qos_1_of_the_client_has_an_identifier_of_its_own(client: Client) -> None:
    server = client.connected()
    sent = []
    for text in (b"0", b"1", b"2"):
        client.publish("a", text, 1)
        sent.append(server.expect(publish("a", text, 1, dup=False)).id)
    assert len(set(sent)) == 3


@v5("MQTT-4.3.3-1", SAME_ID)
@v5("MQTT-4.3.3-2", change("PUBLISH", dup=True), change("PUBLISH", qos=1), change("PUBLISH", id=0))
@v311("MQTT-4.3.3-1", SAME_ID, change("PUBLISH", dup=True), change("PUBLISH", qos=1))
def test_qos_2_of_the_client_has_an_identifier_of_its_own(client: Client) -> None:
    server = client.connected()
    sent = []
    for text in (b"0", b"1", b"2"):
        client.publish("a", text, 2)
        seen = server.expect(publish("a", text, 2, dup=False))
        sent.append(seen.id)
        server.send(pubrec(seen.id))  # an identifier is in use until PUBCOMP
        server.expect(pubrel(seen.id))
    assert len(set(sent)) == 3


AGAIN = publish("a", b"x", 1, 1, dup=True)


@v5("MQTT-3.3.1-1", change("PUBLISH", dup=False, peer="server2"))
@v311("MQTT-3.3.1-1", change("PUBLISH", dup=False, peer="server2"))
@v5("MQTT-4.3.2-3", drop("PUBLISH"), insert(AGAIN, before="PUBACK"))
@v311("MQTT-4.3.2-1", drop("PUBLISH"), insert(AGAIN, before="PUBACK"))
@v5("MQTT-4.4.0-1", drop("PUBLISH"), change("PUBLISH", id=99), twice("PUBLISH"))
@v311("MQTT-4.4.0-1", drop("PUBLISH"), change("PUBLISH", id=99))
def test_client_sends_qos_1_again_until_puback(client: Client) -> None:
    server = staying(client)
    client.publish("a", b"x", 1)
    sent = server.expect(publish("a", b"x", 1, dup=False))
    again = back(client, server)
    again.expect(publish("a", b"x", 1, sent.id, dup=True))
    again.send(puback(sent.id))
    again.expect_nothing()
    back(client, again).expect_nothing()


SECOND = AGAIN.but(qos=2)


@v5("MQTT-3.3.1-1", change("PUBLISH", dup=False))
@v311("MQTT-3.3.1-1", change("PUBLISH", dup=False))
@v5("MQTT-4.3.3-3", drop("PUBLISH"))
@v5("MQTT-4.3.3-4", drop("PUBREL", nth=0), change("PUBREL", nth=0, id=99))
@v5("MQTT-4.3.3-5", drop("PUBREL"), insert(pubrel(1), before="PUBACK"))
@v5("MQTT-4.3.3-6", insert(SECOND, before="PUBREL"), insert(SECOND, after="PUBREL"))
@v311("MQTT-4.3.3-1", drop("PUBLISH"), drop("PUBREL", nth=0), change("PUBREL", nth=0, id=99))
@v311("MQTT-4.3.3-1", drop("PUBREL"), insert(pubrel(1), before="PUBACK"))
@v311("MQTT-4.3.3-1", insert(SECOND, before="PUBREL"), insert(SECOND, after="PUBREL"))
@v5("MQTT-4.4.0-1", change("PUBLISH", id=99), change("PUBREL", id=99), drop("PUBREL"))
@v311("MQTT-4.4.0-1", change("PUBLISH", id=99), change("PUBREL", id=99), drop("PUBREL"))
def test_client_sends_qos_2_again_until_pubrec_and_pubrel_until_pubcomp(client: Client) -> None:
    server = staying(client)
    client.publish("a", b"x", 2)
    sent = server.expect(publish("a", b"x", 2, dup=False))
    again = back(client, server)
    again.expect(publish("a", b"x", 2, sent.id, dup=True))
    again.send(pubrec(sent.id, NO_SUBSCRIBERS))
    again.expect(pubrel(sent.id))
    third = back(client, again)
    third.expect(pubrel(sent.id))
    third.expect_nothing()
    third.send(pubcomp(sent.id))
    third.expect_nothing()
    back(client, third).expect_nothing()


@v5("MQTT-3.3.4-7", insert(AGAIN.but(payload=b"1", id=2), before="PUBACK", nth=0))
@v5("MQTT-3.3.4-7", insert(AGAIN.but(payload=b"3", id=4, dup=False), before="PUBACK"))
def test_client_keeps_to_the_new_receive_maximum(client: Client) -> None:
    server = client.connected(
        {"receive_maximum": 2}, client_id="c", clean_start=False, session_expiry_interval=3600
    )
    for text in (b"0", b"1", b"2", b"3"):
        client.publish("a", text, 1)
    sent = [server.expect(publish("a", text, 1, dup=False)).id for text in (b"0", b"1")]
    server.abort()
    again = client.reconnected(session_present=True, receive_maximum=1)
    for text, id in zip((b"0", b"1"), sent, strict=True):
        again.expect(publish("a", text, 1, id, dup=True))
        again.expect_nothing()
        again.send(puback(id))
    again.expect(publish("a", b"2", 1, dup=False))
    again.expect_nothing()


@v5("MQTT-4.4.0-1", insert(AGAIN, before="PUBACK"), insert(pubrel(2), before="PUBACK"))
@timed
def test_client_sends_nothing_again_on_the_same_connection(client: Client) -> None:
    server = staying(client)
    client.publish("a", b"x", 1)
    client.publish("a", b"y", 2)
    server.expect(publish("a", b"x", 1))
    sent = server.expect(publish("a", b"y", 2))
    server.send(pubrec(sent.id))
    server.expect(pubrel(sent.id))
    client.elapse("1h")
    server.expect_nothing()


@v5("MQTT-4.3.3-7", drop("PUBLISH"), replace("PUBLISH", pubrel(1)))
@timed
def test_client_lets_nothing_expire_that_it_has_sent(client: Client) -> None:
    server = staying(client)
    client.publish("a", b"x", 2, message_expiry_interval=5)
    sent = server.expect(publish("a", b"x", 2))
    client.elapse("10s")
    back(client, server).expect(publish("a", b"x", 2, sent.id, dup=True))


@v5("MQTT-4.4.0-2", insert(AGAIN, before="PUBACK"), insert(SECOND, before="PUBACK"))
@v5("MQTT-4.4.0-2", insert(pubrel(2), before="PUBACK", nth=0))
def test_client_sends_nothing_again_that_was_refused(client: Client) -> None:
    server = staying(client)
    client.publish("a", b"x", 1)
    client.publish("a", b"y", 2)
    one, two = (server.expect(publish("a", b)) for b in (b"x", b"y"))
    server.send(puback(one.id, 0x80), pubrec(two.id, 0x97))
    client.expect(acknowledged(0x80, 1), acknowledged(0x97, 2))
    server.expect_nothing()
    back(client, server).expect_nothing()


# --- the client receives --------------------------------------------------------------------------


@v5("MQTT-4.3.2-4", drop("PUBACK"), change("PUBACK", id=8), closes(instead_of="PUBACK"))
@v5("MQTT-4.3.2-5", drop("MESSAGE"), drop("MESSAGE", nth=1), drop("PUBACK"))
@v311("MQTT-4.3.2-2", drop("PUBACK"), change("PUBACK", id=8), drop("MESSAGE"))
def test_identifier_is_free_for_the_client_after_puback(client: Client) -> None:
    server = client.connected()
    for dup in (False, True, False):
        server.send(publish("a", b"x", 1, 7, dup=dup))
        server.expect(puback(7))
        client.expect(message("a", b"x", 1))


TWICE = insert(message("a", b"x", 2), after="MESSAGE", nth=0)


@v5("MQTT-4.3.3-8", drop("PUBREC", nth=0), change("PUBREC", nth=0, id=8))
@v5("MQTT-4.3.3-10", drop("PUBREC", nth=1), drop("PUBREC", nth=2), TWICE)
@v5("MQTT-4.3.3-11", drop("PUBCOMP", nth=0), change("PUBCOMP", nth=0, id=8))
@v5("MQTT-4.3.3-12", drop("MESSAGE"), change("MESSAGE", payload=b"x"), drop("PUBREC"))
@v311("MQTT-4.3.3-2", drop("PUBREC", nth=0), change("PUBREC", nth=0, id=8))
@v311("MQTT-4.3.3-2", drop("PUBREC", nth=1), drop("PUBREC", nth=2), TWICE)
@v311("MQTT-4.3.3-2", drop("PUBCOMP", nth=0), change("PUBCOMP", nth=0, id=8))
@v311("MQTT-4.3.3-2", drop("MESSAGE"), change("MESSAGE", payload=b"x"))
def test_client_hears_a_qos_2_message_once(client: Client) -> None:
    server = staying(client)
    for dup in (False, True, False):  # the flag does not matter
        server.send(publish("a", b"x", 2, 7, dup=dup))
        server.expect(pubrec(7))
    again = back(client, server)
    again.send(publish("a", b"x", 2, 7, dup=True))
    again.expect(pubrec(7))
    again.send(pubrel(7))
    again.expect(pubcomp(7))
    client.expect(message("a", b"x", 2))
    again.send(publish("a", b"y", 2, 7, dup=True))
    again.expect(pubrec(7))
    again.send(pubrel(7))
    again.expect(pubcomp(7))
    client.expect(message("a", b"y", 2))


REFUSING = change("PUBREC", reason=0x80, nth=0) + drop("PUBCOMP", nth=0) + drop("MESSAGE", nth=0)


@v5("MQTT-4.3.3-9", REFUSING + drop("MESSAGE"), REFUSING + drop("PUBREC"))
def test_identifier_is_free_after_a_refusal_of_the_client(client: Client) -> None:
    server = client.connected()
    server.send(publish("a", b"x", 2, 7))
    if server.expect(pubrec(7)).reason < 0x80:  # which is what our client always says
        client.expect(message("a", b"x", 2))
        server.send(pubrel(7))
        server.expect(pubcomp(7))
    server.send(publish("a", b"y", 2, 7))
    server.expect(pubrec(7))
    client.expect(message("a", b"y", 2))


@v5("MQTT-4.3.3-13", drop("PUBCOMP"), change("PUBCOMP", reason=0x92), closes(instead_of="PUBCOMP"))
@timed
def test_client_completes_qos_2_though_the_message_has_expired(client: Client) -> None:
    server = staying(client)
    server.send(publish("a", b"x", 2, 7, message_expiry_interval=1))
    server.expect(pubrec(7, 0))
    client.elapse("5s")
    server.send(pubrel(7))
    server.expect(pubcomp(7, 0))


# --- order ----------------------------------------------------------------------------------------


@v5("MQTT-4.6.0-1", swap("PUBLISH", "PUBLISH"), drop("PUBLISH"))
@v311("MQTT-4.6.0-1", swap("PUBLISH", "PUBLISH"), drop("PUBLISH"))
def test_client_sends_again_in_the_order_of_before(client: Client) -> None:
    server = staying(client)
    first = []
    for text, qos in ((b"0", 1), (b"1", 2), (b"2", 2), (b"3", 1), (b"4", 1)):
        client.publish("a", text, qos)
        first.append(server.expect(publish("a", text, qos)))
    server.send(puback(first[3].id))
    client.expect(acknowledged(qos=1))
    again = back(client, server)
    for sent in (first[0], first[1], first[2], first[4]):
        again.expect(publish("a", sent.payload, sent.qos, sent.id, dup=True))


@v5("MQTT-4.6.0-2", swap("PUBACK", "PUBACK"))
@v311("MQTT-4.6.0-2", swap("PUBACK", "PUBACK"))
@v5("MQTT-4.6.0-3", swap("PUBREC", "PUBREC"))
@v311("MQTT-4.6.0-3", swap("PUBREC", "PUBREC"))
def test_client_acknowledges_in_the_order_of_messages(client: Client) -> None:
    server = client.connected()
    server.send(*(publish("a", b"x", 1, id) for id in (9, 3, 7)))
    server.expect(puback(9), puback(3), puback(7))
    server.send(*(publish("a", b"x", 2, id) for id in (8, 2, 5)))
    server.expect(pubrec(8), pubrec(2), pubrec(5))


@v5("MQTT-4.6.0-4", swap("PUBREL", "PUBREL"), swap("PUBREL", "PUBREL", peer="server1"))
@v311("MQTT-4.6.0-4", swap("PUBREL", "PUBREL"), swap("PUBREL", "PUBREL", peer="server1"))
def test_client_releases_in_the_order_of_pubrec(client: Client) -> None:
    server = staying(client)
    sent = []
    for text in (b"0", b"1", b"2"):
        client.publish("a", text, 2)
        sent.append(server.expect(publish("a", text, 2)).id)
    order = (sent[2], sent[0], sent[1])
    server.send(*(pubrec(id) for id in order))
    server.expect(*(pubrel(id) for id in order))
    back(client, server).expect(*(pubrel(id) for id in order))
