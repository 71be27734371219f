"""From what `World.fleet` is given to what the core takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import _core, units
from .backoff import Backoff
from .errors import ConfigError, refusals
from .layers import Tls, WebSocket, layers_of
from .links import Link
from .messages import Message
from .units import Duration

FINDS = ("known", "name", "address")
VERSIONS = {"3.1": 3, "3.1.1": 4, "5.0": 5}
EPOCH_NS = 1_735_689_600 * units.SECOND  # 2025-01-01T00:00:00Z, where virtual time begins
MAXIMUM_DEVICES = 1 << 24
_U16 = 65535
_U32 = 2**32 - 1


def client_options(
    *,
    version: str,
    keep_alive: Duration,
    clean_start: bool,
    session_expiry: Duration,
    receive_maximum: int,
    max_in_flight: int,
    max_queued: int,
    queue_qos0: bool,
    backoff: object,
    connect_timeout: Duration,
    ping_timeout: Duration,
) -> _core.ClientOptions:
    """What all clients of a fleet share; `backoff` None: no reconnect."""
    if version not in VERSIONS:
        raise ConfigError(f"{version!r} is none of {', '.join(VERSIONS)}", key="version")
    options = _core.ClientOptions()
    options.version = VERSIONS[version]
    options.keep_alive = whole_seconds(keep_alive, "keep_alive", _U16)
    options.clean_start = clean_start
    options.session_expiry = session_seconds(session_expiry)
    options.receive_maximum = units.whole(receive_maximum, "receive_maximum", 1, _U16)
    options.max_in_flight = units.whole(max_in_flight, "max_in_flight", 1, _U16)
    options.max_queued = units.whole(max_queued, "max_queued", 0, _U32)
    options.queue_qos0 = queue_qos0
    options.connect_timeout = units.duration(connect_timeout, "connect_timeout", zero=False)
    options.ping_timeout = units.duration(ping_timeout, "ping_timeout", zero=False)
    options.reconnect = backoff is not None
    if backoff is not None:
        if not isinstance(backoff, Backoff):
            message = f"{backoff!r} is none (write mt.backoff.fixed('5s'), or None)"
            raise ConfigError(message, key="backoff")
        options.backoff_initial = backoff.initial_ns
        options.backoff_maximum = backoff.maximum_ns
        options.backoff_factor = backoff.factor
        options.backoff_jitter = backoff.jitter
    return options


def session_seconds(value: Duration) -> int:
    """A session expiry interval in whole seconds; "never" is the value that never expires."""
    if isinstance(value, str) and value == "never":
        return _U32
    return whole_seconds(value, "session_expiry", _U32 - 1)


def whole_seconds(value: Duration, key: str, limit: int) -> int:
    """A duration that MQTT counts in seconds."""
    ns = units.duration(value, key)
    if ns % units.SECOND:
        raise ConfigError(f"must be whole seconds, not {value!r}", key=key)
    if ns // units.SECOND > limit:
        raise ConfigError(f"must be at most {limit:,} s, not {value!r}", key=key)
    return ns // units.SECOND


def fleet_spec(
    *,
    name: str,
    count: int,
    broker: int,
    link: _core.LinkSpec,
    tls: Tls | None,
    websocket: WebSocket | None,
    find: str,
    resolver: Duration,
    client: _core.ClientOptions,
    client_id: str,
    groups: int,
    group_size: int,
    columns: Mapping[str, Sequence[object]] | None,
    start: Duration,
    ramp: Duration,
    user_name: str,
    password: str | bytes,
    will: Message | None,
    keep: int,
) -> _core.FleetSpec:
    """One `_core.FleetSpec`, checked as far as that needs no core."""
    spec = _core.FleetSpec()
    spec.name = name
    spec.count = units.whole(count, "count", 1, MAXIMUM_DEVICES)
    spec.broker = broker
    spec.link = link
    spec.layers = layers_of(tls, websocket)
    if find not in FINDS:
        raise ConfigError(f"{find!r} is none of {', '.join(FINDS)}", key="find")
    spec.reach = find
    spec.resolver = units.duration(resolver, "resolver")
    spec.client = client
    spec.client_id = client_id
    spec.groups = units.whole(groups, "groups", 0, _U32)
    spec.group_size = units.whole(group_size, "group_size", 1, _U32)
    with refusals("columns"):
        spec.columns = dict(_texts(columns))
    spec.start = units.duration(start, "start")
    spec.ramp = units.duration(ramp, "ramp")
    spec.user_name = user_name
    spec.password = password.encode() if isinstance(password, str) else bytes(password)
    spec.keep = units.whole(keep, "keep", 0, 2**40)
    if will is not None:
        spec.will = (
            will.topic,
            bytes(will.payload),
            units.whole(will.qos, "will qos", 0, 2),
            will.retain,
        )
        spec.will_delay = whole_seconds(will.delay, "will delay", _U32)
    return spec


def checked_link(link: object) -> Link:
    """Refuses what is none."""
    if not isinstance(link, Link):
        raise ConfigError(f"{link!r} is no link (write mt.links.nb_iot())", key="link")
    return link


def population(
    seed: int, spec: _core.FleetSpec, columns: Mapping[str, Sequence[object]] | None
) -> _core.Population:
    """The fleet's population, for templates and previews."""
    with refusals():
        return _core.Population(
            seed=seed,
            name=spec.name,
            count=spec.count,
            id=spec.client_id,
            groups=spec.groups,
            group_size=spec.group_size,
            epoch_ns=EPOCH_NS,
            texts=_texts(columns),
        )


def _texts(columns: Mapping[str, Sequence[object]] | None) -> list[tuple[str, list[str]]]:
    """Text columns in the order of their names."""
    if columns is None:
        return []
    return [(name, [str(value) for value in columns[name]]) for name in sorted(columns)]
