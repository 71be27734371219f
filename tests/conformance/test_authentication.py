"""AUTH and enhanced authentication, by a broker that knows users and SCRAM-SHA-256."""

from __future__ import annotations

from pathlib import Path

from mqttwin import _core

from .broker_role import Broker
from .conversation import Peer
from .packets import (
    ABSENT,
    Packet,
    auth,
    connack,
    connect,
    is_error,
    puback,
    publish,
    subscribe,
    to,
)
from .suite import v5
from .violations import answers, change, drop, ignores, insert

METHOD = "SCRAM-SHA-256"
USERS = str(Path(__file__).with_name("users.txt"))
ACCEPTED = connack(0, authentication_method=METHOD)
MORE = auth(0x18, authentication_method=METHOD, authentication_data=b"more")


class Login:
    """A client's side of SCRAM; its nonce is always the same, so that a replay fits."""

    def __init__(self, broker: Broker, password: str = "pencil") -> None:
        self._broker = broker
        self._password = password
        self._scram = self._new()

    def _new(self) -> _core.ScramClient:
        return _core.ScramClient("user", self._password, nonce="rOprNGfwEbeRWgbNEkqO")

    def challenged(self, **fields: object) -> tuple[Peer, Packet]:
        """A connection that has been asked, and the AUTH that asks."""
        peer = self._broker.peer()
        first = {"authentication_method": METHOD, "authentication_data": self._scram.first()}
        peer.send(connect(peer.name, **first, **fields))
        return peer, peer.expect(auth(0x18, authentication_method=METHOD))

    def answer(self, question: Packet, **fields: object) -> Packet:
        """The AUTH that answers a challenge."""
        proof = self._scram.next(question.authentication_data)
        return auth(0x18, authentication_method=METHOD, authentication_data=proof, **fields)

    def connected(self, **fields: object) -> Peer:
        """A connection that has been let in."""
        peer, question = self.challenged(**fields)
        peer.send(self.answer(question))
        self._scram.finish(peer.expect(ACCEPTED).authentication_data)
        return peer

    def again(self) -> Packet:
        """The AUTH that begins a re-authentication."""
        self._scram = self._new()
        first = self._scram.first()
        return auth(0x19, authentication_method=METHOD, authentication_data=first)


# --- the packet -----------------------------------------------------------------------------------


@v5("MQTT-3.15.1-1", answers(ACCEPTED), ignores())
def test_auth_with_flags_is_malformed(broker: Broker) -> None:
    broker.start(users=USERS)
    for flags in (1, 2, 4, 8):
        login = Login(broker)
        peer, question = login.challenged()
        peer.send(login.answer(question, flags=flags))
        peer.expect_rejected(0x81)


@v5("MQTT-3.15.1-1", ignores(), answers(MORE))
def test_auth_with_flags_is_malformed_while_connected(broker: Broker) -> None:
    broker.start(users=USERS)
    login = Login(broker)
    peer = login.connected()
    peer.send(login.again().but(flags=2))
    peer.expect_error(0x81)


@v5("MQTT-3.15.1-1", change("AUTH", flags=1), change("AUTH", nth=0, flags=2))
@v5("MQTT-3.15.2-1", change("AUTH", reason=0x87), change("AUTH", nth=0, reason=0x01))
@v5("MQTT-4.12.0-2", change("AUTH", nth=0, reason=0), change("AUTH", nth=1, reason=0x19))
@v5("MQTT-4.12.0-5", change("AUTH", nth=0, authentication_method="PLAIN"))
@v5("MQTT-4.12.0-5", change("AUTH", nth=0, authentication_method=None))
@v5("MQTT-4.12.0-5", change("CONNACK", authentication_method=None))
@v5("MQTT-4.12.0-5", change("CONNACK", authentication_method="PLAIN"))
@v5("MQTT-4.12.0-5", change("AUTH", nth=1, authentication_method="PLAIN"))
@v5("MQTT-4.12.0-5", change("AUTH", authentication_method=None))
@v5("MQTT-4.12.1-1", drop("AUTH"))
def test_authentication_and_once_more(broker: Broker) -> None:
    broker.start(users=USERS)
    login = Login(broker)
    peer = login.connected()
    peer.fence()
    peer.send(login.again())
    question = peer.expect(auth(0x18, authentication_method=METHOD))
    peer.send(publish("a", b"x", 1, 7))  # goes on meanwhile
    peer.expect(puback(7))
    peer.send(login.answer(question))
    peer.expect(auth(0x00, authentication_method=METHOD))
    peer.fence()


@v5("MQTT-3.15.2-1", answers(ACCEPTED), ignores())
@v5("MQTT-4.12.0-3", answers(ACCEPTED), ignores())
def test_auth_with_a_wrong_reason_is_refused(broker: Broker) -> None:
    broker.start(users=USERS)
    for reason in (0x87, 0x01, 0x00, 0x19):
        login = Login(broker)
        peer, question = login.challenged()
        peer.send(login.answer(question).but(reason=reason))
        peer.expect_refused(connack(0x82), connack(0x81))


@v5("MQTT-3.15.2-2", change("AUTH", reason_string="because"))
@v5("MQTT-3.15.2-2", change("AUTH", nth=1, reason_string="because"))
@v5("MQTT-3.15.2-3", change("AUTH", user_property=[("a", "b")]))
@v5("MQTT-3.15.2-3", change("AUTH", nth=1, user_property=[("a", "b")]))
def test_auth_stays_within_the_maximum_packet_size(broker: Broker) -> None:
    broker.start(users=USERS)
    _, question = Login(broker).challenged()
    limit = len(question.but(reason_string=None, user_property=None).encode(5))
    login = Login(broker)
    peer, question = login.challenged(maximum_packet_size=limit)
    assert len(question.encode(5)) <= limit
    peer.send(login.answer(question))
    peer.expect(ACCEPTED)
    peer.send(login.again())
    question = peer.expect(auth(0x18))
    assert len(question.encode(5)) <= limit


# --- the exchange ---------------------------------------------------------------------------------


@v5("MQTT-4.12.0-1", answers(connack(0, authentication_method="none such")), drop("closed"))
def test_unknown_authentication_method_is_refused(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", authentication_method="none such"))
    peer.expect_refused(connack(0x8C), connack(0x87))


@v5("MQTT-4.12.0-1", answers(connack(0, authentication_method="none such")), drop("closed"))
def test_unknown_authentication_method_is_refused_where_others_are_known(broker: Broker) -> None:
    broker.start(users=USERS)
    peer = broker.peer()
    peer.send(connect("c", authentication_method="none such", user_name="user", password="pencil"))
    peer.expect_refused(connack(0x8C), connack(0x87))


@v5("MQTT-4.12.0-4", answers(ACCEPTED), answers(MORE), drop("closed"))
def test_failed_authentication_is_closed(broker: Broker) -> None:
    broker.start(users=USERS)
    peer = broker.peer()  # at the first step
    peer.send(connect("c", authentication_method=METHOD, authentication_data=b"nonsense"))
    peer.expect_refused(connack(is_error))
    login = Login(broker, "a guess")  # and at the second
    peer, question = login.challenged()
    peer.send(login.answer(question))
    peer.expect_refused(connack(is_error))


@v5("MQTT-4.12.0-6", insert(MORE, before="CONNACK", nth=0))
@v5("MQTT-4.12.0-6", insert(MORE, before="CONNACK"), insert(MORE, before="PINGRESP"))
@v5("MQTT-4.12.0-6", change("CONNACK", nth=0, authentication_method=METHOD))
@v5("MQTT-4.12.0-6", change("CONNACK", authentication_method=METHOD))
def test_no_auth_without_an_authentication_method(broker: Broker) -> None:
    broker.start(users=USERS)
    peer = broker.peer()
    peer.send(connect("c", user_name="user", password="pencil"))
    peer.expect(connack(0, authentication_method=ABSENT, authentication_data=ABSENT))
    peer.fence()
    for login in ({"user_name": "user", "password": "a guess"}, {}):
        peer = broker.peer()
        peer.send(connect("d", **login))
        peer.expect_refused(connack(is_error, authentication_method=ABSENT))


@v5("MQTT-4.12.0-7", ignores(), answers(MORE))
def test_auth_without_an_authentication_method_is_refused(broker: Broker) -> None:
    broker.start(users=USERS)
    peer = broker.connected("c", user_name="user", password="pencil")
    peer.send(Login(broker).again())
    peer.expect_error(0x82)


@v5("MQTT-4.12.0-5", answers(ACCEPTED), ignores())
def test_another_authentication_method_is_refused(broker: Broker) -> None:
    broker.start(users=USERS)
    for method in ("PLAIN", None):
        login = Login(broker)
        peer, question = login.challenged()
        peer.send(login.answer(question).but(authentication_method=method))
        peer.expect_refused(connack(is_error))


@v5("MQTT-3.1.2-30", answers(puback(7)), ignores())
def test_nothing_but_auth_before_connack(broker: Broker) -> None:
    broker.start(users=USERS)
    for packet in (subscribe(1, [to("a")]), publish("a", b"x", 1, 7)):
        login = Login(broker)
        peer, question = login.challenged()
        peer.send(packet, login.answer(question))
        peer.expect_rejected(0x82)


# --- re-authentication ----------------------------------------------------------------------------


@v5("MQTT-4.12.1-1", answers(MORE), ignores())
def test_re_authentication_has_the_same_method(broker: Broker) -> None:
    broker.start(users=USERS)
    login = Login(broker)
    peer = login.connected()
    peer.send(login.again().but(authentication_method="PLAIN"))
    peer.expect_error(0x82)


@v5("MQTT-4.12.1-2", drop("closed"), ignores())
@v5("MQTT-4.12.1-2", answers(auth(0x00, authentication_method=METHOD)))
def test_failed_re_authentication_is_closed(broker: Broker) -> None:
    broker.start(users=USERS)
    login = Login(broker)
    peer = login.connected()
    peer.send(login.again())
    question = peer.expect(auth(0x18))
    answer = login.answer(question)
    proof = answer.authentication_data[:-4] + b"AAA="
    peer.send(answer.but(authentication_data=proof))
    peer.expect_error(0x87)
    Login(broker).connected().fence()
