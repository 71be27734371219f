"""The scope in which blocking code is simulated: what it replaces, and what it puts back."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import os
import queue
import random
import select
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
import weakref
from _thread import get_ident
from collections.abc import Callable, Iterator
from types import BuiltinMethodType
from typing import Any

from .. import datetimes
from ..errors import MqttwinError
from . import chance, clocks, names, selecting, threads, tls
from .errors import EscapeError
from .hosts import Host
from .loop import VirtualLoop
from .scheduler import Scheduler, ThreadActivity
from .sockets import VirtualSocket, pair

# Modules whose references stay what they are: our own, and those that Python itself runs on.
LEFT_ALONE = ("mqttwin", "_thread", "importlib", "_frozen_importlib", "_imp", "builtins", "sys")
LEFT_ALONE_ROOTS = ("_pytest", "pluggy", "IPython", "ipykernel", "zmq", "tornado", "coverage")

_active: list[Scope] = []


class Scope:
    """What `patched` is while it lasts."""

    def __init__(self, scheduler: Scheduler, host: Host) -> None:
        self.scheduler = scheduler
        self.host = host
        self.over = False
        self.activities: weakref.WeakKeyDictionary[threading.Thread, ThreadActivity] = (
            weakref.WeakKeyDictionary()
        )
        self._put_back = contextlib.ExitStack()
        self._swapped: list[tuple[Any, Any]] = []  # what was there, and what is there instead
        self._captured: dict[Any, Any] = {}  # methods that a module may have taken for itself
        self._real_socket: Any = socket.socket

    def inside(self) -> bool:
        """Whether the caller is simulated."""
        current = self.scheduler.current
        return current is not None and current.ident == get_ident()

    def host_here(self) -> Host:
        """Of whoever calls."""
        current = self.scheduler.current
        return self.host if current is None else current.host

    # --- replacing ------------------------------------------------------------------------------

    def swap(self, owner: Any, name: str, new: Any) -> None:
        """Replaces an attribute, and every module's own reference to what it was."""
        if not hasattr(owner, name):
            return
        old = getattr(owner, name)
        self.put(owner, name, new)
        self._swapped.append((old, new))

    def put(self, owner: Any, name: str, new: Any) -> None:
        """Replaces an attribute."""
        if not hasattr(owner, name):
            return
        missing = name not in vars(owner)
        old = vars(owner).get(name)
        setattr(owner, name, new)
        if missing:
            self._put_back.callback(delattr, owner, name)
        else:
            self._put_back.callback(setattr, owner, name, old)

    def close(self) -> None:
        """Everything is what it was."""
        self.over = True
        self._put_back.close()
        _replace_references({id(new): old for old, new in self._swapped}, {})

    def apply(self) -> None:
        """Replaces what blocks, what tells the time and what is random."""
        self._time_and_chance()
        self._dates()
        self._threads()
        self._sockets()
        self._loops()
        self._refuse()
        _replace_references({id(old): new for old, new in self._swapped}, self._captured)

    def _dates(self) -> None:
        real = datetime.datetime
        standing = clocks.dates(self)
        self.swap(datetime, "datetime", standing)
        self._put_back.enter_context(datetimes.in_place(standing))
        others = list(datetimes.subclasses())
        for name in ("now", "utcnow"):
            old, new = getattr(real, name), getattr(standing, name)
            self._captured[old] = new
            self._swapped.append((old, new))
            for cls in others:
                with contextlib.suppress(TypeError):  # one that is written in C, too
                    self.put(cls, name, vars(standing)[name])

    def _time_and_chance(self) -> None:
        for name, function in clocks.clocks(self).items():
            self.swap(time, name, function)
        for name, function in chance.functions(self).items():
            self.swap(random, name, function)
        self.swap(os, "urandom", chance.urandom(self, os.urandom))
        self.put(random.Random, "seed", chance.seeding(self, random.Random.seed))
        self.put(uuid, "_generate_time_safe", None)
        self.put(uuid, "_UuidCreate", None)
        self.put(uuid, "_last_timestamp", None)
        self.swap(uuid, "getnode", chance.node(self))

    def _threads(self) -> None:
        lock = functools.partial(threads.VirtualLock, self)
        self.swap(threading, "Lock", lock)
        self.swap(threading, "_allocate_lock", lock)
        self.swap(threading, "RLock", functools.partial(threads.VirtualRLock, self))
        for name in ("_start_new_thread", "_start_joinable_thread"):
            if hasattr(threading, name):
                self.put(threading, name, threads.starter(self, getattr(threading, name)))
        alive = threads.liveness(self, threading.Thread.is_alive)
        self.put(threading.Thread, "is_alive", alive)
        self.put(threading.Thread, "join", threads.joiner(self, threading.Thread.join))
        # Of its own, for what is swapped in is looked for when everything is put back.
        simple = type("SimpleQueue", (queue._PySimpleQueue,), {})  # type: ignore[attr-defined]
        self.swap(queue, "SimpleQueue", simple)

    def _sockets(self) -> None:
        scope = self

        class ScopedSocket(VirtualSocket):
            """socket.socket of whoever makes it."""

            def __init__(
                self,
                family: int = -1,
                type: int = -1,
                proto: int = -1,
                fileno: int | None = None,
            ) -> None:
                scope.scheduler.here()
                super().__init__(family, type, proto, fileno, host=scope.host_here())

        # Sockets that accept() made, or asyncio, are sockets, too.
        ScopedSocket.__name__ = ScopedSocket.__qualname__ = "socket"
        self.swap(socket, "socket", ScopedSocket)
        self.put(socket, "SocketType", VirtualSocket)
        self.swap(socket, "socketpair", lambda *ignored: pair(self.host_here()))
        self.swap(socket, "getaddrinfo", self._getaddrinfo)
        self.swap(socket, "gethostbyname", lambda name: names.resolve(self.host_here(), name))
        self.swap(socket, "gethostname", lambda: self.host_here().name)
        self.swap(socket, "getfqdn", lambda name="": name or self.host_here().name)
        self.swap(socket, "getdefaulttimeout", lambda: VirtualSocket.default_timeout)
        self.swap(socket, "setdefaulttimeout", _set_default_timeout)
        self._put_back.callback(_set_default_timeout, None)
        self.swap(select, "select", lambda *lists: selecting.select(self.scheduler, *lists))
        new_selector = functools.partial(selecting.VirtualSelector, self.scheduler)
        for name in ("DefaultSelector", "SelectSelector", "PollSelector", "EpollSelector"):
            self.swap(selectors, name, new_selector)
        self.put(ssl.SSLContext, "wrap_socket", tls.wrap)

    def _getaddrinfo(
        self,
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[names.Info]:
        address = names.resolve(self.host_here(), host)
        return names.infos(address, port, family, type, proto)

    def _loops(self) -> None:
        policy = getattr(asyncio, "DefaultEventLoopPolicy", None)
        if policy is None:  # Python 3.14
            policy = vars(asyncio.events)["_DefaultEventLoopPolicy"]
        make = staticmethod(lambda: VirtualLoop(self.host_here()))
        self.put(policy, "_loop_factory", make)
        self.swap(asyncio, "SelectorEventLoop", lambda *ignored: VirtualLoop(self.host_here()))
        self._put_back.callback(_forget_loop)

    def _refuse(self) -> None:
        def refused(what: str) -> Callable[..., Any]:
            def raising(*args: Any, **options: Any) -> Any:
                raise EscapeError(f"{what} would run in real time: not inside mqttwin.aio.patched")

            return raising

        self.put(subprocess.Popen, "__init__", refused("a process"))
        self.put(subprocess.Popen, "__del__", lambda self: None)
        for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
            self.swap(os, name, refused(f"os.{name}"))
        for name in ("poll", "epoll", "kqueue"):
            self.swap(select, name, refused(f"select.{name}"))
        for name in ("pause", "sigwait", "sigtimedwait"):
            self.swap(signal, name, refused(f"signal.{name}"))
        self._guard_real_sockets()

    def _guard_real_sockets(self) -> None:
        """A real socket that was made before is not used inside."""
        real = self._real_socket
        for name in ("connect", "recv", "recv_into", "send", "sendall", "accept", "bind"):
            method = getattr(real, name)

            def guarded(sock: Any, *args: Any, _method: Any = method, **options: Any) -> Any:
                if self.inside():
                    raise EscapeError(f"{sock!r} is a real socket, inside mqttwin.aio.patched")
                return _method(sock, *args, **options)

            self.put(real, name, guarded)


def _set_default_timeout(timeout: float | None) -> None:
    VirtualSocket.default_timeout = timeout


def _forget_loop() -> None:
    with contextlib.suppress(Exception):
        local = asyncio.get_event_loop_policy()._local  # type: ignore[attr-defined]
        if isinstance(local._loop, VirtualLoop):
            local._loop = None
            local._set_called = False


def _replace_references(swapped: dict[int, Any], captured: dict[Any, Any]) -> None:
    """In every module, what was imported by name, and captured: ``time_func = time.monotonic``.

    Methods of a class in C (``utcnow = datetime.utcnow``) are made anew whenever somebody asks for
    them, so they are told by what they do and not by what they are.
    """
    for name, module in list(sys.modules.items()):
        root = name.split(".", 1)[0]
        if root in LEFT_ALONE or root in LEFT_ALONE_ROOTS or module is None:
            continue
        with contextlib.suppress(Exception):
            contents = vars(module)
            for key, value in list(contents.items()):
                if id(value) in swapped:
                    contents[key] = swapped[id(value)]
                elif captured and type(value) is BuiltinMethodType and value in captured:
                    contents[key] = captured[value]


@contextlib.contextmanager
def entered(scheduler: Scheduler, host: Host) -> Iterator[Scope]:
    """See `mqttwin.aio.patched`."""
    if _active:
        raise MqttwinError(
            "mqttwin.aio.patched is in force already: there is one at a time. It ends with its "
            "`with` block, or where it was entered by World.enter, with that world's close()"
        )
    scope = Scope(scheduler, host)
    scheduler.enter(host)
    _active.append(scope)
    scheduler.patched = True
    try:
        scope.apply()
        yield scope
    finally:
        try:
            scheduler.stop_firmware()
        finally:
            scope.close()
            scheduler.patched = False
            _active.remove(scope)
            scheduler.leave()
