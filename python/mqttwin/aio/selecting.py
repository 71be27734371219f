"""Waiting for several files: select, and the selector of event loops."""

from __future__ import annotations

import errno
import os
import selectors
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import EscapeError
from .files import File
from .hosts import Host
from .scheduler import FIRST_FILE, Activity, Scheduler

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def file_of(scheduler: Scheduler, thing: Any) -> File:
    """The simulated file of a socket or a file number.

    Raises:
        EscapeError: It is a real one.
        ValueError, OSError: It is closed.
    """
    number = thing if isinstance(thing, int) else thing.fileno()
    if number < 0:
        raise ValueError(f"Invalid file descriptor: {number}")
    file = scheduler.files.get(number)
    if file is None and number >= FIRST_FILE:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))  # closed meanwhile
    if file is None:
        raise EscapeError(
            f"{thing!r} is no simulated socket: a wait for it would be a wait in real time"
        )
    return file


def wait_for(
    scheduler: Scheduler, wanted: Mapping[File, int], timeout: float | None
) -> dict[File, int]:
    """Which of the files are ready for what is wanted of them; waits for the first."""
    ready = _ready(wanted)
    if ready or (timeout is not None and timeout <= 0):
        if not ready:
            scheduler.poll()
        return ready
    deadline = scheduler.after(timeout)
    me = scheduler.here()
    while True:
        for file, events in wanted.items():
            file.watchers[me] = None
            file.watch(bool(events & READ), bool(events & WRITE))
        try:
            woken = scheduler.wait(deadline)
        finally:
            for file in wanted:
                file.watchers.pop(me, None)
        ready = _ready(wanted)
        if ready or not woken:
            return ready


def _ready(wanted: Mapping[File, int]) -> dict[File, int]:
    ready = {}
    for file, events in wanted.items():
        found = (READ if events & READ and file.readable() else 0) | (
            WRITE if events & WRITE and file.writable() else 0
        )
        if found:
            ready[file] = found
    return ready


def select(
    scheduler: Scheduler,
    rlist: Iterable[Any],
    wlist: Iterable[Any],
    xlist: Iterable[Any],
    timeout: float | None = None,
) -> tuple[list[Any], list[Any], list[Any]]:
    """As select.select."""
    readers = [(thing, file_of(scheduler, thing)) for thing in rlist]
    writers = [(thing, file_of(scheduler, thing)) for thing in wlist]
    wanted: dict[File, int] = {}
    for _, file in readers:
        wanted[file] = READ
    for _, file in writers:
        wanted[file] = wanted.get(file, 0) | WRITE
    ready = wait_for(scheduler, wanted, timeout)
    return (
        [thing for thing, file in readers if ready.get(file, 0) & READ],
        [thing for thing, file in writers if ready.get(file, 0) & WRITE],
        [],
    )


class VirtualSelector(selectors._BaseSelectorImpl):
    """As selectors.DefaultSelector."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._fd_to_key: dict[int, selectors.SelectorKey]
        self._scheduler = scheduler

    def wanted(self) -> dict[File, int]:
        """What is registered."""
        files = self._scheduler.files
        return {files[fd]: key.events for fd, key in self._fd_to_key.items() if fd in files}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Simulated files only."""
        file_of(self._scheduler, fileobj)
        key: selectors.SelectorKey = super().register(fileobj, events, data)
        return key

    def keys(self, ready: Mapping[File, int]) -> list[tuple[selectors.SelectorKey, int]]:
        """What `select` returns for files that are ready."""
        return [(self._fd_to_key[file.number], events) for file, events in ready.items()]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits in virtual time."""
        return self.keys(wait_for(self._scheduler, self.wanted(), timeout))


class LoopSelector(VirtualSelector):
    """Of an event loop, which may be woken by others and may be stepped."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.scheduler)
        self.stepped = False
        self.idle = False  # the last look found nothing to do
        self.waiter: Activity | None = None
        self._wanted: dict[File, int] | None = None
        self._watcher: Activity | None = None  # of all that is wanted

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Looks only, where the loop is stepped or has something to do."""
        wanted = self._wanted
        if wanted is None:
            wanted = self._wanted = self.wanted()
        ready = _ready(wanted)
        self.idle = not ready and (timeout is None or timeout > 0)
        if not self.idle or self.stepped:
            if not self.idle:
                self._scheduler.count_poll()
            return self.keys(ready) if ready else []
        scheduler = self._scheduler
        me = self.waiter = scheduler.here()
        self.watch_all(me)
        try:
            scheduler.wait(scheduler.after(timeout))
        finally:
            self.waiter = None
        ready = _ready(wanted)
        return self.keys(ready) if ready else []

    def watch_all(self, me: Activity) -> None:
        """The loop goes to sleep: what is ready for it wakes its activity."""
        if self._watcher is me:
            return
        self._forget()
        if self._wanted is None:
            self._wanted = self.wanted()
        self._watcher = me
        for file, events in self._wanted.items():
            file.watchers[me] = None
            file.watch(bool(events & READ), bool(events & WRITE))

    def _forget(self) -> None:
        if self._watcher is not None and self._wanted is not None:
            for file in self._wanted:
                file.watchers.pop(self._watcher, None)
        self._watcher = None

    def _changed(self) -> None:
        self._forget()
        self._wanted = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Simulated files only."""
        self._changed()
        return super().register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Not any more."""
        self._changed()
        key: selectors.SelectorKey = super().unregister(fileobj)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Something else, or for somebody else."""
        self._changed()
        key: selectors.SelectorKey = super().modify(fileobj, events, data)
        return key

    def close(self) -> None:
        """Nothing is wanted any more."""
        self._changed()
        super().close()
