"""What Python adds: describing fleets, entering runs, and handing results out."""

from typing import Any

import mqttwin as mt


def a_fleet(devices: int) -> mt.World:
    world = mt.World(seed=1)
    world.broker()
    fleet = world.fleet("sensor", devices)
    fleet.publish("t/{id}", every="10s", payload=mt.json(v=mt.gen.normal(mean=20, sd=1)))
    consumer = world.fleet("consumer")
    consumer.subscribe("t/#")
    return world


def test_describe_100_000_devices(benchmark: Any) -> None:
    benchmark.pedantic(a_fleet, args=(100_000,), rounds=5)


def test_1_000_calls_of_run(benchmark: Any) -> None:
    def run() -> None:
        world = a_fleet(10)
        for _ in range(1000):
            world.run("1s", progress=False)

    benchmark.pedantic(run, rounds=3)


def test_100_000_messages_to_pandas(benchmark: Any) -> None:
    result = a_fleet(1000).run("1005s", progress=False)
    frame = benchmark.pedantic(result.messages.to_pandas, rounds=5)
    assert len(frame) > 90_000
