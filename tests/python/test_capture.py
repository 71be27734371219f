"""tshark reads captures of the TCP model, and sees what the model did."""

from __future__ import annotations

import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import ROOT
from dissect import AGAIN, complaints, dissect, frames, need, packet_types, tshark

PROGRAM = ROOT / "build" / "release" / "mqttwin_captured_sessions"
EPOCH = 1_735_689_600  # 2025-01-01
SECOND = 10**9
BASE = 2**32


@dataclass(frozen=True)
class Segment:
    """A segment as the model had it; times in ns, -1 is never."""

    sent: int
    arrives: int
    connection: int
    sender: int
    seq: int
    length: int
    wire_bytes: int
    takes: int  # sequence numbers, with those of SYN and FIN
    again: bool


@dataclass(frozen=True)
class Run:
    """A captured run."""

    path: Path
    segments: list[Segment]
    packets: int  # control packets
    retransmissions: int

    def seen(self, side: int) -> list[tuple[int, Segment]]:
        """(when, segment) at a side, in the order of the file."""
        found = [(s.sent, 1, n, s) for n, s in enumerate(self.segments) if s.sender == side]
        found += [
            (s.arrives, 0, n, s)
            for n, s in enumerate(self.segments)
            if s.sender != side and s.arrives >= 0
        ]
        return [(at, s) for at, _, _, s in sorted(found, key=lambda one: one[:3])]


@pytest.fixture
def session(tmp_path):
    need(PROGRAM.exists(), f"{PROGRAM.name} (./dev build)")

    def run(**options: object) -> Run:
        path = tmp_path / "run.pcapng"
        arguments = [f"{key}={value}" for key, value in options.items()]
        done = subprocess.run(
            [PROGRAM, path, *arguments], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        segments = [
            Segment(*numbers[:-1], again=bool(numbers[-1]))
            for numbers in (list(map(int, line.split(","))) for line in done.stdout.splitlines())
        ]
        told = [line.split() for line in done.stderr.splitlines()]
        return Run(
            path,
            segments,
            packets=sum(int(words[1]) + int(words[2]) for words in told),
            retransmissions=sum(int(words[4]) for words in told),
        )

    return run


@dataclass(frozen=True)
class Expected:
    """What a reader that sees a side's packets only must conclude, by number of frame."""

    again: list[int]  # numbers that were there before
    gaps: list[int]  # numbers before them are missing


def conclusions(run: Run, side: int) -> Expected:
    highest: dict[tuple[int, int], int] = defaultdict(int)
    again, gaps = [], []
    for number, (_, segment) in enumerate(run.seen(side), start=1):
        stream = (segment.connection, segment.sender)
        if segment.seq > highest[stream]:
            gaps.append(number)  # a mere acknowledgement tells, too
        elif segment.seq < highest[stream] and segment.takes > 0:
            again.append(number)
        highest[stream] = max(highest[stream], segment.seq + segment.takes)
    return Expected(again, gaps)


@pytest.mark.parametrize(
    ("seed", "at", "loss"),
    [(1, "client", 0), (2, "client", 2), (3, "client", 10), (4, "server", 5)],
)
def test_every_packet_is_understood(session, seed, at, loss):
    run = session(seed=seed, at=at, loss=loss, messages=60)
    assert complaints(run.path) == []
    assert packet_types(run.path).total() == run.packets


@pytest.mark.parametrize(
    ("seed", "side", "at", "version"),
    [(1, 0, "client", 4), (2, 0, "client", 5), (3, 1, "server", 4), (4, 1, "server", 5)],
)
def test_retransmissions_and_gaps_are_where_the_model_has_them(session, seed, side, at, version):
    run = session(seed=seed, at=at, loss=5, messages=120, version=version)
    expected = conclusions(run, side)
    assert run.retransmissions > 5
    assert frames(run.path, " || ".join(AGAIN)) == expected.again
    assert frames(run.path, "tcp.analysis.lost_segment") == expected.gaps
    # What a side has sent again, the model calls a retransmission, and the other way round.
    sent_again = [
        number
        for number, (_, segment) in enumerate(run.seen(side), start=1)
        if segment.sender == side and segment.again
    ]
    own = "ip.src == 10.0.0.1" if side == 0 else "ip.src == 198.18.0.1"
    assert frames(run.path, f"({' || '.join(AGAIN)}) && {own}") == sent_again
    assert sum(segment.again for segment in run.segments) == run.retransmissions
    # A reader calls what is missing "not captured"; it was lost.
    for number in expected.gaps:
        at_ns, segment = run.seen(side)[number - 1]
        lost = [
            one
            for one in run.segments
            if one.sender == segment.sender and one.sent <= at_ns and one.arrives < 0
        ]
        assert any(one.seq < segment.seq for one in lost)
    # Nobody acknowledges what a reader has not seen sent.
    assert frames(run.path, "tcp.analysis.ack_lost_segment") == []


def test_numbers_times_and_lengths_are_the_models(session):
    run = session(loss=5, messages=60)
    rows = dissect(
        run.path, "frame.time_epoch", "ip.src", "ip.len", "tcp.seq", "tcp.len", "frame.comment"
    )
    seen = run.seen(0)
    assert len(rows) == len(seen)
    for row, (at, segment) in zip(rows, seen, strict=True):
        seconds, nanoseconds = row["frame.time_epoch"].split(".")
        assert (int(seconds) - EPOCH) * SECOND + int(nanoseconds) == at
        assert row["ip.src"] == ("10.0.0.1" if segment.sender == 0 else "198.18.0.1")
        assert int(row["ip.len"]) == segment.wire_bytes
        assert int(row["tcp.seq"]) == segment.seq
        assert int(row["tcp.len"]) == segment.length
        lost = segment.sender == 0 and segment.arrives < 0
        assert row["frame.comment"] == ("lost on the link" if lost else "")
    assert any(row["frame.comment"] for row in rows)


def test_a_session_has_a_beginning_and_an_end(session):
    run = session()
    flags = dissect(run.path, "tcp.flags.str", "tcp.options.mss_val", "tcp.options.wscale.shift")
    letters = [row["tcp.flags.str"].replace("·", "") for row in flags]
    assert letters[:3] == ["S", "AS", "A"]
    assert [one for one in letters if "F" in one] == ["AF", "AF"]
    assert letters[-1] == "A"
    assert [row["tcp.options.mss_val"] for row in flags[:3]] == ["1460", "1460", ""]
    assert [row["tcp.options.wscale.shift"] for row in flags[:3]] == ["7", "7", ""]
    types = packet_types(run.path)
    published = types[3]
    assert types[1] == types[2] == types[8] == types[9] == types[12] == types[13] == types[14] == 1
    assert published > 20
    assert types[5] == types[6] == types[7] > 0


def test_a_lost_handshake_is_repeated(session):
    for seed in range(1, 50):
        run = session(seed=seed, loss=50, messages=0)
        syns = [s for s in run.segments if s.sender == 0 and s.seq == 0]
        if len(syns) > 2:
            break
    else:
        pytest.fail("no SYN was lost twice in 50 runs")
    rows = dissect(
        run.path, "tcp.analysis.retransmission", where="tcp.flags.syn == 1 && tcp.flags.ack == 0"
    )
    assert len(rows) == len(syns)
    assert [bool(row["tcp.analysis.retransmission"]) for row in rows] == (
        [False] + [True] * (len(syns) - 1)
    )


def test_endings_in_anger(session):
    run = session(abort=1)
    assert complaints(run.path) == []
    assert frames(run.path, "tcp.flags.reset == 1") == [len(run.segments)]
    run = session(listening=0)
    assert complaints(run.path) == []
    rows = dissect(run.path, "tcp.flags.reset", "ip.src", "tcp.ack")
    assert [row["tcp.flags.reset"] for row in rows] == ["0", "1"]
    assert rows[1] == {"tcp.flags.reset": "1", "ip.src": "198.18.0.1", "tcp.ack": "1"}


def test_a_half_open_connection_is_retransmitted_into(session):
    run = session(half_open=1, messages=4)
    again = frames(run.path, " || ".join(AGAIN))
    assert len(again) > 10
    assert again == conclusions(run, 0).again
    assert frames(run.path, "tcp.flags.fin == 1 || tcp.flags.reset == 1") == []


def test_reordering_is_no_loss(session):
    run = session(jitter=40, messages=60)
    assert complaints(run.path) == []
    assert packet_types(run.path).total() == run.packets
    expected = conclusions(run, 0)
    assert len(expected.gaps) > 3
    assert frames(run.path, "tcp.analysis.lost_segment") == expected.gaps
    assert frames(run.path, " || ".join(AGAIN)) == expected.again


def test_the_small_stack(session):
    run = session(embedded=1, loss=5, messages=40)
    assert complaints(run.path) == []
    assert packet_types(run.path).total() == run.packets
    rows = dissect(
        run.path,
        "tcp.options.mss_val",
        "tcp.options.sack_perm",
        "tcp.options.timestamp.tsval",
        where="tcp.flags.syn == 1",
    )
    assert rows[0] == {
        "tcp.options.mss_val": "536",
        "tcp.options.sack_perm": "",
        "tcp.options.timestamp.tsval": "",
    }
    assert frames(run.path, " || ".join(AGAIN)) == conclusions(run, 0).again


def test_many_devices_and_ports_that_are_used_again(session):
    run = session(flows=5, in_a_row=3, loss=3)
    assert complaints(run.path) == []
    assert packet_types(run.path).total() == run.packets
    assert len(frames(run.path, "tcp.analysis.reused_ports")) == 5 * 2
    streams = {row["tcp.stream"] for row in dissect(run.path, "tcp.stream")}
    assert len(streams) == 5 * 3
    assert frames(run.path, " || ".join(AGAIN)) == conclusions(run, 0).again


def test_both_is_two_captures_in_one_file(session):
    run = session(at="both", loss=5, messages=60)
    rows = dissect(run.path, "frame.interface_id", "frame.interface_name", "ip.src", "ip.id")
    names = {row["frame.interface_id"]: row["frame.interface_name"] for row in rows}
    assert names == {"0": "client", "1": "server"}
    for side in (0, 1):
        count = sum(row["frame.interface_id"] == str(side) for row in rows)
        assert count == len(run.seen(side))
    # A packet is the same at both ends, and one that was lost is at one only.
    times = Counter((row["ip.src"], row["ip.id"]) for row in rows)
    assert sum(count == 1 for count in times.values()) == sum(s.arrives < 0 for s in run.segments)
    assert set(times.values()) == {1, 2}


def test_names_of_hosts(session):
    run = session(flows=2)
    done = tshark(run.path, "-N", "n", "-T", "fields", "-e", "ip.src_host")
    assert set(done.stdout.split()) == {"pump/0", "pump/1", "broker"}


def test_a_bound_on_bytes(session):
    run = session(max_bytes=20_000)
    assert run.path.stat().st_size <= 20_000
    assert complaints(run.path) == []
    assert 10 < len(frames(run.path, "tcp")) < len(run.segments)


def test_a_torn_capture_is_read_up_to_the_tear(session):
    run = session()
    whole = run.path.read_bytes()
    run.path.write_bytes(whole[: len(whole) // 2])
    done = tshark(run.path, "-n")
    assert "cut short" in done.stderr
    assert 20 < len(done.stdout.splitlines()) < len(run.segments)


def test_the_same_run_is_the_same_file(session):
    first = session(loss=5).path.read_bytes()
    assert session(loss=5).path.read_bytes() == first
    assert session(loss=5, seed=2).path.read_bytes() != first
