"""Who runs: one activity at a time, in an order that only the world decides.

An activity is a thread, or an event loop that is stepped. Threads pass a baton: the driver (the
thread that runs the world) gives it to one that may go on, and gets it back when that one waits.
"""

from __future__ import annotations

import itertools
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from .. import units
from ..errors import MqttwinError, SimulationError
from .errors import EscapeError, Stopped

if TYPE_CHECKING:
    from ..world import World
    from .files import File
    from .hosts import Host

SLICE_MS = 50  # of real time, after which signals are looked at
PATIENCE = 20.0  # seconds of real time that a thread may stand still in one place
MOST_POLLS = 100_000  # at one instant, before somebody is said to turn in circles
FIRST_FILE = 1 << 20  # file numbers from here on are ours: no process has so many

FIRST_EPHEMERAL, EPHEMERAL = 32_768, 28_232  # ports: ip_local_port_range of Linux
MOST_THREADS = 1000  # of a world
MOST_STOPS = 100  # a thread that catches everything is left alone after so many

TIMER, SOCKET = 0, 1  # kinds of news


class Activity:
    """Something that waits, and goes on when it is woken or its time has come."""

    def __init__(self, scheduler: Scheduler, host: Host, name: str) -> None:
        self.scheduler = scheduler
        self.host = host
        self.name = name
        self.ident = 0  # of the thread that it is
        self.waiting = False
        self.woken = False
        self.waits = 0  # tells the deadlines of one wait from those of another

    def wake(self) -> None:
        """It may go on, when its turn comes."""
        if self.waiting:
            self.waiting = False
            self.woken = True
            self.scheduler.runnable.append(self)

    def resume(self) -> None:
        """Its turn; called by the driver."""
        raise NotImplementedError


class Driver(Activity):
    """The thread that runs the world, as far as it is itself simulated."""


class ThreadActivity(Activity):
    """A thread with a real stack, which runs only while it has the baton."""

    def __init__(self, scheduler: Scheduler, host: Host, name: str) -> None:
        super().__init__(scheduler, host, name)
        self._go = allocate_lock()
        self._go.acquire()
        self.done = False
        self.stopped = False
        self.joiners: list[Activity] = []
        self.owner: Any = None  # the threading.Thread, if it is one

    def resume(self) -> None:
        """Gives it the baton, and takes it back."""
        scheduler = self.scheduler
        before, scheduler.current = scheduler.current, self
        self._go.release()
        try:
            scheduler.await_baton(self)
        finally:
            scheduler.current = before

    def pause(self) -> None:
        """Gives the baton back, and waits for it; called by the thread itself."""
        self.scheduler.baton.release()
        self._go.acquire()
        if self.stopped:
            raise Stopped

    def run(self, function: Callable[[], object]) -> None:
        """The thread's life, once it has started in the real world."""
        self._go.acquire()
        self.ident = get_ident()
        try:
            if not self.stopped:
                function()
        except Stopped:
            pass
        except BaseException as error:
            self.scheduler.failures.append(error)
        finally:
            self.done = True
            self.scheduler.threads.remove(self)
            for joiner in self.joiners:
                joiner.wake()
            self.scheduler.baton.release()


class Scheduler:
    """Of one world: its activities, their order, and who drives."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.core = world._core
        self.hosts: list[Host] = []
        self.by_name: dict[str, Host] = {}
        self.runnable: deque[Activity] = deque()
        self.current: Activity | None = None
        self.threads: list[ThreadActivity] = []
        self.baton = allocate_lock()
        self.baton.acquire()
        self.files: dict[int, File] = {}
        self.sockets: dict[int, File] = {}  # by the core's number
        self.listeners: dict[tuple[str, int], File] = {}
        self.questions: dict[int, Callable[[int, bool], None]] = {}
        self.failures: list[BaseException] = []
        self.limit: int | None = None
        self.patched = False
        self.over = False  # the world is closed
        self._refusing: int | None = None
        self._ports = itertools.count()
        self._file_numbers = itertools.count(FIRST_FILE)
        self._order = itertools.count()
        self._armed: dict[int, int] = {}  # by host
        self._moved: dict[Host, None] = {}  # hosts whose next deadline may be another one
        self._polls = (0, 0)

    # --- time -----------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Virtual time, in nanoseconds."""
        return self.core.now

    def after(self, seconds: float | None) -> int | None:
        """The instant so many seconds from now; None: never."""
        if seconds is None:
            return None
        return self.core.now + max(0, -int(-seconds * units.SECOND // 1))

    # --- waiting --------------------------------------------------------------------------------

    def here(self) -> Activity:
        """The activity that is running, which must be the caller."""
        current = self.current
        if current is None or current.ident != get_ident():
            raise EscapeError(
                "a thread that was started outside waits for something simulated: start threads "
                "inside `with mqttwin.aio.patched(world):`"
            )
        return current

    def wait(self, deadline: int | None) -> bool:
        """Lets others run until the caller is woken (True), or until a deadline.

        Raises:
            EscapeError: By who may not wait here.
        """
        me = self.here()
        me.waiting = True
        me.woken = False
        me.waits += 1
        if deadline is not None:
            self.add_timer(me, deadline)
        try:
            if isinstance(me, ThreadActivity):
                me.pause()
            elif isinstance(me, Driver):
                self._drive(me)
            else:
                raise EscapeError(
                    f"{me.name} blocks its event loop: such a call needs `with "
                    "mqttwin.aio.patched(world):` around the run, where each loop has a thread"
                )
        finally:
            me.waiting = False
        return me.woken

    def add_timer(self, activity: Activity, deadline: int) -> None:
        """The deadline of an activity's present wait."""
        at = max(deadline, self.core.now)
        self._moved[activity.host] = None
        heappush(activity.host.timers, (at, next(self._order), activity, activity.waits))

    def poll(self) -> None:
        """Somebody has looked without waiting; others get their turn."""
        self.count_poll()
        if self.runnable:
            self.wait(self.core.now)

    def count_poll(self) -> None:
        """Somebody has looked without waiting.

        Raises:
            SimulationError: So often that time would never go on.
        """
        at, polls = self._polls
        now = self.core.now
        polls = polls + 1 if at == now else 0
        self._polls = (now, polls)
        if polls > MOST_POLLS:
            message = f"{self.here().name} turns in circles: it polls, and no time passes"
            raise SimulationError(message, virtual_time=now / units.SECOND)

    # --- driving --------------------------------------------------------------------------------

    def _drive(self, me: Driver) -> None:
        """Runs the world until the driver's own turn comes."""
        timeline = self.world._timeline
        if timeline._running:
            raise EscapeError("a callback of World.at or World.every cannot wait")
        core = self.core
        limit = self.limit if self.limit is not None else core.now + 2 * units.LONGEST
        timeline._running = True
        if len(self.world._results) or self.world._closed:
            self.world._changing()
        try:
            while True:
                if self._turns(me):
                    return
                self._arm()
                target = min(limit, timeline._next())
                if not core.run(target, SLICE_MS):
                    self._take_news()
                    continue
                timeline._call_back(target)
                if target == limit and not self.runnable:
                    raise SimulationError(
                        f"{me.name} waits, and nothing wakes it any more",
                        virtual_time=core.now / units.SECOND,
                    )
        finally:
            timeline._running = False

    def begin(self) -> None:
        """A run begins: what was scheduled from outside is to be done."""
        for host in self.hosts:
            if host._loop is not None:
                host._loop._write_to_self()
        self.attend()

    def attend(self) -> None:
        """What is to be done between two events of the world: called by its timeline."""
        self._take_news()
        self._turns(None)
        self._arm()

    def _turns(self, me: Activity | None) -> bool:
        """Everybody who may run does, in order; True when it is the driver's own turn."""
        while self.runnable:
            activity = self.runnable.popleft()
            if activity is me:
                return True
            activity.resume()
            if self.failures:
                raise self.failures.pop(0)
        return False

    def _take_news(self) -> None:
        for kind, host, number, address, timed_out in self.core.take_news():
            if kind == TIMER:
                self._armed.pop(host, None)
                self._wake_due(self.hosts[host])
            elif kind == SOCKET:
                file = self.sockets.get(number)
                if file is not None:
                    file.notify()
            else:
                self.questions.pop(number)(address, timed_out)

    def _wake_due(self, host: Host) -> None:
        now = self.core.now
        timers = host.timers
        self._moved[host] = None
        while timers and timers[0][0] <= now:
            _, _, activity, waits = heappop(timers)
            if activity.waits == waits and activity.waiting:
                activity.wake()
                activity.woken = False

    def _arm(self) -> None:
        """Each host's next deadline is an event of the world."""
        if not self._moved:
            return
        armed = self._armed
        moved, self._moved = self._moved, {}
        for host in moved:
            timers = host.timers
            while timers and (timers[0][2].waits != timers[0][3] or not timers[0][2].waiting):
                heappop(timers)
            if timers and armed.get(host.number) != timers[0][0]:
                armed[host.number] = timers[0][0]
                self.core.arm_host(host.number, timers[0][0])

    # --- threads --------------------------------------------------------------------------------

    def enter(self, host: Host) -> Driver:
        """The calling thread is simulated from now on, as the one that drives."""
        if self.current is not None:
            raise MqttwinError(
                f"{self.current.name} is running in this world already: await, or start another "
                "host"
            )
        driver = Driver(self, host, f"{host.name} (main thread)")
        driver.ident = get_ident()
        self.current = driver
        return driver

    def leave(self) -> None:
        """The calling thread is no longer simulated."""
        self.current = None

    def await_baton(self, holder: ThreadActivity) -> None:
        """Until a thread waits or ends. One that hangs in the real world is named."""
        interrupted = False
        place = None
        while True:
            try:
                if self.baton.acquire(True, PATIENCE):
                    break
            except KeyboardInterrupt:
                interrupted = True  # it is told when the thread has come to rest
                continue
            seen = _place_of(holder.ident)
            if seen is not None and seen == place:
                raise EscapeError(
                    f"{holder.name} has stood still for {PATIENCE:.0f} s of real time in "
                    f"{seen[0]}: it waits for something that is not simulated"
                )
            place = seen
        if interrupted:
            raise KeyboardInterrupt

    def stop_firmware(self) -> None:
        """Whatever still waits unwinds: loops first, then threads in the order of their starts."""
        for host in self.hosts:
            if host._loop is not None:
                host._loop.set_exception_handler(_nobody_reads)
                host._loop._stop_stepped()
        self._stop_threads(self.threads)
        self.failures.clear()
        self.runnable.clear()

    def stop_host(self, host: Host) -> None:
        """What runs on a host unwinds, now, and its files are closed."""
        before = len(self.failures)
        for file in list(self.files.values()):
            if file.host is host:
                file.unplug()
        if host._loop is not None:
            host._loop.set_exception_handler(_nobody_reads)
            host._loop._stop_stepped()
        self._stop_threads([thread for thread in self.threads if thread.host is host])
        for file in list(self.files.values()):
            if file.host is host:
                file.abandon()
        del self.failures[before:]
        self.runnable = deque(activity for activity in self.runnable if activity.host is not host)

    def _stop_threads(self, threads: Iterable[ThreadActivity]) -> None:
        for thread in list(threads):
            thread.stopped = True
            if thread.owner is not None:
                thread.owner._invoke_excepthook = _nobody_hears
            for _ in range(MOST_STOPS):
                if thread.done:
                    break
                thread.waiting = False
                thread.resume()

    def next_port(self) -> int:
        """A port for a connection."""
        return FIRST_EPHEMERAL + next(self._ports) % EPHEMERAL

    def refusing(self) -> int:
        """The core's address of a host that is up, and where nobody listens."""
        if self._refusing is None:
            socket = self.core.socket_open(self.hosts[0].number)
            self._refusing = self.core.socket_listen(socket, "(nobody listens)")
            self.core.socket_close(socket, False)
        return self._refusing

    def new_file(self, file: File) -> int:
        """A number for it."""
        number = next(self._file_numbers)
        self.files[number] = file
        return number


def _nobody_reads(*ignored: object) -> None:
    """Instead of a loop's exception handler, which would print: its code was stopped."""


def _nobody_hears(*ignored: object) -> None:
    """Instead of threading.excepthook, for a thread that was stopped."""


def _place_of(ident: int) -> tuple[str, int] | None:
    import sys

    frame = sys._current_frames().get(ident)
    if frame is None:
        return None
    return f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})", frame.f_lasti


def scheduler_of(world: World) -> Scheduler:
    """The world's, made when it is needed first."""
    if world._timeline.aio is None:
        world._timeline.aio = Scheduler(world)
    scheduler = world._timeline.aio
    assert isinstance(scheduler, Scheduler)
    return scheduler
