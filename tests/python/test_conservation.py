"""Every delivery that is owed is accounted for, whatever befalls a world."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

import mqttwin as mt

READERS = 20
SENSORS = 10
STRIKES = 8


def random_world(seed: int) -> mt.World:
    """Sensors and readers of any kind, and what strikes them between 5 and 60 s."""
    draw = random.Random(seed)
    world = mt.World(seed=seed)
    broker = world.broker(
        max_in_flight=draw.choice([2, 256]),
        max_queued=draw.choice([3, 1000]),
        queue_qos0_offline=draw.random() < 0.3,
        shared_strategy=draw.choice(["round_robin", "sticky", "least_in_flight"]),
    )
    latency = draw.choice(["5ms", "80ms", "400ms"])
    link = mt.links.link(latency=latency, loss=draw.choice([0, 0.02, 0.1]))
    tls = draw.choice([None, None, True])
    readers = world.fleet(
        "reader",
        READERS,
        link=link,
        tls=tls,
        ramp="3s",
        keep_alive=draw.choice(["10s", "20min"]),
        session_expiry=draw.choice(["0s", "10s", "1h"]),
        version=draw.choice(["5.0", "3.1.1"]),
        clean_start=draw.random() < 0.4,
        receive_maximum=draw.choice([1, 5, 65535]),
    )
    for _ in range(draw.choice([1, 2, 3])):
        topic = draw.choice(["$share/g/t/#", "t/{index}/#", "t/#", "$share/h/t/+/x"])
        readers.subscribe(topic, qos=draw.randrange(3))
    sensors = world.fleet(
        "sensor",
        SENSORS,
        link=link,
        tls=tls,
        ramp="3s",
        keep_alive=draw.choice(["10s", "20min"]),
        session_expiry=draw.choice(["0s", "1h"]),
        clean_start=draw.random() < 0.5,
        max_in_flight=draw.choice([1, 20]),
        queue_qos0=draw.random() < 0.3,
        will=mt.Message("t/w", b"gone", qos=draw.randrange(3)) if draw.random() < 0.4 else None,
    )
    sensors.publish(
        "t/{index}/x",
        every=draw.choice(["300ms", "2s"]),
        qos=draw.randrange(3),
        payload=b"21.5",
        retain=draw.random() < 0.3,
        message_expiry=draw.choice([None, "1s", "10s"]),
    )
    for _ in range(STRIKES):
        strike(world, broker, draw.choice([readers, sensors]), draw)
    return world


def strike(world: mt.World, broker: mt.Broker, fleet: mt.Fleet, draw: random.Random) -> None:
    """One of the things that happen, and where it has one, its end."""
    who = sorted(draw.sample(range(len(fleet)), 4))
    cut_at = draw.randrange(300)
    direction = draw.choice(["up", "down"])
    soon = draw.choice([0.1, 5.0])
    kept = draw.random() < 0.5
    kinds: list[list[tuple[float, Callable[[], object]]]] = [
        [(0, lambda: broker.restart(keep_sessions=kept))],
        [(0, lambda: broker.restart(keep_sessions=kept, down="2s"))],
        [(0, lambda: broker.move(keep_sessions=kept))],
        [(0, broker.refuse), (3, lambda: broker.refuse(None))],
        [(0, lambda: fleet.cut(who))],
        [(0, lambda: fleet.cut(who, silent=True))],
        [(0, lambda: fleet.cut(who, after_bytes=cut_at, direction=direction))],
        [(0, lambda: fleet.black_hole(who))],
        [(0, lambda: fleet.stall(who)), (6, lambda: fleet.read_on(who))],
        [(0, lambda: fleet.link_down(who)), (8, lambda: fleet.link_up(who))],
        [(0, lambda: fleet.disconnect(who)), (soon, lambda: fleet.connect(who))],
    ]
    begin = draw.uniform(5, 60)
    for later, act in draw.choice(kinds):
        world.at(begin + later, act)


@pytest.mark.parametrize("seed", range(60))
def test_every_delivery_is_accounted_for(seed):
    with random_world(seed) as world:
        result = world.run("75s")
    assert result.conservation.expected > 0, f"seed {seed}"
    assert result.conservation.holds, f"seed {seed}: {result.conservation}"
