"""What a capture shows of TLS and WebSocket: tshark dissects it without complaint."""

import shutil
import struct
import subprocess

import pytest

import mqttwin as mt
from mqttwin import _core
from mqttwin.layers import layers_of

pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="there is no tshark")

SEGMENT = 1448
RAW_IP = 101  # the link type of a capture without Ethernet
ADDRESSES = (b"\x0a\0\0\1", b"\x0a\0\0\2")
CLIENT_PORT = 50_000


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(sender, port, sequence, payload):
    source, target = ADDRESSES[sender], ADDRESSES[1 - sender]
    ports = (CLIENT_PORT, port) if sender == 0 else (port, CLIENT_PORT)
    flags = (0x50, 0x18, 65_535)
    tcp = struct.pack("!HHIIBBHHH", *ports, sequence[sender], sequence[1 - sender], *flags, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, 6, len(tcp) + len(payload))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + payload)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0, source, target)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return ip + tcp + payload


def dissected(path, layers, resumed, port):
    """Fields of each segment of a connection's opening."""
    bytes_of = _core.opening_bytes(layers, resumed)
    done = [0, 0]
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, RAW_IP)]
    for side, _, size in _core.opening_script(layers, resumed):
        k = 0 if side == "client" else 1
        end = done[k] + size
        while done[k] < end:
            part = bytes_of[k][done[k] : min(end, done[k] + SEGMENT)]
            one = packet(k, port, [1 + n for n in done], part)
            out.append(struct.pack("<IIII", 0, len(out), len(one), len(one)) + one)
            done[k] += len(part)
    assert done == [len(part) for part in bytes_of]
    path.write_bytes(b"".join(out))
    fields = ["_ws.malformed", "_ws.expert.message", "tls.handshake.type", "_ws.col.Info"]
    words = [word for field in fields for word in ("-e", field)]
    kind = f"tcp.port=={port},{'http' if port == 80 else 'tls'}"
    done = subprocess.run(
        ["tshark", "-r", str(path), "-d", kind, "-T", "fields", *words],
        check=True,
        capture_output=True,
        text=True,
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize(
    ("key", "more"), [("p256", {}), ("rsa2048", {"offers_both": True, "pads_hello": True})]
)
def test_tls(tmp_path, version, key, mutual, resumed, more):
    spec = mt.tls(version, key=key, mutual=mutual, server_name="broker.example", **more)
    lines = dissected(tmp_path / "a.pcap", layers_of(spec, None), resumed, 8883)
    assert not [line for line in lines if line[0]]
    complaints = {line[1] for line in lines} - {""}
    assert complaints <= {"This session reuses previously negotiated keys (Session resumption)"}
    types = [kind for line in lines for kind in line[2].split(",") if kind]
    expected = ["1", "2"]
    if version == "1.2" and not resumed:
        asked, shown = (["13"], ["11", "16", "15"]) if mutual else ([], ["16"])
        expected += ["11", "12", *asked, "14", *shown, "4"]
    assert types == expected


def test_websocket(tmp_path):
    lines = dissected(tmp_path / "a.pcap", layers_of(None, mt.websocket()), False, 80)
    assert not [line for line in lines if line[0]]
    assert lines[0][3].startswith("GET /mqtt HTTP/1.1")
    assert lines[1][3].startswith("HTTP/1.1 101 Switching Protocols")
