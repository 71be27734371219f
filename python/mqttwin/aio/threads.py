"""Threads, locks, and what is made of them, in virtual time."""

from __future__ import annotations

import _thread
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import EscapeError
from .scheduler import MOST_THREADS, Activity, ThreadActivity

if TYPE_CHECKING:
    from .scope import Scope

# Captured before anything is patched.
_start_new_thread = _thread.start_new_thread
_allocate_lock = _thread.allocate_lock
_get_ident = _thread.get_ident


def start_real_thread(life: Callable[[], None]) -> None:
    """A thread of the operating system, which then waits for the baton."""

    def whole_life() -> None:
        try:
            life()
        finally:
            # Whoever asked for the current thread has made an object of it.
            threading._active.pop(_get_ident(), None)  # type: ignore[attr-defined]

    _start_new_thread(whole_life, ())


class VirtualLock:
    """As threading.Lock; who waits longest gets it. A real lock once the scope is over."""

    __slots__ = ("__weakref__", "_locked", "_real", "_scope", "_waiters")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._locked = False
        self._waiters: deque[_Waiter] = deque()
        self._real = _allocate_lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Waits in virtual time."""
        scope = self._scope
        if scope.over:
            return self._real.acquire(blocking, timeout)
        if not self._locked:
            self._locked = True
            return True
        if not blocking or timeout == 0:
            scope.scheduler.poll()
            return False
        waiter = _Waiter(scope.scheduler.here())
        self._waiters.append(waiter)
        deadline = None if timeout < 0 else scope.scheduler.after(timeout)
        try:
            while not waiter.granted:
                if not scope.scheduler.wait(deadline) and not waiter.granted:
                    break
        finally:
            if not waiter.granted:
                self._waiters.remove(waiter)
        return waiter.granted

    def release(self) -> None:
        """To whoever waits longest."""
        if self._scope.over:
            if self._real.locked():
                self._real.release()
            self._locked = False
            return
        if not self._locked:
            raise RuntimeError("release unlocked lock")
        if self._waiters:
            waiter = self._waiters.popleft()
            waiter.granted = True
            waiter.activity.wake()
        else:
            self._locked = False

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self._real.locked() if self._scope.over else self._locked

    def _at_fork_reinit(self) -> None:
        self._locked = False

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *ignored: object) -> None:
        self.release()


class _Waiter:
    __slots__ = ("activity", "granted")

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self.granted = False


class VirtualRLock:
    """As threading.RLock."""

    __slots__ = ("__weakref__", "_block", "_count", "_owner")

    def __init__(self, scope: Scope) -> None:
        self._block = VirtualLock(scope)
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Waits in virtual time, unless it is the caller's already."""
        me = _get_ident()
        if self._owner == me:
            self._count += 1
            return True
        if self._block.acquire(blocking, timeout):
            self._owner = me
            self._count = 1
            return True
        return False

    def release(self) -> None:
        """Once for each time that it was acquired."""
        if self._owner != _get_ident():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._block.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *ignored: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return self._owner == _get_ident()

    def _release_save(self) -> tuple[int, int | None]:
        state = (self._count, self._owner)
        self._count, self._owner = 0, None
        self._block.release()
        return state

    def _acquire_restore(self, state: tuple[int, int | None]) -> None:
        self._block.acquire()
        self._count, self._owner = state

    def _recursion_count(self) -> int:
        return self._count if self._owner == _get_ident() else 0

    def _at_fork_reinit(self) -> None:
        self._owner, self._count = None, 0


def starter(scope: Scope, original: Callable[..., Any]) -> Callable[..., Any]:
    """What starts a thread: it gets its turn, and goes on until it waits."""

    def start(function: Callable[..., object], *args: Any, **options: Any) -> Any:
        scheduler = scope.scheduler
        host = scheduler.here().host
        given = args[0] if args and isinstance(args[0], tuple) else ()
        owner = getattr(function, "__self__", None)
        name = owner.name if isinstance(owner, threading.Thread) else "thread"
        thread = ThreadActivity(scheduler, host, f"{host.name} ({name})")
        if len(scheduler.threads) >= MOST_THREADS:
            raise RuntimeError("can't start new thread: too many in this world")
        scheduler.threads.append(thread)
        if isinstance(owner, threading.Thread):
            scope.activities[owner] = thread
            thread.owner = owner

        def life() -> None:
            thread.run(lambda: function(*given))

        # Python 3.13 has a handle instead of arguments.
        result = original(life, **options) if "handle" in options else original(life, ())
        thread.waiting = True
        thread.wake()
        return result

    return start


def joiner(scope: Scope, original: Callable[..., None]) -> Callable[..., None]:
    """As Thread.join, in virtual time."""

    def join(self: threading.Thread, timeout: float | None = None) -> None:
        activity = scope.activities.get(self)
        if activity is None:
            if self.is_alive():
                raise EscapeError(f"{self!r} was started outside: waiting for it takes real time")
            original(self, timeout)
            return
        if scope.over:
            original(self, timeout)
            return
        scheduler = scope.scheduler
        me = scheduler.here()
        if activity is me:
            raise RuntimeError("cannot join current thread")
        deadline = scheduler.after(timeout)
        while not activity.done:
            activity.joiners.append(me)
            woken = scheduler.wait(deadline)
            activity.joiners.remove(me)
            if not woken:
                return
        original(self)

    return join


def liveness(scope: Scope, original: Callable[..., bool]) -> Callable[..., bool]:
    """As Thread.is_alive: what the operating system still does for an ended thread is not seen."""

    def is_alive(self: threading.Thread) -> bool:
        activity = scope.activities.get(self)
        return original(self) if activity is None else not activity.done

    return is_alive
