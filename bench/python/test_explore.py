"""What exploring costs: runs with faults of ten devices and twenty virtual minutes."""

from __future__ import annotations

from typing import Any

import pytest

import mqttwin as mt
from test_device import Reporter

RUNS = 200


def scenario(world: mt.World, *, devices: int = 10) -> None:
    """Ten devices that publish every minute."""
    world.broker()
    world.add(Reporter, devices, link=mt.links.lte_m())


@pytest.mark.parametrize("workers", [1, 2])
def test_200_runs_of_10_devices_10_minutes_and_a_calm(benchmark: Any, workers: int) -> None:
    def search() -> None:
        found = mt.explore(scenario, seeds=RUNS, workers=workers, stop_after=None, shrink=False)
        assert found.runs == RUNS

    benchmark.pedantic(search, rounds=3)
