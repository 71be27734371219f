"""What has a file number in the simulation: sockets, and both ends of a pair."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hosts import Host
    from .scheduler import Activity

PAIR_BUFFER = 212_992  # bytes; net.core.wmem_default of Linux


class File:
    """Something that becomes readable and writable, and whose watchers are woken then."""

    host: Host
    number = -1

    def __init__(self) -> None:
        self.watchers: dict[Activity, None] = {}

    def readable(self) -> bool:
        """Whether reading would not wait."""
        raise NotImplementedError

    def writable(self) -> bool:
        """Whether writing would not wait."""
        raise NotImplementedError

    def watch(self, read: bool, write: bool) -> None:
        """Somebody is about to wait."""

    def notify(self) -> None:
        """Wakes who waits."""
        for activity in list(self.watchers):
            activity.wake()

    def open_file(self) -> None:
        """Takes a number."""
        self.number = self.host.scheduler.new_file(self)

    def close_file(self) -> None:
        """Gives it back; who waits sees it."""
        self.host.scheduler.files.pop(self.number, None)
        self.number = -1
        self.notify()

    def unplug(self) -> None:
        """The same, while the code that has it is still there: nothing happens to it any more."""

    def abandon(self) -> None:
        """Its host has lost its power."""
        self.close_file()

    def wait(self, read: bool, write: bool, deadline: int | None) -> bool:
        """Until the file is ready for either (True), or until a deadline."""
        scheduler = self.host.scheduler
        while True:
            if self.number < 0:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            if (read and self.readable()) or (write and self.writable()):
                return True
            me = scheduler.here()
            self.watchers[me] = None
            try:
                self.watch(read, write)
                if not scheduler.wait(deadline):
                    return (read and self.readable()) or (write and self.writable())
            finally:
                self.watchers.pop(me, None)


class Pipe:
    """One direction within a host: no time passes."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False
        self.reset = False
        self.reader: File | None = None
        self.writer: File | None = None

    @property
    def room(self) -> int:
        """Bytes that it still takes."""
        return PAIR_BUFFER - len(self.data)

    def tell(self) -> None:
        """Something has changed."""
        for end in (self.reader, self.writer):
            if end is not None:
                end.notify()
