"""The asyncio client against our own broker, over real sockets."""

import asyncio

import pytest

import mqttwin as mt
from mqttwin import users
from scripted import within


@pytest.fixture
def port():
    with mt.World() as world:
        world.broker()
        with world.serve() as server:
            yield server.port


@pytest.mark.parametrize("version", [3, 4, 5])
def test_every_quality_of_service(port, version):
    async def test():
        async with mt.Client(port=port, client_id="a", version=version) as client:
            assert await client.subscribe(["a/#", "b"], qos=2) == [2, 2]
            for qos in (0, 1, 2):
                await client.publish("a/x", f"{qos}", qos)
            for qos in (0, 1, 2):
                received = await anext(client.messages)
                assert (received.topic, received.payload) == ("a/x", str(qos).encode())
                assert received.qos == qos
            codes = await client.unsubscribe(["a/#", "c"])
            assert codes == ([0, 17] if version == 5 else [])

    within(test())


def test_properties_from_end_to_end(port):
    async def test():
        options = {"topic_alias_maximum": 10, "outbound_topic_aliases": 10}
        async with mt.Client(port=port, **options) as client:
            await client.subscribe("t", qos=1, identifier=300)
            properties = {
                "payload_format_indicator": 1,
                "content_type": "text/plain",
                "response_topic": "answers",
                "correlation_data": b"\0\1",
                "user_properties": [("k", "v"), ("k", "w")],
            }
            for _ in range(2):  # the second one under an alias
                await client.publish("t", "text", 1, properties=properties)
                received = await anext(client.messages)
                assert received.topic == "t"
                received.properties.pop("topic_alias", None)
                assert received.properties == {**properties, "subscription_identifiers": [300]}

    within(test())


def test_a_large_message(port):
    payload = bytes(range(256)) * 3000

    async def test():
        async with mt.Client(port=port) as client:
            await client.subscribe("large", qos=1)
            await client.publish("large", payload, 1)
            assert (await anext(client.messages)).payload == payload
            with pytest.raises(mt.PublishError, match="larger than the server's maximum"):
                await client.publish("large", bytes(2_000_000))

    within(test())


def test_a_will(port):
    async def test():
        will = mt.Message("gone", b"bye", 1)
        async with mt.Client(port=port) as watcher:
            await watcher.subscribe("gone", qos=1)
            async with mt.Client(port=port, will=will, will_properties={"content_type": "x"}) as c:
                c._link.abort()
                received = await anext(watcher.messages)
                assert received.payload == b"bye"
                assert received.properties == {"content_type": "x"}
            async with mt.Client(port=port, will=will) as c:
                await c.disconnect(4)
            await anext(watcher.messages)
            async with mt.Client(port=port, will=will):
                pass
            await watcher.publish("gone", "end")
            assert (await anext(watcher.messages)).payload == b"end"

    within(test())


def test_a_session_waits(port):
    async def test():
        reader = mt.Client(port=port, client_id="reader", session_expiry="1h")
        async with reader:
            await reader.subscribe("t", qos=1)
        async with mt.Client(port=port) as writer:
            for n in range(3):
                await writer.publish("t", n, 1)
        async with reader:
            assert reader.session_present
            assert [(await anext(reader.messages)).payload for _ in range(3)] == [b"0", b"1", b"2"]

    within(test())


def test_a_session_is_taken_over(port):
    async def test():
        async with (
            mt.Client(port=port, client_id="a") as first,
            mt.Client(port=port, client_id="a"),
        ):
            with pytest.raises(mt.DisconnectedError, match="taken over") as error:
                await anext(first.messages)
            assert error.value.reason_code == 0x8E

    within(test())


def test_many_clients_at_once(port):
    async def test():
        clients = [mt.Client(port=port, client_id=f"c{n}") for n in range(20)]

        async def one(client):
            async with client:
                await client.subscribe(client.client_id, qos=2)
                ready.append(client)
                while len(ready) < len(clients):
                    await asyncio.sleep(0)
                await asyncio.gather(*(client.publish(c.client_id, "x", 2) for c in clients))
                for _ in clients:
                    await anext(client.messages)

        ready = []
        await asyncio.gather(*(one(client) for client in clients))

    within(test())


def test_scram(tmp_path):
    file = tmp_path / "users"
    users.add_user(file, "me", "secret", iterations=4096)

    async def test(port):
        me = {"port": port, "auth": "SCRAM-SHA-256", "username": "me"}
        async with mt.Client(**me, password="secret") as client:
            await client.publish("t", "x", 1)
            await client.reauthenticate()
            await client.publish("t", "x", 1)
        with pytest.raises(mt.ConnectError) as error:
            async with mt.Client(**me, password="wrong"):
                pass
        assert error.value.reason_code in (0x86, 0x87)

    with mt.World() as world, world.serve(users=file) as server:
        within(test(server.port))
