"""Each planted bug shows under faults that were chosen for it; its correct twin bears them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests"))

import planted
from planted import pages
from planted.harness import Scenario

WITHIN_SUBSCRIBE = 65
"""Bytes from the beginning of a connection: CONNECT was read, and a part of SUBSCRIBE."""


def nothing(s: Scenario) -> None:
    """Some bugs need no fault at all."""


def sessions_lost(s: Scenario) -> None:
    s.world.run("2min")
    s.restart(keep_sessions=False)


def sessions_lost_and_long_down(s: Scenario) -> None:
    s.world.run("2min")
    s.restart(keep_sessions=False, down=60)


def two_restarts(s: Scenario) -> None:
    for down in (0, 45):
        s.world.run("2min")
        s.restart(down=down)


def one_long_restart(s: Scenario) -> None:
    s.world.run("2min")
    s.restart(down=180)


def cut_in_the_first_subscribe(s: Scenario) -> None:
    for dut in s.devices:
        dut.link.cut(after_bytes=WITHIN_SUBSCRIBE)


def reset(s: Scenario) -> None:
    s.world.run("2min")
    s.devices[1].link.reset()


def reboot(s: Scenario) -> None:
    s.world.run("2min")
    s.devices[1].reboot()


def dead_link(s: Scenario) -> None:
    s.world.run("500s")
    s.devices[1].link.black_hole()


def outage(s: Scenario) -> None:
    s.world.run("2min")
    with s.devices[1].link.down():
        s.world.run("150s")


def reboot_within_an_outage(s: Scenario) -> None:
    s.world.run("2min")
    with s.devices[1].link.down():
        s.world.run("100s")
        s.devices[1].reboot()
        s.world.run("1min")


def long_without_power(s: Scenario) -> None:
    s.world.run("2min")
    s.devices[1].reboot(off_for="3min")


def reboot_after_a_command(s: Scenario) -> None:
    """Commands to device 1 come at 67 s, 127 s ..."""
    s.world.run("130s")
    s.devices[1].reboot()


def command_lost_on_the_way(s: Scenario) -> None:
    s.world.run("126s")
    s.devices[1].link.cut(after_bytes=1, direction="down")


def puback_lost(s: Scenario) -> None:
    """What device 1 says next after the command at 127 s is PUBACK."""
    s.world.run("126s")
    s.devices[1].link.cut(after_bytes=1, direction="up")


def puback_lost_and_reboot(s: Scenario) -> None:
    puback_lost(s)
    s.world.run_until(~s.devices[1].connected)
    s.devices[1].reboot()


def puback_lost_and_clock_set(s: Scenario) -> None:
    puback_lost(s)
    s.world.run_until(~s.devices[1].connected)
    s.devices[1].clock.step("1h")


def reset_while_a_command_is_retained(s: Scenario) -> None:
    """Until the fourth command, which is retained, and the fifth were acted upon."""
    s.world.run_until(lambda: commands_so_far(s) >= 5)
    s.world.run("5s")
    s.devices[1].link.reset()


def clock_set_back(s: Scenario) -> None:
    s.world.run("8min")
    s.devices[1].clock.step("-1h")


def answer_lost(s: Scenario) -> None:
    """PUBREC to the reading at 120 s."""
    s.world.run("119.9s")
    s.devices[1].cut(after_bytes=1, direction="down")


def maintenance(s: Scenario) -> None:
    s.world.run("2min")
    s.broker.restart()
    s.broker.refuse()
    s.world.run("1min")
    s.broker.refuse(None)


def commands_so_far(s: Scenario) -> int:
    return len(s.cloud.commands["device-1"])


CASES: dict[str, tuple[Callable[[Scenario], None], str]] = {
    "acts_on_redelivery": (puback_lost, "commands at most once"),
    "acts_on_stale_command": (reset_while_a_command_is_retained, "commands at most once"),
    "acts_too_late": (reboot_after_a_command, "commands at least once"),
    "announces_first": (nothing, "commands at least once"),
    "assumes_connected": (sessions_lost_and_long_down, "commands at least once"),
    "awaits_for_ever": (cut_in_the_first_subscribe, "status true"),
    "believes_in_qos0": (outage, "telemetry complete"),
    "chatter_hides_silence": (dead_link, "telemetry goes on"),
    "clean_start": (long_without_power, "commands at least once"),
    "counts_from_one": (reboot, "one value a number"),
    "dies_on_a_payload": (nothing, "commands at least once"),
    "drops_offline": (outage, "telemetry complete"),
    "fixed_backoff": (two_restarts, "not in step"),
    "forgets_before_ack": (reboot_within_an_outage, "telemetry complete"),
    "forgets_by_the_clock": (puback_lost_and_clock_set, "commands at most once"),
    "forgets_to_resubscribe": (sessions_lost, "commands at least once"),
    "forgets_what_it_did": (puback_lost_and_reboot, "commands at most once"),
    "gives_up": (one_long_restart, "connected"),
    "half_subscribed": (cut_in_the_first_subscribe, "commands at least once"),
    "long_keep_alive": (dead_link, "telemetry goes on"),
    "no_backoff": (one_long_restart, "back-off"),
    "publishes_before_connack": (maintenance, "telemetry complete"),
    "reuses_identifiers": (answer_lost, "telemetry complete"),
    "silent_return": (reset, "status true"),
    "stops_at_the_first_failure": (outage, "telemetry goes on"),
    "timer_leak": (two_restarts, "pace"),
    "trusts_dup_flag": (command_lost_on_the_way, "commands at least once"),
    "volatile_outbox": (reboot_within_an_outage, "telemetry complete"),
    "waits_by_the_clock": (clock_set_back, "telemetry goes on"),
    "will_not_retained": (nothing, "status true"),
}


def test_every_pair_has_its_case() -> None:
    assert sorted(CASES) == planted.names()
    assert len(CASES) >= 15


@pytest.mark.parametrize("name", planted.names())
def test_the_bug_shows_and_its_twin_bears_the_same(name: str) -> None:
    faults, expectation = CASES[name]
    module = planted.pair(name)
    assert Scenario(module.Correct).play(faults) == []
    found = Scenario(module.Buggy).play(faults)
    assert expectation in {violation.expectation for violation in found}, found


@pytest.mark.parametrize(
    ("path", "text"), pages.pages().items(), ids=[path.stem for path in pages.pages()]
)
def test_the_documentation_is_what_the_module_says(path: Path, text: str) -> None:
    said = path.read_text(encoding="utf-8") if path.exists() else ""
    assert said == text, "out of date: (cd tests && python -m planted.pages)"


def test_no_page_is_left_over() -> None:
    there = {path for path in (ROOT / "docs" / "bugs").iterdir() if path.suffix == ".md"}
    assert there == {path for path in pages.pages() if path.parent.name == "bugs"}


def test_a_run_is_the_same_again() -> None:
    digests = []
    for _ in range(2):
        scenario = Scenario(planted.pair("acts_on_redelivery").Buggy, seed=3)
        scenario.play(puback_lost_and_reboot)
        digests.append(scenario.world.result().digest)
    assert digests[0] == digests[1]
