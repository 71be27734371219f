"""One measurement in a process of its own: worlds.py CASE OPTIONS (JSON) prints values (JSON).

Everything is described and run over the public interface. CPU time is user and system time of this
process; memory is the highest resident size so far, less what it was with an empty world.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mqttwin as mt

PAYLOAD = b"x" * 64  # with the topics below: a PUBLISH of about 88 bytes
CONSUMERS = 8
SLICES = 5  # of a window, each timed for itself
AFTERMATH = 90.0  # virtual seconds in which what was set up for connections comes up
SETTLE = 5.0  # virtual seconds from the last CONNECT to everything being quiet
RAMP = {1_000: 1.0, 100_000: 10.0}
LONG_RAMP = 60.0  # a million in one minute
WAVES = 100

Values = dict[str, float]


def link() -> mt.links.Link:
    """What was meant by "latency and loss" where the targets were set."""
    return mt.links.link(latency="20ms", loss=0.001)


def peak() -> int:
    """Bytes; of this program alone, not of what was there before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM")


def empty() -> int:
    """What interpreter, package and an empty world take at their peak."""
    with mt.World(seed=1, keep_messages=0) as world:
        world.broker()
        world.run("1s", progress=False)
    gc.collect()
    return peak()


def ramp_of(devices: int) -> float:
    return RAMP.get(devices, LONG_RAMP if devices > 100_000 else 10.0)


def described(
    devices: int, qos: int, period: float, subscribers: str, ramp: float
) -> tuple[mt.World, mt.Fleet]:
    """`subscribers`: "own", one for each device; "shared", a few that share all; "down", the
    devices themselves, each to a filter of its own.
    """
    world = mt.World(seed=1, keep_messages=0)
    world.broker()
    if subscribers == "own":
        listeners = world.fleet("listener", devices, link=link(), ramp=ramp)
        listeners.subscribe("plant/{group}/sensor-{index}/t", qos=qos)
    elif subscribers == "shared":
        world.fleet("consumer", CONSUMERS).subscribe("$share/all/plant/#", qos=qos)
    sensors = world.fleet("sensor", devices, link=link(), ramp=ramp)
    if subscribers == "down":
        sensors.subscribe("down/{id}/#", qos=qos)
    sensors.publish("plant/{group}/{id}/t", every=period, payload=PAYLOAD, qos=qos)
    return world, sensors


def run(world: mt.World, seconds: float) -> float:
    """CPU seconds of so many virtual ones."""
    start = time.process_time()
    world.run(seconds, progress=False)
    return time.process_time() - start


def connect_all(world: mt.World, fleet: mt.Fleet, ramp: float) -> None:
    world.run(ramp + SETTLE, progress=False)
    if fleet.online != len(fleet):
        raise SystemExit(f"{fleet.online:,} of {len(fleet):,} devices are online")


def rate(*, devices: int, qos: int, period: float, subscribers: str, messages: float) -> Values:
    """Messages a CPU second, timer to callback, once everybody is connected, and what was set up
    for that has come up."""
    ramp = ramp_of(devices)
    world, sensors = described(devices, qos, period, subscribers, ramp)
    connect_all(world, sensors, ramp)
    slice_seconds = messages * period / devices / SLICES
    run(world, AFTERMATH)
    rates = []
    for _ in range(SLICES):
        before = world.result().counts["delivered"]
        took = run(world, slice_seconds)
        rates.append((world.result().counts["delivered"] - before) / took)
    rates.sort()
    return {"rate": rates[len(rates) // 2], "least": rates[0], "most": rates[-1]}


def day(*, devices: int, qos: int, period: float, seconds: float) -> Values:
    """CPU seconds of a day; of `seconds` of it, and the rest in proportion, if that is shorter.

    The first of them are counted for themselves: deadlines from the time of connecting come up
    then, once, and take up to as much again as the messages.
    """
    whole = 24 * 3600.0
    base = empty()
    start = time.process_time()
    ramp = ramp_of(devices)
    world, sensors = described(devices, qos, period, "shared", ramp)
    connect_all(world, sensors, ramp)
    begun = time.process_time() - start
    first = run(world, AFTERMATH)
    rest = whole - world.now
    window = min(seconds, rest)
    took = run(world, window)
    counts = world.result().counts
    return {
        "cpu": begun + first + took * rest / window,
        "start": begun,
        "measured": begun + first + took,
        "window": window,
        "apart": AFTERMATH,
        "delivered": counts["delivered"],
        "bytes": (peak() - base) / devices,
    }


def start(*, devices: int) -> Values:
    """CPU seconds to describe, create and connect (CONNECT and SUBSCRIBE) everybody."""
    begun = time.process_time()
    ramp = ramp_of(devices)
    world, sensors = described(devices, 0, 3600.0, "down", ramp)
    connect_all(world, sensors, ramp)
    return {"cpu": time.process_time() - begun}


def connected(*, devices: int) -> Values:
    """Bytes a connected device with a subscription of its own that publishes every minute."""
    base = empty()
    ramp = ramp_of(devices)
    world, sensors = described(devices, 0, 60.0, "down", ramp)
    connect_all(world, sensors, ramp)
    online = peak() - base
    world.run(60, progress=False)
    return {"bytes": (peak() - base) / devices, "online": online / devices}


def asleep(*, devices: int) -> Values:
    """Bytes a device that was connected, with a clean session, and has gone to sleep.

    They come and go in waves, so that the peak is not that of a fleet which is awake at once.
    """
    base = empty()
    world = mt.World(seed=1, keep_messages=0)
    world.broker()
    sensors = world.fleet("sensor", devices, link=link(), start="1000h")
    sensors.subscribe("down/{id}/#")
    sensors.publish("plant/{group}/{id}/t", every="24h", payload=PAYLOAD)
    described_only = peak() - base
    wave = devices // WAVES
    for first in range(0, devices, wave):
        some = range(first, min(first + wave, devices))
        sensors.connect(some)
        world.run(SETTLE, progress=False)
        if sensors.online != len(some):
            raise SystemExit(f"{sensors.online:,} of {len(some):,} devices are online")
        sensors.disconnect(some)
        world.run(SETTLE, progress=False)
    return {"bytes": (peak() - base) / devices, "described": described_only / devices}


def fan_out(*, subscribers: int, sizes: list[int]) -> Values:
    """CPU of one message to so many subscribers over the link, and memory by payload size."""
    world = mt.World(seed=1, keep_messages=0)
    broker = world.broker()
    listeners = world.fleet("listener", subscribers, link=mt.links.link(latency="20ms"), ramp="10s")
    listeners.subscribe("all")
    connect_all(world, listeners, 10.0)
    values: Values = {}
    grown = peak()
    for size in sizes:
        cpu = []
        for _ in range(3 if size <= len(PAYLOAD) else 1):
            before = world.result().counts["delivered"]
            broker.publish("all", b"x" * size)
            cpu.append(run(world, 60.0))
            delivered = world.result().counts["delivered"] - before
            if delivered != subscribers:
                raise SystemExit(f"{delivered:,} of {subscribers:,} got it")
        values[f"ns_{size}"] = sorted(cpu)[len(cpu) // 2] / subscribers * 1e9
        values[f"bytes_{size}"] = (peak() - grown) / subscribers
        grown = peak()
    return values


CASES: dict[str, Callable[..., Values]] = {
    case.__name__: case for case in (rate, day, start, connected, asleep, fan_out)
}


if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[1]](**json.loads(sys.argv[2]))))
