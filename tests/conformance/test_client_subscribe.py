"""SUBSCRIBE and UNSUBSCRIBE, as the client sends them, and what it takes for an answer."""

from __future__ import annotations

from .client_role import Client, refused, subscribed, unsubscribed
from .packets import SURROGATE, suback, subscribe, to, unsuback, unsubscribe
from .suite import v5, v311
from .violations import change, drop, insert


@v5("MQTT-3.8.1-1", change("SUBSCRIBE", flags=0), change("SUBSCRIBE", flags=10))
@v5("MQTT-3.8.3-1", change("SUBSCRIBE", filters=[(b"\xff", 1), ("#", 1)]))
@v5("MQTT-3.8.3-2", change("SUBSCRIBE", filters=[]), change("SUBSCRIBE", cut=1))
@v311("MQTT-3.8.1-1", change("SUBSCRIBE", flags=0), change("SUBSCRIBE", flags=10))
@v311("MQTT-3.8.3-1", change("SUBSCRIBE", filters=[(b"\xff", 1), ("#", 1)]))
@v311("MQTT-3.8.3-3", change("SUBSCRIBE", filters=[]), change("SUBSCRIBE", cut=1))
def test_client_subscribes(client: Client) -> None:
    server = client.connected()
    client.subscribe(to("ä/+", 1), to("#", 1))
    sent = server.expect(subscribe(filters=[("ä/+", 1), ("#", 1)]))
    server.send(suback(sent.id, [1, 0x80]))
    client.expect(subscribed())


@v5("MQTT-3.8.3-2", drop("REFUSED"), insert(subscribe(1, []), before="PUBACK"))
@v311("MQTT-3.8.3-3", drop("REFUSED"), insert(subscribe(1, []), before="PUBACK"))
def test_client_does_not_subscribe_to_nothing(client: Client) -> None:
    server = client.connected()
    client.subscribe()
    client.expect(refused())
    server.expect_nothing()


@v5("MQTT-3.8.3-1", drop("REFUSED"), insert(subscribe(1, [to(b"\xed\xa0\x80")]), before="PUBACK"))
@v311("MQTT-3.8.3-1", drop("REFUSED"), insert(subscribe(1, [to(b"\xff")]), before="PUBACK"))
def test_filters_that_the_client_subscribes_to_are_utf8(client: Client) -> None:
    server = client.connected()
    client.subscribe(to(SURROGATE))
    client.expect(refused())
    server.expect_nothing()


@v5("MQTT-3.8.3-4", drop("REFUSED"))
@v5("MQTT-3.8.3-4", insert(subscribe(1, [to("$share/g/a", no_local=True)]), before="PUBACK"))
def test_client_has_no_local_on_no_shared_subscription(client: Client) -> None:
    server = client.connected()
    client.subscribe(to("$share/g/a", no_local=True))
    client.expect(refused())
    server.expect_nothing()
    client.subscribe(to("a", 1, no_local=True))
    server.expect(subscribe(filters=[("a", 0x05)]))
    client.subscribe(to("$share/g/a", 1, retain_as_published=True))
    server.expect(subscribe(filters=[("$share/g/a", 0x09)]))


@v5("MQTT-3.10.1-1", change("UNSUBSCRIBE", flags=0), change("UNSUBSCRIBE", flags=3))
@v5("MQTT-3.10.3-1", change("UNSUBSCRIBE", filters=[b"\xff", "#"]))
@v5("MQTT-3.10.3-2", change("UNSUBSCRIBE", filters=[]))
@v311("MQTT-3.10.1-1", change("UNSUBSCRIBE", flags=0), change("UNSUBSCRIBE", flags=3))
@v311("MQTT-3.10.3-1", change("UNSUBSCRIBE", filters=[b"\xff", "#"]))
@v311("MQTT-3.10.3-1", change("UNSUBSCRIBE", tail=b"\0"))
@v311("MQTT-3.10.3-2", change("UNSUBSCRIBE", filters=[]))
def test_client_unsubscribes(client: Client) -> None:
    server = client.connected()
    client.unsubscribe("ä/+", "#")
    sent = server.expect(unsubscribe(filters=["ä/+", "#"]))
    server.send(unsuback(sent.id, [0, 0x11]))
    client.expect(unsubscribed())


@v5("MQTT-3.10.3-2", drop("REFUSED"), insert(unsubscribe(1, []), before="PUBACK"))
@v311("MQTT-3.10.3-2", drop("REFUSED"), insert(unsubscribe(1, []), before="PUBACK"))
def test_client_does_not_unsubscribe_from_nothing(client: Client) -> None:
    server = client.connected()
    client.unsubscribe()
    client.expect(refused())
    server.expect_nothing()


@v5("MQTT-3.10.3-1", drop("REFUSED"), insert(unsubscribe(1, [b"\xff"]), before="PUBACK"))
@v311("MQTT-3.10.3-1", drop("REFUSED"), insert(unsubscribe(1, [b"\xff"]), before="PUBACK"))
def test_filters_that_the_client_unsubscribes_from_are_utf8(client: Client) -> None:
    server = client.connected()
    client.unsubscribe(SURROGATE)
    client.expect(refused())
    server.expect_nothing()
