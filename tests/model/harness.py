"""Plays a conversation with the broker, tells the model the same, and compares what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conformance.packets import (
    Packet,
    connack,
    connect,
    decode,
    disconnect,
    frame_size,
    pingreq,
    pingresp,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    to,
    unsuback,
    unsubscribe,
)

import mqttwin as mt

from .reference import NEVER, Broker, Message, Subscription, Will

SETTLE = 20_000_000  # ns: in which everything that was begun is over
LEVELS = {"a": 5, "b": 5, "c": 4, "d": 4}  # clients, and the versions they speak
Tamper = Callable[[str, list[Packet]], list[Packet]]


def honest(client: str, packets: list[Packet]) -> list[Packet]:
    """What came is what is compared."""
    return packets


@dataclass
class Client:
    """One end, and what it owes."""

    level: int
    place: int
    open: bool = False
    owes: list[Packet] = field(default_factory=list)  # messages not acknowledged
    completes: list[int] = field(default_factory=list)  # PUBREL came, PUBCOMP to be said
    unreleased: dict[int, Message] = field(default_factory=dict)  # own QoS 2, PUBREL to come
    last_id: int = 0

    def next_id(self) -> int:
        """A packet identifier that is not in use."""
        self.last_id += 1
        return self.last_id


class Harness:
    """A broker in virtual time, its clients, and the model."""

    def __init__(self, tamper: Tamper = honest) -> None:
        self.model = Broker()
        self._tamper = tamper
        self._world = mt.World(seed=1)
        self._core = self._world._core
        broker = self._world.broker(redistribute_shared=False)
        link = mt.links.link(latency="1ms")._core()
        self._peers = self._core.add_peers("clients", 2 * len(LEVELS), broker._number, link)
        self.clients = {n: Client(level, i) for i, (n, level) in enumerate(LEVELS.items())}
        self._payloads = 0

    def close(self) -> None:
        """Ends the world."""
        self._world.close()

    def payload(self) -> bytes:
        """One that no other message has."""
        self._payloads += 1
        return b"m%d" % self._payloads

    # --- what can be done -------------------------------------------------------------------------

    def connect(
        self,
        name: str,
        *,
        clean: bool = True,
        expiry: int = 0,
        will: tuple[str, int, bool, int] | None = None,
        keep_alive: int = 0,
    ) -> None:
        """CONNECT on a new connection; takes over. will: topic, QoS, retain, delay."""
        client = self.clients[name]
        if client.level < 5:
            expiry = 0 if clean else 2**32 - 1
        former = client.place
        client.place = (former + len(LEVELS)) % (2 * len(LEVELS))
        self._core.peer_open(self._peers, client.place)
        client.place, new = former, client.place
        self._settle({})
        client.place, taken_over, client.open = new, client.open, True
        fields: dict[str, Any] = {"session_expiry_interval": expiry}
        wish = None
        if will:
            topic, qos, retain, delay = will
            message = Message(topic, self.payload(), qos, retain)
            wish = Will(message, delay if client.level == 5 else 0, NEVER)
            fields["will"] = {"topic": topic, "payload": message.payload, "qos": qos}
            fields["will"] |= {"retain": retain, "will_delay_interval": delay}
        self._say(name, connect(name, clean, keep_alive, **fields))
        lasting = NEVER if expiry == 2**32 - 1 else expiry
        present = self.model.connect(name, client.level, clean, lasting, wish, keep_alive)
        self.model.closed.pop(name, None)
        client.owes, client.completes = [], []  # what is owed comes again
        if not present:
            client.unreleased = {}
        again = [pubrel()] * self.model.sessions[name].released
        self._settle({name: [connack(0, present), *again]})
        if taken_over:
            farewell = self._core.peer_take(self._peers, former)
            assert self._core.peer_state(self._peers, former) != "open"
            if client.level == 5:
                assert not disconnect(0x8E).differs(decode(farewell, 5))

    def publish(
        self,
        name: str,
        topic: str,
        qos: int,
        *,
        retain: bool = False,
        expiry: int | None = None,
        finish: bool = True,
        empty: bool = False,
        cut: float | None = None,
    ) -> None:
        """PUBLISH; at QoS 2 with PUBREL or without. cut: only that part of it, then a reset."""
        client = self.clients[name]
        message = Message(topic, b"" if empty else self.payload(), qos, retain)
        number = client.next_id() if qos else None
        lasts = NEVER if expiry is None or client.level < 5 else expiry
        packet = publish(
            topic, message.payload, qos, number, retain, message_expiry_interval=expiry
        )

        def do() -> list[Packet]:
            self.model.publish(name, message, lasts, number or 0)
            return [[], [puback(number)], [pubrec(number)]][qos]

        if self._do(name, packet, do, cut) and qos == 2 and number:
            client.unreleased[number] = message
            if finish and cut is None:
                self.release(name)

    def resend(self, name: str) -> None:
        """The own messages at QoS 2 that are not released, once more: nobody gets them twice."""
        client = self.clients[name]
        for number, message in client.unreleased.items():
            packet = publish(message.topic, message.payload, 2, number, message.retain, True)

            def do(message: Message = message, number: int = number) -> list[Packet]:
                self.model.publish(name, message, NEVER, number)
                return [pubrec(number)]

            self._do(name, packet, do)

    def release(self, name: str) -> None:
        """PUBREL for all of them."""
        client = self.clients[name]
        while client.unreleased:
            number = next(iter(client.unreleased))
            del client.unreleased[number]
            known = self.model.sessions[name].received
            reason = 0 if number in known or client.level < 5 else 0x92

            def do(number: int = number, reason: int = reason) -> list[Packet]:
                self.model.release(name, number)
                return [pubcomp(number, reason)]

            self._do(name, pubrel(number), do)

    def subscribe(
        self,
        name: str,
        filter: str,
        qos: int,
        *,
        no_local: bool = False,
        as_published: bool = False,
        handling: int = 0,
        identifier: int = 0,
        cut: float | None = None,
    ) -> None:
        """SUBSCRIBE with one filter."""
        client = self.clients[name]
        number = client.next_id()
        five = client.level == 5
        no_local = no_local and five and not filter.startswith("$share/")
        options: dict[str, Any] = {"no_local": no_local}
        options |= {"retain_as_published": as_published, "retain_handling": handling}
        entry = to(filter, qos, **options) if five else to(filter, qos)
        packet = subscribe(number, [entry], subscription_identifier=identifier or None)
        wish = Subscription(qos, no_local, as_published and five, identifier if five else 0)

        def do() -> list[Packet]:
            self.model.subscribe(name, filter, wish, handling if five else 0)
            return [suback(number, [qos])]

        self._do(name, packet, do, cut)

    def unsubscribe(self, name: str, filter: str, *, cut: float | None = None) -> None:
        """UNSUBSCRIBE with one filter."""
        client = self.clients[name]
        number = client.next_id()

        def do() -> list[Packet]:
            there = self.model.unsubscribe(name, filter)
            reasons = [] if client.level < 5 else [0 if there else 0x11]
            return [unsuback(number, reasons) if reasons else unsuback(number)]

        self._do(name, unsubscribe(number, [filter]), do, cut)

    def acknowledge(self, name: str, *, half: bool = False) -> None:
        """Everything that the client owes: PUBACK, PUBREC and, unless half is enough, PUBCOMP."""
        client = self.clients[name]
        while client.owes:
            message = client.owes.pop(0)
            ack, answers = puback, []
            if message.qos == 2:
                ack, answers = pubrec, [pubrel(message.id)]

            def do(message: Packet = message, answers: list[Packet] = answers) -> list[Packet]:
                self.model.acknowledge(name, message.topic, message.payload, message.qos)
                return answers

            self._do(name, ack(message.id), do)
        if half:
            return
        while client.completes:

            def complete() -> list[Packet]:
                self.model.complete(name)
                return []

            self._do(name, pubcomp(client.completes.pop(0)), complete)

    def ping(self, name: str) -> None:
        """PINGREQ."""
        self._do(name, pingreq(), lambda: [pingresp()])

    def leave(self, name: str, *, with_will: bool = False, cut: float | None = None) -> None:
        """DISCONNECT."""
        client = self.clients[name]
        packet = disconnect(4 if with_will and client.level == 5 else 0)

        def do() -> list[Packet]:
            self.model.drop(name, with_will=bool(packet.reason))
            client.open = False
            return []

        self._do(name, packet, do, cut)

    def abort(self, name: str) -> None:
        """A reset."""
        client = self.clients[name]
        self._core.peer_abort(self._peers, client.place)
        self._core.peer_take(self._peers, client.place)
        client.open = False
        if name in self.model.sessions and self.model.sessions[name].connected:
            self.model.drop(name)
        self._settle({})

    def elapse(self, seconds: float) -> None:
        """Time passes."""
        self._pass(round(seconds * 1e9))
        self._settle({})

    # --- how it is done ---------------------------------------------------------------------------

    def _say(self, name: str, packet: Packet) -> None:
        client = self.clients[name]
        self._core.peer_send(self._peers, client.place, packet.encode(client.level))

    def _pass(self, ns: int) -> None:
        self._core.run(self._core.now + ns, 60_000)
        self.model.elapse(self._core.now / 1e9)

    def _do(
        self,
        name: str,
        packet: Packet,
        do: Callable[[], list[Packet]],
        cut: float | None = None,
    ) -> bool:
        """Says a packet, or a part of it with a reset behind it; whether it was whole."""
        client = self.clients[name]
        raw = packet.encode(client.level)
        size = len(raw) if cut is None else round(cut * len(raw))
        self._core.peer_send(self._peers, client.place, raw[:size])
        whole = size == len(raw)
        answers = []
        if whole:
            self.model.sessions[name].heard = self.model.now
            answers = do()
        self._settle({name: answers})
        if cut is not None and client.open:
            self.abort(name)
        return whole

    def _settle(self, answers: dict[str, list[Packet]]) -> None:
        """A moment later everybody has heard what the model says, and nothing else."""
        self._pass(SETTLE)
        heard = {name: self._hear(name) for name in self.clients}
        expected, self.model.expected = self.model.expected, {}
        closed, self.model.closed = self.model.closed, {}
        for name in self.clients:
            rest = self._without_answers(name, heard[name], answers.get(name, []))
            if name in closed:
                rest = self._without_farewell(name, rest, closed[name])
            heard[name] = self._without_messages(name, rest, expected.get(name, []))
        choices, self.model.choices = self.model.choices, []
        assert self._choose(choices, heard), f"{choices} do not explain {heard}"
        for name, rest in heard.items():
            assert not rest, f"{name} heard, and should not have: {rest}"

    def _hear(self, name: str) -> list[Packet]:
        client = self.clients[name]
        buffer = self._core.peer_take(self._peers, client.place)
        packets = []
        while size := frame_size(buffer):
            packets.append(decode(buffer[:size], client.level))
            buffer = buffer[size:]
        assert not buffer, f"{name}: the start of a packet: {buffer.hex(' ')}"
        return self._tamper(name, packets)

    def _without_answers(
        self, name: str, heard: list[Packet], wanted: list[Packet]
    ) -> list[Packet]:
        """Answers come in order; messages may stand between them."""
        client = self.clients[name]
        rest = [packet for packet in heard if packet.kind in ("PUBLISH", "DISCONNECT")]
        others = [packet for packet in heard if packet.kind not in ("PUBLISH", "DISCONNECT")]
        client.completes += [p.id for p in others if p.kind == "PUBREL"]
        fits = len(others) == len(wanted)
        for packet, wish in zip(others, wanted, strict=False):
            fits = fits and not wish.differs(packet)
        assert fits, f"{name} heard {others}, not {wanted}"
        if "CONNACK" in [packet.kind for packet in others]:
            assert heard[0].kind == "CONNACK", f"{name}: {heard[0]} before CONNACK"
        return rest

    def _without_farewell(self, name: str, heard: list[Packet], reason: int) -> list[Packet]:
        client = self.clients[name]
        client.open = False
        assert self._core.peer_state(self._peers, client.place) != "open", f"{name} is still there"
        if client.level < 5:
            return heard
        assert heard, f"{name} was not told {reason:#x}"
        assert not disconnect(reason).differs(heard[-1]), f"{name}: {heard[-1]}, not {reason:#x}"
        return heard[:-1]

    def _without_messages(
        self, name: str, heard: list[Packet], wanted: list[Message]
    ) -> list[Packet]:
        """Each exactly once, in order for each topic."""
        rest = list(enumerate(heard))
        last: dict[str, int] = {}
        for message in wanted:
            found = next((r for r in rest if self._same(name, r[1], message)), None)
            assert found is not None, f"{name} did not get {message}, but {heard}"
            rest.remove(found)
            at, packet = found
            assert at > last.get(message.topic, -1), f"{name}: {message} out of order in {heard}"
            last[message.topic] = at
            self._got(name, packet)
        return [packet for _, packet in rest]

    def _choose(
        self, choices: list[tuple[dict[str, Message], str]], heard: dict[str, list[Packet]]
    ) -> bool:
        """One member of each group has the message; tries who that may have been."""
        if not choices:
            return True
        members = {n: m for n, m in choices[0][0].items() if self.clients[n].open}
        for name, message in members.items():
            at = next((i for i, p in enumerate(heard[name]) if self._same(name, p, message)), None)
            if at is None:
                continue
            packet = heard[name].pop(at)
            if self._choose(choices[1:], heard):
                self.model.chosen(name, message)
                self.model.expected.pop(name)
                self._got(name, packet)
                return True
            heard[name].insert(at, packet)
        return not members and self._choose(choices[1:], heard)

    def _got(self, name: str, packet: Packet) -> None:
        if packet.qos:
            self.clients[name].owes.append(packet)

    def _same(self, name: str, packet: Packet, message: Message) -> bool:
        if packet.kind != "PUBLISH":
            return False
        left = packet.message_expiry_interval
        if message.expires == NEVER or self.clients[name].level < 5:
            right = left is None
        else:  # whole seconds that are left, 0 for what was under way when its time was over
            right = left is not None and left <= max(message.expires - self.model.now + 1, 0)
        return (
            right
            and packet.topic == message.topic
            and packet.payload == message.payload
            and packet.qos == message.qos
            and packet.retain == message.retain
            and packet.dup == message.dup
            and tuple(sorted(packet.subscription_identifier or ())) == message.identifiers
        )
