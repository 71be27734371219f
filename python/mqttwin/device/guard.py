"""Device code that looks at the wall clock, or waits by it, is told what to use instead.

The functions of `time`, and `datetime.datetime`, are replaced for the length of a run, not around
each step of a device: a wake-up costs nothing more, and others who call them meanwhile get what
they always got. They are replaced in their own modules, and in those of the devices' code, which
may have taken them for itself (``from time import time``).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from types import FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from .. import datetimes, units
from ..errors import SimulationError

if TYPE_CHECKING:
    from .crew import Crew

_UNIX, _TRUE = "self.clock.now()", "self.now"
_DATE = "datetime.fromtimestamp(self.clock.now(), timezone.utc)"
INSTEAD = {
    (time, "time"): _UNIX,
    (time, "time_ns"): _UNIX,
    (time, "monotonic"): _TRUE,
    (time, "monotonic_ns"): _TRUE,
    (time, "perf_counter"): _TRUE,
    (time, "perf_counter_ns"): _TRUE,
    (time, "localtime"): "time.localtime(self.clock.now())",
    (time, "gmtime"): "time.gmtime(self.clock.now())",
    (time, "ctime"): "time.ctime(self.clock.now())",
    (time, "strftime"): "time.strftime(..., time.gmtime(self.clock.now()))",
    (time, "sleep"): "await self.sleep(...)",
    (asyncio, "sleep"): "await self.sleep(...)",
}
GIVEN = {"localtime": 0, "gmtime": 0, "ctime": 0, "strftime": 1}
"""They look at the clock only where this argument is not given."""

WAITS: tuple[tuple[type, str, str, str], ...] = (
    (threading.Condition, "wait", "a wait of threading or queue", "await self.sleep(...)"),
    (threading.Thread, "start", "a thread of threading", "self.spawn(...), await self.sleep(...)"),
    (socket.socket, "connect", "a socket", "a host of mqttwin.aio has sockets"),
    (socket.socket, "connect_ex", "a socket", "a host of mqttwin.aio has sockets"),
    (subprocess.Popen, "__init__", "a process", "what it does is to be modelled"),
)
"""Methods that wait for the real world: events, semaphores, queues and futures come down to the
first, which may look without waiting."""

Place = tuple[dict[str, Any], str]


class WallClock:
    """As a context manager: the functions are replaced while at least one run is inside.

    Modules are the process's, so this state is as well; a lock keeps threads with worlds of their
    own from undoing each other.
    """

    _lock = threading.Lock()
    _inside: ClassVar[list[WallClock]] = []
    _watched: ClassVar[dict[int, Any]] = {}  # by the id of what each stands for
    _put_back: ClassVar[list[tuple[Place, Any]]] = []
    _beside: ClassVar[contextlib.ExitStack] = contextlib.ExitStack()  # what else has changed
    _modules: ClassVar[int] = 0  # so many there were

    def __init__(self, crews: list[Crew]) -> None:
        self._crews = crews
        self._thread = 0

    def __enter__(self) -> WallClock:
        self._thread = threading.get_ident()
        with WallClock._lock:
            if not WallClock._inside:
                self._begin()
            for crew in self._crews:
                firmware: type = crew.device_class
                for place in _places(firmware, len(sys.modules)):
                    self._put(place)
            WallClock._inside.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with WallClock._lock:
            WallClock._inside.remove(self)
            if not WallClock._inside:
                self._end()

    def _end(self) -> None:
        originals = {}
        while WallClock._put_back:
            (namespace, name), original = WallClock._put_back.pop()
            originals[id(namespace.get(name))] = original
            namespace[name] = original
        if len(sys.modules) > WallClock._modules:
            # What was imported meanwhile has taken what was there.
            for module in list(sys.modules.values())[WallClock._modules :]:
                contents = getattr(module, "__dict__", {})
                for name in [n for n, value in contents.items() if id(value) in originals]:
                    contents[name] = originals[id(contents[name])]
        WallClock._watched.clear()
        WallClock._beside.close()

    def _begin(self) -> None:
        WallClock._modules = len(sys.modules)
        watched = WallClock._watched
        for module, name in INSTEAD:
            original = getattr(module, name)
            usual = _USUAL[module, name]
            watched[id(original)] = (
                usual[1] if original is usual[0] else _watched(original, module, name)
            )
            self._put((vars(module), name))
        date = datetime.datetime
        standing = _USUAL_DATE if date is datetimes.REAL else _watched_date(date)
        watched[id(date)] = standing
        WallClock._beside.enter_context(datetimes.in_place(standing))
        for cls, name, what, instead in WAITS:
            own = vars(cls).get(name)
            there = getattr(cls, name)
            usual = _USUAL_WAITS[cls, name]
            waits = usual[1] if there is usual[0] else _waiting(there, what, instead)
            setattr(cls, name, waits)
            if own is None:
                WallClock._beside.callback(delattr, cls, name)
            else:
                WallClock._beside.callback(setattr, cls, name, own)
        self._put((vars(datetime), "datetime"))

    def _put(self, place: Place) -> None:
        namespace, name = place
        original = namespace.get(name)
        if id(original) in WallClock._watched:
            namespace[name] = WallClock._watched[id(original)]
            WallClock._put_back.append((place, original))

    @staticmethod
    def speaker() -> Crew | None:
        """Whose device code is running in this thread."""
        me = threading.get_ident()
        for guard in WallClock._inside:
            if guard._thread == me:
                for crew in guard._crews:
                    if crew.speaking is not None:
                        return crew
        return None


def _watched(original: Callable[..., Any], module: ModuleType, name: str) -> Callable[..., Any]:
    instead, given = INSTEAD[module, name], GIVEN.get(name)
    full_name = f"{module.__name__}.{name}"

    def function(*arguments: Any, **more: Any) -> Any:
        looks = given is None or len(arguments) <= given or arguments[given] is None
        if looks:
            _refuse(full_name, instead, sys._getframe(1))
        return original(*arguments, **more)

    function.__name__ = name
    return function


def _waiting(original: Callable[..., Any], what: str, instead: str) -> Callable[..., Any]:
    @wraps(original)
    def method(*arguments: Any, **more: Any) -> Any:
        crew = WallClock.speaker()
        looks = original.__name__ == "wait" and arguments[1:] and arguments[1] in (0, 0.0)
        if crew is not None and not looks and not _imports(sys._getframe(1)):
            raise _mistake(crew, f"{what} would wait in real time", instead)
        return original(*arguments, **more)

    return method


def _watched_date(date: type[datetime.datetime]) -> type[datetime.datetime]:
    def tells() -> int | None:
        _refuse("datetime.now", _DATE, sys._getframe(2))
        return datetimes.told_by(date)

    return datetimes.stand_in(tells)


# Runs are many and short: these are made once, those for the clocks of a scope of aio when needed.
_USUAL = {
    (module, name): (getattr(module, name), _watched(getattr(module, name), module, name))
    for module, name in INSTEAD
}
_USUAL_WAITS = {
    (cls, name): (getattr(cls, name), _waiting(getattr(cls, name), what, instead))
    for cls, name, what, instead in WAITS
}
_USUAL_DATE = _watched_date(datetimes.REAL)


def _refuse(name: str, instead: str, caller: FrameType) -> None:
    """Does so where it is device code that calls."""
    crew = WallClock.speaker()
    if crew is None or _is_library(caller.f_globals.get("__name__", "")) or _imports(caller):
        return
    raise _mistake(crew, f"{name} is the wall clock", instead)


def _mistake(crew: Crew, what: str, instead: str) -> SimulationError:
    unit = crew.speaking
    assert unit is not None
    return SimulationError(
        f"{unit.client_id}: {what}; device code runs in virtual time: {instead}",
        virtual_time=unit.now / units.SECOND,
    )


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported, which may look at its time zone."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


def _is_library(module: str) -> bool:
    """The standard library may: a log record has a time of creation, whoever makes it."""
    return module.partition(".")[0] in sys.stdlib_module_names


# --- references that device code has taken for itself -------------------------------------------


@lru_cache(maxsize=64)
def _places(device_class: type, modules: int) -> tuple[Place, ...]:
    """Where the code of a class refers to what is replaced; looked up again after imports."""
    watched = WallClock._watched
    wanted = {*watched, *map(id, watched.values())}  # others may have been here before
    return tuple(
        (namespace, name)
        for namespace in _namespaces(device_class)
        for name, value in list(namespace.items())
        if id(value) in wanted
    )


def _namespaces(device_class: type) -> Iterator[dict[str, Any]]:
    """Those of its methods, and of the packages that they are in."""
    found: dict[int, dict[str, Any]] = {}
    for cls in device_class.__mro__:
        root = cls.__module__.partition(".")[0]
        if root == "mqttwin" or _is_library(root):
            continue
        for function in vars(cls).values():
            if hasattr(function, "__globals__"):
                found[id(function.__globals__)] = function.__globals__
        for name, module in list(sys.modules.items()):
            if isinstance(module, ModuleType) and (name == root or name.startswith(f"{root}.")):
                found[id(vars(module))] = vars(module)
    yield from found.values()
