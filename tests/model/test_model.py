"""Random conversations of several clients with the broker, against the reference model.

The examples are the same in every run, so a failure comes again with

    .venv/bin/python -m pytest tests/model

and one found with more of them (MQTTWIN_MODEL_EXAMPLES=5000) with the line `@reproduce_failure`
that it prints, above `Conversation`.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from conformance.packets import Packet
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .harness import LEVELS, Harness, Tamper, honest
from .reference import matches

TOPICS = ("t", "t/u", "t/u/v", "t//v", "/t", "$t/u")
FILTERS = ("#", "+", "t", "t/#", "t/+", "t/+/v", "+/u", "/+", "+/+/+", "$t/#", "t/u")
SHARED = ("$share/g/t/#", "$share/h/t/+", "$share/g/#")
SETTINGS: dict[str, Any] = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": list(HealthCheck),
}

names = st.sampled_from(sorted(LEVELS))
topics = st.sampled_from(TOPICS)
filters = st.sampled_from(FILTERS)
qualities = st.sampled_from((0, 1, 2))
flags = st.booleans()
cuts = st.sampled_from((None,) * 12 + (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0))
wills = st.one_of(st.none(), st.tuples(topics, qualities, flags, st.sampled_from((0, 0, 7))))


class Conversation(RuleBasedStateMachine):
    """What clients can do, in any order."""

    tamper: Tamper = staticmethod(honest)

    def __init__(self) -> None:
        super().__init__()
        self.harness = Harness(type(self).tamper)

    def teardown(self) -> None:
        self.harness.close()

    def is_open(self, name: str) -> bool:
        return self.harness.clients[name].open

    def anybody(self) -> bool:
        return any(client.open for client in self.harness.clients.values())

    @initialize(
        lasting=st.lists(st.sampled_from((0, 60, 2**32 - 1)), min_size=4, max_size=4),
        wide=st.lists(st.sampled_from(("#", "t/#", "+/u")), min_size=4, max_size=4),
        qos=qualities,
    )
    def begin(self, lasting: list[int], wide: list[str], qos: int) -> None:
        """Everybody is there and listens, or there would be little to see."""
        for name, expiry, filter in zip(sorted(LEVELS), lasting, wide, strict=True):
            self.harness.connect(name, clean=expiry == 0, expiry=expiry)
            self.harness.subscribe(name, filter, qos, identifier=7)

    @precondition(anybody)
    @rule(data=st.data(), topic=topics, qos=st.sampled_from((1, 2)), finish=flags)
    def tell(self, data: Any, topic: str, qos: int, finish: bool) -> None:
        """The usual message."""
        self.harness.publish(self.somebody(data), topic, qos, finish=finish)

    @precondition(anybody)
    @rule(data=st.data(), seconds=st.sampled_from((0, 1, 4)), tell=flags, half=flags)
    def come_back(self, data: Any, seconds: int, tell: bool, half: bool) -> None:
        """A connection breaks, something is said meanwhile, and its session is resumed."""
        name = self.somebody(data)
        if half:
            self.harness.acknowledge(name, half=True)
        session = self.harness.model.sessions[name]
        expiry = 0 if session.expiry == 0 else 60
        self.harness.abort(name)
        others = [other for other in sorted(LEVELS) if self.is_open(other)]
        if tell and others:
            self.harness.publish(others[0], "t/u", 2)
        self.harness.elapse(seconds)
        self.harness.connect(name, clean=False, expiry=expiry)

    @rule(
        name=names,
        clean=flags,
        expiry=st.sampled_from((0, 5, 60, 2**32 - 1)),
        will=wills,
        keep_alive=st.sampled_from((0, 0, 0, 10)),
    )
    def connect(self, name: str, clean: bool, expiry: int, will: Any, keep_alive: int) -> None:
        self.harness.connect(name, clean=clean, expiry=expiry, will=will, keep_alive=keep_alive)

    @precondition(anybody)
    @rule(
        data=st.data(),
        topic=topics,
        qos=qualities,
        retain=flags,
        expiry=st.sampled_from((None, None, 3, 30)),
        finish=flags,
        empty=st.sampled_from((False, False, False, True)),
        cut=cuts,
    )
    def publish(self, data: Any, **arguments: Any) -> None:
        self.harness.publish(self.somebody(data), **arguments)

    @precondition(anybody)
    @rule(
        data=st.data(),
        filter=filters,
        qos=qualities,
        no_local=flags,
        as_published=flags,
        handling=st.sampled_from((0, 1, 2)),
        identifier=st.sampled_from((1, 268_435_455, 0)),
        cut=cuts,
    )
    def subscribe(self, data: Any, **arguments: Any) -> None:
        self.harness.subscribe(self.somebody(data), **arguments)

    @precondition(anybody)
    @rule(data=st.data(), filter=st.sampled_from(SHARED), qos=qualities)
    def share(self, data: Any, filter: str, qos: int) -> None:
        """By sessions that end with their connection: whom they leave it to is another matter."""
        name = self.somebody(data)
        if self.harness.model.sessions[name].expiry == 0:
            self.harness.subscribe(name, filter, qos)

    @precondition(anybody)
    @rule(data=st.data(), filter=st.sampled_from(FILTERS + SHARED), cut=cuts)
    def unsubscribe(self, data: Any, filter: str, cut: float | None) -> None:
        self.harness.unsubscribe(self.somebody(data), filter, cut=cut)

    @precondition(anybody)
    @rule(data=st.data(), half=flags)
    def acknowledge(self, data: Any, half: bool) -> None:
        self.harness.acknowledge(self.somebody(data), half=half)

    @precondition(anybody)
    @rule(data=st.data())
    def release(self, data: Any) -> None:
        self.harness.release(self.somebody(data))

    @precondition(anybody)
    @rule(data=st.data())
    def resend(self, data: Any) -> None:
        self.harness.resend(self.somebody(data))

    @precondition(anybody)
    @rule(data=st.data(), with_will=flags, cut=cuts)
    def leave(self, data: Any, with_will: bool, cut: float | None) -> None:
        self.harness.leave(self.somebody(data), with_will=with_will, cut=cut)

    @precondition(anybody)
    @rule(data=st.data())
    def abort(self, data: Any) -> None:
        self.harness.abort(self.somebody(data))

    @rule(seconds=st.sampled_from((1, 4, 6, 16, 61)))
    def elapse(self, seconds: int) -> None:
        self.harness.elapse(seconds)

    def somebody(self, data: Any) -> str:
        """A client that is connected."""
        open_ = [name for name in sorted(LEVELS) if self.is_open(name)]
        return str(data.draw(st.sampled_from(open_), label="client"))


TestBroker = Conversation.TestCase
TestBroker.settings = settings(
    max_examples=int(os.environ.get("MQTTWIN_MODEL_EXAMPLES", "100")),
    stateful_step_count=40,
    **SETTINGS,
)


# --- that it can fail -----------------------------------------------------------------------------


def _each(change: Any) -> Tamper:
    """Changes the packets that one client hears."""

    def tamper(client: str, packets: list[Packet]) -> list[Packet]:
        return change(packets) if client in "ac" else packets

    return tamper


def _is_message(packet: Packet, qos: int | None = None) -> bool:
    return packet.kind == "PUBLISH" and (qos is None or packet.qos == qos)


LIES = {
    "loses": lambda ps: [p for p in ps if not _is_message(p)],
    "loses QoS 2": lambda ps: [p for p in ps if not _is_message(p, 2)],
    "repeats": lambda ps: [q for p in ps for q in ([p, p] if _is_message(p) else [p])],
    "repeats QoS 2": lambda ps: [q for p in ps for q in ([p, p] if _is_message(p, 2) else [p])],
    "turns around": lambda ps: ps[::-1],
    "retains": lambda ps: [p.but(retain=True) if _is_message(p) else p for p in ps],
    "forgets retain": lambda ps: [p.but(retain=False) if _is_message(p) else p for p in ps],
    "forgets duplicates": lambda ps: [p.but(dup=False) if _is_message(p) else p for p in ps],
    "forgets identifiers": lambda ps: [
        p.but(subscription_identifier=None) if _is_message(p) else p for p in ps
    ],
    "forgets sessions": lambda ps: [
        p.but(session_present=False) if p.kind == "CONNACK" else p for p in ps
    ],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_broker_that_lies_is_found_out(lie: str) -> None:
    """The machine notices each of these within its examples."""

    class Lying(Conversation):
        tamper = staticmethod(_each(LIES[lie]))

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Lying,
            settings=settings(
                max_examples=300,
                stateful_step_count=30,
                phases=[Phase.generate],
                **SETTINGS,
            ),
        )


def test_matching_of_the_reference() -> None:
    """The examples of section 4.7."""
    yes = [("a/#", "a"), ("a/#", "a/b/c"), ("#", "a/b"), ("+", "a"), ("/+", "/a"), ("+/+", "/a")]
    no = [("a/+", "a"), ("+", "/a"), ("a/+", "a/b/c"), ("#", "$SYS"), ("+/x", "$SYS/x"), ("a", "b")]
    assert all(matches(filter, topic) for filter, topic in yes)
    assert not any(matches(filter, topic) for filter, topic in no)
