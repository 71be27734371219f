"""Assertions over what a spy has seen; what fails says what was seen instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigError, MqttwinError, SimulationError
from ..spy import SpiedMessage, Spy, checked_filter, shown
from ..units import Duration

Wanted = bytes | str | Callable[[bytes], object]
_SHOWN = 8


def assert_published(
    spy: Spy,
    filter: str | None = None,
    *,
    payload: Wanted | None = None,
    qos: int | None = None,
    retain: bool | None = None,
    count: int | None = None,
) -> SpiedMessage:
    """Something that matches was published.

    Args:
        spy: From `World.spy`.
        filter: A topic filter; None: whatever the spy has seen.
        payload: Bytes, text, or a function that says yes to it.
        qos: 0, 1 or 2.
        retain: Whether the broker was asked to keep it.
        count: Exactly so often; None: at least once.

    Returns:
        The latest of them.
    """
    found = _matching(spy, filter, payload, qos, retain)
    if found and (count is None or count == len(found)):
        return found[-1]
    wanted = _described(spy, filter, payload, qos, retain)
    if count is None or not found:
        raise AssertionError(f"{wanted} was not published\n{_instead(spy, filter)}")
    raise AssertionError(
        f"{wanted} was published {_times(len(found))}, not {_times(count)}\n{_listed(found)}"
    )


def assert_never(
    spy: Spy,
    filter: str | None = None,
    *,
    payload: Wanted | None = None,
    qos: int | None = None,
    retain: bool | None = None,
) -> None:
    """Nothing that matches was published; arguments as in `assert_published`."""
    found = _matching(spy, filter, payload, qos, retain)
    if spy.left_out and not found:
        raise AssertionError(_incomplete(spy))
    if found:
        wanted = _described(spy, filter, payload, qos, retain)
        times = _times(len(found))
        raise AssertionError(f"{wanted} was published {times}\n{_listed(found)}")


def assert_exactly_once(spy: Spy, dut: Any, filter: str | None = None) -> None:
    """Every message that a device's application published was seen once.

    A message is told by who published it, when, where and what. Those that are still on their way
    count as missing, so wait until the device has nothing left to send.

    Args:
        spy: From `World.spy`, there since before the device published.
        dut: A device, a fleet, several of them, or a client identifier.
        filter: Only messages with such topics; None: those of the spy.
    """
    made, seen = _by_identity(spy, dut, filter)
    missing, again = made - seen, _again(made, seen)
    _judge(spy, made, missing, again, "exactly once")


def assert_at_least_once(spy: Spy, dut: Any, filter: str | None = None) -> None:
    """Every message that a device's application published was seen; some perhaps several times.

    Arguments as in `assert_exactly_once`.
    """
    made, seen = _by_identity(spy, dut, filter)
    _judge(spy, made, made - seen, Counter(), "at least once")


def assert_in_order(spy: Spy, *expected: Any) -> None:
    """Messages came in this order, with whatever between them.

    ``assert_in_order(spy, "pump/+/status", ("pump/+/flow", b"3.2"), "pump/+/status")`` takes
    filters, alone or with a payload. ``assert_in_order(spy, dut, filter)`` says that what a
    device's application published was first seen in the order in which it was published.
    """
    if not expected:
        raise ConfigError("takes filters, or a device", key="expected")
    if not isinstance(expected[0], str | tuple):
        return _assert_device_in_order(spy, *expected)
    position = 0
    messages = spy.messages
    for number, want in enumerate(expected):
        filter, payload = want if isinstance(want, tuple) else (want, None)
        checked_filter(filter, "expected")
        while position < len(messages):
            message = messages[position]
            position += 1
            if _fits(message, filter, payload, None, None):
                break
        else:
            what = _described(spy, filter, payload, None, None)
            place = "was not published" if number == 0 else f"did not follow {expected[number - 1]}"
            raise AssertionError(f"{what} {place} (number {number + 1})\n{spy.describe()}")
    return None


def wait_for(
    where: Any,
    what: str | Callable[[], object] | None = None,
    *,
    payload: Wanted | None = None,
    qos: int | None = None,
    retain: bool | None = None,
    timeout: Duration = "1min",
    step: Duration = "100ms",
) -> SpiedMessage | None:
    """Runs the world until something is published, or until a condition holds.

    Args:
        where: A spy, or a world with a condition.
        what: With a spy, a topic filter for a message that is yet to come; otherwise a function
            without arguments, or a condition such as ``device.connected``.
        payload: As in `assert_published`.
        qos: The same.
        retain: The same.
        timeout: In virtual time.
        step: How often one looks, in virtual time.

    Returns:
        The message, if it was one.

    Raises:
        AssertionError: It did not come in time; what was seen instead is in it.
    """
    if isinstance(where, Spy):
        if callable(what):
            raise ConfigError("with a spy it is a topic filter; give the world, too", key="what")
        return _wait_for_message(where, what, (payload, qos, retain), timeout, step)
    if not callable(what):
        raise ConfigError("takes a spy and a filter, or a world and a condition", key="what")
    try:
        where.run_until(what, timeout=timeout, step=step)
    except SimulationError as error:
        raise AssertionError(str(error)) from None
    return None


# --- Matching -------------------------------------------------------------------------------------


def _matching(
    spy: Spy, filter: str | None, payload: Wanted | None, qos: int | None, retain: bool | None
) -> list[SpiedMessage]:
    if not isinstance(spy, Spy):
        raise ConfigError(f"{spy!r} is none: world.spy('pump/#') makes one", key="spy")
    return [m for m in spy.matching(filter) if _fits(m, None, payload, qos, retain)]


def _fits(
    message: SpiedMessage,
    filter: str | None,
    payload: Wanted | None,
    qos: int | None,
    retain: bool | None,
) -> bool:
    from .._core import topic_matches

    if filter is not None and not topic_matches(filter, message.topic):
        return False
    if qos is not None and message.qos != qos:
        return False
    if retain is not None and message.retain is not retain:
        return False
    if payload is None:
        return True
    if isinstance(payload, str):
        return message.payload == payload.encode()
    if isinstance(payload, bytes | bytearray | memoryview):
        return message.payload == bytes(payload)
    return bool(payload(message.payload))


def _wait_for_message(
    spy: Spy,
    filter: str | None,
    rest: tuple[Wanted | None, int | None, bool | None],
    timeout: Duration,
    step: Duration,
) -> SpiedMessage:
    spy.matching(filter)  # takes over what is there
    seen = spy.count
    found: list[SpiedMessage] = []

    def there() -> bool:
        nonlocal seen
        new = spy.count - seen
        seen += new
        fresh = spy.messages[-new:] if new else []
        found.extend(m for m in fresh if _fits(m, filter, *rest))
        return bool(found)

    if spy.world is None:
        raise MqttwinError("this spy is of no world that could be run")
    try:
        spy.world.run_until(there, timeout=timeout, step=step)
    except SimulationError as error:
        wanted = _described(spy, filter, *rest)
        message = f"{wanted} was not published within {timeout!r}, by {error.virtual_time:.3f} s"
        raise AssertionError(f"{message}\n{_instead(spy, filter)}") from None
    return found[0]


# --- By identity ----------------------------------------------------------------------------------

Identity = tuple[str, int, str, bytes]


def _by_identity(
    spy: Spy, dut: Any, filter: str | None
) -> tuple[Counter[Identity], Counter[Identity]]:
    clients = _clients(dut)
    wanted = checked_filter(spy.filter if filter is None else filter)
    if spy.world is None:
        raise ConfigError("what a real client's application published is not known", key="spy")
    known = spy.world._applications()
    made = Counter(_identity(m) for m in known.by(clients, wanted))
    seen = Counter(_identity(m) for m in spy.matching(wanted) if m.client_id in clients)
    if not made:
        who = ", ".join(sorted(clients)[:3])
        raise AssertionError(
            f"{who} published nothing that matches {wanted!r} since there is a spy\n"
            + spy.describe()
        )
    if known.left_out or spy.left_out:
        raise AssertionError(_incomplete(spy))
    return made, seen


def _clients(dut: Any) -> set[str]:
    """The client identifiers of a device, of a fleet, or of several."""
    if isinstance(dut, str):
        return {dut}
    identifier = getattr(dut, "client_id", None)
    if isinstance(identifier, str):
        return {identifier}
    ids = getattr(dut, "ids", None)
    if callable(ids):
        return set(ids())
    if isinstance(dut, Iterable):
        return set().union(*(_clients(one) for one in dut))
    raise ConfigError(f"{dut!r} is no device, fleet or client identifier", key="dut")


def _identity(message: SpiedMessage) -> Identity:
    return (message.client_id, message.published_at, message.topic, message.payload)


def _again(made: Counter[Identity], seen: Counter[Identity]) -> Counter[Identity]:
    """What was seen more often than it was published (wills and the like were never published)."""
    return Counter({key: seen[key] - made[key] for key in made if seen[key] > made[key]})


def _judge(
    spy: Spy,
    made: Counter[Identity],
    missing: Counter[Identity],
    again: Counter[Identity],
    claim: str,
) -> None:
    if not missing and not again:
        return
    total = sum(made.values())
    lines = [f"not every message was seen {claim}, of {total:,} that were published:"]
    for what, counter in (("not seen", missing), ("seen again", again)):
        if not counter:
            continue
        lines.append(f"  {what}: {sum(counter.values()):,}")
        for (client, at, topic, payload), count in list(counter.items())[:_SHOWN]:
            times = f" ({count}×)" if count > 1 else ""
            when = f"published at {at / 1e9:.3f} s" if at >= 0 else "at an unknown time"
            lines.append(f"    {topic}  {shown(payload)}  from {client}, {when}{times}")
    raise AssertionError("\n".join([*lines, spy.describe()]))


def _assert_device_in_order(spy: Spy, dut: Any, filter: str | None = None) -> None:
    clients = _clients(dut)
    wanted = checked_filter(spy.filter if filter is None else filter)
    latest: dict[str, SpiedMessage] = {}
    known: set[Identity] = set()
    for message in spy.matching(wanted):
        if message.client_id not in clients or message.published_at < 0:
            continue
        if _identity(message) in known:
            continue  # sent again: its first time counts
        known.add(_identity(message))
        before = latest.get(message.client_id)
        if before is not None and message.published_at < before.published_at:
            raise AssertionError(f"out of order:\n  {before}\n  {message}\n{spy.describe()}")
        latest[message.client_id] = message


# --- Words ----------------------------------------------------------------------------------------


def _described(
    spy: Spy, filter: str | None, payload: Wanted | None, qos: int | None, retain: bool | None
) -> str:
    parts = [repr(spy.filter if filter is None else filter)]
    if payload is not None:
        parts.append(
            f"with payload {payload!r}" if not callable(payload) else "with such a payload"
        )
    if qos is not None:
        parts.append(f"at QoS {qos}")
    if retain is not None:
        parts.append("with retain" if retain else "without retain")
    return " ".join(parts)


def _instead(spy: Spy, filter: str | None) -> str:
    near = spy.matching(filter) if filter is not None else []
    if near:
        return f"instead, {filter!r} had:\n{_listed(near)}"
    return spy.describe()


def _listed(messages: list[SpiedMessage]) -> str:
    lines = [f"  {m}" for m in messages[-_SHOWN:]]
    if len(messages) > _SHOWN:
        lines.insert(0, f"  … {len(messages) - _SHOWN:,} before")
    return "\n".join(lines)


def _incomplete(spy: Spy) -> str:
    return (
        f"{spy.left_out:,} messages are not kept any more, so nobody can say: "
        "world.spy(..., keep=...) keeps more, spy.clear() begins anew"
    )


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
