"""The C++ core, as the package sees it. Not public: use `mqttwin`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

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

def make_table(columns: Sequence[tuple[str, str, list[Any]]]) -> Table:
    """Of (name, kind, values) with None for what is missing; kinds: boolean, int64, float64,
    duration_ns, utf8."""

# --- room `auth`, see bind_auth.cpp: what is refused is a ValueError -----------------------------

class ScramClient:
    """SCRAM-SHA-256 (RFC 7677) without channel binding; a nonce is drawn unless given."""

    def __init__(
        self,
        user: str,
        password: str,
        *,
        nonce: str | None = None,
        max_iterations: int = 600_000,
    ) -> None: ...
    def first(self) -> bytes: ...
    def next(self, server_first: bytes) -> bytes:
        """Hashes the password: takes milliseconds, without the GIL."""
    def finish(self, server_final: bytes) -> None: ...

def saslprep(text: str, *, stored: bool) -> str:
    """RFC 4013; `stored` refuses characters that Unicode 3.2 does not assign."""

def make_user_record(password: str, salt: bytes, iterations: int = 15_000) -> str:
    """``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>``."""

def verify_user_record(record: str, password: str) -> bool: ...
def user_line(name: str, record: str) -> str:
    """A line of a users file, without its end."""

def read_users(text: bytes) -> list[tuple[int, str, int]]:
    """(line, name, iterations) of each user of a users file.

    The ValueError's arguments are line and reason.
    """

# --- the client engine with one client, see bind_client.cpp --------------------------------------

class ClientEngine:
    """A client without clock, socket or thread. `now` is in nanoseconds and never goes backwards.

    Call `open`, `receive`, `closed` when the network did something and `timeout` when
    `next_deadline` has come; after each call, and after every command, take events and output.
    After "close" or "abort" it is owed `closed`, once.

    Invalid arguments are a ValueError; what the protocol or this server does not allow is a
    mqttwin.ProtocolError; commands that need a connection raise ConnectionError without one.
    Properties are dicts: names of the standard in snake case, "user_properties" a list of pairs,
    "subscription_identifiers" (of a message) a list, "subscription_identifier" (of SUBSCRIBE).
    """

    def __init__(
        self,
        client_id: str = "",
        *,
        version: int = 5,
        keep_alive: int = 60,
        clean_start: bool = True,
        session_expiry: int = 0,
        receive_maximum: int = 65535,
        maximum_packet_size: int = 268_435_460,
        topic_alias_maximum: int = 0,
        outbound_topic_aliases: int = 0,
        request_problem_information: bool = True,
        request_response_information: bool = False,
        max_in_flight: int = 20,
        max_queued: int = 1000,
        connect_timeout: int = 30_000_000_000,
        ping_timeout: int = 20_000_000_000,
        user_name: str | None = None,
        password: bytes | None = None,
        will: tuple[str, bytes, int, bool, dict[str, Any]] | None = None,
        auth_method: str | None = None,
        auth_data: bytes | None = None,
        properties: dict[str, Any] = {},
    ) -> None:
        """will: topic, payload, qos, retain, properties. properties: user properties only."""
    def connect(self, now: int) -> None: ...
    def open(self, now: int) -> None: ...
    def receive(self, now: int, data: bytes | bytearray | memoryview) -> None: ...
    def closed(self, now: int) -> None: ...
    def timeout(self, now: int) -> None: ...
    def reset(self, now: int) -> None:
        """As if the device had lost its power: session and queue are forgotten."""
    @property
    def next_deadline(self) -> int | None:
        """May be early: look again after `timeout`."""
    @property
    def phase(self) -> str:
        """idle, opening, awaiting_connack, online."""
    @property
    def in_flight(self) -> int: ...
    @property
    def queued(self) -> int: ...
    def publish(
        self,
        now: int,
        topic: str,
        payload: bytes | bytearray | memoryview = b"",
        qos: int = 0,
        retain: bool = False,
        properties: dict[str, Any] = {},
    ) -> int:
        """The token of "acknowledged" or "dropped"; 0 for QoS 0. QoS > 0 is queued offline."""
    def subscribe(
        self,
        now: int,
        requests: Sequence[tuple[str, int, bool, bool, int]],
        properties: dict[str, Any] = {},
    ) -> int:
        """(filter, qos, no_local, retain_as_published, retain_handling); the packet identifier."""
    def unsubscribe(
        self, now: int, filters: Sequence[str], properties: dict[str, Any] = {}
    ) -> int: ...
    def disconnect(self, now: int, reason: int = 0, properties: dict[str, Any] = {}) -> None: ...
    def authenticate(self, now: int, data: bytes, properties: dict[str, Any] = {}) -> bool:
        """Answers "auth" with reason 0x18; whether there was one to answer."""
    def reauthenticate(self, now: int, data: bytes, properties: dict[str, Any] = {}) -> bool: ...
    def set_auth_data(self, data: bytes | None) -> None:
        """For the next CONNECT."""
    def take_output(self) -> list[tuple[str, bytes]]:
        """("open", b""), ("send", bytes), ("close", b""), ("abort", b""), in order."""
    def take_events(self) -> list[tuple[str, dict[str, Any]]]:
        """What has happened, in order: a kind and its particulars.

        connack: session_present, reason, properties. connected: session_present.
        message: topic, payload, qos, retain, duplicate, packet_id, properties.
        acknowledged: token, qos, packet_id, reason, properties.
        dropped: token, qos, why (queue_full, refused, offline).
        suback, unsuback: packet_id, reasons, properties.
        auth: reason, properties. disconnect (the server's): reason, properties.
        fault (the server's): reason, clause, what.
        disconnected: cause (by_command, transport, connect_failed, refused, by_server,
        ping_timeout, connect_timeout, protocol_fault), reason.
        """

def reason_name(code: int) -> str:
    """Of an MQTT 5.0 reason code: "Not authorized"."""

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

class Bursts:
    """Loss in bursts (Gilbert-Elliott)."""

    clock: str  # "off", "time", "packet"
    good: int  # mean sojourns, ns
    bad: int
    to_bad: float
    to_good: float
    loss_in_good: float
    loss_in_bad: float
    def __init__(self) -> None: ...

class LatencyCurve:
    """Latency that changes with time."""

    points: list[tuple[int, int, float]]  # at, latency (ns), loss (-1: that of the pipe)
    linear: bool
    repeat: int  # ns; 0: never
    def __init__(self) -> None: ...

class PipeSpec:
    """One direction of a link."""

    UNBOUNDED: ClassVar[int]  # a bound that is none
    latency: int
    jitter: int  # ns: half width, standard deviation, mean or median, by kind
    jitter_kind: str  # "none", "uniform", "normal", "exponential", "lognormal"
    reorder: bool
    loss: float
    bursts: Bursts
    bandwidth: float  # bit/s; 0: unlimited
    queue_packets: int
    queue_bytes: int
    curve: LatencyCurve
    def __init__(self) -> None: ...

class SleepSpec:
    """When a device does not listen; durations in ns."""

    kind: str  # "off", "cyclic", "psm"
    active: int
    window: int
    period: int
    wake_up: int
    buffered: int  # packets
    def __init__(self) -> None: ...

class RandomOutages:
    kind: str  # "off", "fixed", "exponential"
    up: int  # ns
    down: int
    def __init__(self) -> None: ...

class NatSpec:
    """A middlebox that forgets idle flows."""

    idle_timeout: int  # ns; 0: never
    reset: bool
    def __init__(self) -> None: ...

class TcpOptions:
    """TCP and socket options; durations in ns, 0: off."""

    profile: str  # "linux", "embedded"
    user_timeout: int
    keep_alive_idle: int
    keep_alive_interval: int
    keep_alive_count: int
    def __init__(self) -> None: ...

class SharedWay:
    bandwidth: float  # bit/s; 0: unlimited
    queue_bytes: int
    def __init__(self) -> None: ...

class SharedSpec:
    """A medium that many devices compete for."""

    up: SharedWay
    down: SharedWay
    def __init__(self) -> None: ...
    def check(self) -> None:
        """Raises ValueError for a wrong parameter."""

class LinkSpec:
    NOT_SHARED: ClassVar[int]
    up: PipeSpec
    down: PipeSpec
    mtu: int
    sleep: SleepSpec
    outages: list[tuple[int, int]]  # from, to, in ns
    random_outages: RandomOutages
    nat: NatSpec
    tcp: TcpOptions
    shared: int
    def __init__(self) -> None: ...
    def check(self) -> None:
        """Raises ValueError for a wrong parameter."""

# --- TLS and WebSocket, see bind_layers.cpp: what is refused is a ValueError ---------------------

class TlsSpec:
    """The fields of net::TlsSpec, under the same names."""

    version: str  # "1.2", "1.3"
    key: str  # "p256", "p384", "rsa2048", "rsa3072", "rsa4096"
    cipher: str  # "aes256_gcm_sha384", "aes128_gcm_sha256", "chacha20_poly1305"
    chain: list[int]  # bytes of certificates, leaf first
    mutual: bool
    client_key: str
    client_chain: list[int]
    resumption: bool
    tickets: int
    server_name: str
    offers_both: bool
    pads_hello: bool
    session_context: int
    # ns before ClientHello, the server's flight, the client's last, the server's last
    compute_full: list[int]
    compute_resumed: list[int]
    def __init__(self) -> None: ...

class WebSocketSpec:
    host: str
    path: str
    request_headers: str
    response_headers: str
    def __init__(self) -> None: ...

class LayersSpec:
    """Values, not references: assign a member that was changed again."""

    tls: TlsSpec | None
    websocket: WebSocketSpec | None
    def __init__(self) -> None: ...
    def check(self) -> None: ...

def certificate_chain(key: str, chain: str) -> list[int]:
    """Bytes of usual certificates; `chain` is "leaf", "intermediate" or "root"."""

def opening_script(
    layers: LayersSpec, resumed: bool, seed: int = 0, connection: int = 0
) -> list[tuple[str, int, int]]:
    """Writes until MQTT may speak: (sender, steps that it waits for, bytes on TCP)."""

def opening_bytes(
    layers: LayersSpec, resumed: bool, seed: int = 0, connection: int = 0
) -> tuple[bytes, bytes]:
    """What a capture shows of that, (up, down)."""

def closing_script(layers: LayersSpec, initiator: str = "client") -> list[tuple[str, int, int]]:
    """Writes before TCP is closed."""

def sealed_bytes(layers: LayersSpec, sender: str, bytes: int) -> int:
    """Bytes on TCP of one write of MQTT."""

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
    max_stored_bytes: int
    wildcard_subscriptions_available: bool
    subscription_identifiers_available: bool
    shared_subscriptions_available: bool
    outbound_topic_aliases: int
    max_early_bytes: int
    retain_clears_with_empty: bool
    check_payload_format: bool
    shared_strategy: str
    redistribute_shared: bool
    server_reference: str
    server_moved: bool
    response_information: str
    version_text: str
    sys_interval: int  # ns
    def __init__(self) -> None: ...

class FleetSpec:
    name: str
    count: int
    broker: int
    link: LinkSpec
    layers: LayersSpec  # a value, not a reference
    reach: str  # "known", "name", "address"
    resolver: int  # ns
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

class Script:
    """The code of a fleet's devices.

    `wake(device, now)` and `finish(device, now, wanted, error)` return the instant of the next
    alarm, `hear(notes, now)` is given what has happened (see py_script.hpp).
    """

    watched: bool
    def __init__(
        self,
        wake: Callable[[int, int], int],
        finish: Callable[[int, int, object, BaseException | None], int],
        hear: Callable[[list[tuple[Any, ...]], int], object],
    ) -> None: ...
    def lend(self, device: int, coroutine: Any, due: int) -> None: ...
    def reclaim(self, device: int) -> tuple[int, bool]: ...
    @property
    def running(self) -> int: ...

class Stream:
    """A random stream of its own: see base/random.hpp."""

    def __init__(
        self, seed: int, population: str, purpose: str, index: int, position: int = 0
    ) -> None: ...
    def next(self) -> int: ...
    def unit(self) -> float: ...
    def normal(self) -> float: ...
    def exponential(self) -> float: ...
    @property
    def position(self) -> int: ...

class Sensor:
    """A generator, read at whatever instants."""

    def __init__(self, spec: Generator, population: Population, purpose: str) -> None: ...
    def read(self, device: int, now: int) -> float | int | bool | str | None: ...
    def state(self) -> bytes: ...
    def restore(self, state: bytes) -> None: ...

class SnapshotError(RuntimeError): ...

class Snapshot:
    """A world that was stored: see world/snapshot.hpp."""

    def __init__(self, path: str) -> None: ...
    @property
    def notes(self) -> bytes: ...
    @property
    def seed(self) -> int: ...
    def __len__(self) -> int: ...
    def restore(self, scripts: Sequence[tuple[str, Script]]) -> World: ...

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
    def not_archivable(self) -> str:
        """Why it cannot be stored; "": it can."""
    def save_snapshot(self, path: str, notes: bytes) -> None: ...
    def take_snapshot(self, notes: bytes) -> Snapshot: ...
    def fleet_spec(self, fleet: int) -> FleetSpec: ...
    def publish_specs(self, fleet: int) -> list[PublishSpec]: ...
    def population(self, fleet: int) -> Population: ...
    def add_fleet(self, spec: FleetSpec) -> int:
        """The fleet's number. Its clients are there from now on (virtual time)."""
    def add_scripted(self, spec: FleetSpec, script: Script) -> int:
        """A fleet whose devices do what the script says; see py_script.hpp."""
    def set_alarm(self, fleet: int, device: int, at: int) -> None: ...
    def script_connect(
        self,
        fleet: int,
        device: int,
        *,
        keep_alive: int,
        clean_start: bool,
        session_expiry: int,
        will: tuple[str, bytes, int, bool, int] | None = None,
        without_will: bool = False,
        user_name: str | None = None,
        password: bytes | None = None,
    ) -> None:
        """will: topic, payload, qos, retain, delay in seconds."""
    def script_publish(
        self,
        fleet: int,
        device: int,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        properties: Mapping[str, Any] | None = None,
    ) -> tuple[str, int]:
        """What became of it ("sent", "queued", "offline", "queue_full", "refused"), its number."""
    def script_subscribe(
        self,
        fleet: int,
        device: int,
        requests: Sequence[tuple[str, int, bool, bool, int]],
        properties: Mapping[str, Any],
    ) -> int:
        """The packet identifier; 0 where the device is not online."""
    def script_unsubscribe(self, fleet: int, device: int, filters: Sequence[str]) -> int: ...
    def script_disconnect(self, fleet: int, device: int, reason: int) -> None: ...
    def power_off(self, fleet: int, device: int) -> None: ...
    def outbox(self, fleet: int, device: int) -> int: ...
    def phase(self, fleet: int, device: int) -> str: ...
    def halt(self) -> None:
        """From within a script: `run` returns False when the present event is over."""
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
    def broker_refuse(self, broker: int, reason: int) -> None:
        """Answers every CONNECT with this reason code; 0: takes clients again."""
    def broker_has(self, broker: int, client_id: str) -> bool:
        """Whether such a client is connected."""
    def broker_publish(
        self, broker: int, topic: str, payload: bytes, qos: int, retain: bool
    ) -> None: ...
    def cut(self, fleet: int, device: int, silent: bool) -> None:
        """Breaks the connection of one device: with a reset seen by both ends, or silently."""
    # what befalls the network, see bind_network.cpp; direction: "up", "down"
    def add_shared(self, spec: SharedSpec) -> int:
        """The number of a shared medium, for `LinkSpec.shared`."""
    def name_broker(self, broker: int, hostname: str, ttl: int) -> None:
        """A DNS name for its host; once."""
    def set_ttl(self, broker: int, ttl: int) -> None: ...
    def broker_move(self, broker: int, keep_sessions: bool, update_name: bool) -> None:
        """To another address; the old host is gone without a word."""
    def add_socket_host(
        self, name: str, link: LinkSpec, layers: LayersSpec, resolver: int
    ) -> int: ...
    def arm_host(self, host: int, at: int) -> None: ...
    def ask_name(self, host: int, name: str) -> int: ...
    def broker_address(self, broker: int) -> int: ...
    def host_address(self, host: int) -> int: ...
    def take_news(self) -> list[tuple[int, int, int, int, bool]]: ...
    def host_cut(self, host: int, silent: bool) -> None: ...
    def host_link_down(self, host: int, down: bool) -> None: ...
    def host_fault(self, host: int, what: str, direction: str, after_bytes: int) -> None: ...
    def host_read_on(self, host: int, direction: str) -> None: ...
    def host_clear_fault(self, host: int) -> None: ...
    def socket_open(self, host: int) -> int: ...
    def socket_connect(self, socket: int, ipv4: int) -> None: ...
    def socket_listen(self, socket: int, name: str) -> int: ...
    def socket_accept(self, socket: int) -> int: ...
    def socket_send(self, socket: int, data: Any) -> tuple[int, str]: ...
    def socket_receive(self, socket: int, most: int, peek: bool) -> tuple[bytes, str]: ...
    def socket_finish(self, socket: int) -> None: ...
    def socket_secure(self, socket: int) -> None: ...
    def socket_close(self, socket: int, abort: bool) -> None: ...
    def socket_ready(self, socket: int) -> int: ...
    def socket_error(self, socket: int) -> str: ...
    def socket_watch(self, socket: int, read: bool, write: bool) -> None: ...
    def set_link_down(self, fleet: int, device: int, down: bool) -> None: ...
    def set_partition(self, fleet: int, broker: int, apart: bool) -> None: ...
    def set_fault(
        self, fleet: int, device: int, what: str, direction: str, after_bytes: int
    ) -> None:
        """On the present connection or the next one; `what`: reset, black_hole, stall."""
    def clear_fault(self, fleet: int, device: int) -> None: ...
    def resume_reading(self, fleet: int, device: int, direction: str) -> None: ...
    def device_connect(self, fleet: int, device: int) -> None: ...
    def device_disconnect(self, fleet: int, device: int) -> None: ...
    # raw ends of virtual connections, and real ones
    def add_peers(self, name: str, count: int, broker: int, link: LinkSpec) -> int:
        """Clients that speak bytes: the number of this group of them."""
    def peer_open(self, peers: int, index: int) -> None: ...
    def peer_send(self, peers: int, index: int, data: bytes) -> None: ...
    def peer_take(self, peers: int, index: int) -> bytes:
        """What has arrived since the last call."""
    def peer_state(self, peers: int, index: int) -> str:
        """idle, opening, open, closed, reset, timed_out or refused."""
    def peer_close(self, peers: int, index: int) -> None: ...
    def peer_abort(self, peers: int, index: int) -> None: ...
    def peer_vanish(self, peers: int, index: int) -> None:
        """Without a word."""
    def add_listener(self, name: str) -> int:
        """A server that speaks bytes; its number stands wherever a broker's does."""
    def accepted_count(self, listener: int) -> int: ...
    def accepted_send(self, listener: int, index: int, data: bytes) -> None: ...
    def accepted_take(self, listener: int, index: int) -> bytes: ...
    def accepted_state(self, listener: int, index: int) -> str: ...
    def accepted_close(self, listener: int, index: int) -> None: ...
    def accepted_abort(self, listener: int, index: int) -> None: ...
    def add_remote(self, name: str, host: str, port: int) -> int:
        """Somebody else's broker, reached over real sockets while the world is live."""
    def set_doorman(
        self, broker: int, real: bool, users: str | None, allow_anonymous: bool
    ) -> None:
        """Who comes in from now on, of the virtual or of the real clients; users: a file."""
    def go_live(
        self,
        speed: float,
        *,
        max_connections: int = ...,
        backlog_mark: int = ...,
        total_backlog: int = ...,
    ) -> None:
        """From now on the world follows the wall clock; speed 0 is as fast as possible."""
    def listen(self, broker: int, host: str, port: int) -> tuple[str, int]: ...
    def serve(self, until: int, wall_ms: int) -> bool:
        """Runs live until the virtual instant (True), or for so long, or until stop_serving."""
    @property
    def is_live(self) -> bool: ...
    def resume_live(self) -> None:
        """Before serve() after a pause: the time in between does not count."""
    def stop_serving(self) -> None: ...
    def end_live(self) -> None:
        """Every real connection is over."""
    def live_status(self) -> tuple[int, int, int]:
        """Behind by so many ns of virtual time, real connections, bytes that wait for them."""
    def start_event_log(
        self,
        path: str,
        header: Mapping[str, str],
        *,
        devices: Sequence[tuple[int, int, int]] = (),
        topics: Sequence[str] = (),
        every: int = 1,
        max_bytes: int = 0,
    ) -> None:
        """`devices`: (fleet, first, last) of those that are logged; none: all."""
    def stop_event_log(self) -> str:
        """What went wrong with the log ('' if nothing)."""
    def event_log_problem(self) -> str:
        """The same, so far."""
    def start_capture(
        self,
        path: str,
        *,
        at: str,
        fleet: int | None,
        devices: Sequence[int] | None,
        max_bytes: int,
    ) -> None:
        """`devices` within `fleet`, None: all; `fleet` None: every one; `max_bytes` 0: no bound."""
    def stop_capture(self) -> tuple[dict[str, int], str]:
        """(packets, left_out and bytes; what went wrong, '' if nothing)."""
    # what a test looks at, see bind_watch.cpp
    def add_spy(self, filter: str, messages: int, bytes: int) -> int:
        """Keeps what brokers route from now on and `filter` matches, within bounds."""
    def take_spied(self, spy: int) -> tuple[list[tuple[Any, ...]], int]:
        """Messages since the last call, and how many the bounds have dropped since the start.

        A message: at, published (ns; -1: unknown), the publisher's tag (None: no device), client
        identifier, topic, payload, qos, retain, dup, properties.
        """
    def keep_published(self, messages: int, bytes: int) -> None:
        """Keeps what applications publish from now on, within bounds."""
    def take_published(self) -> tuple[list[tuple[Any, ...]], int]: ...
    def keep_packets(self, count: int) -> None:
        """Keeps the last so many packets, of those to come; 0: none."""
    def packets(self) -> list[tuple[Any, ...]]:
        """Oldest first: sent, arrived (ns; -1: unknown, not yet), client, whether it is a real one,
        "up" or "down", "packet", "opened" or "ended", its fate, name, bytes, bytes arrived, fields.
        """
    @property
    def packets_seen(self) -> int: ...
    def tag_of(self, fleet: int, device: int) -> int:
        """The number of a device in this world."""

    # results: copies of what has been gathered so far
    def digest(self) -> str: ...
    def counts(self) -> dict[str, int]:
        """Every counter by name, and families by reason: 'dropped.queue_full', 'unsent.…',
        'disconnects.…' (cause the client saw), 'closes.…' (cause the broker saw)."""
    def traffic(self, fleet: int) -> dict[str, int]:
        """ip_bytes_up, ip_bytes_lost_up, ip_packets_up, the same down, and ip_packets_lost."""
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
    def track_latency(self, fleet: int) -> None: ...
    def device_latency(self, fleet: int, q: float) -> Table:
        """A column `latency`: that quantile (0 to 1) of each device of a fleet that is tracked."""
    def memory(self) -> dict[str, int]: ...

def spare_bytes() -> int:
    """Of large blocks that worlds hold, what none of them has used yet."""

def read_event_log(path: str) -> tuple[Table, dict[str, str], str]:
    """(events, header, damage: '' or what is wrong where)."""
