"""The workload in mqttwin."""

from workload import DELAY, JITTER, PERIOD, RAMP, arguments, measure

import mqttwin as mt


def main() -> None:
    sensors, limit = arguments()
    link = mt.links.link(latency=DELAY)
    world = mt.World(seed=1, keep_messages=0)
    world.broker()
    world.fleet("consumer", link=link).subscribe("plant/#")
    world.fleet("sensor", sensors, link=link, ramp=RAMP).publish(
        "plant/{group}/{id}/t", every=PERIOD, jitter=JITTER, payload=b"x" * 64
    )
    measure(
        lambda instant: world.run(instant - world.now, progress=False),
        lambda: world.result().counts["delivered"],
        limit,
    )


main()
