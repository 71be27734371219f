"""CONNACK, as the broker sends it."""

from __future__ import annotations

from .broker_role import Broker
from .packets import ABSENT, ANY, connack, connect, pingresp, publish, suback, subscribe, to, will
from .suite import timed, v5, v311
from .violations import change, closes, drop, insert, late, replace, swap, twice

ACCEPTED = connack(0)


@v5("MQTT-3.2.0-1", insert(publish("a", b"x"), before="CONNACK"), swap("CONNACK", "PUBLISH"))
@v311("MQTT-3.2.0-1", insert(publish("a", b"x"), before="CONNACK"), swap("CONNACK", "PUBLISH"))
def test_connack_comes_first(broker: Broker) -> None:
    peer = broker.keeping_session("c")
    peer.subscribe("a", 1)
    peer.leave()
    broker.connected("other").publish("a")
    again = broker.peer()
    again.send(connect("c", clean_start=False), subscribe(1, [to("b")]))
    again.expect(connack(0))
    again.expect_all(publish("a", b"x", 1), suback(1, [0]))


@v5("MQTT-3.2.0-2", twice("CONNACK"), insert(connack(0x82), before="PINGRESP"))
def test_connack_comes_once(broker: Broker) -> None:
    peer = broker.connected("c")
    peer.fence()
    peer.send(connect("c"))
    peer.expect_error(0x82)


@v5("MQTT-3.2.2-1", replace("CONNACK", b"\x20\x03\x02\x00\x00", nth=0))
@v5("MQTT-3.2.2-1", replace("CONNACK", b"\x20\x03\x03\x00\x00"))
def test_acknowledge_flags_are_0_but_one(broker: Broker) -> None:
    broker.keeping_session("c").leave()
    broker.keeping_session("c").fence()  # the decoder of the tests looks at the flags


@v5("MQTT-3.2.2-2", change("CONNACK", session_present=True), change("CONNACK", reason=0x88))
@v311("MQTT-3.2.2-1", change("CONNACK", session_present=True), change("CONNACK", reason=3))
def test_no_session_present_after_clean_start(broker: Broker) -> None:
    broker.keeping_session("c").leave()
    peer = broker.peer()
    peer.send(connect("c", clean_start=True))
    peer.expect(connack(0, session_present=False))


@v5("MQTT-3.2.2-3", change("CONNACK", nth=0, session_present=True))
@v5("MQTT-3.2.2-3", change("CONNACK", session_present=False))
@v311("MQTT-3.2.2-2", change("CONNACK", session_present=False))
@v311("MQTT-3.2.2-3", change("CONNACK", nth=0, session_present=True))
def test_session_present_tells_the_truth(broker: Broker) -> None:
    for present in (False, True):
        peer = broker.peer()
        peer.send(connect("c", clean_start=False, session_expiry_interval=60))
        peer.expect(connack(0, session_present=present))
        peer.leave()


@v5("MQTT-3.2.2-6", change("CONNACK", session_present=True))
@v5("MQTT-3.2.2-7", drop("closed"), replace("closed", pingresp()))
@v311("MQTT-3.2.2-4", change("CONNACK", session_present=True))
@v311("MQTT-3.2.2-5", drop("closed"), replace("closed", pingresp()))
def test_refusal_has_no_session_and_closes(broker: Broker) -> None:
    broker.keeping_session("c").leave()
    peer = broker.peer()
    if broker.level == 5:
        peer.send(connect("c", clean_start=False, authentication_method="none such"))
        answer = connack(lambda reason: reason >= 0x80, session_present=False)
    else:
        peer.send(connect("", clean_start=False))
        answer = connack(2, session_present=False)
    peer.expect(answer)
    peer.expect_closed()


@v5("MQTT-3.2.2-8", change("CONNACK", reason=0x01), change("CONNACK", reason=0x8E))
def test_connack_has_one_of_its_reasons(broker: Broker) -> None:
    for refused in (connect("c", level=9), connect("c", tail=b"!"), connect(b"\xff")):
        peer = broker.peer()
        peer.send(refused)
        peer.expect(connack(lambda reason: reason >= 0x80))  # the decoder of the tests knows them
        peer.expect_closed()
    broker.connected("c")


@v311("MQTT-3.2.2-6", insert(connack(2), before="closed"), drop("closed"))
def test_no_connack_where_no_code_fits(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", connect_flags=0x03))
    peer.expect_closed()


# --- what CONNACK announces, and the broker keeps -------------------------------------------------


@v5("MQTT-3.2.2-9", change("CONNACK", maximum_qos=None), change("CONNACK", maximum_qos=0))
@v5("MQTT-3.2.2-10", change("SUBACK", reasons=[0x80, 0x80, 0x80]), closes(instead_of="SUBACK"))
def test_maximum_qos_is_announced(broker: Broker) -> None:
    broker.start(maximum_qos=1)
    peer = broker.peer()
    peer.send(connect("c"))
    peer.expect(connack(0, maximum_qos=1))
    peer.send(subscribe(1, [to("a", 0), to("b", 1), to("c", 2)]))
    granted = peer.expect(suback(1)).reasons
    assert all(reason <= 2 for reason in granted), granted


@v5("MQTT-3.2.2-12", change("CONNACK", reason=0), drop("closed"))
def test_will_qos_beyond_the_maximum_is_refused(broker: Broker) -> None:
    broker.start(maximum_qos=0)
    peer = broker.peer()
    peer.send(connect("c", will=will("t", qos=1)))
    peer.expect_rejected(0x9B)


@v5("MQTT-3.2.2-13", change("CONNACK", reason=0), drop("closed"))
def test_retained_will_is_refused_without_retain(broker: Broker) -> None:
    broker.start(retain_available=False)
    peer = broker.peer()
    peer.send(connect("c", will=will("t", retain=True)))
    peer.expect_rejected(0x9A)


@v5("MQTT-3.2.2-16", change("CONNACK", assigned_client_identifier="taken"))
@v5("MQTT-3.2.2-16", change("CONNACK", assigned_client_identifier=None))
def test_assigned_client_identifier_is_new(broker: Broker) -> None:
    broker.keeping_session("taken").leave()
    first = broker.peer()
    first.send(connect("", session_expiry_interval=60))
    one = first.expect(connack(0, assigned_client_identifier=ANY)).assigned_client_identifier
    second = broker.peer()
    second.send(connect(""))
    other = second.expect(connack(0, assigned_client_identifier=ANY)).assigned_client_identifier
    assert len({"taken", one, other}) == 3


@v5("MQTT-3.2.2-19", change("CONNACK", reason_string="a reason of many words"))
@v5("MQTT-3.2.2-20", change("CONNACK", user_property=[("a key", "a value of some length")]))
def test_connack_stays_within_the_clients_maximum(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", maximum_packet_size=20, authentication_method="none such"))
    answer = peer.expect(connack(0x8C))
    assert len(answer.encode(5)) <= 20
    peer.expect_closed()


@v5("MQTT-3.1.2-22", change("CONNACK", server_keep_alive=None), late("DISCONNECT", 10))
@timed
def test_server_keep_alive_rules(broker: Broker) -> None:
    broker.start(server_keep_alive="10s")
    peer = broker.peer()
    peer.send(connect("c", keep_alive=1000))
    peer.expect(connack(0, server_keep_alive=10))
    peer.expect_error(0x8D, within="16s", after="14s")


@v5("MQTT-3.2.2-22", late("DISCONNECT", 10), late("DISCONNECT", -10))
@timed
def test_without_server_keep_alive_the_clients_rules(broker: Broker) -> None:
    peer = broker.peer()
    peer.send(connect("c", keep_alive=20))
    peer.expect(connack(0, server_keep_alive=ABSENT))
    peer.expect_error(0x8D, within="31s", after="29s")
