"""The workload in SimPy: processes for sensors, a dictionary for a broker, time-outs for links."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

import simpy
from workload import DELAY, JITTER, PERIOD, RAMP, arguments, measure

Message = tuple[str, bytes, float]  # topic, payload, published at


class Consumer:
    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.received = 0
        self.latency = 0.0

    def receive(self, event: simpy.Event) -> None:
        _, _, published = event.value
        self.received += 1
        self.latency += self.env.now - published


class Broker:
    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.subscribers: dict[str, list[Consumer]] = defaultdict(list)

    def receive(self, event: simpy.Event) -> None:
        for subscriber in self.subscribers[event.value[0]]:
            send(self.env, event.value).callbacks.append(subscriber.receive)


def send(env: simpy.Environment, message: Message) -> simpy.Event:
    """A link: what happens when the message arrives."""
    return env.timeout(DELAY, message)


def sensor(
    env: simpy.Environment, broker: Broker, topic: str, rng: random.Random
) -> Iterator[simpy.Event]:
    due = rng.uniform(0, RAMP)
    while True:
        yield env.timeout(due + JITTER * rng.random() - env.now)
        send(env, (topic, b"x" * 64, env.now)).callbacks.append(broker.receive)
        due += PERIOD


def main() -> None:
    sensors, limit = arguments()
    env = simpy.Environment()
    rng = random.Random(1)
    broker = Broker(env)
    consumer = Consumer(env)
    for number in range(sensors):
        topic = f"plant/{number // 100}/sensor-{number}/t"
        broker.subscribers[topic].append(consumer)
        env.process(sensor(env, broker, topic, rng))
    measure(env.run, lambda: consumer.received, limit)


main()
