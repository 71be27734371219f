import pytest

import mqttwin as mt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fixed:5s", mt.Backoff("5s", "5s", 1, 0)),
        ("fixed:5s,jitter=0.5", mt.Backoff("5s", "5s", 1, 0.5)),
        ("fixed:wait=5s", mt.Backoff("5s", "5s", 1, 0)),
        ("exponential", mt.Backoff("1s", "2min", 2, 1)),
        ("exponential:2s,1min", mt.Backoff("2s", "1min", 2, 1)),
        ("exponential:initial=2s,factor=3,jitter=0", mt.Backoff("2s", "2min", 3, 0)),
    ],
)
def test_reading(text, expected):
    assert mt.backoff.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fixed",
        "fixed:",
        "fixed:0s",
        "fixed:5 bananas",
        "fixed:5s,6s,7s",
        "fixed:5s,wait=6s",
        "fixed:jitter=1",
        "slow:5s",
        "exponential:1min,1s",
        "exponential:1s,jitter=2",
        "exponential:1s,factor=0.5",
        "exponential:1s,factor=x",
    ],
)
def test_what_is_none(text):
    with pytest.raises(mt.ConfigError):
        mt.backoff.parse(text)


@pytest.mark.parametrize("text", ["fixed:5s", "fixed:5s,jitter=0.5", "exponential:1s,1min"])
def test_text_form_is_read_back(text):
    assert str(mt.backoff.parse(text)) == text


def test_makers():
    assert mt.backoff.fixed("5s") == mt.Backoff("5s", "5s", 1, 0)
    assert mt.backoff.exponential().jitter == 1
    assert mt.backoff.exponential("1s", 60).maximum_ns == 60 * 10**9
