"""Topic names and topic filters, as the client sends and takes them."""

from __future__ import annotations

from .client_role import Client, message, refused
from .packets import puback, publish, subscribe, to, unsubscribe
from .suite import v5, v311
from .violations import change, drop, insert

LONGEST = "ü" + "x" * 65_533  # in UTF-8, 65,535 bytes


def takes_no_filter(client: Client, *filters: str) -> None:
    """The client neither subscribes nor unsubscribes with such a filter."""
    server = client.connected()
    for filter in filters:
        client.subscribe(to(filter))
        client.expect(refused())
        client.unsubscribe(filter)
        client.expect(refused())
    server.expect_nothing()


def takes_filters(client: Client, *filters: str) -> None:
    """The client sends them as they are."""
    server = client.connected()
    client.subscribe(*map(to, filters))
    server.expect(subscribe(filters=[(filter, 0) for filter in filters]))
    client.unsubscribe(*filters)
    server.expect(unsubscribe(filters=list(filters)))


@v5("MQTT-4.7.0-1", drop("REFUSED"), insert(publish("a/+", b"x"), before="PUBACK"))
@v311("MQTT-4.7.1-1", drop("REFUSED"), insert(publish("a/+", b"x"), before="PUBACK"))
def test_client_publishes_to_no_wildcards(client: Client) -> None:
    server = client.connected()
    for topic in ("#", "+", "a/#", "a/+", "a+", "#a/b"):
        client.publish(topic)
        client.expect(refused())
    server.expect_nothing()


@v5("MQTT-4.7.0-1", drop("closed"))
@v311("MQTT-4.7.1-1", drop("closed"))
def test_client_takes_no_wildcards_in_topic_names(client: Client) -> None:
    client.start()
    for topic in ("a/+", "#", "a/long/topic/name/with/a#"):
        server = client.welcome()
        server.send(publish(topic, b"x"))
        server.expect_error()
        client.connect()


@v5("MQTT-4.7.1-1", drop("REFUSED"), insert(subscribe(1, [to("a#")]), before="PUBACK"))
@v311("MQTT-4.7.1-2", drop("REFUSED"), insert(subscribe(1, [to("a#")]), before="PUBACK"))
def test_client_has_multi_level_wildcards_at_the_end_only(client: Client) -> None:
    takes_no_filter(client, "a#", "#a", "a/b#", "a/#/b", "#/", "##", "+#")


@v5("MQTT-4.7.1-1", change("SUBSCRIBE", filters=[("a#", 0)]))
@v5("MQTT-4.7.1-2", change("SUBSCRIBE", filters=[("a+", 0)]), drop("UNSUBSCRIBE"))
@v311("MQTT-4.7.1-2", change("SUBSCRIBE", filters=[("a#", 0)]))
@v311("MQTT-4.7.1-3", change("SUBSCRIBE", filters=[("a+", 0)]), drop("UNSUBSCRIBE"))
def test_client_has_wildcards_where_they_may_be(client: Client) -> None:
    takes_filters(client, "#", "a/#", "/#", "+", "a/+", "+/b", "/+", "a/+/c", "+/+", "+/b/#")


@v5("MQTT-4.7.1-2", drop("REFUSED"), insert(subscribe(1, [to("a+")]), before="PUBACK"))
@v311("MQTT-4.7.1-3", drop("REFUSED"), insert(subscribe(1, [to("a+")]), before="PUBACK"))
def test_client_has_single_level_wildcards_on_their_own(client: Client) -> None:
    takes_no_filter(client, "a+", "+a", "a/+b", "a/b+/c", "++", "a/++/b")


@v5("MQTT-4.7.3-1", drop("REFUSED"), insert(subscribe(1, [to("")]), before="PUBACK"))
@v311("MQTT-4.7.3-1", drop("REFUSED"), insert(subscribe(1, [to("")]), before="PUBACK"))
def test_client_has_no_empty_filters(client: Client) -> None:
    takes_no_filter(client, "")


@v5("MQTT-4.7.3-2", drop("REFUSED"), insert(subscribe(1, [to("a\0")]), before="PUBACK"))
@v311("MQTT-4.7.3-2", drop("REFUSED"), insert(subscribe(1, [to("a\0")]), before="PUBACK"))
def test_client_has_no_null_in_filters(client: Client) -> None:
    takes_no_filter(client, "a\0", "\0", "a/longer/topic\0/+", "ä\0")


@v5("MQTT-4.7.3-1", drop("REFUSED", nth=0), insert(publish("", b"x"), before="PUBACK"))
@v5("MQTT-4.7.3-2", drop("REFUSED"), insert(publish("a\0", b"x"), before="PUBACK"))
@v5("MQTT-4.7.3-3", drop("REFUSED"))
@v311("MQTT-4.7.3-1", drop("REFUSED", nth=0), insert(publish("", b"x"), before="PUBACK"))
@v311("MQTT-4.7.3-2", drop("REFUSED"), insert(publish("a\0", b"x"), before="PUBACK"))
@v311("MQTT-4.7.3-3", drop("REFUSED"))
def test_client_publishes_to_no_such_topic(client: Client) -> None:
    server = client.connected()
    for topic in ("", LONGEST + "x", "a\0", "a/longer/topic\0/name", "ä\0"):
        client.publish(topic)
        client.expect(refused())
    server.expect_nothing()


@v5("MQTT-4.7.3-1", drop("closed"), drop("closed", nth=0))
@v5("MQTT-4.7.3-2", drop("closed"), drop("closed", nth=1))
@v311("MQTT-4.7.3-1", drop("closed"), drop("closed", nth=0))
@v311("MQTT-4.7.3-2", drop("closed"), drop("closed", nth=1))
def test_client_takes_no_such_topic(client: Client) -> None:
    client.start()
    for topic in ("", "a\0", "a/longer/topic\0/name"):
        server = client.welcome()
        server.send(publish(topic, b"x"))
        server.expect_error()
        client.connect()


@v5("MQTT-4.7.3-3", drop("REFUSED"), change("PUBLISH", topic=LONGEST[:-1]), drop("MESSAGE"))
@v5("MQTT-4.7.3-3", change("SUBSCRIBE", filters=[("", 0)]), change("UNSUBSCRIBE", filters=["x"]))
@v311("MQTT-4.7.3-3", drop("REFUSED"), change("PUBLISH", topic=LONGEST[:-1]), drop("MESSAGE"))
@v311("MQTT-4.7.3-3", change("SUBSCRIBE", filters=[("", 0)]))
def test_client_has_topics_of_65535_bytes(client: Client) -> None:
    server = client.connected()
    client.publish(LONGEST)
    server.expect(publish(LONGEST, b"x"))
    client.subscribe(to(LONGEST))
    server.expect(subscribe(filters=[(LONGEST, 0)]))
    client.unsubscribe(LONGEST)
    server.expect(unsubscribe(filters=[LONGEST]))
    server.send(publish(LONGEST, b"x", 1, 7))
    server.expect(puback(7))
    client.expect(message(LONGEST, b"x"))
    client.subscribe(to(LONGEST + "x"))
    client.expect(refused())
    client.unsubscribe(LONGEST + "x")
    client.expect(refused())
    server.expect_nothing()


# --- shared subscriptions -------------------------------------------------------------------------


@v5("MQTT-4.8.2-1", drop("REFUSED"), insert(subscribe(1, [to("$share//a")]), before="PUBACK"))
def test_client_names_what_it_shares(client: Client) -> None:
    takes_no_filter(client, "$share//a", "$share//", "$share/")


@v5("MQTT-4.8.2-2", drop("REFUSED"), insert(subscribe(1, [to("$share/+/a")]), before="PUBACK"))
def test_client_has_no_wildcard_in_share_names(client: Client) -> None:
    takes_no_filter(client, "$share/+/a", "$share/#", "$share/g+/a", "$share/g", "$share/g/")


@v5("MQTT-4.8.2-1", change("SUBSCRIBE", filters=[("a/+", 0), ("/a", 0)]), drop("UNSUBSCRIBE"))
@v5("MQTT-4.8.2-2", change("SUBSCRIBE", filters=[("$share/ga/+", 0), ("$share/g/a", 0)]))
def test_client_shares(client: Client) -> None:
    takes_filters(client, "$share/g/a/+", "$share/g//a")
