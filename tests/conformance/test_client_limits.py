"""What a server has announced, and the client keeps to: QoS, retain, size, aliases, its quota."""

from __future__ import annotations

from .client_role import Client, acknowledged, message
from .packets import (
    ABSENT,
    ANY,
    connack,
    connect,
    disconnect,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    to,
    unsubscribe,
)
from .suite import engine_only, v5
from .violations import change, drop, insert


@v5("MQTT-3.2.2-11", insert(publish("a", b"x", 2, 300), before="PUBACK"))
def test_client_keeps_to_the_maximum_qos(client: Client) -> None:
    server = client.connected({"maximum_qos": 1})
    client.publish("a", b"x", 2)
    server.expect_nothing()
    client.publish("a", b"y", 1)
    server.expect(publish("a", b"y", 1))


@v5("MQTT-3.2.2-11", insert(publish("a", b"x", 2, 300), before="PUBACK"))
@v5("MQTT-3.2.2-11", insert(publish("a", b"x", 1, 300, dup=True), before="PUBACK"))
def test_client_keeps_to_the_maximum_qos_of_the_next_connection(client: Client) -> None:
    server = client.connected(client_id="c", clean_start=False, session_expiry_interval=60)
    for qos in (1, 2):
        client.publish("a", b"x", qos)
        server.expect(publish("a", b"x", qos))
    server.abort()
    again = client.reconnected(session_present=True, maximum_qos=0)
    again.expect_nothing()


@v5("MQTT-3.2.2-14", insert(publish("a", b"x", retain=True), before="PUBACK"))
@v5("MQTT-3.2.2-14", change("PUBLISH", retain=True))
def test_client_retains_nothing_where_it_may_not(client: Client) -> None:
    server = client.connected({"retain_available": 0})
    client.publish("a", b"x", retain=True)
    server.expect_nothing()
    client.publish("a", b"y")
    server.expect(publish("a", b"y", retain=False))


LARGE = "a" * 100


@v5("MQTT-3.2.2-15", insert(publish("a", b"x" * 100), before="PUBACK"))
@v5("MQTT-3.2.2-15", change("PUBLISH", payload=b"x" * 47))
@v5("MQTT-3.2.2-15", insert(subscribe(300, [to(LARGE)]), before="PUBACK"))
@v5("MQTT-3.2.2-15", insert(unsubscribe(300, [LARGE]), before="PUBACK"))
@v5("MQTT-3.2.2-15", change("DISCONNECT", reason_string=LARGE))
def test_client_keeps_to_the_maximum_packet_size(client: Client) -> None:
    server = client.connected({"maximum_packet_size": 50})
    client.publish("a", b"x" * 100)
    client.publish("a", b"x", user_property=[("name", LARGE)])
    client.subscribe(to(LARGE))
    client.unsubscribe(LARGE)
    server.expect_nothing()
    client.publish("a", b"x" * 44)  # 2 of header, 3 of topic, 1 of properties
    assert len(server.expect(publish("a")).encode(5)) == 50
    client.disconnect(0, reason_string=LARGE)
    assert len(server.expect(disconnect(0)).encode(5)) <= 50


@v5("MQTT-3.2.2-11", insert(publish("a", b"x", 2, 300), after="CONNECT"))
@v5("MQTT-3.2.2-14", insert(publish("a", b"x", 1, 300, retain=True), after="CONNECT"))
@v5("MQTT-3.2.2-15", insert(publish("a", b"x" * 100, 1, 300), after="CONNECT"))
@engine_only("commands before CONNACK")
def test_client_keeps_to_limits_with_what_it_said_before(client: Client) -> None:
    client.start()
    client.publish("a", b"x", 2)
    client.publish("a", b"x", 1, retain=True)
    client.publish("a", b"x" * 100, 1)
    server = client.welcome(maximum_qos=1, retain_available=0, maximum_packet_size=50)
    server.expect_nothing()


@v5("MQTT-3.2.2-17", change("PUBLISH", topic="c", topic_alias=3))
@v5("MQTT-3.2.2-17", change("PUBLISH", nth=1, topic="b", topic_alias=65535))
def test_client_keeps_to_the_topic_alias_maximum(client: Client) -> None:
    server = client.connected(answer={"topic_alias_maximum": 2}, outbound_topic_aliases=10)
    known: dict[int, str] = {}
    for topic in ("a", "b", "c", "a", "b", "c"):
        client.publish(topic)
        seen = server.expect(publish(ANY, b"x"))
        alias = seen.topic_alias or 0
        if seen.topic and alias:
            known[alias] = seen.topic
        assert alias <= 2
        assert (seen.topic or known.get(alias)) == topic


@v5("MQTT-3.2.2-18", change("PUBLISH", topic_alias=1), change("PUBLISH", nth=2, topic_alias=1))
def test_client_uses_no_topic_alias_where_none_is_wanted(client: Client) -> None:
    server = client.connected(outbound_topic_aliases=10)
    for limits in ({"topic_alias_maximum": 5}, {"topic_alias_maximum": 0}, {}):
        server.abort()
        server = client.reconnected(**limits)
        for _ in range(2):
            client.publish("a")
            seen = server.expect(publish(ANY, b"x"))
            if not limits.get("topic_alias_maximum"):
                assert publish("a", topic_alias=ABSENT).differs(seen) == ""


# --- flow control ---------------------------------------------------------------------------------


@v5("MQTT-4.9.0-1", insert(publish("a", b"2", 1, 300), after="PUBLISH", nth=1))
@v5("MQTT-4.9.0-1", drop("PUBLISH", nth=0))
@v5("MQTT-4.9.0-2", insert(publish("a", b"2", 1, 300), before="PUBACK"))
@v5("MQTT-4.9.0-2", insert(publish("a", b"4", 2, 300), before="PUBACK", nth=1))
def test_client_keeps_to_its_quota(client: Client) -> None:
    server = client.connected(answer={"receive_maximum": 2})
    for payload, qos in ((b"0", 1), (b"1", 2), (b"2", 1), (b"3", 2), (b"4", 2)):
        client.publish("a", payload, qos)
    first = server.expect(publish("a", b"0", 1))
    second = server.expect(publish("a", b"1", 2))
    server.fence()
    server.send(puback(first.id))
    server.expect(publish("a", b"2", 1))
    server.send(pubrec(second.id))
    server.expect(pubrel(second.id))  # gives nothing back yet
    server.fence()
    server.send(pubcomp(second.id))
    third = server.expect(publish("a", b"3", 2))
    server.send(pubrec(third.id, 0x80))  # it is over with that
    server.expect(publish("a", b"4", 2))
    server.fence()


@v5("MQTT-4.9.0-1", drop("PUBLISH"), insert(publish("a", b"1", 1, 300), before="PUBACK"))
@v5("MQTT-4.9.0-1", insert(publish("a", b"1", 1, 300), before="PUBACK", nth=0))
@v5("MQTT-4.9.0-2", insert(publish("a", b"1", 1, 300), before="PUBACK"))
def test_quota_of_the_client_begins_anew_with_each_connection(client: Client) -> None:
    server = client.connected(
        {"receive_maximum": 1}, client_id="c", clean_start=False, session_expiry_interval=60
    )
    client.publish("a", b"0", 1)
    client.publish("a", b"1", 1)
    server.expect(publish("a", b"0", 1))
    server.fence()
    server.abort()
    again = client.reconnected(session_present=True, receive_maximum=2)
    again.expect(publish("a", b"0", 1, dup=True), publish("a", b"1", 1))
    again.abort()
    again = client.reconnected(session_present=True, receive_maximum=1)
    seen = again.expect(publish("a", b"0", 1, dup=True))  # for what is sent again, too
    again.fence()
    again.send(puback(seen.id))
    again.expect(publish("a", b"1", 1, dup=True))


@v5("MQTT-4.9.0-3", drop("PUBACK"), drop("PUBREC"), drop("PUBCOMP"), drop("SUBSCRIBE"))
@v5("MQTT-4.9.0-3", drop("MESSAGE"), drop("ACKNOWLEDGED"))
def test_client_goes_on_with_no_quota_left(client: Client) -> None:
    server = client.connected(answer={"receive_maximum": 1})
    client.publish("a", b"0", 1)
    client.publish("a", b"1", 1)
    sent = server.expect(publish("a", b"0", 1))
    server.send(publish("b", b"x", 1, 5))
    server.expect(puback(5))
    server.send(publish("b", b"y", 2, 6))
    server.expect(pubrec(6))
    server.send(pubrel(6))
    server.expect(pubcomp(6))
    client.expect(message("b", b"x", 1), message("b", b"y", 2))
    client.subscribe(to("b"))
    server.send(suback(server.expect(subscribe()).id, [0]))
    server.send(puback(sent.id))
    client.expect(acknowledged(0))
    server.expect(publish("a", b"1", 1))


@v5("MQTT-4.9.0-1", drop("PUBLISH"), change("CONNECT", receive_maximum=0))
def test_client_has_a_quota_where_none_is_announced(client: Client) -> None:
    client.start(receive_maximum=10)
    server = client.accept()
    server.expect(connect(receive_maximum=10))
    server.send(connack(0))
    client.publish("a", b"x", 1)
    server.expect(publish("a", b"x", 1))
