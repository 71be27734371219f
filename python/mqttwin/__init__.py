"""mqttwin: MQTT fleets, brokers and networks, simulated.

>>> import mqttwin as mt
>>> with mt.World(seed=42) as world:
...     broker = world.broker()
...     meters = world.fleet("meter", 100, link=mt.links.nb_iot())
...     meters.publish("site/{group}/{id}", every="15min", qos=1,
...                    payload=mt.json(t=mt.gen.ou(mean=21, sigma=0.4, tau="1h")))
...     result = world.run("1h")
"""

from . import backoff, dist, gen, invariants, links, mischief, testing, units
from ._core import __version__, topic_matches
from .arrivals import Arrival, once, periodic, poisson, replay_times
from .backoff import Backoff
from .broker import Broker
from .client import Client
from .client_auth import Authenticator
from .client_errors import (
    AuthenticationError,
    ClientTimeout,
    ConnectError,
    DisconnectedError,
    PublishError,
    SubscribeError,
)
from .client_messages import IncomingMessage
from .client_values import NEVER_EXPIRES
from .conservation import Conservation
from .device import Condition, Device, Devices, Sensor, when
from .dist import Distribution
from .ensemble import run_many
from .errors import ConfigError, MqttwinError, ProtocolError, SimulationError, SnapshotError
from .exploring import Counterexample, Exploration, explore, load_scenario, replay
from .fleet import Fleet
from .gen import Generator
from .latency import Latency
from .layers import Tls, WebSocket, tls, websocket
from .links import Link
from .messages import Message
from .partitions import Partition
from .payload import Payload, json, msgpack, random_bytes, raw, struct, text
from .result import Result
from .runs import Run, Runs
from .table import Table, read_trace
from .timeline import Timer
from .trace import Trace
from .units import Duration, Probability, Rate, Size, seconds
from .world import World

__all__ = [
    "NEVER_EXPIRES",
    "Arrival",
    "AuthenticationError",
    "Authenticator",
    "Backoff",
    "Broker",
    "Client",
    "ClientTimeout",
    "Condition",
    "ConfigError",
    "ConnectError",
    "Conservation",
    "Counterexample",
    "Device",
    "Devices",
    "DisconnectedError",
    "Distribution",
    "Duration",
    "Exploration",
    "Fleet",
    "Generator",
    "IncomingMessage",
    "Latency",
    "Link",
    "Message",
    "MqttwinError",
    "Partition",
    "Payload",
    "Probability",
    "ProtocolError",
    "PublishError",
    "Rate",
    "Result",
    "Run",
    "Runs",
    "Sensor",
    "SimulationError",
    "Size",
    "SnapshotError",
    "SubscribeError",
    "Table",
    "Timer",
    "Tls",
    "Trace",
    "WebSocket",
    "World",
    "__version__",
    "backoff",
    "dist",
    "explore",
    "gen",
    "invariants",
    "json",
    "links",
    "load_scenario",
    "mischief",
    "msgpack",
    "once",
    "periodic",
    "poisson",
    "random_bytes",
    "raw",
    "read_trace",
    "replay",
    "replay_times",
    "run_many",
    "seconds",
    "struct",
    "testing",
    "text",
    "tls",
    "topic_matches",
    "units",
    "websocket",
    "when",
]
