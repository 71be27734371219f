"""One device behind the scenes: its power, its client, what waits for an answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import _core, units
from ..client_errors import (
    ClientTimeout,
    ConnectError,
    DisconnectedError,
    PublishError,
    SubscribeError,
    cause_of,
    refusal,
)
from ..client_messages import IncomingMessage
from .events import BootEvent, ConnectEvent, DisconnectEvent, PublishEvent
from .scheduler import Scheduler
from .tasks import NEVER, Alarm, PowerLost, Waiter

if TYPE_CHECKING:
    from .api import Device
    from .crew import Crew

MAXIMUM_NAMES = 16
"""Topics that a device knows by their templates; what has more makes them up as it goes."""

TRANSIENT = {5: {0x88, 0x89, 0x97, 0x9F}, 4: {3}, 3: {3}}
"""Refusals that may be different next time: server unavailable, busy, quota, connection rate."""


class Unit:
    """What the world keeps for a device; the device itself is the user's object."""

    def __init__(self, crew: Crew, index: int, device: Device, client_id: str) -> None:
        self.crew = crew
        self.index = index
        self.device = device
        self.client_id = client_id
        self.core = crew.core
        self.number = crew.number
        self.scheduler = Scheduler(
            crew.script, index, crew.now, partial(self.boot, "power_on"), self.crash
        )
        self.on = False
        self.boots = 0
        self.crashes = 0
        self.overflowed = 0
        self.failed = 0  # attempts to connect, and
        self.failed_before = 0  # those of them that were before it had power last
        self.actions = 0  # calls of the client, and those of them that
        self.plain_publishes = 0  # were publishes of QoS 0
        self.names: dict[str, str] = {}  # topics, by their templates
        self.parts: dict[str, Any] = {}  # clock, storage, sensors ...: made when first used
        self._forget()

    def _forget(self) -> None:
        """What does not outlive the power."""
        self.connected = False
        self.session_present = False
        self.wanted = False  # connected, or to become so by itself
        self.goodbye = True  # the last connection was ended by the device, or there was none
        self.connecting: Waiter | None = None
        self.disconnecting: Waiter | None = None
        # Why there is no connection any more: made up when somebody asks, for few do.
        self.lost: Callable[[], Exception] | None = None
        self.publishes: dict[int, tuple[Waiter, str, int]] = {}
        self.lists: dict[int, tuple[Waiter, list[str], bool]] = {}
        self.inbox: list[IncomingMessage] = []
        self.readers: list[Waiter] = []
        self.said: tuple[int, dict[str, Any]] = (0, {})  # by the server, last

    # --- turns ----------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Virtual time, in nanoseconds."""
        return self.core.now

    def hear(self, note: tuple[Any, ...], now: int) -> None:
        """Something has happened at its client."""
        scheduler = self.scheduler
        if self.on:
            scheduler.waking = True
            _HEAR[note[0]](self, *note[2:])
            if scheduler.ready:
                scheduler.run_ready(now)
            scheduler.waking = False
            self.arm()

    def arm(self) -> None:
        """Tells the core of an alarm that comes before the one that it knows."""
        scheduler = self.scheduler
        if scheduler.waking or scheduler.first is not None:
            return
        instant = scheduler.next_alarm()
        if instant < scheduler.armed:
            scheduler.armed = instant
            self.core.set_alarm(self.number, self.index, instant)

    def call(self, handler: Callable[..., Any], *arguments: Any) -> None:
        """Runs a handler, plain or asynchronous; what it raises is a crash."""
        try:
            result = handler(*arguments)
        except PowerLost:
            return
        except BaseException as error:
            self.crash(error)
            return
        if inspect.iscoroutine(result):
            self.scheduler.spawn(result, handler.__name__)

    # --- power ----------------------------------------------------------------------------------

    def boot_at(self, instant: int, cause: str) -> None:
        """Power will be there at an instant."""
        self.scheduler.at(instant, partial(self.boot, cause), survives=True)
        self.arm()

    def boot(self, cause: str) -> None:
        """Power is there: memory is empty, code starts."""
        if self.on:
            return
        self.on = True
        self.boots += 1
        self.failed_before = self.failed
        self.call(self.crew.restart, self)
        kind = self.crew.kind
        if not self.on:
            return  # its own __init__ has failed
        if kind.boots:
            self.call(self.device.on_boot, BootEvent(self.boots, cause))
        elif not kind.main:
            self.call(self.device.connect)
        if kind.main and self.on:
            self.scheduler.spawn(self.device.main(), "main")

    def switch_off(self) -> None:
        """Power is gone until somebody switches it on: it does not come back by itself either."""
        scheduler = self.scheduler
        scheduler.first = None
        for _, _, target in scheduler.alarms:
            if isinstance(target, Alarm) and getattr(target.call, "func", None) == self.boot:
                target.call = None
        self.power_off()

    def power_off(self) -> None:
        """Power is gone, at once: nobody is told anything."""
        if not self.on:
            return
        self._stop()
        if self.crew.speaking is self:
            raise PowerLost

    def _stop(self) -> None:
        self.on = False
        self.scheduler.kill_all()
        self.core.power_off(self.number, self.index)
        self._forget()
        self.scheduler.armed = NEVER
        self.arm()

    def reboot(self, cause: str, off_for: int) -> None:
        """Power is gone, and comes back."""
        self.boot_at(self.now + off_for, cause)
        self.power_off()

    def brown_out(self, pause: int) -> None:
        """The power fails for a while, unless there is none anyway."""
        if self.on:
            self.boot_at(self.now + pause, "power_on")
            self._stop()

    def stream(self, purpose: str, position: int = 0) -> _core.Stream:
        """A random stream of this device alone, after so many draws."""
        crew = self.crew
        name = f"device {purpose}"
        return _core.Stream(crew.world.seed, crew.fleet.name, name, self.index, position)

    def crash(self, error: BaseException) -> None:
        """Its code has failed."""
        self.crashes += 1
        self.crew.crashed(self, error)
        self._stop()

    # --- client ---------------------------------------------------------------------------------

    def soon(self) -> None:
        """What was made ready goes on: in this turn, or as the next event where there is none."""
        if not self.scheduler.waking:
            self.scheduler.at(self.now, _nothing)
            self.arm()

    def name_of(self, template: str) -> str:
        """A topic, as its template has it for this device."""
        name = self.crew.render(template, self.index, "topic")
        if len(self.names) < MAXIMUM_NAMES:
            self.names[template] = name
        return name

    def after(self, ns: int, call: Callable[[], object]) -> Alarm:
        """Calls after so much local time."""
        alarm = self.scheduler.after(ns, call)
        self.arm()
        return alarm

    @property
    def never_connected(self) -> bool:
        """Since it has power: there was no connection, and no attempt that has failed."""
        return self.goodbye and self.lost is None

    def give_up(self, waiter: Waiter, ns: int) -> None:
        """The time to connect is over."""
        if self.connecting is not waiter:
            return
        self.connecting = None
        self.wanted = False
        error = ClientTimeout(f"not connected within {units.format_duration(ns)}")
        self.lost = lambda: error
        waiter.fail(error)
        self.core.script_disconnect(self.number, self.index, 0)

    def limited(self, waiter: Waiter, timeout: Any, what: str) -> Waiter:
        """The same with a time limit."""
        if timeout is None or waiter.done:
            return waiter
        ns = units.duration(timeout, "timeout")
        text = units.format_duration(ns)
        error = ClientTimeout(f"{what} within {text}")
        waiter.limit = self.after(ns, partial(waiter.fail, error))
        return waiter

    def disconnected_error(self) -> DisconnectedError:
        """Why there is no connection."""
        error = None if self.lost is None else self.lost()
        if isinstance(error, DisconnectedError):
            return DisconnectedError(str(error))
        return DisconnectedError("not connected")

    def _heard_connack(self, reason: int, properties: dict[str, Any]) -> None:
        self.said = (reason, properties)

    def _heard_connected(self, session_present: bool) -> None:
        self.connected = True
        self.wanted = True
        self.goodbye = False
        self.lost = None
        self.session_present = session_present
        event = ConnectEvent(session_present, self.said[1])
        waiter, self.connecting = self.connecting, None
        if self.crew.kind.connects:
            self.call(self.device.on_connect, event)
        if waiter is not None:
            waiter.resolve(event)

    def _heard_disconnect(self, reason: int, properties: dict[str, Any]) -> None:
        self.said = (reason, properties)

    def _heard_fault(self, what: str, reason: int, clause: str) -> None:
        self.said = (reason, {"reason_string": f"{what} [{clause}]" if clause else what})

    def _heard_disconnected(self, cause: str, reason: int) -> None:
        was_connected, self.connected = self.connected, False
        code, properties = self.said if cause in ("refused", "by_server") else (reason, {})
        self.said = (0, {})
        by_command = cause == "by_command"
        if not (was_connected or by_command):
            self.failed += 1
        again = self.crew.kind.reconnects and not by_command
        if cause == "refused" and code not in TRANSIENT[self.crew.version]:
            again = False
            self.core.script_disconnect(self.number, self.index, 0)  # no further attempts
        self.wanted = again
        self.goodbye = by_command
        self.lost = partial(self._lost_by, cause, code, properties)
        if self.lists:
            lists, self.lists = self.lists, {}
            for waiter, _, _ in lists.values():
                waiter.fail(DisconnectedError("the connection was lost before the answer"))
        if self.connecting is not None and not again:
            waiter, self.connecting = self.connecting, None
            waiter.fail(self.lost())
        if self.disconnecting is not None:
            waiter, self.disconnecting = self.disconnecting, None
            waiter.resolve()
        if self.crew.kind.disconnects:
            event = DisconnectEvent(cause, code, was_connected, again, properties)
            self.call(self.device.on_disconnect, event)
        if not self.wanted and not self.inbox:
            self.end_readers()

    def _lost_by(self, cause: str, code: int, properties: dict[str, Any]) -> Any:
        if cause == "refused":
            why = refusal(code, self.crew.version)
            return ConnectError(f"refused: {why}", reason_code=code, properties=properties)
        if cause == "connect_failed":
            return ConnectError("nobody answers")
        if cause == "by_server":
            why = _core.reason_name(code).lower()
            return DisconnectedError(
                f"by the server: {why}", reason_code=code, properties=properties
            )
        if cause == "protocol_fault":
            return DisconnectedError("the server broke the protocol", reason_code=code)
        return cause_of(cause)

    def is_connected(self) -> bool:
        """Also right after something was done to it from outside, before it has heard of that."""
        return self.connected and self.core.phase(self.number, self.index) == "online"

    def end_readers(self) -> None:
        """No message will come any more."""
        while self.readers:
            waiter = self.readers.pop(0)
            waiter.fail(StopAsyncIteration() if self.goodbye else self.disconnected_error())

    def _heard_message(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        duplicate: bool,
        packet_id: int,
        properties: dict[str, Any],
    ) -> None:
        message = IncomingMessage(topic, payload, qos, retain, duplicate, packet_id, properties)
        if self.crew.kind.messages:
            self.call(self.device.on_message, message)
            return
        while self.readers:
            waiter = self.readers.pop(0)
            if not waiter.done:
                waiter.resolve(message)
                return
        if len(self.inbox) >= self.device.inbox_limit:
            self.inbox.pop(0)
            self.overflowed += 1
            self.device.log.warning("the inbox is full: the oldest message is dropped")
        self.inbox.append(message)

    def _heard_acknowledged(self, number: int, reason: int, properties: dict[str, Any]) -> None:
        waiter, topic, qos = self.publishes.pop(number, _NOBODY)
        event = PublishEvent(topic, qos, reason, "", properties)
        if self.crew.kind.publishes:
            self.call(self.device.on_publish, event)
        if reason < 0x80:
            waiter.resolve(event)
        else:
            why = _core.reason_name(reason).lower()
            waiter.fail(PublishError(f"{topic!r} was refused: {why}", reason_code=reason))

    def _heard_dropped(self, number: int, why: str) -> None:
        waiter, topic, qos = self.publishes.pop(number, _NOBODY)
        if self.crew.kind.publishes:
            self.call(self.device.on_publish, PublishEvent(topic, qos, 0x97, why))
        message = f"{topic!r} was dropped: {why.replace('_', ' ')}"
        waiter.fail(PublishError(message, reason_code=0x97))

    def _heard_list_ack(
        self, packet_id: int, reasons: list[int], properties: dict[str, Any]
    ) -> None:
        found = self.lists.pop(packet_id, None)
        if found is None:
            return
        waiter, filters, subscribing = found
        refused = [code for code in reasons if code >= 0x80]
        if refused:
            which = ", ".join(
                repr(name) for name, code in zip(filters, reasons, strict=False) if code >= 0x80
            )
            what = "subscription to" if subscribing else "end of the subscription to"
            why = _core.reason_name(refused[0]).lower()
            waiter.fail(
                SubscribeError(
                    f"the {what} {which} was refused: {why}",
                    reason_code=refused[0],
                    reason_codes=reasons,
                )
            )
        else:
            waiter.resolve(reasons)


def _nothing() -> None:
    """A turn is all that is wanted."""


_NOBODY = (Waiter(), "", 0)
_HEAR = (
    Unit._heard_connack,
    Unit._heard_connected,
    Unit._heard_disconnected,
    Unit._heard_disconnect,
    Unit._heard_message,
    Unit._heard_acknowledged,
    Unit._heard_dropped,
    Unit._heard_list_ack,
    Unit._heard_fault,
)
