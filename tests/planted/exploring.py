"""The pairs under exploration: one scenario, one list of faults, one list of invariants for all."""

from __future__ import annotations

from collections.abc import Iterator

import mqttwin as mt
from mqttwin.exploring import Trial, Violation

from . import pair
from .harness import Scenario

UNTIL = "10min"
CALM = "5min"

FAULTS = [
    mt.mischief.cuts(),
    mt.mischief.outages(),
    mt.mischief.restarts(),
    mt.mischief.refusals(),
    mt.mischief.clock_jumps(),
    mt.mischief.impostors(),
    mt.mischief.stalls(),
    mt.mischief.power_cycles(),
]


def scenario(world: mt.World, *, name: str, kind: str = "Buggy", devices: int = 3) -> Scenario:
    """Devices of a pair, and the cloud."""
    return Scenario(getattr(pair(name), kind), devices, world=world)


def as_it_should_be(trial: Trial) -> Iterator[Violation]:
    """What the harness knows of telemetry, commands and the fleet, without asking for status."""
    for name, device, text in trial.subject.violations():
        yield Violation(name, f"{device}: {text}" if device else text)


INVARIANTS = [
    mt.invariants.connected(),
    mt.invariants.no_crash(),
    mt.invariants.no_protocol_violation(),
    mt.invariants.no_hammering(),
    mt.invariants.no_gaps("d/+/data"),
    mt.invariants.in_order("d/+/data"),
    mt.invariants.pace("d/+/data", 6, per="2min"),
    as_it_should_be,
    mt.invariants.not_in_step(),
    mt.invariants.status_agrees("d/{id}/status", dies="3min"),
]
