"""PUBLISH, as the client sends and takes it."""

from __future__ import annotations

from .client_role import Client, message, refused, subscribed
from .packets import (
    ABSENT,
    NOT_UTF8,
    SURROGATE,
    disconnect,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    to,
)
from .suite import v5, v311
from .violations import answers, change, closes, drop, ignores, insert, replace

# --- flags ----------------------------------------------------------------------------------------


@v5("MQTT-3.3.1-2", change("PUBLISH", dup=True))
@v311("MQTT-3.3.1-2", change("PUBLISH", dup=True))
@v5("MQTT-4.3.1-1", change("PUBLISH", dup=True), change("PUBLISH", qos=1, id=1), drop("PUBLISH"))
@v311("MQTT-4.3.1-1", change("PUBLISH", dup=True), change("PUBLISH", qos=1, id=1), drop("PUBLISH"))
def test_client_sends_qos_0_without_dup(client: Client) -> None:
    server = client.connected()
    client.publish("a", b"x", 0)
    server.expect(publish("a", b"x", 0, dup=False))


@v5("MQTT-3.3.1-4", ignores(), answers(puback(1)), change("PUBLISH", qos=3, id=1))
@v311("MQTT-3.3.1-4", ignores(), answers(puback(1)), change("PUBLISH", qos=3, id=1))
def test_client_knows_no_qos_3(client: Client) -> None:
    server = client.connected()
    client.publish("a", b"x", 2)
    server.expect(publish("a", b"x", 2))
    server.send(publish("a", b"x", 3, 1))
    server.expect_error()


# --- topic and properties -------------------------------------------------------------------------


@v5("MQTT-3.3.2-1", change("PUBLISH", topic=b"\xff"), change("PUBLISH", topic="b"))
@v5("MQTT-3.3.2-1", drop("REFUSED"), ignores(), answers(puback(1)))
@v311("MQTT-3.3.2-1", change("PUBLISH", topic=b"\xff"), change("PUBLISH", topic="b"))
@v311("MQTT-3.3.2-1", drop("REFUSED"), ignores(), answers(puback(1)))
def test_topic_name_of_the_client_is_utf8(client: Client) -> None:
    server = client.connected()
    client.publish("ä/€/𝄞")
    server.expect(publish("ä/€/𝄞"))
    client.publish(SURROGATE)
    client.expect(refused())
    server.expect_nothing()
    server.send(publish(NOT_UTF8, b"x", 1, 1))
    server.expect_error()


@v5("MQTT-3.3.2-2", drop("REFUSED"), insert(publish("a/#"), before="PUBACK"))
@v311("MQTT-3.3.2-2", drop("REFUSED"), insert(publish("a/#"), before="PUBACK"))
def test_client_publishes_to_no_wildcard(client: Client) -> None:
    server = client.connected()
    for topic in ("#", "+/a", "a/#"):
        client.publish(topic)
        client.expect(refused())
    server.expect_nothing()


@v5("MQTT-3.3.2-13", change("PUBLISH", response_topic=b"\xff"), drop("REFUSED"), ignores())
def test_response_topic_of_the_client_is_utf8(client: Client) -> None:
    server = client.connected()
    client.publish("a", response_topic="ü")
    server.expect(publish("a", response_topic="ü"))
    client.publish("a", response_topic=SURROGATE)
    client.expect(refused())
    server.expect_nothing()
    server.send(publish("a", b"x", 1, 1, response_topic=NOT_UTF8))
    server.expect_error()


@v5("MQTT-3.3.2-14", drop("REFUSED"), ignores(), answers(puback(1)))
@v5("MQTT-3.3.2-14", insert(publish("a", response_topic="a/#"), before="PUBACK"))
def test_response_topic_of_the_client_has_no_wildcards(client: Client) -> None:
    server = client.connected()
    for topic in ("#", "+/a", "a/#"):
        client.publish("a", response_topic=topic)
        client.expect(refused())
    server.expect_nothing()
    server.send(publish("a", b"x", 1, 1, response_topic="a/+"))
    server.expect_error()


@v5("MQTT-3.3.2-19", change("PUBLISH", content_type=b"\xff"), drop("REFUSED"), ignores())
def test_content_type_of_the_client_is_utf8(client: Client) -> None:
    server = client.connected()
    client.publish("a", content_type="ü")
    server.expect(publish("a", content_type="ü"))
    client.publish("a", content_type=SURROGATE)
    client.expect(refused())
    server.expect_nothing()
    server.send(publish("a", b"x", 1, 1, content_type=NOT_UTF8))
    server.expect_error()


@v5("MQTT-3.3.4-6", drop("REFUSED"), change("PUBLISH", subscription_identifier=[1]))
def test_client_sends_no_subscription_identifier(client: Client) -> None:
    server = client.connected()
    client.subscribe(to("a"), subscription_identifier=1)
    server.expect(subscribe(filters=[to("a")], subscription_identifier=[1]))
    client.publish("a", b"y", subscription_identifier=1)
    client.expect(refused())
    client.publish("a", b"x")
    server.expect(publish("a", b"x", subscription_identifier=ABSENT))


# --- topic aliases --------------------------------------------------------------------------------


@v5("MQTT-3.3.2-7", ignores(), answers(puback(3)), insert(message("a", b"z"), after="OFFLINE"))
def test_client_forgets_topic_aliases_with_the_connection(client: Client) -> None:
    server = client.connected(
        client_id="c", clean_start=False, session_expiry_interval=60, topic_alias_maximum=5
    )
    server.send(publish("a", b"x", 1, 1, topic_alias=1), publish("", b"y", 1, 2, topic_alias=1))
    server.expect(puback(1), puback(2))
    client.expect(message("a", b"x"), message("a", b"y"))
    server.abort()
    again = client.reconnected(session_present=True)
    again.send(publish("", b"z", 1, 3, topic_alias=1))
    again.expect_error()
    client.connect()
    client.expect_none(client.welcome(session_present=True), "MESSAGE")


@v5("MQTT-3.3.2-7", change("PUBLISH", topic=""))
def test_client_tells_its_aliases_on_each_connection(client: Client) -> None:
    client.start(client_id="c", outbound_topic_aliases=5)
    for _ in range(2):
        server = client.welcome(topic_alias_maximum=5)
        client.publish("a")
        server.expect(publish("a"))
        server.abort()
        client.connect()


@v5("MQTT-3.3.2-8", change("PUBLISH", topic_alias=0))
@v5("MQTT-3.3.2-9", change("PUBLISH", topic_alias=3), change("PUBLISH", topic_alias=65535))
def test_aliases_of_the_client_are_within_the_servers_maximum(client: Client) -> None:
    server = client.connected(answer={"topic_alias_maximum": 2}, outbound_topic_aliases=10)
    known: dict[int, str] = {}
    for topic in "abcdabcd":
        client.publish(topic, topic.encode())
        seen = server.expect(publish(payload=topic.encode()))
        if seen.topic_alias is not None:
            assert 1 <= seen.topic_alias <= 2, seen
            known[seen.topic_alias] = seen.topic or known[seen.topic_alias]
        assert topic == seen.topic or topic == known[seen.topic_alias]


@v5("MQTT-3.3.2-8", ignores(), answers(puback(1)))
def test_topic_alias_0_is_an_error_to_the_client(client: Client) -> None:
    server = client.connected(topic_alias_maximum=5)
    server.send(publish("a", b"x", 1, 1, topic_alias=0))
    server.expect_error()


@v5("MQTT-3.3.2-10", drop("MESSAGE"), change("MESSAGE", topic="t/1"), change("MESSAGE", topic=""))
@v5("MQTT-3.3.2-10", closes(instead_of="PUBACK"), closes(instead_of="PUBACK", nth=0))
def test_client_takes_every_topic_alias_that_it_offered(client: Client) -> None:
    server = client.connected(topic_alias_maximum=5)
    for alias in range(1, 6):
        server.send(publish(f"t/{alias}", b"x", 1, 1, topic_alias=alias))
        server.expect(puback(1))
        client.expect(message(f"t/{alias}", b"x"))
    for alias in range(5, 0, -1):
        server.send(publish("", b"y", 1, 1, topic_alias=alias))
        server.expect(puback(1))
        client.expect(message(f"t/{alias}", b"y"))
    server.send(publish("other", b"", 1, 1, topic_alias=5), publish("", b"", 1, 2, topic_alias=5))
    server.expect(puback(1), puback(2))
    client.expect(message("other"), message("other"))


# --- what is done about a PUBLISH -----------------------------------------------------------------


@v5("MQTT-3.3.4-1", insert(puback(1), before="PUBACK", nth=0), drop("PUBACK", nth=1))
@v5("MQTT-3.3.4-1", drop("PUBREC"), replace("PUBREC", puback(3)))
@v5("MQTT-3.3.4-1", replace("PUBACK", pubrec(2), nth=1))
@v311("MQTT-3.3.4-1", insert(puback(1), before="PUBACK", nth=0), drop("PUBACK", nth=1))
@v311("MQTT-3.3.4-1", drop("PUBREC"), replace("PUBREC", puback(3)))
@v311("MQTT-3.3.4-1", replace("PUBACK", pubrec(2), nth=1))
@v311("MQTT-4.5.0-2", drop("PUBACK", nth=1), drop("PUBREC"), closes(instead_of="PUBACK"))
def test_answer_of_the_client_goes_by_the_qos(client: Client) -> None:
    server = client.connected()
    server.send(publish("nobody/asked", b"x"))
    server.expect_nothing()
    server.send(publish("nobody/asked", b"x", 1, 2), publish("nobody/asked", b"x", 2, 3))
    server.expect_all(puback(2), pubrec(3))
    server.expect_nothing()


# --- receive maximum ------------------------------------------------------------------------------


@v5("MQTT-3.3.4-7", insert(publish("a", b"2", 1, 99), before="PUBACK", nth=0))
@v5("MQTT-3.3.4-7", insert(publish("a", b"2", 1, 99), before="PUBACK", nth=1))
@v5("MQTT-3.3.4-7", insert(publish("a", b"3", 1, 99), before="PUBACK", nth=2))
@v5("MQTT-3.3.4-7", insert(publish("a", b"5", 1, 99), before="PUBACK"))
def test_client_keeps_to_the_receive_maximum(client: Client) -> None:
    server = client.connected(answer={"receive_maximum": 2})
    for number, qos in enumerate((1, 2, 1, 2, 1, 1)):
        client.publish("a", str(number).encode(), qos)
    one = server.expect(publish("a", b"0", 1))
    two = server.expect(publish("a", b"1", 2))
    server.expect_nothing()
    server.send(pubrec(two.id))
    server.expect(pubrel(two.id))
    server.expect_nothing()
    server.send(pubcomp(two.id))
    server.expect(publish("a", b"2", 1))
    server.expect_nothing()
    server.send(puback(one.id))
    four = server.expect(publish("a", b"3", 2))
    server.send(pubrec(four.id, 0x80))
    server.expect(publish("a", b"4", 1))
    server.expect_nothing()


@v5("MQTT-3.3.4-8", drop("SUBSCRIBE"), drop("PUBACK"), drop("PUBREC"), drop("PUBREL"))
@v5("MQTT-3.3.4-8", drop("DISCONNECT"))
def test_a_full_window_holds_up_nothing_else_of_the_client(client: Client) -> None:
    server = client.connected(answer={"receive_maximum": 1})
    for payload in (b"1", b"2"):
        client.publish("a", payload, 2)
    first = server.expect(publish("a", b"1", 2))
    client.subscribe(to("b"))
    asked = server.expect(subscribe(filters=[to("b")]))
    server.send(suback(asked.id, [0]), publish("b", b"", 1, 8), publish("b", b"", 2, 9))
    server.expect_all(puback(8), pubrec(9))
    client.expect(subscribed())
    server.send(pubrec(first.id))
    server.expect(pubrel(first.id))
    client.disconnect()
    server.expect(disconnect(0))
