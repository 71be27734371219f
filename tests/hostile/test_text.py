"""UTF-8 that is none, in every text of every packet."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.packets import (
    Packet,
    auth,
    connect,
    disconnect,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    subscribe,
    to,
    unsubscribe,
    will,
)

from .arena import Arena
from .attack import MALFORMED, PROTOCOL_ERROR, Attack, carry_out, dies, lives

# [MQTT-1.5.4-1], [MQTT-1.5.4-2]
BAD = {
    "U+0000": b"a\0b",
    "U+0000 alone": b"\0",
    "over-long U+0000": b"a\xc0\x80",
    "over-long /": b"\xc0\xaf",
    "over-long / in three": b"\xe0\x80\xaf",
    "over-long / in four": b"\xf0\x80\x80\xaf",
    "over-long U+FFFF": b"\xf0\x8f\xbf\xbf",
    "first surrogate": b"\xed\xa0\x80",
    "last surrogate": b"a\xed\xbf\xbf",
    "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "continuation alone": b"\x80",
    "no continuation": b"\xc3a",
    "cut of two": b"a\xc3",
    "cut of three": b"a\xe2\x82",
    "cut of four": b"a\xf0\x9f\x98",
    "Latin-1": "größe".encode("latin-1"),
    "0xFE": b"\xfe",
    "0xFF": b"\xff",
    "far behind": b"a" * 1000 + b"\xed\xa0\x80",
    "far behind, and more": b"a" * 7 + b"\0" + b"a" * 1000,
}
GOOD = {
    "U+FEFF": "\ufeffa",  # [MQTT-1.5.4-3]
    "four bytes": "😀",
    "U+10FFFF": "\U0010ffff",
    "noncharacters": "\ufdd0\ufffe",
    "control": "\x01\x1f\x7f\x80\x9f",
    "before and behind the surrogates": "\ud7ff\ue000",
    "long": "ä" * 20_000,
}


def _packets(text: bytes) -> Iterator[tuple[str, Packet, tuple[int, ...], bool]]:
    """Packets with a text in each place: name, packet, levels, whether after CONNECT."""
    both, five = (4, 5), (5,)
    yield "topic", publish(text), both, True
    yield "filter", subscribe(1, [to(text)]), both, True
    yield "second filter", subscribe(1, [to("a"), to(text)]), both, True
    yield "shared filter", subscribe(1, [to(b"$share/g/" + text)]), both, True
    yield "unsubscribed", unsubscribe(1, [text]), both, True
    yield "client identifier", connect(text), both, False
    yield "user name", connect("c", user_name=text, password=b"p"), both, False
    yield "will topic", connect("c", will=will(text)), both, False
    yield "will content type", connect("c", will=will("w", content_type=text)), five, False
    yield "will response topic", connect("c", will=will("w", response_topic=text)), five, False
    yield (
        "will user property",
        connect("c", will=will("w", user_property=[(text, "")])),
        five,
        False,
    )
    yield "response topic", publish("t", response_topic=text), five, True
    yield "content type", publish("t", content_type=text), five, True
    for name, packet, connected in (
        ("CONNECT", connect("c"), False),
        ("PUBLISH", publish("t"), True),
        ("SUBSCRIBE", subscribe(1, [to("a")]), True),
        ("UNSUBSCRIBE", unsubscribe(1, ["a"]), True),
        ("PUBACK", puback(1, 0), True),
        ("PUBREC", pubrec(1, 0), True),
        ("PUBREL", pubrel(1, 0), True),
        ("PUBCOMP", pubcomp(1, 0), True),
        ("DISCONNECT", disconnect(0), True),
    ):
        yield f"{name}, user property", packet.but(user_property=[("a", text)]), five, connected
        yield f"{name}, name of it", packet.but(user_property=[(text, "a")]), five, connected
        if name[:3] in ("PUB", "DIS") and name != "PUBLISH":
            yield f"{name}, reason", packet.but(reason_string=text), five, connected


def test_text_that_is_not_utf8(arena: Arena) -> None:
    """The packet is malformed, wherever the text stands."""
    count = carry_out(
        arena,
        (
            Attack(f"{where}: {what}", level, packet.encode(level), dies(MALFORMED), connected)
            for what, text in BAD.items()
            for where, packet, levels, connected in _packets(text)
            for level in levels
        ),
    )
    assert count > 900


def test_text_of_an_authentication(arena: Arena) -> None:
    """The method's name, in CONNECT and in AUTH."""
    carry_out(
        arena,
        (
            attack
            for what, text in BAD.items()
            for attack in (
                Attack(
                    f"CONNECT: {what}",
                    5,
                    connect("c", authentication_method=text).encode(5),
                    dies(MALFORMED, told=True),
                    False,
                ),
                Attack(
                    f"AUTH: {what}",
                    5,
                    auth(0x19, authentication_method=text).encode(5),
                    dies(MALFORMED, PROTOCOL_ERROR),
                ),
            )
        ),
    )


def test_text_that_is_strange_but_right(arena: Arena) -> None:
    """What only looks wrong is passed on as it is."""
    for level in (4, 5):
        for number, text in enumerate(GOOD.values()):
            topic = f"strange/{text}"
            name = f"{level}-{number}-{text[:20]}"
            end = arena.connected(level, name, user_name=text, password=b"")
            end.send(subscribe(1, [to(topic)]).encode(level) + publish(topic).encode(level))
            size = len(topic)
            arena.wait(lambda end=end, size=size: len(end.received) > size, "the message")
            suback, message = end.take(level)
            assert (suback.kind, message.topic) == ("SUBACK", topic)
            end.close()
            arena.bystanders.served()


def test_bytes_that_are_no_text(arena: Arena) -> None:
    """Payloads, passwords and correlation data are anything."""
    anything = bytes(range(256)) + b"\xed\xa0\x80\0"
    packet = publish("t", anything, correlation_data=anything)
    attempts = [Attack("payload", level, packet.encode(level), lives()) for level in (4, 5)] + [
        Attack(
            "password and will",
            level,
            connect("c", user_name="u", password=anything, will=will("w", anything)).encode(level),
            lives("CONNACK"),
            False,
        )
        for level in (4, 5)
    ]
    carry_out(arena, attempts)
