"""The scenarios that come with the project, small."""

import json
import re

import pytest

from conftest import ROOT

SCENARIOS = sorted((ROOT / "scenarios").glob("[0-9]*.py"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_explains_itself(mqttwin, path):
    said = mqttwin("run", path, "--help")
    assert said.status == 0
    assert "-p " in said.out


def test_hello_fleet(mqttwin):
    path = ROOT / "scenarios" / "01_hello_fleet.py"
    said = mqttwin("run", path, "-p", "devices=50", "--check", "lost == 0")
    assert said.status == 0, said.err
    assert "What a lost packet costs is time" in said.out
    assert "at most 1s" in said.out
    assert "a month" in said.out


@pytest.mark.parametrize("qos", [0, 2])
def test_hello_fleet_at_other_qualities(mqttwin, qos):
    path = ROOT / "scenarios" / "01_hello_fleet.py"
    said = mqttwin("run", path, "-p", "devices=20", "-p", f"qos={qos}", "-p", "loss=0.1")
    assert said.status == 0, said.err


def test_replay_readings(mqttwin):
    path = ROOT / "scenarios" / "02_replay_readings.py"
    said = mqttwin("run", path, "-p", "stations=40", "-p", "loss=0.2", "--until", "6h")
    assert said.status == 0, said.err
    lines = (re.split(r"  +", line.strip()) for line in said.out.splitlines())
    figures = {cells[0]: cells[1] for cells in lines if len(cells) == 2}
    assert figures["readings compared"] == figures["equal to what was measured"]
    assert int(figures["readings compared"].replace(",", "")) > 2500
    assert figures["stations that were heard"] == "40 of 40"
    assert figures["stations with a gap"] == "0"


def test_reconnect_storm(mqttwin):
    path = ROOT / "scenarios" / "03_reconnect_storm.py"
    said = mqttwin("run", path, "-p", "devices=200", "--until", "20min")
    assert said.status == 0, said.err
    row = next(line for line in said.out.splitlines() if line.startswith("busiest second"))
    fixed, jittered = (int(text.replace(",", "")) for text in row.split()[-2:])
    assert fixed > 100
    assert jittered < fixed / 5


def test_reconnect_storm_without_sessions(mqttwin):
    path = ROOT / "scenarios" / "03_reconnect_storm.py"
    said = mqttwin("run", path, "-p", "devices=50", "-p", "keep_sessions=false")
    assert said.status == 0, said.err
    assert re.search(r"sessions resumed +0\n", said.out)


def _rows(text):
    """Cells of the lines of tables, by the first one."""
    lines = (re.split(r"  +", line.strip()) for line in text.splitlines())
    return {cells[0]: cells[1:] for cells in lines if len(cells) > 2}


def _seconds(text):
    """Of "29 s" or "3.0 min"."""
    number, unit = text.split()
    return float(number) * {"s": 1, "min": 60}[unit]


def _number(text):
    return float(text.split()[0].replace(",", ""))


def test_half_open(mqttwin):
    path = ROOT / "scenarios" / "04_half_open.py"
    said = mqttwin("run", path, "-p", "devices=100")
    assert said.status == 0, said.err
    rows = _rows(said.out)
    late, _, at_most, missing, connects, data = zip(
        *(rows[keep_alive] for keep_alive in ("2min", "4min", "5min", "10min", "20min")),
        strict=True,
    )
    deaf = [_number(share) for share in late]
    assert deaf[:2] == [0, 0]  # pinged before the carrier forgets
    # Deaf from 270 s after the last packet until the ping that fails, 20 s of patience with it;
    # a command that comes through begins the cycle anew, so the share is a little less.
    for share, cycle in zip(deaf[2:], (320, 620, 1220), strict=True):
        assert 0.75 < (share / 100) / (1 - 270 / cycle) < 1.1
    for longest, ping in zip(at_most[2:], (300, 600, 1200), strict=True):
        wait = ping + 20 - 270
        assert 0.85 * wait < _seconds(longest) < wait + 10
    assert missing[:2] == ("0", "0")
    assert [int(times) for times in connects] == sorted(map(int, connects[:2])) + sorted(
        map(int, connects[2:]), reverse=True
    )
    # The right keep-alive costs no more than the long one, whose pings each cost a connection.
    bytes_a_day = [_number(amount) for amount in data]
    assert 50 < bytes_a_day[1] < 75  # kB: 360 pings, answers and ACKs of 158 bytes, and commands
    assert bytes_a_day[1] < bytes_a_day[4] < bytes_a_day[0] < bytes_a_day[2]
    assert "4min is the longest keep-alive here that loses no time" in said.out


def test_half_open_with_a_reset_is_found_by_the_ping_itself(mqttwin):
    path = ROOT / "scenarios" / "04_half_open.py"
    said = mqttwin("run", path, "-p", "devices=20", "-p", "on_idle=reset", "--until", "12h")
    assert said.status == 0, said.err
    rows = _rows(said.out)
    assert _seconds(rows["5min"][2]) < 32  # no patience of 20 s
    assert _seconds(rows["20min"][2]) < 932


def test_half_open_at_qos_0_loses_what_it_delays_at_qos_1(mqttwin):
    path = ROOT / "scenarios" / "04_half_open.py"
    said = mqttwin("run", path, "-p", "devices=20", "-p", "qos=0", "--until", "12h")
    assert said.status == 0, said.err
    rows = _rows(said.out)
    sent = _number(re.search(r"^([\d,]+) commands", said.out, re.MULTILINE).group(1))
    assert rows["4min"][3] == "0"
    assert 0.6 * sent < _number(rows["20min"][3]) < 0.9 * sent


def test_satellite(mqttwin):
    path = ROOT / "scenarios" / "05_satellite.py"
    said = mqttwin("run", path, "-p", "stations=2", "-p", "loss=0", "-p", "fade=0", "--until", "1h")
    assert said.status == 0, said.err
    rows = _rows(said.out)
    plain = [_number(rows[f"QoS {qos}"][0]) for qos in (0, 1, 2)]
    secure = [_number(rows[f"QoS {qos}, TLS"][0]) for qos in (0, 1, 2)]
    # PUBACK takes the place of a mere ACK, and is itself acknowledged; QoS 2 has two more packets.
    assert 50 <= plain[1] - plain[0] <= 65
    assert plain[2] - plain[0] > 200
    for qos, writes in enumerate((1, 2, 4)):  # 22 bytes each, and a share of the handshake
        assert 0 <= secure[qos] - plain[qos] - 22 * writes < 8
    for qos in (0, 1, 2):
        _, p50, p99, age, _, missing = rows[f"QoS {qos}"]
        assert _seconds(p50) == _seconds(p99) == pytest.approx(0.30, abs=0.01)
        assert _seconds(age) == pytest.approx(0.5 + 0.3, abs=0.1)
        assert _number(missing) < 0.1
    # Two round trips of 0.6 s a reading, and one is made every second: a sixth has no place.
    one_by_one = rows["QoS 2, one by one"]
    assert _seconds(one_by_one[3]) > 100
    assert 16 < _number(one_by_one[5]) < 25


def test_satellite_that_fades(mqttwin):
    path = ROOT / "scenarios" / "05_satellite.py"
    said = mqttwin("run", path, "-p", "stations=2", "--until", "1h")
    assert said.status == 0, said.err
    rows = _rows(said.out)
    assert 2.5 < _number(rows["QoS 0"][5]) < 5  # 2 of 60 minutes, and some seconds to come back
    assert _number(rows["QoS 1"][5]) < 0.1
    assert _seconds(rows["QoS 0"][2]) < 2  # what is kept comes late, what is lost does not
    assert 60 < _seconds(rows["QoS 1"][2]) < 130


def test_broker_moves(mqttwin):
    path = ROOT / "scenarios" / "06_broker_moves.py"
    said = mqttwin("run", path, "-p", "devices=40")
    assert said.status == 0, said.err
    rows = _rows(said.out)
    # Found out by a ping: 30 s after the last write, with 20 s of patience.
    half, _, everybody, _, late, missing = rows["TTL 1min"]
    assert 20 < _seconds(half) < 60
    assert _seconds(everybody) < 90
    assert missing == "0"
    assert 10 * 60 < _seconds(rows["TTL 15min"][2]) < 17 * 60
    half, _, everybody, _, late, missing = rows["TTL 1h"]
    assert 20 * 60 < _seconds(half) < 40 * 60
    assert 50 * 60 < _seconds(everybody) < 63 * 60
    assert _number(late) > 500
    assert missing == "0"  # 60 readings at most, of 100 that a device keeps
    left = rows["address"]
    assert left[:3] == ["never", "never", "never"]
    # From 61 minutes on until the end after 240, one a minute.
    assert _number(left[5]) == pytest.approx(40 * 179, abs=40)


def test_broker_moves_at_qos_0_loses_what_waited(mqttwin):
    path = ROOT / "scenarios" / "06_broker_moves.py"
    said = mqttwin("run", path, "-p", "devices=20", "-p", "qos=0", "-p", "ttls=0s,1h")
    assert said.status == 0, said.err
    rows = _rows(said.out)
    assert 0 < _number(rows["TTL 0s"][5]) <= 40
    assert _number(rows["TTL 1h"][5]) > 20 * 20


@pytest.mark.parametrize(
    ("file", "parameter", "said"),
    [
        ("04_half_open.py", "idle_timeout=-1s", "idle_timeout: '-1s' is negative"),
        ("04_half_open.py", "keep_alives=0.5s", "keep_alive: must be whole seconds"),
        ("05_satellite.py", "loss=1.5", "loss: must be from 0 to 1"),
        ("05_satellite.py", "fade=2h", "outages[1]: must begin after the one before has ended"),
        ("06_broker_moves.py", "ttls=soon", "ttl: 'soon' is not a duration"),
        ("06_broker_moves.py", "qos=3", "qos: '3' is none of 0, 1, 2"),
    ],
)
def test_a_wrong_parameter_is_named(mqttwin, file, parameter, said):
    refused = mqttwin("run", ROOT / "scenarios" / file, "-p", parameter)
    assert refused.status != 0
    assert said in refused.line


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_can_be_replayed(mqttwin, path, tmp_path):
    size = "stations=5" if path.stem[:2] in ("02", "05") else "devices=10"
    ran = mqttwin("run", path, "-p", size, "--until", "20min", "-q", "--out", tmp_path)
    assert ran.status == 0, ran.err
    assert mqttwin("replay", tmp_path, "-q").status == 0
    figures = json.loads((tmp_path / "counts.json").read_text())
    c = figures["conservation"]
    assert c["expected"] == c["delivered"] + c["dropped"] + c["in_flight"]
