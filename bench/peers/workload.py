"""The workload that everybody simulates, and how a run of it is measured.

N sensors publish 88 bytes (as a PUBLISH of MQTT) every second, late by up to a tenth of one; a
broker passes everything on to one consumer; each of them has a link with a delay of 20 ms. After
`READY` seconds everybody is connected and publishes; what is measured are the 60 virtual seconds
after that, or more of them where they go by too fast to be measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

PERIOD = 1.0  # s, all of these
JITTER = 0.1
DELAY = 0.02
RAMP = 2.0  # sensors start spread over this
READY = 4.0
MEASURED = 60.0
STEP = 1.0  # of virtual time between looks at the clock
LEAST_CPU = 0.5  # s


def arguments() -> tuple[int, float]:
    """SENSORS and LIMIT, in seconds of CPU time."""
    return int(sys.argv[1]), float(sys.argv[2])


def peak_kib() -> int:
    """Of this program alone, whatever was there before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise OSError("/proc/self/status has no VmHWM")


def measure(
    run_until: Callable[[float], object], delivered: Callable[[], int], limit: float
) -> None:
    """Runs, and prints a line of JSON: messages, cpu, virtual, setup (CPU s) and peak_kib.

    Args:
        run_until: Simulates up to an instant of virtual time.
        delivered: How many messages the consumer has got so far.
        limit: CPU seconds, of getting ready and of what is measured, after which no further step
            is begun.
    """
    at = 0.0
    while at < READY:
        if time.process_time() > limit:
            raise SystemExit(f"not ready after {limit:g} s of CPU time")
        at += STEP
        run_until(at)
    setup = time.process_time()
    before = delivered()
    virtual = cpu = 0.0
    while (virtual < MEASURED or cpu < LEAST_CPU) and cpu < limit:
        virtual += STEP
        run_until(READY + virtual)
        cpu = time.process_time() - setup
    values = {
        "messages": delivered() - before,
        "cpu": cpu,
        "virtual": virtual,
        "setup": setup,
        "peak_kib": peak_kib(),
    }
    print(json.dumps(values))
