"""Topics that are empty, the server's, as long or as deep as they can be, and filters likewise."""

from __future__ import annotations

from collections.abc import Callable

from conformance.packets import (
    connect,
    publish,
    suback,
    subscribe,
    to,
    unsubscribe,
    will,
)

from .arena import Arena
from .attack import (
    FILTER_INVALID,
    MALFORMED,
    NAME_INVALID,
    PROTOCOL_ERROR,
    Attack,
    carry_out,
    dies,
    lives,
)
from .table import LEVELS

LONGEST = "t" * 65_535
DEEPEST = "/".join("a" * 32_000)  # 63,999 bytes
SLASHES = "/" * 65_535
MIB = 1 << 20


def test_topic_that_is_empty(arena: Arena) -> None:
    """[MQTT-4.7.3-1]: everywhere; in 5.0 an alias may stand for it, one that is known."""
    nothing = (MALFORMED, PROTOCOL_ERROR, NAME_INVALID, FILTER_INVALID)
    attacks = [
        attack
        for level in LEVELS
        for attack in (
            Attack("PUBLISH", level, publish("").encode(level), dies(*nothing)),
            Attack("SUBSCRIBE", level, subscribe(1, [to("")]).encode(level), dies(*nothing)),
            Attack("UNSUBSCRIBE", level, unsubscribe(1, [""]).encode(level), dies(*nothing)),
            Attack("will", level, connect("c", will=will("")).encode(level), dies(*nothing), False),
        )
    ]
    aliased = [
        Attack("unknown alias", 5, publish("", topic_alias=3).encode(5), dies(PROTOCOL_ERROR)),
        Attack("alias 0", 5, publish("t", topic_alias=0).encode(5), dies(0x94)),
        Attack("alias over the maximum", 5, publish("t", topic_alias=17).encode(5), dies(0x94)),
        Attack("alias far over it", 5, publish("t", topic_alias=65_535).encode(5), dies(0x94)),
        Attack("response", 5, publish("t", response_topic="").encode(5), dies(*nothing)),
    ]
    carry_out(arena, attacks + aliased)


def test_topic_with_wildcards(arena: Arena) -> None:
    """[MQTT-3.3.2-2]: a name is no filter; and filters have their rules [MQTT-4.7.1-1], -2."""
    named = (MALFORMED, PROTOCOL_ERROR, NAME_INVALID)
    attacks = []
    for level in LEVELS:
        for topic in ("#", "+", "a/#", "a/+/b", "a+", "#a"):
            raw = publish(topic).encode(level)
            attacks.append(Attack(f"PUBLISH to {topic}", level, raw, dies(*named)))
            raw = connect("c", will=will(topic)).encode(level)
            attacks.append(Attack(f"will to {topic}", level, raw, dies(*named), False))
        for filter in ("a#", "#/a", "a/#/b", "a+", "+a/b", "a/+b", "##", "++", "$share//a"):
            raw = subscribe(1, [to(filter)]).encode(level)
            attacks.append(Attack(f"SUBSCRIBE to {filter}", level, raw, lives("SUBACK")))
    carry_out(arena, attacks)
    for level in LEVELS:
        end = arena.connected(level, f"filters-{level}")
        end.send(subscribe(1, [to("a#"), to("ok"), to("#/a")]).encode(level))
        bad = FILTER_INVALID if level == 5 else 0x80
        arena.hear(end, level, suback(1, [bad, 0, bad]))


def test_topic_of_the_server(arena: Arena) -> None:
    """`$x` is for whoever agrees on it, `$SYS` is the server's, and neither is in `#` or `+/…`."""
    for level in LEVELS:
        end = arena.connected(level, f"dollar-{level}")
        end.send(subscribe(1, [to("#"), to("+/x"), to("$x/#")]).encode(level))
        arena.hear(end, level, suback(1, [0, 0, 0]))
        for topic in ("$", "$/x", "$SYS", "$SYS/x", "$SYS/broker/version"):
            end.send(publish(topic).encode(level))
        end.send(publish("$x").encode(level) + publish("$x/x").encode(level))
        arena.hear(end, level, publish("$x"), publish("$x/x"))
        end.close()
        arena.bystanders.served()


def test_topic_of_65535_bytes(arena: Arena) -> None:
    """The longest that there can be is a topic like any other."""
    for level in LEVELS:
        end = arena.connected(level, f"long-{level}")
        end.send(subscribe(1, [to(LONGEST, 1)]).encode(level))
        arena.hear(end, level, suback(1, [1]))
        end.send(publish(LONGEST, b"x", retain=True).encode(level))
        arena.hear(end, level, publish(LONGEST, b"x"))
        end.send(publish(LONGEST, b"", retain=True).encode(level))
        arena.hear(end, level, publish(LONGEST, b""))
        arena.bystanders.served()


def test_topic_of_32000_levels(arena: Arena) -> None:
    """Deeper than this broker goes: refused, one way or the other, and nothing else."""
    attacks = []
    for level in LEVELS:
        for name, topic in (("deep", DEEPEST), ("slashes", SLASHES)):
            filters = subscribe(1, [to(topic), to("+/" * 30_000 + "#")])
            attacks += [
                Attack(f"PUBLISH, {name}", level, publish(topic).encode(level), dies(NAME_INVALID)),
                Attack(f"SUBSCRIBE, {name}", level, filters.encode(level), lives("SUBACK")),
                Attack(
                    f"UNSUBSCRIBE, {name}",
                    level,
                    unsubscribe(1, [topic]).encode(level),
                    lives("UNSUBACK"),
                ),
                Attack(
                    f"will, {name}",
                    level,
                    connect("c", will=will(topic)).encode(level),
                    dies(NAME_INVALID),
                    False,
                ),
            ]
    carry_out(arena, attacks)


def test_topic_of_32000_levels_that_are_allowed(arena_with: Callable[..., Arena]) -> None:
    """Where it is allowed, depth costs memory in proportion, and no recursion."""
    arena = arena_with(max_topic_levels=70_000)
    before = arena.backend.memory()
    for level in LEVELS:
        for topic in (DEEPEST, SLASHES):
            end = arena.connected(level, "deep")
            end.send(subscribe(1, [to(topic), to("+/" * 30_000 + "#")]).encode(level))
            arena.hear(end, level, suback(1, [0, 0]))
            end.send(publish(topic, b"x", retain=True).encode(level))
            arena.wait(lambda end=end: end.received, "the message")
            end.send(unsubscribe(2, [topic, "+/" * 30_000 + "#"]).encode(level))
            arena.bystanders.served()
            end.send(publish(topic, b"", retain=True).encode(level))
            arena.bystanders.served()
            end.close()
    assert arena.backend.memory() - before < 64 * MIB


def test_filters_that_are_many(arena: Arena) -> None:
    """More subscriptions than a session may have: refused one by one, memory bounded."""
    before = arena.backend.memory()
    for level in LEVELS:
        end = arena.connected(level, f"greedy-{level}")
        for start in range(0, 20_000, 1000):
            filters = [to(f"{level}/{start + i}/+/#") for i in range(1000)]
            end.send(subscribe(1, filters).encode(level))
            refused = 0x97 if level == 5 else 0x80
            arena.hear(end, level, suback(1, [0 if start == 0 else refused] * 1000))
        arena.bystanders.served()
    assert arena.backend.memory() - before < 32 * MIB
