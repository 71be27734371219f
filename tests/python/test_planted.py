"""Exploring finds every planted bug, with nothing tuned for any, and leaves correct twins alone."""

from __future__ import annotations

import logging
import sys

import pytest

import mqttwin as mt
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests"))

import planted
from planted.exploring import CALM, FAULTS, INVARIANTS, UNTIL, scenario

SEARCH = 200
"""Seeds that a bug is looked for in, at most: as many as explore takes where nobody says."""
TWINS = 8
"""Seeds that each correct twin has to bear: most of them share all of their behaviour."""


def explored(name: str, kind: str, seeds: int, **options: object) -> mt.Exploration:
    return mt.explore(
        scenario,
        parameters={"name": name, "kind": kind},
        seeds=seeds,
        faults=FAULTS,
        invariants=INVARIANTS,
        until=UNTIL,
        calm=CALM,
        workers=1,
        **options,
    )


@pytest.fixture(autouse=True)
def quiet():
    """Devices that are meant to fail need not tell."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", planted.names())
def test_the_bug_is_found(name):
    assert not explored(name, "Buggy", SEARCH, shrink=False)


@pytest.mark.parametrize("name", planted.names())
def test_the_correct_twin_raises_no_alarm(name):
    explored(name, "Correct", TWINS, stop_after=None, shrink=False).check()


def test_a_finding_is_shrunk_to_what_matters():
    example = explored("forgets_to_resubscribe", "Buggy", 5).counterexamples[0]
    assert example.parameters["devices"] == 1
    assert len(example.faults) == 1, example.story
    assert example.violations[0].invariant == "commands at least once"
