"""The asyncio client over TLS: a broker behind a terminator with certificates made for the test."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme

import mqttwin as mt
from scripted import within


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


@asynccontextmanager
async def terminator(authority, *, client_certificates=False, name="localhost"):
    """TLS on one side, our broker's TCP on the other; yields the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    if client_certificates:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    with mt.World() as world, world.serve() as server:

        async def serve(reader, writer):
            inner = await asyncio.open_connection(server.host, server.port)
            await asyncio.gather(copy(reader, inner[1]), copy(inner[0], writer))

        outer = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with outer:
            yield outer.sockets[0].getsockname()[1]


def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_a_message_goes_round(authority):
    async def go():
        async with (
            terminator(authority) as port,
            mt.Client("localhost", port, tls=trusting(authority)) as client,
        ):
            await client.subscribe("t", qos=1)
            await client.publish("t", b"x" * 100_000, qos=1)
            async for message in client.messages:
                assert message.payload == b"x" * 100_000
                return

    within(go())


def test_a_certificate_that_nobody_vouches_for(authority):
    async def go():
        async with terminator(authority) as port:
            with pytest.raises(mt.MqttwinError, match="certificate"):
                async with mt.Client("localhost", port, tls=True):
                    pass

    within(go())


def test_a_certificate_for_somebody_else(authority):
    async def go():
        async with terminator(authority, name="elsewhere.example") as port:
            with pytest.raises(mt.MqttwinError, match=r"certificate|[Hh]ostname"):
                async with mt.Client("localhost", port, tls=trusting(authority)):
                    pass

    within(go())


def test_a_client_with_a_certificate_of_its_own(authority):
    async def go():
        async with terminator(authority, client_certificates=True) as port:
            context = trusting(authority)
            authority.issue_cert("device@example.com").configure_cert(context)
            async with mt.Client("localhost", port, tls=context) as client:
                await client.publish("t", b"", qos=1)
            with pytest.raises(mt.MqttwinError):
                async with mt.Client("localhost", port, tls=trusting(authority)) as client:
                    await client.publish("t", b"", qos=1)

    within(go())


def test_the_commands_take_certificates(authority, mqttwin, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)

    async def go():
        async with terminator(authority) as port:
            options = ["-h", "localhost", "-p", port, "--cafile", path]
            say = ["pub", *options, "-t", "t", "-m", "hello", "-r", "-q", 1]
            hear = ["sub", *options, "-t", "t", "-C", 1, "-W", 10]
            assert (await asyncio.to_thread(mqttwin, *say)).status == 0
            said = await asyncio.to_thread(mqttwin, *hear)
            assert (said.status, said.out) == (0, "hello\n")

    within(go())
