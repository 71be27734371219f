"""Packets at both ends, as a ladder and as a diagram."""

from __future__ import annotations

import re

import pytest

import mqttwin as mt


def world_of(qos: int = 2) -> tuple[mt.World, mt.Fleet]:
    world = mt.World(1)
    world.broker()
    link = mt.links.link(latency="50ms")
    fleet = world.fleet(
        "pump", link=link, client_id="pump-{index}", keep_alive="20s", session_expiry="1h"
    )
    fleet.publish("pump/{id}/flow", every="30s", phase=0, qos=qos, payload=b"3.2")
    fleet.subscribe("pump/{id}/cmd", qos=1)
    return world, fleet


def test_a_quiet_exchange():
    world, _ = world_of()
    with world:
        world.watch_packets()
        world.run("10s")
        packets = world.exchange()
        names = [p.name for p in packets if p.kind == "packet"]
        assert names[:2] == ["CONNECT", "CONNACK"]
        assert names.index("PUBLISH") < names.index("PUBREC") < names.index("PUBREL")
        assert names.index("PUBREL") < names.index("PUBCOMP")
        assert packets[0].kind == "opened"
        for p in packets:
            if p.kind == "packet":
                assert p.fate == "arrived"
                assert p.arrived == pytest.approx(p.sent + 0.05, abs=1e-3)
                assert p.client == "pump-0"
        connect = next(p for p in packets if p.name == "CONNECT")
        assert connect.fields["keep_alive"] == 20
        publish = next(p for p in packets if p.name == "PUBLISH")
        assert publish.fields["topic"] == "pump/pump-0/flow"
        assert publish.fields["payload"] == b"3.2"
        subscribe = next(p for p in packets if p.name == "SUBSCRIBE")
        assert subscribe.fields["filters"] == [("pump/pump-0/cmd", 1)]
        text = packets.ladder()
        assert re.search(r"0\.1\d\d s  pump-0  ─+ CONNECT ─+▶ +0\.1\d\d s +keep-alive 20 s", text)
        assert re.search(r"pump-0  ◀─+ CONNACK ─+ ", text)
        assert "pump/pump-0/flow, QoS 2, id " in text


def test_what_is_lost_is_shown():
    world, fleet = world_of()
    with world:
        world.watch_packets()
        world.run("25s")
        with fleet.link_down():
            world.run("2min")
        world.run("5min")
        packets = world.exchange()
        lost = [p for p in packets if p.fate == "lost"]
        assert {"PUBLISH", "PINGREQ"} & {p.name for p in lost}
        endings = [p.summary for p in packets if p.kind == "ended"]
        assert "the client closes the connection" in endings
        assert "the broker closes the connection" in endings
        text = packets.ladder()
        assert "✕  lost" in text
        # It has come back, and what was lost went again.
        assert [p.name for p in packets if p.kind == "packet" and p.fate == "arrived"][-1]
        assert any(p.name == "PUBLISH" and p.fields["dup"] for p in packets)


def test_a_cut_in_the_middle_of_a_packet():
    world, fleet = world_of()
    with world:
        world.watch_packets()
        world.run("25s")
        fleet.cut(after_bytes=10)
        world.run("6s")
        broken = [p for p in world.exchange() if p.fate in ("in part", "lost")]
        assert [(p.name, p.fate) for p in broken] == [("PUBLISH", "in part")]


def test_the_ring_is_bounded():
    world, _ = world_of()
    with world:
        world.watch_packets(5)
        world.run("5min")
        packets = world.exchange()
        assert len(packets) == 5
        assert packets.before > 20
        assert packets.ladder().startswith(f"… {packets.before} before")
        assert packets.ladder(last=2).startswith(f"… {packets.before + 3} before")
        world.watch_packets(0)
        world.run("5min")
        assert world.exchange().ladder() == "no packet was exchanged"
        with pytest.raises(mt.ConfigError, match="keep"):
            world.watch_packets(-1)


def test_large_payloads_are_not_kept_whole():
    with mt.World(1) as world:
        world.broker()
        world.fleet("a").publish("t", every="1min", phase=0, payload=b"x" * 5000)
        world.watch_packets()
        world.run("30s")
        publish = next(p for p in world.exchange() if p.name == "PUBLISH")
        assert publish.fields["payload_bytes"] == 5000
        assert "5,000 bytes" in publish.summary


def test_the_diagram():
    world, _ = world_of()
    with world:
        world.watch_packets()
        world.run("10s")
        lines = world.exchange().mermaid().splitlines()
        assert lines[:3] == [
            "sequenceDiagram",
            "    participant c0 as pump-0",
            "    participant b as broker",
        ]
        assert any(
            re.match(r"    c0->>b: 0\.\d+ s CONNECT keep-alive 20 s", line) for line in lines
        )
        assert any(line.startswith("    b->>c0: ") and "CONNACK" in line for line in lines)
        assert not any(";" in line for line in lines)


def test_raw_clients_are_shown_too():
    with mt.World(1) as world:
        world.broker()
        world.watch_packets()
        link = mt.links.link(latency="10ms")._core()
        peers = world._core.add_peers("raw", 1, 0, link)
        world._core.peer_open(peers, 0)
        world.run("1s")
        connect = bytes.fromhex("100d00044d515454050200000000 00".replace(" ", ""))
        world._core.peer_send(peers, 0, connect[:6])
        world.run("1s")
        world._core.peer_send(peers, 0, connect[6:] + bytes.fromhex("c000"))
        world.run("1s")
        names = [f"{p.name} {p.direction}" for p in world.exchange() if p.kind == "packet"]
        assert names == ["CONNECT up", "PINGREQ up", "CONNACK down", "PINGRESP down"]
