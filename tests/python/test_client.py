"""The asyncio client, against servers that say what they are told."""

import asyncio
import gc

import pytest

import mqttwin as mt
from scripted import CONNACK, goodbye, server, within


def message(topic, payload=b"x", properties=b""):
    body = len(topic).to_bytes(2, "big") + topic + bytes([len(properties)]) + properties + payload
    return b"\x30" + bytes([len(body)]) + body


def test_from_connect_to_disconnect():
    async def script(peer):
        assert await peer.welcome() == b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a"
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port, client_id="a") as client:
            assert not client.session_present
            assert client.server_properties == {}

    within(test())


def test_everything_in_connect():
    async def script(peer):
        connect = await peer.welcome(b"\x20\x0d\0\0\x0a\x12\0\x02xy\x11\0\0\0\x07")
        for part in (
            b"MQTT\x05\xee\0\x0f",  # flags: name, password, will retained at QoS 1, clean start
            b"\x11\0\0\0\x64",
            b"\x21\0\x0a",
            b"\x27\0\0\x10\0",
            b"\x22\0\x05",
            b"\x17\0",
            b"\x19\1",
            b"\x26\0\1k\0\1v",
            b"\x18\0\0\0\x1e",
            b"\x03\0\4text",
            b"\0\4gone\0\3bye",
            b"\0\2me\0\6secret",
        ):
            assert part in connect
        await goodbye(peer)

    async def test():
        async with (
            server(script) as port,
            mt.Client(
                port=port,
                username="me",
                password="secret",
                will=mt.Message("gone", b"bye", 1, True, delay="30s"),
                will_properties={"content_type": "text"},
                keep_alive="15s",
                session_expiry=100,
                receive_maximum=10,
                maximum_packet_size="4KiB",
                topic_alias_maximum=5,
                problem_information=False,
                response_information=True,
                properties={"user_properties": {"k": "v"}},
            ) as client,
        ):
            assert client.client_id == "xy"
            assert client.server_properties["session_expiry_interval"] == 7

    within(test())


@pytest.mark.parametrize(
    ("version", "connack", "said", "code"),
    [
        (5, b"\x20\x03\0\x87\0", "not authorized (reason code 0x87)", 0x87),
        (5, b"\x20\x09\0\x9c\x06\x1c\0\x03far", "try far", 0x9C),
        (5, b"\x20\x09\0\x97\x06\x1f\0\x03why", "why", 0x97),
        (4, b"\x20\x02\0\x05", "not authorized", 5),
        (3, b"\x20\x02\0\x02", "identifier rejected", 2),
    ],
)
def test_a_server_that_refuses(version, connack, said, code):
    async def script(peer):
        await peer.welcome(connack)
        assert await peer.packet() == b""

    async def test():
        async with server(script) as port:
            client = mt.Client(port=port, client_id="a", version=version)
            with pytest.raises(mt.ConnectError) as error:
                async with client:
                    pass
            assert said in str(error.value)
            assert error.value.reason_code == code

    within(test())


def test_nobody_listens():
    async def test():
        async with server() as port:
            pass
        with pytest.raises(mt.ConnectError, match=r"no connection to 127.0.0.1:\d+: "):
            async with mt.Client(port=port):
                pass
        gc.collect()  # no future is left whose exception nobody has seen

    within(test())


def test_a_server_that_does_not_answer():
    async def script(peer):
        await peer.expect(b"\x10")
        assert await peer.packet() == b""

    async def test():
        async with server(script) as port:
            with pytest.raises(mt.ClientTimeout, match="CONNECT"):
                async with mt.Client(port=port, timeout="20ms"):
                    pass

    within(test())


def test_a_server_that_is_none():
    async def script(peer):
        await peer.welcome(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def test():
        async with server(script) as port:
            with pytest.raises(mt.DisconnectedError, match="broke the protocol: a packet before"):
                async with mt.Client(port=port):
                    pass

    within(test())


def test_publishing():
    async def script(peer):
        await peer.welcome()
        await peer.expect(b"\x30\x08\0\x01t\0text")
        await peer.expect(b"\x30\x05\0\x01t\x002")
        await peer.expect(b"\x31\x04\0\x01t\0")
        await peer.expect(b"\x32\x0d\0\x01t\0\x01\x07\x01\x01\x02\0\0\0\x05")
        peer.say(b"\x40\x03\0\x01\x10")
        await peer.expect(b"\x34\x06\0\x01t\0\x02\0")
        peer.say(b"\x50\x02\0\x02")
        await peer.expect(b"\x62\x02\0\x02")
        peer.say(b"\x70\x02\0\x02")
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port) as client:
            assert await client.publish("t", "text") == 0
            await client.publish("t", 2)
            await client.publish("t", retain=True)
            properties = {"payload_format_indicator": 1, "message_expiry_interval": 5}
            assert await client.publish("t", qos=1, properties=properties) == 16
            assert await client.publish("t", qos=2) == 0

    within(test())


def test_many_publishes_at_once_answered_in_any_order():
    count = 50

    async def script(peer):
        await peer.welcome()
        ids = [(await peer.expect(b"\x32"))[5:7] for _ in range(count)]
        for packet_id in reversed(ids):
            peer.say(b"\x40\x02" + packet_id)
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port, max_in_flight=count) as client:
            publishes = [client.publish("t", n, qos=1) for n in range(count)]
            assert await asyncio.gather(*publishes) == [0] * count

    within(test())


def test_a_small_window_makes_publishes_wait():
    async def script(peer):
        await peer.welcome(b"\x20\x06\0\0\x03\x21\0\x01")  # receive maximum 1
        for n in range(1, 4):
            await peer.expect(b"\x32\x06\0\x01t\0" + bytes([n]))
            peer.say(b"\x40\x02\0" + bytes([n]))
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port) as client:
            await asyncio.gather(*(client.publish("t", qos=1) for _ in range(3)))

    within(test())


def test_publishes_that_are_refused():
    async def script(peer):
        await peer.welcome(b"\x20\x0a\0\0\x07\x24\1\x25\0\x22\0\5")
        await peer.expect(b"\x32")
        peer.say(b"\x40\x03\0\x01\x87")
        await peer.expect(b"\x32")
        peer.say(b"\x40\x0a\0\x02\x97\x06\x1f\0\x03why")
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port) as client:
            for arguments, code, said in (
                (("t", b"", 1), 0x87, "not published: not authorized"),
                (("t", b"", 1), 0x97, "not published: why"),
                (("t", b"", 2), 0x9B, "MQTT-3.2.2-11"),
                (("t", b"", 1, True), 0x9A, "MQTT-3.2.2-14"),
                (("t/#",), 0x90, "not published: wildcard"),
            ):
                with pytest.raises(mt.PublishError) as error:
                    await client.publish(*arguments)
                assert error.value.reason_code == code
                assert said in str(error.value)
            with pytest.raises(mt.ConfigError, match="nonsense"):
                await client.publish("t", properties={"nonsense": 1})
            with pytest.raises(mt.ConfigError, match="cannot be a list"):
                await client.publish("t", [1])

    within(test())


def test_no_answer_in_time():
    async def script(peer):
        await peer.welcome()
        await peer.expect(b"\x32")
        await peer.expect(b"\x82")
        await peer.expect(b"\x30")
        peer.say(b"\x40\x02\0\x01\x90\x04\0\x02\0\0")  # too late
        peer.say(message(b"end"))
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port) as client:
            with pytest.raises(
                mt.ClientTimeout, match=r"no answer to a message to 't' within 0\.01 s"
            ):
                await client.publish("t", qos=1, timeout="10ms")
            with pytest.raises(mt.ClientTimeout, match="no answer to subscribe to 'u'"):
                await client.subscribe("u", timeout="10ms")
            await client.publish("now")
            assert (await anext(client.messages)).topic == "end"

    within(test())


def test_subscribing():
    async def script(peer):
        await peer.welcome()
        await peer.expect(b"\x82\x0f\0\x01\x02\x0b\x09\0\x03a/#\x2d\0\x01b\x2d")
        peer.say(b"\x90\x05\0\x01\0\1\0")
        await peer.expect(b"\xa2\x06\0\x02\0\0\x01b")
        peer.say(b"\xb0\x04\0\x02\0\x11")
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port) as client:
            granted = await client.subscribe(
                ["a/#", "b"],
                qos=1,
                no_local=True,
                retain_as_published=True,
                retain_handling=2,
                identifier=9,
            )
            assert granted == [1, 0]
            assert await client.unsubscribe("b") == [17]

    within(test())


def test_subscriptions_that_are_refused():
    async def script(peer):
        await peer.welcome(b"\x20\x05\0\0\x02\x28\0")  # no wildcards
        await peer.expect(b"\x82")
        peer.say(b"\x90\x05\0\x01\0\1\x87")
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port) as client:
            with pytest.raises(mt.SubscribeError, match="subscribe to 'b': not auth") as error:
                await client.subscribe(["a", "b"], qos=1)
            assert error.value.reason_codes == [1, 0x87]
            with pytest.raises(mt.SubscribeError, match="wildcard") as error:
                await client.subscribe("a/#")
            assert error.value.reason_code == 0xA2
            with pytest.raises(mt.SubscribeError, match="not unsubscribed"):
                await client.unsubscribe("a/#/b")

    within(test())


def test_messages_come_with_all_that_is_known():
    async def script(peer):
        await peer.welcome()
        peer.say(message(b"a", b"1", b"\x03\0\1t\x26\0\1k\0\1v\x0b\x07"))
        peer.say(b"\x3d\x07\0\x01b\0\x05\x002")
        await peer.expect(b"\x50\x02\0\x05")
        peer.say(b"\x62\x02\0\x05")
        await peer.expect(b"\x70\x02\0\x05")
        peer.say(message(b"end"))
        await goodbye(peer)

    async def test():
        async with server(script) as port, mt.Client(port=port) as client:
            first = await anext(client.messages)
            properties = {
                "content_type": "t",
                "user_properties": [("k", "v")],
                "subscription_identifiers": [7],
            }
            assert first == mt.IncomingMessage("a", b"1", properties=properties)
            second = await anext(client.messages)
            assert second == mt.IncomingMessage("b", b"2", 2, True, True, 5)
            assert (await anext(client.messages)).topic == "end"

    within(test())


def test_own_disconnect_ends_messages():
    async def script(peer):
        await peer.welcome()
        peer.say(message(b"a") * 3)
        await peer.expect(b"\x30")
        await goodbye(peer)

    async def test():
        topics = []
        async with server(script) as port, mt.Client(port=port) as client:

            async def leave():
                await client.publish("done")
                await client.disconnect()

            async for received in client.messages:
                topics.append(received.topic)
                if len(topics) == 3:
                    leaving = asyncio.create_task(leave())
            await leaving
        assert topics == ["a"] * 3

    within(test())


@pytest.mark.parametrize(
    ("end", "said", "code"),
    [
        (lambda peer: peer.abort(), "the connection is lost", None),
        (lambda peer: None, "the connection is lost", None),
        (lambda peer: peer.say(b"\xe0\x01\x8b"), "the server says: server shutting down", 0x8B),
        (lambda peer: peer.say(b"\xe0\x08\x9d\x06\x1c\0\3far"), "try far", 0x9D),
        (lambda peer: peer.say(b"\x20\x03\0\0\0"), "broke the protocol: a second CONNACK", 0x82),
    ],
)
def test_the_end_of_a_connection_is_told_to_everybody(end, said, code):
    async def script(peer):
        await peer.welcome()
        peer.say(message(b"last"))
        await peer.expect(b"\x32")
        await peer.expect(b"\x82")
        end(peer)

    async def test():
        async with server(script) as port:
            client = mt.Client(port=port)
            async with client:
                waiting = [
                    asyncio.create_task(client.publish("t", qos=1)),
                    asyncio.create_task(client.subscribe("t")),
                ]
                results = await asyncio.gather(*waiting, return_exceptions=True)
                assert (await anext(client.messages)).topic == "last"
                with pytest.raises(mt.DisconnectedError) as error:
                    await anext(client.messages)
                for seen in (*results, error.value):
                    assert isinstance(seen, mt.DisconnectedError)
                    assert said in str(seen)
                    assert seen.reason_code == code
                with pytest.raises(mt.DisconnectedError, match=r"."):
                    await client.publish("t")

    within(test())


def test_reading_stops_while_nobody_reads():
    payload = b"x" * 100_000
    huge = b"\x30" + b"\xa4\x8d\x06" + b"\0\x01t\0" + payload
    assert len(huge) == 4 + 0x186A4

    async def script(peer):
        await peer.welcome()
        for _ in range(300):  # 30 MB, far more than what fits into sockets
            peer.say(huge)
            await peer.drain()
            counts.append(len(client.messages))
        await goodbye(peer)

    counts = []
    client = None

    async def test():
        nonlocal client
        async with server(script) as port:
            client = mt.Client(port=port, max_messages=5)
            async with client:
                # The server is stopped: its script does not get on although it has its chances.
                seen = -1
                while seen != len(counts) or len(client.messages) < 5:
                    seen = len(counts)
                    for _ in range(100):
                        await asyncio.sleep(0)
                assert len(counts) < 300
                assert len(client.messages) <= 10
                for _ in range(300):
                    assert len((await anext(client.messages)).payload) == len(payload)
        assert max(counts) <= 10

    within(test())


def test_keep_alive_goes_on_while_reading_is_stopped():
    async def script(peer):
        await peer.welcome(b"\x20\x06\0\0\x03\x13\0\x01")  # keep alive of a second
        peer.say(message(b"a"))
        for _ in range(2):
            await peer.expect(b"\xc0")  # and no answer that could be seen
        pinged.set()
        await peer.expect(b"\x30")
        await goodbye(peer)

    pinged = asyncio.Event()

    async def test():
        async with (
            server(script) as port,
            mt.Client(port=port, max_messages=1, timeout="100ms") as client,
        ):
            await asyncio.wait_for(pinged.wait(), 10)
            await client.publish("still here")

    within(test())


def test_entering_again_starts_anew_without_a_session():
    async def first(peer):
        await peer.welcome()
        await peer.expect(b"\x32")

    async def second(peer):
        await peer.welcome()
        await goodbye(peer)

    async def test():
        async with server(first, second) as port:
            client = mt.Client(port=port)
            async with client:
                with pytest.raises(mt.DisconnectedError):
                    await client.publish("t", qos=1)
            async with client:
                pass

    within(test())


def test_entering_again_takes_up_a_session():
    async def first(peer):
        await peer.welcome()
        await peer.expect(b"\x34\x06\0\x01t\0\x01\0")

    async def second(peer):
        connect = await peer.welcome(b"\x20\x03\1\0\0")
        assert connect[9] & 0x02 == 0  # no clean start
        await peer.expect(b"\x3c\x06\0\x01t\0\x01\0")
        await goodbye(peer)

    async def test():
        async with server(first, second) as port:
            client = mt.Client(port=port, client_id="a", session_expiry="1h")
            async with client:
                with pytest.raises(mt.DisconnectedError):
                    await client.publish("t", qos=2)
                with pytest.raises(mt.MqttwinError, match="in use"):
                    await client.__aenter__()
            async with client:
                assert client.session_present

    within(test())


def test_disconnecting_with_a_reason():
    async def script(peer):
        await peer.welcome()
        await peer.expect(b"\xe0\x07\x04\x05\x11\0\0\0\0")

    async def test():
        async with server(script) as port, mt.Client(port=port, session_expiry=9) as client:
            with pytest.raises(mt.ConfigError, match="reason code"):
                await client.disconnect(0x8B)
            await client.disconnect(4, properties={"session_expiry_interval": 0})
            with pytest.raises(mt.DisconnectedError, match="disconnected"):
                await client.publish("t")

    within(test())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"auth": "PLAIN"}, "unknown"),
        ({"auth": "SCRAM-SHA-256"}, "needs username and password"),
        ({"version": 4, "password": "x"}, "needs a user_name"),
        ({"keep_alive": "1500ms"}, "whole number of seconds"),
        ({"keep_alive": "1d"}, "keep_alive: must be from 0 to 65535"),
        ({"session_expiry": "never"}, "not a duration"),
        ({"max_messages": 0}, "at least 1"),
        ({"client_id": "a\0"}, "client_id"),
        ({"will_properties": {"content_type": "x"}}, "there is no will"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_options_that_cannot_be(options, said):
    with pytest.raises(mt.ConfigError) as error:
        mt.Client(**options)
    assert said in str(error.value)


def test_nothing_works_before_it_is_entered():
    async def test():
        client = mt.Client()
        for call in (client.publish("t"), client.subscribe("t"), client.unsubscribe("t")):
            with pytest.raises(mt.DisconnectedError, match="not connected"):
                await call
        with pytest.raises(mt.DisconnectedError, match="not connected"):
            await client.reauthenticate()
        await client.disconnect()

    within(test())


def test_a_unix_socket(tmp_path):
    from scripted import Peer

    async def test():
        async def serve(reader, writer):
            peer = Peer(reader, writer)
            await peer.welcome(CONNACK)
            await goodbye(peer)
            writer.close()

        path = str(tmp_path / "mqtt")
        listener = await asyncio.start_unix_server(serve, path)
        async with mt.Client(unix=path):
            pass
        listener.close()

    within(test())
