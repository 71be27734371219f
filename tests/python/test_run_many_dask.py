"""Runs on a Dask cluster: a local one, as on more machines."""

from __future__ import annotations

import pytest

import mqttwin as mt
from ensemble_scenarios import fragile, sensors

distributed = pytest.importorskip("distributed", reason="Dask distributed cannot be installed here")
pytestmark = pytest.mark.filterwarnings("ignore:::distributed", "ignore:unclosed:ResourceWarning")


def test_the_same_digests_on_a_cluster():
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        with pytest.raises(mt.ConfigError, match=r"executor: is a Dask client"):
            mt.run_many(sensors, until="1min", executor=client)
        executor = client.get_executor()
        asked = {"seeds": [1, 2], "params": [{"devices": 3}, {"qos": 0}], "until": "5min"}
        runs = mt.run_many(sensors, executor=executor, **asked)
        assert [run.digest for run in runs.raise_failures()] == [
            run.digest for run in mt.run_many(sensors, executor="serial", **asked)
        ]
        broken = mt.run_many(
            fragile, params=[{"how": "raise"}, {}], until="1min", executor=executor
        )
        assert [run.status for run in broken] == ["failed", "done"]
        assert "no such luck" in broken[0].traceback
