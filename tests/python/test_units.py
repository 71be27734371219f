from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mqttwin as mt
from mqttwin import units


@given(st.floats(-1e9, 1e9) | st.integers(-(10**6), 10**6).map(lambda n: n / 2 / 10**9))
def test_seconds_are_rounded_exactly(seconds):
    assert units.duration(seconds, negative=True) == round(Fraction(seconds) * 10**9)


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("90s", 90 * 10**9),
        ("15min", 900 * 10**9),
        ("24h", 86_400 * 10**9),
        ("1h 30min", 5400 * 10**9),
        ("1h30min", 5400 * 10**9),
        ("2d", 172_800 * 10**9),
        ("0.1s", 10**8),
        ("1.5 ms", 1_500_000),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("7ns", 7),
        ("1e3s", 10**12),
        ("12", 12 * 10**9),
        (0, 0),
        (2, 2 * 10**9),
        (0.25, 25 * 10**7),
        (np.int64(3), 3 * 10**9),
        (np.float64(0.5), 5 * 10**8),
        (timedelta(minutes=2, microseconds=1), 120 * 10**9 + 1000),
    ],
)
def test_durations_are_read_exactly(written, ns):
    assert units.duration(written) == ns


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "5 parsecs",
        "1m",
        "abc",
        "-1s",
        -1,
        "1h -5min",
        None,
        True,
        [],
        float("nan"),
        "1e400s",
        float("inf"),
        "101 years",
        "40000d",
    ],
)
def test_what_is_no_duration_is_named(written):
    with pytest.raises(mt.ConfigError) as error:
        units.duration(written, "every")
    assert str(error.value).startswith("every: ")
    assert "\n" not in str(error.value)


@given(st.integers(0, units.LONGEST))
def test_nanoseconds_survive_as_text(ns):
    assert units.duration(f"{ns}ns") == ns


@pytest.mark.parametrize(
    ("written", "count"),
    [("64KiB", 65536), ("1.5MB", 1_500_000), ("100", 100), (7, 7), ("12 B", 12), ("1GiB", 2**30)],
)
def test_sizes(written, count):
    assert units.size(written) == count


@pytest.mark.parametrize("written", ["64kib", "-1", -1, "1.5B", 0.5, "", None, "10GB", "x"])
def test_what_is_no_size(written):
    with pytest.raises(mt.ConfigError, match=r"^size: "):
        units.size(written)


def test_rates():
    assert units.rate("250kbit/s") == 250_000
    assert units.rate("32kB/s") == 256_000
    assert units.rate(1e6) == 1e6
    for wrong in ("250kbps", -1, "fast", None):
        with pytest.raises(mt.ConfigError, match=r"^rate: "):
            units.rate(wrong)


def test_probabilities():
    assert units.probability(0) == 0
    assert units.probability(1) == 1
    for wrong in (-0.1, 1.1, "x", None, float("nan")):
        with pytest.raises(mt.ConfigError, match=r"^probability: "):
            units.probability(wrong)
    with pytest.raises(mt.ConfigError, match="less than 1"):
        units.probability(1, below_one=True)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (837_000_000, "837 ms"),
        (1_250_000_000, "1.25 s"),
        (999_600_000, "1 s"),
        (59.9e9, "59.9 s"),
        (60e9, "1 min"),
        (3_661e9, "1 h 1 min"),
        (86_400e9, "24 h"),
        (3 * 86_400e9, "3 d"),
        (500, "500 ns"),
        (-2e9, "-2 s"),
    ],
)
def test_durations_read_well(ns, text):
    assert units.format_duration(ns) == text


def test_figures_read_well():
    assert units.format_bytes(0) == "0 B"
    assert units.format_bytes(1234) == "1.23 kB"
    assert units.format_rate(250_000) == "250 kbit/s"
    assert units.format_rate(0) == "unlimited"
    assert units.format_share(1, 0) == "–"
    assert units.format_share(1, 2) == "50 %"
    assert units.format_share(999_999, 1_000_000) == "> 99.99 %"
    assert units.format_share(1, 1_000_000) == "< 0.01 %"


def test_errors_carry_their_place():
    error = mt.ConfigError("is odd", file="a.csv", line=7, key="column 't'")
    assert (error.file, error.line, error.key) == ("a.csv", 7, "column 't'")
    assert str(error) == "a.csv:7: column 't': is odd"
    assert isinstance(error, ValueError)
    assert str(mt.ProtocolError("refused", reason_code=0x87, clause="MQTT-3.1.4-2")) == (
        "refused (reason code 0x87) [MQTT-3.1.4-2]"
    )
    late = mt.SimulationError("stuck", virtual_time=1.5)
    assert late.virtual_time == 1.5
    assert "1.5 s of virtual time" in str(late)
