"""The C++ core, as the package sees it. Not public: use `mqttwin`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__: str

# Durations and instants are integers: nanoseconds.

class Table:
    """Columns; exported through the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    @property
    def num_rows(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    def column(self, name: str) -> Any:
        """A NumPy array, or a list of str or bytes.

        Times are timedelta64[ns]. A missing number is NaN, a missing time NaT, a missing text
        None. Numbers in one piece are a view that keeps the table alive.
        """

class Histogram:
    """Log-linear, exact counts, percentiles within 0.4 %. Values are nanoseconds."""

    def __init__(self) -> None: ...
    def record(self, value: int, times: int = 1) -> None: ...
    @property
    def count(self) -> int: ...
    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int: ...
    @property
    def mean(self) -> float: ...
    def percentile(self, q: float) -> int:
        """q in [0, 100]; 0 for an empty histogram."""
    def fraction_above(self, value: int) -> float: ...
    def buckets(self) -> tuple[Any, Any, Any]:
        """(low, high, count) arrays of the buckets that hold something."""
    def merge(self, other: Histogram) -> None: ...
    def to_bytes(self) -> bytes: ...
    @staticmethod
    def from_bytes(data: bytes) -> Histogram: ...

# --- specifications: thin bindings of room `fleet`, see bind_fleet.cpp -------------------------

class Column:
    """A number a device: one for all, one each, or drawn."""

    def __init__(self, scalar: float) -> None: ...
    @staticmethod
    def values(one_a_device: NDArray[np.float64]) -> Column: ...
    @staticmethod
    def uniform(low: float, high: float) -> Column: ...
    @staticmethod
    def normal(mean: float, sd: float) -> Column: ...
    @staticmethod
    def lognormal(median: float, sigma: float) -> Column: ...
    @staticmethod
    def exponential(mean: float) -> Column: ...
    @staticmethod
    def choice(
        values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
    ) -> Column: ...
    def sample(self, population: Population, purpose: str) -> NDArray[np.float64]: ...

class DurationColumn:
    def __init__(self, ns: int) -> None: ...
    @staticmethod
    def in_seconds(seconds: Column) -> DurationColumn: ...

class Population:
    """Who a fleet is, for templates and previews; the world makes its own."""

    def __init__(
        self,
        *,
        seed: int,
        name: str,
        count: int,
        id: str,
        groups: int,
        group_size: int,
        epoch_ns: int,
        texts: Sequence[tuple[str, Sequence[str]]],
    ) -> None: ...

class Template:
    def __init__(self, text: str, population: Population, parameter: str) -> None: ...
    def text(self, device: int) -> str: ...

def check_topics(topic: Template, parameter: str) -> None: ...
def check_filters(filter: Template, parameter: str) -> None: ...
def topic_matches(filter: str, topic: str) -> bool: ...

class Arrival:
    @staticmethod
    def periodic(
        every: DurationColumn, phase: DurationColumn | None, jitter: DurationColumn
    ) -> Arrival: ...
    @staticmethod
    def poisson(mean: DurationColumn, rate: Column | None) -> Arrival: ...
    @staticmethod
    def replay(
        instants: NDArray[np.int64], offset: DurationColumn, loop: bool, span: int
    ) -> Arrival: ...
    @staticmethod
    def once(at: DurationColumn) -> Arrival: ...
    def window(self, start: int, until: int | None, /) -> Arrival: ...
    def check(self) -> None: ...

class Generator:
    """What a field of a payload is; digits: decimals kept, -1 all."""

    @staticmethod
    def number(value: Column, digits: int, /) -> Generator: ...
    @staticmethod
    def integer(value: int, /) -> Generator: ...
    @staticmethod
    def truth(value: bool, /) -> Generator: ...
    @staticmethod
    def literal(value: str, /) -> Generator: ...
    @staticmethod
    def counter(start: Column, step: Column, wrap: int, /) -> Generator: ...
    @staticmethod
    def normal(mean: Column, sd: Column, digits: int, /) -> Generator: ...
    @staticmethod
    def uniform(low: Column, high: Column, digits: int, /) -> Generator: ...
    @staticmethod
    def random_walk(
        start: Column, step: Column, low: Column | None, high: Column | None, digits: int, /
    ) -> Generator: ...
    @staticmethod
    def ou(mean: Column, sigma: Column, tau: DurationColumn, digits: int, /) -> Generator: ...
    @staticmethod
    def diurnal(
        mean: Column, amplitude: Column, peak_hour: Column, noise: Column, digits: int, /
    ) -> Generator: ...
    @staticmethod
    def replay(
        values: NDArray[np.float64],
        offset: Column,
        stride: int,
        step: int,
        loop: bool,
        integers: bool,
        digits: int,
        /,
    ) -> Generator: ...
    @staticmethod
    def choice_numbers(
        numbers: NDArray[np.float64], weights: Sequence[float], integers: bool, digits: int, /
    ) -> Generator: ...
    @staticmethod
    def choice_texts(texts: Sequence[str], weights: Sequence[float], /) -> Generator: ...
    @staticmethod
    def timestamp(unit: str, absolute: bool, /) -> Generator: ...
    @staticmethod
    def device_index() -> Generator: ...
    @staticmethod
    def text(text: str, /) -> Generator: ...
    @staticmethod
    def boolean(probability: Column, /) -> Generator: ...

_Fields = Sequence[tuple[str, Generator]]

class Payload:
    @staticmethod
    def json(fields: _Fields, minimum_size: int, /) -> Payload: ...
    @staticmethod
    def msgpack(fields: _Fields, minimum_size: int, /) -> Payload: ...
    @staticmethod
    def struct(layout: str, fields: _Fields, minimum_size: int, /) -> Payload: ...
    @staticmethod
    def text(value: Generator, minimum_size: int, /) -> Payload: ...
    @staticmethod
    def constant(content: bytes, minimum_size: int, /) -> Payload: ...
    @staticmethod
    def random(size: Column, /) -> Payload: ...

class PublishSpec:
    name: str
    topic: str
    arrival: Arrival
    payload: Payload
    qos: int
    retain: bool
    message_expiry: int | None  # s
    content_type: str
    user_properties: list[tuple[str, str]]
    def __init__(self) -> None: ...

def preview(
    spec: PublishSpec, population: Population, device: int, start: int, count: int
) -> list[tuple[int, str, bytes]]:
    """The first messages of a device, without a world: (instant in ns, topic, payload)."""

class Direction:
    """One direction of a link."""

    latency: int
    jitter: int  # ns: half width of uniform, standard deviation of normal, mean of exponential
    jitter_kind: str  # "none", "uniform", "normal", "exponential"
    loss: float
    bandwidth: float  # bit/s; 0: unlimited
    queue_bytes: int  # 0: unbounded
    def __init__(self) -> None: ...

class LinkSpec:
    up: Direction
    down: Direction
    mtu: int
    def __init__(self) -> None: ...

class ClientOptions:
    version: int  # 3, 4 or 5
    keep_alive: int  # s
    clean_start: bool
    session_expiry: int  # s
    receive_maximum: int
    maximum_packet_size: int
    max_in_flight: int
    max_queued: int
    queue_qos0: bool
    reconnect: bool
    backoff_initial: int
    backoff_maximum: int
    backoff_factor: float
    backoff_jitter: float
    connect_timeout: int
    ping_timeout: int
    def __init__(self) -> None: ...

class BrokerOptions:
    """The fields of broker::Options, under the same names."""

    maximum_packet_size: int
    receive_maximum: int
    max_in_flight: int
    max_queued: int
    queue_qos0_offline: bool
    max_session_expiry: int  # s
    maximum_qos: int
    retain_available: bool
    max_retained: int
    max_sessions: int
    max_subscriptions_per_session: int
    max_topic_levels: int
    topic_alias_maximum: int
    server_keep_alive: int  # s; 0: the client's own
    connect_timeout: int
    allow_anonymous: bool
    def __init__(self) -> None: ...

class FleetSpec:
    name: str
    count: int
    broker: int
    link: LinkSpec
    client: ClientOptions
    client_id: str  # template
    groups: int
    group_size: int
    epoch_ns: int  # Unix time of instant 0
    @property
    def columns(self) -> list[str]: ...
    @columns.setter
    def columns(self, columns: Mapping[str, Sequence[str]]) -> None: ...
    start: int  # ns: when the first client connects
    ramp: int  # ns: clients connect spread evenly at random over this
    user_name: str
    password: bytes
    will: tuple[str, bytes, int, bool] | None  # topic template, payload, qos, retain
    will_delay: int
    keep: int  # received messages kept with topic and payload (a bound on rows)
    def __init__(self) -> None: ...

class World:
    def __init__(
        self,
        seed: int,
        *,
        keep_messages: int = 1_000_000,
        series_buckets: int = 1440,
        series_width: int = 1_000_000_000,
        late_after: int = 60_000_000_000,
    ) -> None: ...
    def add_broker(self, name: str, options: BrokerOptions) -> int: ...
    def add_fleet(self, spec: FleetSpec) -> int:
        """The fleet's number. Its clients are there from now on (virtual time)."""
    def add_publish(self, fleet: int, spec: PublishSpec) -> None: ...
    def add_subscribe(
        self,
        fleet: int,
        filter: str,
        qos: int,
        no_local: bool,
        retain_as_published: bool,
        retain_handling: int,
    ) -> None: ...
    def run(self, until: int, wall_ms: int) -> bool:
        """Runs with the GIL released, until the instant or for about so many ms of real time.

        True when everything up to and including `until` has happened.
        """
    @property
    def now(self) -> int: ...
    @property
    def events(self) -> int: ...
    def online(self, fleet: int) -> int: ...
    def broker_restart(self, broker: int, keep_sessions: bool) -> None: ...
    def broker_down(self, broker: int) -> None:
        """Every connection breaks; connects are refused until broker_up."""
    def broker_up(self, broker: int) -> None: ...
    def broker_publish(
        self, broker: int, topic: str, payload: bytes, qos: int, retain: bool
    ) -> None: ...
    def cut(self, fleet: int, device: int, silent: bool) -> None:
        """Breaks the connection of one device: with a reset seen by both ends, or silently."""
    def device_connect(self, fleet: int, device: int) -> None: ...
    def device_disconnect(self, fleet: int, device: int) -> None: ...
    def start_event_log(self, path: str, header: Mapping[str, str]) -> None: ...
    def stop_event_log(self) -> str:
        """What went wrong with the log ('' if nothing)."""

    # results: copies of what has been gathered so far
    def digest(self) -> str: ...
    def counts(self) -> dict[str, int]:
        """Every counter by name, and families by reason: 'dropped.queue_full', 'unsent.…',
        'disconnects.…' (cause the client saw), 'closes.…' (cause the broker saw)."""
    def conservation(self) -> dict[str, int]:
        """expected, delivered, dropped, in_flight; unsent: with devices or on the way up.

        in_flight and unsent are counted in queues, windows and links.
        """
    def latency(self) -> Histogram:
        """Device timer to subscriber callback, first deliveries."""
    def ingest(self) -> Histogram:
        """Device timer to the broker's routing of the message."""
    def ack(self) -> Histogram:
        """Device timer to PUBACK / PUBCOMP at the device."""
    def messages(self) -> Table:
        """First deliveries: published, delivered (ns), publisher, subscriber (names), qos, ..."""
    def series(self) -> Table:
        """Rates and levels over time, one row a bucket."""
    def received(self, fleet: int) -> Table:
        """What a fleet with `keep` received: at, device, topic, payload, qos, retain, duplicate."""
    def devices(self, fleet: int) -> Table:
        """One row a device."""
    def memory(self) -> dict[str, int]: ...

def read_event_log(path: str) -> tuple[Table, dict[str, str], str]:
    """(events, header, damage: '' or what is wrong where)."""
