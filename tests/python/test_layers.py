"""TLS and WebSocket as parameters of a fleet."""

import pytest

import mqttwin as mt
from mqttwin import _core
from mqttwin.layers import layers_of


def test_defaults_and_how_they_read():
    spec = mt.tls()
    assert spec.version == "1.3"
    assert spec.chain == spec.client_chain == (567, 507)
    assert str(spec) == "TLS 1.3, p256, certificates of 567+507 bytes"
    spec = mt.tls("1.2", key="rsa2048", chain="leaf", mutual=True, resumption=True)
    assert str(spec) == (
        "TLS 1.2, rsa2048, certificates of 956 bytes, mutual (rsa2048, 956 bytes), resumed"
    )
    assert str(mt.websocket()) == "WebSocket, /mqtt"


def test_a_client_may_have_certificates_of_its_own():
    spec = mt.tls(key="rsa2048", client_key="p256", chain="root", mutual=True)
    assert spec.chain == (956, 875)
    assert spec.client_chain == (560, 479)
    assert mt.tls(chain=(1000, 900), client_chain="leaf").client_chain == (560,)


def test_handshakes_in_bytes():
    assert mt.tls(key="rsa2048", chain="leaf").handshake() == (305, 2022)
    assert mt.tls(key="rsa2048", chain="leaf").handshake(resumed=True) == (576, 496)
    older = mt.tls("1.2", key="rsa2048", chain="leaf")
    assert older.handshake() == (281, 1581)
    assert older.handshake(resumed=True) == (431, 141)
    mine = mt.tls()
    assert {mine.handshake(connection=n)[1] for n in range(50)} >= {1959, 1960, 1961}
    assert mine.handshake(connection=7) == mine.handshake(connection=7)


def test_every_field_reaches_the_core():
    spec = mt.tls(
        "1.2",
        key="p384",
        chain=(700, 600),
        mutual=True,
        client_key="rsa3072",
        client_chain=(900,),
        resumption=True,
        cipher="chacha20_poly1305",
        tickets=1,
        server_name="broker.example",
        offers_both=True,
        pads_hello=True,
        session_context=9,
        compute=("1ms", "2ms", "3ms", "4ms"),
        compute_resumed="5ms",
    )
    core = spec._core()
    assert core.version == "1.2"
    assert (core.key, core.client_key) == ("p384", "rsa3072")
    assert (core.chain, core.client_chain) == ([700, 600], [900])
    assert (core.mutual, core.resumption, core.offers_both, core.pads_hello) == (True,) * 4
    assert core.cipher == "chacha20_poly1305"
    assert (core.tickets, core.session_context) == (1, 9)
    assert core.server_name == "broker.example"
    assert core.compute_full == [1_000_000, 2_000_000, 3_000_000, 4_000_000]
    assert core.compute_resumed == [0, 5_000_000, 5_000_000, 0]


def test_websocket_over_tls():
    layers = layers_of(mt.tls(key="rsa2048", chain="leaf"), mt.websocket(headers=[("Origin", "x")]))
    up, down = _core.opening_bytes(layers, False)
    script = _core.opening_script(layers, False)
    assert len(up) == sum(n for side, _, n in script if side == "client")
    assert len(down) == sum(n for side, _, n in script if side == "server")
    assert _core.sealed_bytes(layers, "client", 100) == 100 + 6 + 22
    assert [n for _, _, n in _core.closing_script(layers)] == [30, 26, 24, 24]
    plain = layers_of(None, mt.websocket(headers=[("Origin", "x")]))
    assert b"\r\nOrigin: x\r\n\r\n" in _core.opening_bytes(plain, False)[0]


@pytest.mark.parametrize(
    ("key", "make"),
    [
        ("version", lambda: mt.tls("1.1")),
        ("key", lambda: mt.tls(key="dsa")),
        ("key", lambda: mt.tls(key="dsa", chain=(500,))),
        ("client_key", lambda: mt.tls(client_key="dsa", client_chain=(500,))),
        ("chain", lambda: mt.tls(chain="all")),
        ("chain", lambda: mt.tls(chain=())),
        ("chain", lambda: mt.tls(chain=(50,))),
        ("chain", lambda: mt.tls(chain=(-1,))),
        ("client_chain", lambda: mt.tls(mutual=True, client_chain=(9_000, 9_000))),
        ("cipher", lambda: mt.tls(cipher="rc4")),
        ("tickets", lambda: mt.tls(tickets=17)),
        ("tickets", lambda: mt.tls(tickets=0, resumption=True)),
        ("server_name", lambda: mt.tls(server_name="a" * 256)),
        ("session_context", lambda: mt.tls(session_context=33)),
        ("compute", lambda: mt.tls(compute=("1ms", "2ms"))),
        ("compute", lambda: mt.tls(compute="-1ms")),
        ("path", lambda: mt.websocket("mqtt")),
        ("host", lambda: mt.websocket(host="")),
        ("headers", lambda: mt.websocket(headers=[("A", "b\r\n")])),
    ],
)
def test_wrong_values_are_refused_by_name(key, make):
    with pytest.raises(mt.ConfigError) as caught:
        make()
    assert caught.value.key == key
