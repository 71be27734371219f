"""What a run will cost, before it does.

What is expected of messages follows from the description: each behaviour is asked for the first
messages of some devices, and their topics are matched against everybody's filters. What a message
and a device cost is measured: a world of the same description with at most a few thousand devices
runs for a fraction of a second, and another with fewer tells what memory a device takes. A large
world misses the cache more often; by how much is a counted constant (`_CACHE`).
"""

from __future__ import annotations

import ctypes
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import _core, units
from .audience import Audience
from .errors import ConfigError
from .units import format_bytes, format_duration

if TYPE_CHECKING:
    from .fleet import Fleet
    from .world import World

PROBED_DEVICES = 2_000
PROBED_MESSAGES = 20_000
PROBED_SECONDS = 0.3  # of real time, for each of the two

_SAMPLED = 256  # devices of a behaviour that are asked
_PREVIEWED = 16  # of their messages
_KEPT_ROW = 34  # bytes, see trace/messages.hpp
_LOG_RECORD = 26  # bytes, see bench/RESULTS.md

# CPU time of an event beside that in the cache, by devices: bench/RESULTS.md, publish_to_one.
_CACHE = ((2_000, 1.0), (100_000, 1.8), (1_000_000, 2.3))


@dataclass(frozen=True)
class Estimate:
    """What is expected of a run, from now on.

    Attributes:
        duration: Virtual seconds.
        devices: In all fleets.
        messages: That devices will publish.
        deliveries: That they come to, one for each subscriber that they match.
        events: Of the simulation; its size, whatever the machine.
        memory_bytes: That the world will hold at its end.
        cpu_seconds: On this machine; right to a factor of 2 or so while others use it.
        log_bytes: Of an event log of everything.
        unforeseen: Devices whose behaviour is Python and that have not run yet, so that nobody
            knows what they will publish; the figures are those of the others.
    """

    duration: float
    devices: int
    messages: int
    deliveries: int
    events: int
    memory_bytes: int
    cpu_seconds: float
    log_bytes: int
    unforeseen: int = 0

    def __str__(self) -> str:
        span = format_duration(self.duration * units.SECOND)
        but = f"; what {self.unforeseen:,} Python devices will do is not in it"
        return (
            f"{span} of {self.devices:,} devices: {self.messages:,} messages, "
            f"{self.deliveries:,} deliveries, {self.events:,} events; about "
            f"{format_bytes(self.memory_bytes)} of memory and "
            f"{format_duration(self.cpu_seconds * units.SECOND)} of CPU time "
            f"(an event log of everything: {format_bytes(self.log_bytes)})"
            f"{but if self.unforeseen else ''}"
        )


def estimate(world: World, duration_ns: int) -> Estimate:
    """See `World.estimate`."""
    for broker in world.brokers.values():
        if broker.url:
            message = f"the broker {broker.name!r} is somebody else's: nobody knows what it does"
            raise ConfigError(message, key="estimate")
    devices = sum(len(fleet) for fleet in world.fleets.values())
    begin = world._core.now
    messages, deliveries = _expected(world, begin, begin + duration_ns)
    more = _as_so_far(world, begin, duration_ns)
    messages, deliveries = messages + more[0], deliveries + more[1]
    small = _probe(world, 0.25 * min(1.0, PROBED_DEVICES / max(devices, 1)), duration_ns)
    large = _probe(world, min(1.0, PROBED_DEVICES / max(devices, 1)), duration_ns)
    handled = messages + deliveries
    connecting = devices if begin == 0 else 0
    events = connecting * large.events_connect + large.each(large.events, handled, duration_ns)
    cpu = connecting * large.cpu_connect + large.each(large.cpu, handled, duration_ns)
    packets = large.each(large.packets, handled, duration_ns) + 4 * connecting
    kept = min(world._options["keep_messages"], round(deliveries)) * _KEPT_ROW
    return Estimate(
        duration=duration_ns / units.SECOND,
        devices=devices,
        messages=round(messages),
        deliveries=round(deliveries),
        events=round(events),
        memory_bytes=round(_extrapolated(small, large, devices)) + kept,
        cpu_seconds=cpu * _cache_factor(devices),
        log_bytes=round(2 * packets * _LOG_RECORD),
        unforeseen=0 if begin else sum(len(crew.units) for crew in world._crews),
    )


# --- what is expected ---------------------------------------------------------------------------


def _expected(world: World, begin: int, end: int) -> tuple[float, float]:
    """Messages and deliveries between two instants."""
    audience = Audience(world.fleets.values())
    messages = deliveries = 0.0
    for fleet in world.fleets.values():
        count = len(fleet)
        step = max(1, count // _SAMPLED)
        sampled = range(step // 2, count, step)
        for spec in fleet._publishes:
            made = heard = 0.0
            for device in sampled:
                number, topic = _first_messages(fleet, spec, device, begin, end)
                made += number
                if topic is not None:
                    heard += number * audience.size(topic, device)
            messages += made * count / len(sampled)
            deliveries += heard * count / len(sampled)
    return messages, deliveries


def _as_so_far(world: World, begin: int, duration_ns: int) -> tuple[float, float]:
    """Messages and deliveries of devices whose code is Python, if they go on as they did."""
    if not begin or not world._crews:
        return 0.0, 0.0
    counts = world._core.counts()
    each = counts["delivered"] / max(1, counts["offered"])
    made = sum(
        float(world._core.devices(crew.number).column("published").sum()) for crew in world._crews
    )
    messages = made * duration_ns / begin
    return messages, messages * each


def _first_messages(
    fleet: Fleet, spec: _core.PublishSpec, device: int, begin: int, end: int
) -> tuple[float, str | None]:
    """How many a device makes between two instants, and the topic of one."""
    start = fleet._spec.start + fleet._spec.ramp // 2
    rows = _core.preview(spec, fleet._population, device, start, _PREVIEWED)
    if not rows:
        return 0.0, None
    times = [at for at, _, _ in rows]
    number = float(sum(begin < at <= end for at in times))
    if len(rows) == _PREVIEWED and times[-1] < end:
        pace = (len(times) - 1) / max(1, times[-1] - times[0])
        number += pace * (end - max(times[-1], begin))
    return number, rows[0][1]


# --- what it costs ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Probe:
    """What a small world of the same description took, after its devices had connected."""

    devices: int
    heap_bytes: int
    virtual_ns: int
    handled: int  # messages and deliveries
    events: float
    cpu: float
    packets: float
    events_connect: float  # of each device
    cpu_connect: float
    whole_devices: int

    def each(self, figure: float, handled: float, duration_ns: int) -> float:
        """As much for so many messages and deliveries; or, without any, for such a time."""
        if self.handled:
            return figure / self.handled * handled
        scale = self.whole_devices / max(1, self.devices)
        return figure * scale * duration_ns / max(1, self.virtual_ns)


def _probe(world: World, scale: float, duration_ns: int) -> _Probe:
    before = heap_bytes()
    core, devices = _copy(world, scale)
    settled = max((f._spec.start + f._spec.ramp for f in world.fleets.values()), default=0)
    settled += 5 * units.SECOND
    cpu = time.thread_time()
    _run(core, settled, PROBED_SECONDS)
    first_cpu, first = time.thread_time() - cpu, core.counts()
    at = core.now
    end = at + max(duration_ns, units.SECOND)
    cpu = time.thread_time()
    for until in _milestones(at, end):
        if not _run(core, until, PROBED_SECONDS - (time.thread_time() - cpu)):
            break
        if _handled(core.counts()) - _handled(first) > PROBED_MESSAGES:
            break
    second_cpu, second = time.thread_time() - cpu, core.counts()
    handled = _handled(second) - _handled(first)
    events = second["events"] - first["events"]
    # What connecting took is what the messages of that time did not.
    share = _handled(first) / handled if handled else 0.0
    heap = heap_bytes() - before
    return _Probe(
        devices=devices,
        heap_bytes=heap,
        virtual_ns=core.now - at,
        handled=handled,
        events=events,
        cpu=second_cpu,
        packets=_packets(second) - _packets(first),
        events_connect=max(0.0, first["events"] - share * events) / max(1, devices),
        cpu_connect=max(0.0, first_cpu - share * second_cpu) / max(1, devices),
        whole_devices=sum(len(fleet) for fleet in world.fleets.values()),
    )


def _milestones(begin: int, end: int) -> Iterator[int]:
    """Instants that come closer to the end each time: a message may be rare."""
    for i in range(10, -1, -1):
        yield begin + (end - begin) // 2**i


def _run(core: _core.World, until: int, seconds: float) -> bool:
    """Whether it came that far."""
    return seconds > 0 and core.run(max(until, core.now), math.ceil(1000 * seconds))


def _handled(counts: dict[str, int]) -> int:
    return counts["offered"] + counts["delivered"]


def _packets(counts: dict[str, int]) -> int:
    return counts["mqtt_packets_up"] + counts["mqtt_packets_down"]


def _copy(world: World, scale: float) -> tuple[_core.World, int]:
    """The same description with fewer devices; and how many."""
    core = _core.World(world.seed, keep_messages=0)
    for name in world.brokers:
        core.add_broker(name, _core.BrokerOptions())
    for medium, _ in sorted(world._media.items(), key=lambda item: item[1]):
        core.add_shared(medium._core())
    devices = 0
    for fleet in world.fleets.values():
        fewer = max(1, round(scale * len(fleet)))
        try:
            devices += _add(core, fleet, fewer)
        except ValueError:  # something has a value for each device
            devices += _add(core, fleet, len(fleet))
    return core, devices


def _add(core: _core.World, fleet: Fleet, count: int) -> int:
    spec = fleet._spec
    whole, reach = spec.count, spec.reach
    try:
        spec.count, spec.reach = count, "known"
        number = core.add_fleet(spec)
        for publish in fleet._publishes:
            core.add_publish(number, publish)
        for subscription in fleet._subscriptions:
            core.add_subscribe(number, *subscription)
    finally:
        spec.count, spec.reach = whole, reach
    return count


def _extrapolated(small: _Probe, large: _Probe, devices: int) -> float:
    if large.devices == small.devices:
        return large.heap_bytes
    each = (large.heap_bytes - small.heap_bytes) / (large.devices - small.devices)
    return large.heap_bytes + each * (devices - large.devices)


def _cache_factor(devices: int) -> float:
    """Between the points of `_CACHE` by the logarithm; beyond, as at the last."""
    if devices <= _CACHE[0][0]:
        return 1.0
    for (few, least), (many, most) in itertools.pairwise(_CACHE):
        if devices <= many:
            return least + (most - least) * math.log(devices / few) / math.log(many / few)
    return _CACHE[-1][1]


class _Mallinfo2(ctypes.Structure):
    """Of glibc 2.33 and later."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


def heap_bytes() -> int:
    """What is allocated in this process, less what arenas hold in reserve; 0 where nobody tells."""
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return 0
    mallinfo2.restype = _Mallinfo2
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd) - _core.spare_bytes()
