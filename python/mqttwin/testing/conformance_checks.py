"""The checks of `conformance`: each says why it passes, or raises `Failure`."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from statistics import median

from .. import units
from .._core import topic_matches
from .cutting import Place, Rehearsal, ready, rehearse
from .rig import Failure, Rig, Skipped, Suite, again, duration, most_in_a_second

# Back-off: so many devices try so long to reach a broker that is down.
_FLEET = 20
_OUTAGE = 600.0
_LEAST_GROWTH = 1.5  # of the longest interval over the first
# A device that is refused for a reason that stays may ask again, but not more often than this.
_REFUSED_ATTEMPTS = 60
# Cuts: until so many messages are through, or so many of QoS 2.
_MESSAGES, _QOS2_MESSAGES = 3, 2
_RECOVERY = 600.0
_HOLES = 32  # black holes
_SILENCE = 180.0  # s that a connection may seem to be alive
_PING_SLACK = 30.0
_HOUR = 3600.0

# Payloads that no firmware should fall over.
_BAD_COMMANDS: dict[str, bytes] = {
    "nothing": b"",
    "bytes that are no UTF-8": b"\xff\xfe\x00\x80",
    "half a JSON object": b'{"setpoint": ',
    "a JSON list": b"[1, 2, 3]",
    "not a number": b"nan",
    "a number beyond all bounds": b"1e999",
    "words": b"please open",
    "1,000 open brackets": b"[" * 1000,
    "128 KiB": b"7" * 128 * 1024,
}


def backoff(suite: Suite) -> str:
    """A fleet against a broker that is down: intervals grow and spread."""
    rig = suite.rig(_FLEET, down=True)
    rig.run(_OUTAGE)
    tries = [rig.attempts(device.client_id) for device in rig.devices]
    fewest = min(len(times) for times in tries)
    if fewest < 3:
        raise Failure(f"gave up after {fewest} attempts while the broker was down")
    for times in tries:
        gaps = [b - a for a, b in itertools.pairwise(times)]
        if len(times) > _OUTAGE:
            raise Failure(f"{len(times):,} attempts in {duration(_OUTAGE)}: more than one a second")
        if max(gaps) < _LEAST_GROWTH * median(gaps[:2]):
            raise Failure(f"intervals do not grow: {duration(gaps[0])}, … {duration(gaps[-1])}")
    # All were switched on together. Those that draw their waits do not meet at the third attempt.
    third = Counter(round(times[2], 1) for times in tries)
    together = max(third.values())
    if together > _FLEET // 2:
        message = f"no jitter: {together} of {_FLEET} devices try at the same instant"
        raise Failure(message)
    rig.broker.up()
    rig.wait(lambda: all(d.connected() for d in rig.devices), _RECOVERY, "not all came back")
    gap = max(b - a for times in tries for a, b in itertools.pairwise(times))
    return f"{fewest} attempts or more in {duration(_OUTAGE)}, intervals up to {duration(gap)}"


def refusal(suite: Suite) -> str:
    """The broker says that the device is not authorised."""
    handle, path = tempfile.mkstemp(prefix="mqttwin-users-")
    os.close(handle)  # a file of users without any: nobody comes in
    try:
        rig = suite.rig(users=path)
        rig.run(_OUTAGE)
    finally:
        os.unlink(path)
    answers = [p for p in rig.world.exchange() if p.name == "CONNACK"]
    if not answers:
        raise Failure("it did not try to connect")
    others = [p for p in rig.world.exchange() if p.direction == "up" and p.kind == "packet"]
    strange = {p.name for p in others} - {"CONNECT", "DISCONNECT"}
    if strange:
        raise Failure(f"sent {', '.join(sorted(strange))} although it was refused")
    count = len(rig.sent("CONNECT"))
    if count > _REFUSED_ATTEMPTS:
        raise Failure(f"asked {count:,} times in {duration(_OUTAGE)} although it was refused")
    return f"asked {count} time{'s' if count > 1 else ''} in {duration(_OUTAGE)}, and sent nothing"


def rate(suite: Suite) -> str:
    """It publishes as often as it declares."""
    if not suite.periods:
        raise Skipped("no rate is declared: conformance(..., rate={'pump/+/flow': '30s'})")
    longest = max(suite.periods.values()) / units.SECOND
    span = max(600.0, 20 * longest)
    rig = suite.rig()
    rig.connect()
    start = rig.world.now
    rig.run(span)
    for filter, period_ns in suite.periods.items():
        period = period_ns / units.SECOND
        times = [m.time for m in rig.published(start) if topic_matches(filter, m.topic)]
        expected = span / period
        if abs(len(times) - expected) > max(1.5, 0.1 * expected):
            raise Failure(
                f"{filter}: {len(times):,} messages in {duration(span)}, declared are "
                f"{expected:,.0f}"
            )
    return f"as declared, over {duration(span)}"


def keep_alive(suite: Suite) -> str:
    """It keeps the connection alive, and notices when it is dead."""
    rig = suite.rig()
    rig.connect()
    seconds = rig.sent("CONNECT")[-1].fields["keep_alive"]
    if seconds == 0:
        raise Failure("keep-alive is off: a dead link would go unnoticed")
    rig.run(6 * seconds)
    closes = rig.world.result().counts.get("closes.keep_alive", 0)
    if closes:
        raise Failure(f"the broker heard nothing for 1.5 × {seconds} s and closed the connection")
    if not rig.dut.connected():
        raise Failure("the connection did not last for six times its keep-alive")
    before = rig.world.now
    limit = 2 * seconds + _PING_SLACK
    rig.dut.link.down()
    rig.wait(
        lambda: not rig.dut.connected(),
        limit,
        f"after {duration(limit)} it has not noticed that the link is dead "
        f"(keep-alive {seconds} s)",
    )
    took = rig.world.now - before
    rig.dut.link.up()
    rig.connect(_RECOVERY)
    return f"keep-alive {seconds} s; noticed a dead link after {duration(took)}"


def resubscribe(suite: Suite) -> str:
    """The broker has lost the session: subscriptions are made again."""
    rig = suite.rig()
    rig.connect()
    rig.run(30)
    before = rig.filters()
    if not before:
        raise Skipped("it subscribes to nothing")
    rig.broker.restart(keep_sessions=False)
    lost = rig.world.now
    rig.run(5)  # it may be back before anybody looks
    rig.connect(_RECOVERY)
    rig.run(30)
    missing = [f for f in before if f not in rig.filters(lost)]
    if missing:
        raise Failure(f"did not subscribe again to {', '.join(missing)} when the session was lost")
    return f"subscribed again to {', '.join(before)}"


def cuts(suite: Suite) -> str:
    """The connection breaks at any byte of what is said, until some messages are through."""
    usual = rehearse(suite, lambda messages: len(messages) >= _MESSAGES)
    places = usual.places()
    for place in places:
        rig = ready(suite, usual)
        rig.dut.link.cut(after_bytes=place.at, direction=place.way)
        _recovers(rig, usual, place)
    tried = "each" if len(places) == usual.size else f"{len(places):,}"
    return (
        f"came back after a cut at {tried} of {usual.size:,} bytes: the connection, "
        f"{_counted(len(usual.published), 'message')}, {_counted(len(usual.commands), 'command')}"
    )


def qos2(suite: Suite) -> str:
    """What is sent at QoS 2, either way, arrives once, wherever the connection breaks."""
    usual = rehearse(suite, lambda ms: sum(m.qos == 2 for m in ms) >= _QOS2_MESSAGES)
    if not any(p.name == "PUBLISH" and p.fields["qos"] == 2 for p in usual.packets):
        raise Skipped("it neither publishes nor receives anything at QoS 2")
    breaks = [("cut", place) for place in usual.places()]
    # Some seem to be dead instead: what gives up waiting for an answer shows itself there.
    starts = usual.starts()
    breaks += [("black hole", place) for place in starts[:: -(-len(starts) // _HOLES)]]
    for what, place in breaks:
        rig = ready(suite, usual)
        if what == "cut":
            rig.dut.link.cut(after_bytes=place.at, direction=place.way)
            rig.run(place.when + usual.span)
        else:
            rig.dut.link.black_hole(after_bytes=place.at, direction=place.way)
            rig.run(place.when + usual.span + _SILENCE)
        twice = _twice(rig, usual)
        if twice:
            raise Failure(f"{twice}: {what} {place}")
    told = [_counted(sum(m.qos == 2 for m in usual.published), "message")]
    if usual.exact:
        told.append(_counted(len(usual.exact), "command"))
    return f"{' and '.join(told)} came once each, with {len(breaks)} cuts and black holes"


def will(suite: Suite) -> str:
    """Who looks sees whether the device is there: a retained will, and a retained state."""
    rig = suite.rig()
    rig.connect()
    rig.run(60)
    fields = rig.will()
    if "will_topic" not in fields:
        raise Failure("CONNECT has no will: nobody learns that the device is gone")
    topic = fields["will_topic"]
    if not fields["will_retain"]:
        raise Failure(f"the will on {topic} is not retained: who looks later does not see it")
    states = [m for m in rig.published() if m.topic == topic]
    if not any(m.retain for m in states):
        raise Failure(f"nothing retained on {topic} once it is connected: the will stands for ever")
    seconds = fields["keep_alive"]
    if seconds == 0:
        return f"retained will and state on {topic}; without keep-alive nobody would publish it"
    rig.dut.power_off()
    rig.run(2 * seconds + _PING_SLACK)
    last = rig.spy.last(topic)
    if last.payload != fields["will_payload"]:
        raise Failure(f"the will on {topic} was not published")
    return f"retained will and state on {topic}"


def commands(suite: Suite) -> str:
    """Malformed and oversized commands leave it alive."""
    rig = suite.rig()
    rig.connect()
    rig.run(30)
    topics = rig.topics()
    if not topics:
        raise Skipped("it subscribes to nothing")
    period = max(suite.periods.values(), default=60 * units.SECOND) / units.SECOND
    talks = bool(rig.published())
    for topic in topics:
        for what, payload in _BAD_COMMANDS.items():
            try:
                rig.broker.publish(topic, payload, qos=1)
                rig.run(5)
            except Exception as error:
                told = f"{type(error).__name__}: {error}".splitlines()[0]
                raise Failure(f"{what} on {topic}: {told}") from error
            if not rig.dut.connected():
                raise Failure(f"{what} on {topic}: it lost its connection")
    since = rig.world.now
    rig.run(3 * period)
    if talks and not rig.published(since):
        raise Failure(f"published nothing any more after bad commands on {', '.join(topics)}")
    return f"{len(_BAD_COMMANDS)} bad payloads on {', '.join(topics)}"


def limits(suite: Suite) -> str:
    """It stays within what the cloud service documents."""
    cloud = suite.cloud
    if cloud is None:
        raise Skipped("no cloud service was chosen: conformance(..., cloud='aws_iot_core')")
    rig = suite.rig()
    rig.connect()
    rig.run(_HOUR)
    messages = rig.published()
    largest = max((len(m.payload) for m in messages), default=0)
    if cloud.payload is not None and largest > cloud.payload:
        raise Failure(f"a payload of {largest:,} bytes; {cloud.name} takes {cloud.payload:,}")
    most = most_in_a_second([m.published or m.time for m in messages], [1] * len(messages))
    if cloud.publishes is not None and most > cloud.publishes:
        raise Failure(f"{most:,} messages in a second; {cloud.name} takes {cloud.publishes:g}")
    sizes = [len(m.payload) for m in messages]
    bytes_ = most_in_a_second([m.published or m.time for m in messages], sizes)
    if cloud.throughput is not None and bytes_ > cloud.throughput:
        raise Failure(f"{bytes_:,} bytes in a second; {cloud.name} takes {cloud.throughput:,.0f}")
    filters = rig.filters()
    if cloud.subscriptions is not None and len(filters) > cloud.subscriptions:
        raise Failure(f"{len(filters)} filters; {cloud.name} takes {cloud.subscriptions}")
    seconds = rig.will().get("keep_alive", 0)
    if cloud.keep_alive is not None and not 0 < seconds <= cloud.keep_alive:
        raise Failure(f"keep-alive {seconds} s; {cloud.name} takes up to {cloud.keep_alive} s")
    qos = max((m.qos for m in messages), default=0)
    if qos > cloud.maximum_qos:
        raise Failure(f"publishes at QoS {qos}; {cloud.name} takes up to {cloud.maximum_qos}")
    return f"{cloud.name}: payloads up to {largest:,} bytes, at most {most:,} messages a second"


# name: (what is asked, the check)
CHECKS: dict[str, tuple[str, Callable[[Suite], str]]] = {
    "backoff": ("connects with back-off and jitter", backoff),
    "refusal": ("respects a refusing CONNACK", refusal),
    "rate": ("publishes at the declared rate", rate),
    "keep_alive": ("answers within keep-alive and notices a dead link", keep_alive),
    "resubscribe": ("subscribes again after the session was lost", resubscribe),
    "cuts": ("survives cuts at every byte of its connection and first messages", cuts),
    "qos2": ("no duplicate at QoS 2, either way", qos2),
    "will": ("last will set and retained state used", will),
    "commands": ("survives malformed and oversized commands", commands),
    "limits": ("stays within the limits of a cloud service", limits),
}


# --- Helpers --------------------------------------------------------------------------------------


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _twice(rig: Rig, usual: Rehearsal) -> str:
    """What came a second time, if anything did."""
    seen = [m for m in rig.published() if m.qos == 2]
    found = again(seen, lambda m: (m.topic, m.payload, m.published_at)) or again(
        [m for m in seen if m.topic not in usual.repeated], lambda m: (m.topic, m.payload)
    )
    if found:
        return f"{found.topic} {found.payload!r} came twice"
    got = rig.received()
    for one in usual.exact:
        key = (one.topic, one.payload)
        if got[key] > max(1, usual.obeyed[key]):
            return f"the application got the command on {one.topic} twice"
    return ""


def _recovers(rig: Rig, usual: Rehearsal, place: Place) -> None:
    what = f"cut {place}"
    try:
        rig.run(place.when + 1)  # the cut is behind it
        rig.connect(_RECOVERY)
        since = rig.world.now
        rig.run(usual.span)
    except Failure:
        raise Failure(f"did not come back: {what}") from None
    except Exception as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Failure(f"{what}: {told}") from error
    if usual.stays and not rig.dut.connected():
        raise Failure(f"did not stay: {what}")
    if usual.goes_on and not rig.published(since):
        raise Failure(f"published nothing any more: {what}")
