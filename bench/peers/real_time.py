"""What people do today: paho clients against mosquitto, for a few seconds of real time.

SENSORS SECONDS HOST PORT PID: a thread and a connection a sensor, one consumer. Prints the
workload's line of JSON; CPU time and memory are those of this process and of the broker, whose
process identifier is the last argument.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from workload import JITTER, PERIOD, peak_kib

TICK = os.sysconf("SC_CLK_TCK")
CONNECT_S = 30.0


def cpu_of(pid: int) -> float:
    """User and system seconds of another process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def client(name: str, host: str, port: int) -> mqtt.Client:
    online = threading.Event()
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
    made.on_connect = lambda *_: online.set()
    made.connect(host, port)
    made.loop_start()
    if not online.wait(CONNECT_S):
        raise SystemExit(f"{name} does not get connected")
    return made


def sensor(over: threading.Event, made: mqtt.Client, number: int) -> None:
    rng = random.Random(number)
    topic = f"plant/{number // 100}/sensor-{number}/t"
    due = time.monotonic() + PERIOD * rng.random()
    while not over.wait(max(0.0, due + JITTER * rng.random() - time.monotonic())):
        made.publish(topic, b"x" * 64)
        due += PERIOD


def main() -> None:
    sensors, seconds, host, port, broker = sys.argv[1:]
    received = 0

    def on_message(*_: object) -> None:
        nonlocal received
        received += 1

    consumer = client("consumer", host, int(port))
    consumer.on_message = on_message
    consumer.subscribe("plant/#")
    clients = [client(f"sensor-{n}", host, int(port)) for n in range(int(sensors))]
    over = threading.Event()
    threads = [
        threading.Thread(target=sensor, args=(over, made, n)) for n, made in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    time.sleep(PERIOD + JITTER)  # until everybody is at it

    def spent() -> float:
        return time.process_time() + cpu_of(int(broker))

    setup = spent()
    before, start = received, time.monotonic()
    time.sleep(float(seconds))
    values = {
        "messages": received - before,
        "cpu": spent() - setup,
        "virtual": time.monotonic() - start,
        "setup": setup,
        "peak_kib": peak_kib() + _resident_kib(int(broker)),
    }
    print(json.dumps(values))
    over.set()
    for thread in threads:
        thread.join()
    for made in [consumer, *clients]:
        made.disconnect()
        made.loop_stop()


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


main()
