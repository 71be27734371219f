"""A world's captures, as tshark reads them.

Needs tests/python/dissect.py. The API that is expected:

    world.capture(path, at="client", fleet=None, devices=None, max_bytes=None) -> None
        at: "client", "server" or "both"
        fleet: the name or the Fleet whose links are captured; None is every fleet
        devices: indices within that fleet (int, range or iterable); None is all; needs `fleet`
        max_bytes: a size ("50MB"), at least 4096; None is no bound
        raises ConfigError (key "capture": cannot be written, or one is running already; key "at",
        "fleet", "devices", "max_bytes": wrong)
    world.stop_capture() -> dict[str, int] with "packets", "left_out", "bytes"
        raises MqttwinError if writing failed on the way; without a capture: zeros
    world.close() and `with world:` end a capture, too, without raising
"""

import resource
import signal
import socket
import struct
from collections import Counter

import pytest

import mqttwin as mt
from conftest import small_world
from dissect import AGAIN, complaints, dissect, frames, packet_types, tshark
from mqttwin.testing import LiveBroker, LiveClient

EPOCH = 1_735_689_600  # 2025-01-01
PUBLISH, PUBACK, CONNECT, CONNACK = 3, 4, 1, 2


def captured(path, until="10min", *, loss=0.0, **options):
    """A run of the small world with a capture from its start."""
    world = small_world(loss=loss)
    world.capture(path, **options)
    world.run(until)
    return world, world.stop_capture()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.pcapng"


def sent_in_log(log, **equal):
    """Control packets of the event log, by type."""
    events, _ = mt.read_trace(log)
    frame = events.to_pandas()
    frame = frame[frame["kind"] == "sent"]
    for column, value in equal.items():
        frame = frame[frame[column] == value]
    return Counter(frame["packet"])


@pytest.mark.parametrize("at", ["client", "server"])
@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_every_packet_is_well_formed_and_dissected(path, tmp_path, at, loss):
    world = small_world(loss=loss)
    log = tmp_path / "trace.msgpack"
    world.trace(log)
    world.capture(path, at=at)
    world.run("10min")
    told = world.stop_capture()
    world.stop_trace()
    assert complaints(path) == []
    assert told["packets"] == len(frames(path, "frame"))
    assert told["left_out"] == 0
    assert told["bytes"] == path.stat().st_size
    # What the engines sent is what tshark finds; what is still under way at the end may be absent.
    types = packet_types(path)
    logged = sent_in_log(log)
    for number, name in ((CONNECT, "CONNECT"), (CONNACK, "CONNACK"), (8, "SUBSCRIBE")):
        assert types[number] == logged[name]
    for number, name in ((PUBLISH, "PUBLISH"), (PUBACK, "PUBACK")):
        assert logged[name] > 100
        assert 0 <= logged[name] - types[number] <= 5


def test_without_loss_nothing_looks_lost(path):
    captured(path)
    assert frames(path, " || ".join(AGAIN)) == []
    assert frames(path, "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment") == []
    # Not even the acknowledgements and windows give cause for a remark.
    assert frames(path, "tcp.analysis.duplicate_ack || tcp.analysis.zero_window") == []
    assert frames(path, "frame.comment") == []


def test_a_handshake_for_each_connection(path):
    captured(path)
    streams = {row["tcp.stream"] for row in dissect(path, "tcp.stream")}
    assert len(streams) == 21  # 20 meters and a dashboard
    flags = "tcp.flags.syn == 1 && tcp.flags.ack == {}"
    assert len(frames(path, flags.format(0))) == 21
    assert len(frames(path, flags.format(1))) == 21
    hosts = {row["ip.src"] for row in dissect(path, "ip.src", where=flags.format(0))}
    assert len(hosts) == 21
    assert {row["tcp.dstport"] for row in dissect(path, "tcp.dstport", where=flags.format(0))} == {
        "1883"
    }


def test_what_was_lost_has_a_comment_and_is_sent_again(path):
    captured(path, loss=0.05)
    lost = dissect(path, "tcp.stream", "tcp.seq_raw", "tcp.len", where="frame.comment")
    assert len(lost) > 10
    assert all(
        row["frame.comment"] == "lost on the link"
        for row in dissect(path, "frame.comment", where="frame.comment")
    )
    own = f"({' || '.join(AGAIN)}) && ip.src < 11.0.0.0"
    again = dissect(path, "tcp.stream", "tcp.seq_raw", where=own)
    numbers = {(row["tcp.stream"], int(row["tcp.seq_raw"])) for row in again}
    data = [row for row in lost if int(row["tcp.len"]) > 0]
    missing = [row for row in data if (row["tcp.stream"], int(row["tcp.seq_raw"])) not in numbers]
    assert len(missing) <= 1  # at the end of the run it may be too early
    # At the client nobody acknowledges what was never sent.
    assert frames(path, "tcp.analysis.ack_lost_segment") == []


def test_retransmissions_are_as_many_as_the_result_counts(path):
    world, _ = captured(path, loss=0.05, at="both")
    counted = world.result().counts["tcp_retransmissions"]
    client, server = (path.with_name(f"{n}.pcapng") for n in ("client", "server"))
    own = 0
    for side, where, one in ((client, 0, "ip.src < 11.0.0.0"), (server, 1, "ip.src > 198.0.0.0")):
        split(path, side, where)
        own += len(frames(side, f"({' || '.join(AGAIN)}) && {one}"))  # handshakes, too
    assert own == counted


def split(path, into, interface):
    done = tshark(path, "-Y", f"frame.interface_id == {interface}", "-w", str(into))
    assert done.returncode == 0, done.stderr


def test_wire_bytes_are_those_of_the_result(path):
    world, _ = captured(path, at="both", loss=0.05)
    sent = dissect(path, "ip.len", where="frame.packet_flags_direction == 2")
    counts = world.result().counts
    assert (
        sum(int(row["ip.len"]) for row in sent) == counts["ip_bytes_up"] + counts["ip_bytes_down"]
    )
    assert len(sent) == counts["ip_packets_up"] + counts["ip_packets_down"]


def test_both_sides_see_a_packet_a_link_apart(path):
    captured(path, at="both")
    rows = dissect(path, "frame.interface_id", "frame.time_epoch", "ip.src", "ip.id")
    seen = {}
    apart = []
    for row in rows:
        key = (row["ip.src"], row["ip.id"])
        when = float(row["frame.time_epoch"])
        if key in seen:
            apart.append(when - seen.pop(key))
        else:
            seen[key] = when
    assert len(seen) <= 5  # under way at the end
    # small_world: 40 ms with 5 ms of jitter; the dashboard has the link of a fleet without one.
    slow = [d for d in apart if d > 0.02]
    assert 0.035 < sum(slow) / len(slow) < 0.05


def test_only_some_devices_of_a_fleet(path):
    _, told = captured(path, fleet="meter", devices=range(3, 5))
    clients = {row["ip.src"] for row in dissect(path, "ip.src", where="tcp.dstport == 1883")}
    assert len(clients) == 2
    topics = {
        one
        for row in dissect(path, "mqtt.topic", where="mqtt.msgtype == 3")
        for one in row["mqtt.topic"].split(",")
    }
    assert len(topics) == 2
    assert told["packets"] == len(frames(path, "frame"))


def test_a_whole_fleet_by_name_or_itself(tmp_path):
    files = []
    for n, of in enumerate(("dashboard", None)):
        world = small_world()
        file = tmp_path / f"{n}.pcapng"
        world.capture(file, fleet=of or world.fleets["dashboard"])
        world.run("5min")
        world.stop_capture()
        assert packet_types(file)[CONNECT] == 1
        files.append(file.read_bytes())
    assert files[0] == files[1]


def test_devices_have_names_in_the_file(path):
    captured(path, fleet="meter", devices=[0])
    done = tshark(path, "-N", "n", "-T", "fields", "-e", "ip.src_host")
    names = set(done.stdout.split())
    assert len(names) == 2
    assert any("meter" in name for name in names)


def test_it_begins_and_ends_in_the_middle_of_a_run(path):
    world = small_world()
    world.run("5min")
    world.capture(path)
    world.run("5min")
    world.stop_capture()
    size = path.stat().st_size
    world.run("5min")
    assert path.stat().st_size == size
    times = [float(row["frame.time_epoch"]) - EPOCH for row in dissect(path, "frame.time_epoch")]
    assert times == sorted(times)
    assert 300 <= times[0] < 360
    assert 540 < times[-1] <= 600
    # Connections that were there already: sequence numbers go on, nothing is malformed (what is
    # sent here fits into a segment, so no packet is torn by the beginning).
    assert complaints(path) == []
    assert frames(path, "tcp.flags.syn == 1") == []
    # And another one into another file.
    second = path.with_name("second.pcapng")
    world.capture(second)
    world.run("5min")
    world.stop_capture()
    assert frames(second, "mqtt") != []


def test_a_capture_changes_nothing(tmp_path):
    without = small_world(loss=0.05)
    without.run("10min")
    with_one = small_world(loss=0.05)
    with_one.capture(tmp_path / "run.pcapng", at="both")
    with_one.run("10min")
    assert with_one.result().digest == without.result().digest


def test_the_same_seed_is_the_same_file(tmp_path):
    contents = []
    for n, seed in enumerate((1, 1, 2)):
        world = small_world(seed, loss=0.05)
        file = tmp_path / f"{n}.pcapng"
        world.capture(file)
        world.run("5min")
        world.stop_capture()
        contents.append(file.read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_the_header_says_where_it_comes_from(path):
    captured(path, "1min")
    head = path.read_bytes()[:400]
    assert f"mqttwin {mt.__version__}".encode() in head
    assert b"seed 1;" in head


def test_a_bound_on_bytes(path):
    _, told = captured(path, max_bytes="50kB")
    assert path.stat().st_size <= 50_000
    assert told["left_out"] > 100
    assert told["packets"] == len(frames(path, "frame"))
    assert complaints(path) == []


def test_closing_the_world_ends_the_capture(path):
    with small_world() as world:
        world.capture(path)
        world.run("1min")
    assert frames(path, "mqtt") != []


def test_stopping_what_does_not_run():
    assert small_world().stop_capture() == {"packets": 0, "left_out": 0, "bytes": 0}


def test_a_full_disk_is_told_at_the_end(path):
    world = small_world()
    world.capture(path)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        world.run("1h")
        with pytest.raises(mt.MqttwinError, match=r"^the capture is incomplete: ") as caught:
            world.stop_capture()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(path) in str(caught.value)
    assert world.result().digest  # the run is whole


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"at": "middle"}, "at"),
        ({"fleet": "absent"}, "fleet"),
        ({"devices": [0]}, "devices"),  # of which fleet?
        ({"fleet": "meter", "devices": [20]}, "devices"),
        ({"fleet": "meter", "devices": [-1]}, "devices"),
        ({"fleet": "meter", "devices": []}, "devices"),
        ({"fleet": "meter", "devices": "all"}, "devices"),
        ({"max_bytes": 4_095}, "max_bytes"),
        ({"max_bytes": "-1kB"}, "max_bytes"),
    ],
)
def test_wrong_arguments_are_refused_by_name(path, options, key):
    world = small_world()
    with pytest.raises(mt.ConfigError) as caught:
        world.capture(path, **options)
    assert caught.value.key == key
    assert not path.exists()
    world.capture(path)  # nothing of it is left


def test_a_path_that_cannot_be_written_is_refused(tmp_path):
    world = small_world()
    with pytest.raises(mt.ConfigError, match=r"^capture: "):
        world.capture(tmp_path / "absent" / "run.pcapng")


def test_one_at_a_time(path):
    world = small_world()
    world.capture(path)
    with pytest.raises(mt.ConfigError, match=r"^capture: "):
        world.capture(path.with_name("other.pcapng"))


def test_a_world_that_is_closed(path):
    world = small_world()
    world.close()
    with pytest.raises(mt.MqttwinError, match="closed"):
        world.capture(path)


def rough_world(seed, link, qos):
    """Devices that are cut off with and without a word, and a broker that restarts."""
    world = mt.World(seed)
    broker = world.broker()
    meters = world.fleet("meter", 8, link=link, session_expiry="1h", keep_alive="30s")
    meters.publish("site/{id}", every="5s", qos=qos, payload=mt.json(n=mt.gen.counter()))
    meters.subscribe("site/#", qos=qos)
    world.at("1min", lambda: meters.cut(0))
    world.at("90s", lambda: meters.cut(1, silent=True))
    world.at("2min", broker.restart)
    return world


ROUGH = {
    "clean": {"latency": "40ms"},
    "lossy": {"latency": "40ms", "jitter": "10ms", "loss": 0.05},
    "reordering": {"latency": "40ms", "jitter": "30ms", "reorder": True},
}


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("kind", ROUGH)
def test_restarts_and_vanished_devices(path, tmp_path, kind, qos):
    world = rough_world(3, mt.links.link(**ROUGH[kind]), qos)
    log = tmp_path / "trace.msgpack"
    world.trace(log)
    world.capture(path, at="both")
    world.run("4min")
    told = world.stop_capture()
    world.stop_trace()
    client, server = (path.with_name(f"{n}.pcapng") for n in ("client", "server"))
    split(path, client, 0)
    split(path, server, 1)
    assert told["packets"] == len(frames(client, "frame")) + len(frames(server, "frame"))
    assert frames(client, "frame.comment contains zeros") == []
    for side in (client, server):
        # What a reset tears off is not reassembled; nothing else is wrong.
        wrong = "_ws.malformed || tcp.checksum.status != 1 || ip.checksum.status != 1 || !tcp"
        assert frames(side, wrong) == []
        assert frames(side, "tcp.flags.reset == 1") != []
        assert {1, 2, 3, 8, 9} <= set(packet_types(side))
    if qos == 2:
        assert {5, 6, 7} <= set(packet_types(client))
    if kind == "clean":
        # Only to the one that vanished anything is sent again, and only by the broker.
        assert frames(client, "frame.comment") == []
        quiet = f"({' || '.join(AGAIN)}) && ip.src < 11.0.0.0"
        assert frames(client, quiet) == []
    same = rough_world(3, mt.links.link(**ROUGH[kind]), qos)
    same.run("4min")
    assert same.result().digest == world.result().digest


@pytest.mark.parametrize(
    ("layers", "port", "seen"),
    [
        ({"tls": True}, 8883, "tls.handshake.type == 1"),
        ({"websocket": True}, 80, "websocket"),
        ({"tls": True, "websocket": True}, 443, "tls.handshake.type == 1"),
    ],
)
def test_what_lies_above_tcp_is_dissected(path, layers, port, seen):
    with mt.World(seed=5) as world:
        world.broker()
        world.fleet("dashboard").subscribe("t/#")
        meters = world.fleet("meter", 3, link=mt.links.link(latency="20ms", loss=0.02), **layers)
        meters.publish("t/{id}", every="1min", qos=1, payload=b"21.5")
        world.capture(path, fleet="meter")
        world.run("10min")
    assert frames(path, "_ws.malformed || tcp.checksum.status != 1") == []
    assert frames(path, f"!(tcp.port == {port})") == []
    assert len(frames(path, seen)) >= 3


# --- Real connections -----------------------------------------------------------------------------


def test_real_clients_at_our_broker(path):
    with LiveBroker(1) as live:
        with LiveClient(live.host, live.port, client_id="early") as early:
            early.publish("a", b"not in it", qos=1)
            live.world.capture(path)
            early.publish("a/b", b"x", qos=1)
        with LiveClient(live.host, live.port, client_id="whole") as whole:
            whole.subscribe("a/#", qos=2)
            whole.publish("a/b", b"x" * 5000, qos=2)
            assert len(whole.next().payload) == 5000
        live.wait_until(lambda: live.connections == 0)
        lost = LiveClient(live.host, live.port, client_id="lost")
        live.broker.restart()
        live.wait_until(lambda: live.connections == 0)
        lost.close()
        counts = live.world.stop_capture()
    assert counts["left_out"] == 0
    assert len(frames(path, "frame")) == counts["packets"]
    assert complaints(path) == []
    found = packet_types(path)
    assert found[CONNECT] == found[CONNACK] == 2, "of the early one it has no beginning"
    assert found[PUBLISH] == 3, "one each way, and that of the early one"
    assert found[PUBACK] == 1
    assert found[14] == 3, "DISCONNECT"
    opened = dissect(
        path, "ip.src", "tcp.dstport", where="tcp.flags.syn == 1 and tcp.flags.ack == 0"
    )
    assert [(one["ip.src"], one["tcp.dstport"]) for one in opened] == [("127.0.0.1", "1883")] * 2


def test_a_real_client_that_resets_its_connection(path):
    with LiveBroker(1) as live:
        live.world.capture(path)
        sock = socket.create_connection((live.host, live.port))
        live.wait_until(lambda: live.connections == 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        live.wait_until(lambda: live.connections == 0)
        live.world.stop_capture()
    ends = dissect(path, "ip.src", where="tcp.flags.reset == 1 or tcp.flags.fin == 1")
    assert [one["ip.src"] for one in ends] == ["127.0.0.1"]


def test_our_devices_at_somebody_elses_broker(path):
    with LiveBroker(1) as live, mt.World(seed=2) as world:
        world.broker(url=live.url)
        pumps = world.fleet("pump", 2)
        pumps.publish("p/{id}", payload=b"x", every="50ms", qos=1)
        world.capture(path)
        world.run("200ms")
        pumps.cut(0)
        world.run("50ms")
        world.stop_capture()
    found = packet_types(path)
    assert found[CONNECT] >= 2
    assert found[PUBLISH] == found[PUBACK] >= 4
    assert complaints(path) == []
    resets = dissect(path, "ip.src", where="tcp.flags.reset == 1")
    assert [one["ip.src"] for one in resets] == ["10.0.0.1"]
