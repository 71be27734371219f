import io
import sys

from conftest import small_world
from mqttwin import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def as_terminal(monkeypatch, stream):
    """A stream in place of stderr; only within a test, for pytest swaps it, too."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "DELAY", 0)
    return stream


def test_shown_on_a_terminal(monkeypatch):
    terminal = as_terminal(monkeypatch, Terminal())
    small_world().run("2h")
    assert "of 2 h" in terminal.getvalue()


def test_speed_up_is_shown(monkeypatch):
    terminal = as_terminal(monkeypatch, Terminal())
    bar = progress.Progress(0, 3600 * 10**9)
    bar._began -= 10
    bar.update(1800 * 10**9)
    bar.close()
    assert terminal.getvalue().endswith("\r")  # nothing of it stays
    assert "| 50%" in terminal.getvalue()
    assert "30 min of 1 h" in terminal.getvalue()
    assert "180 × real time" in terminal.getvalue()


def test_silent_elsewhere(monkeypatch):
    stream = as_terminal(monkeypatch, io.StringIO())
    small_world().run("1h")
    assert stream.getvalue() == ""


def test_silent_when_told(monkeypatch):
    terminal = as_terminal(monkeypatch, Terminal())
    small_world().run("1h", progress=False)
    assert terminal.getvalue() == ""


def test_speed_ups_read_well():
    assert progress.speed_up(21_345) == "21,000 × real time"
    assert progress.speed_up(123) == "120 × real time"
    assert progress.speed_up(9.87) == "9.9 × real time"
    assert progress.speed_up(0.5) == "0.5 × real time"
