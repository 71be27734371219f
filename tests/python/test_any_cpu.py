"""A run is the same whatever the processor can do.

glibc picks variants of its functions by CPU; its tunables make it believe that this one is old.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import mqttwin as mt

with mt.World(seed=11) as world:
    world.broker()
    world.fleet("dashboard").subscribe("#", qos=1)
    fleet = world.fleet("meter", 40, link=mt.links.link(latency="80ms", jitter="30ms", loss=0.05))
    fleet.publish(
        "m/{id}",
        every="20s",
        jitter="5s",
        qos=1,
        payload=mt.json(
            a=mt.gen.ou(mean=21, sigma=0.4, tau="1h"),
            b=mt.gen.normal(mean=0, sd=1),
            c=mt.gen.diurnal(mean=10, amplitude=3, noise=0.5),
            d=mt.gen.random_walk(step=0.1),
        ),
    )
    poisson = world.fleet("event", 10)
    poisson.publish("e/{id}", when=mt.poisson("30s"), payload=mt.raw(b"x"))
    print(world.run("1h", progress=False).digest)
"""

OLD = "-AVX,-AVX2,-AVX512F,-AVX512VL,-FMA,-FMA4,-BMI1,-BMI2,-ERMS,-FSRM,-SSE4_1,-SSE4_2,-SSSE3"


def digest(tunables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "GLIBC_TUNABLES": tunables},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="tunables are glibc's")
def test_the_digest_is_the_same_on_an_old_processor() -> None:
    new = digest("")
    assert len(new) == 32
    assert digest(f"glibc.cpu.hwcaps={OLD}") == new
