"""Enhanced authentication of the asyncio client, with a method of the user's own."""

import pytest

import mqttwin as mt
from scripted import server, within


class Sesame:
    """Says "open", and expects "opened"."""

    method = "SESAME"

    def first(self):
        return b"open"

    def next(self, data):
        if data != b"who?":
            raise ValueError("an odd question")
        return b"me"

    def finish(self, data):
        if data != b"opened":
            raise ValueError("the server is an impostor")


def auth(reason, data, start=b"\xf0"):
    properties = b"\x15\0\x06SESAME\x16" + len(data).to_bytes(2, "big") + data
    body = reason + bytes([len(properties)]) + properties
    return start + bytes([len(body)]) + body


def test_enhanced_authentication():
    async def script(peer):
        connect = await peer.expect(b"\x10")
        assert b"\x15\0\x06SESAME\x16\0\x04open" in connect
        peer.say(auth(b"\x18", b"who?"))
        assert await peer.packet() == auth(b"\x18", b"me")
        peer.say(auth(b"\0\0", b"opened", b"\x20"))
        assert await peer.packet() == auth(b"\x19", b"open")
        peer.say(auth(b"\0", b"opened"))
        assert await peer.packet() == auth(b"\x19", b"open")
        peer.say(auth(b"\0", b"closed"))
        await peer.packet()

    async def test():
        async with server(script) as port, mt.Client(port=port, auth=Sesame) as client:
            await client.reauthenticate()
            with pytest.raises(mt.AuthenticationError, match="impostor"):
                await client.reauthenticate()

    within(test())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (auth(b"\x18", b"what?"), "authentication failed: an odd question"),
        (auth(b"\0\0", b"closed", b"\x20"), "authentication failed: the server is an impostor"),
    ],
)
def test_a_server_that_does_not_convince(answer, said):
    async def script(peer):
        await peer.expect(b"\x10")
        peer.say(answer)
        assert await peer.packet() == b""

    async def test():
        async with server(script) as port:
            with pytest.raises(mt.AuthenticationError, match=said):
                async with mt.Client(port=port, auth=Sesame):
                    pass

    within(test())
