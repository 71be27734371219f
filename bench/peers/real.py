"""Starts mosquitto, and paho clients against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from simulators import HERE, Run

sys.path.append(str(Path(__file__).parents[1] / "live"))
from brokers import BrokerError, broker

ENOUGH_S = 120.0  # to connect and to go, besides what is measured


class RealError(Exception):
    """Why there is no figure."""


def paho_with_mosquitto(sensors: int, seconds: float) -> Run:
    """Real time, and CPU time of both processes.

    Raises:
        RealError: mosquitto is not installed, or the clients did not get through.
    """
    try:
        with broker("mosquitto").started(max(os.sched_getaffinity(0)), prompt=True) as there:
            words = (sensors, seconds, there.host, there.port, there.pid)
            done = subprocess.run(
                [sys.executable, str(HERE / "real_time.py"), *map(str, words)],
                check=False,
                capture_output=True,
                text=True,
                timeout=seconds + ENOUGH_S,
            )
    except (BrokerError, ValueError, OSError, subprocess.TimeoutExpired) as failure:
        raise RealError(str(failure)) from None
    if done.returncode != 0:
        raise RealError((done.stderr.strip() or "the clients failed").splitlines()[-1])
    return Run(**json.loads(done.stdout))
