"""Device code that looks at the wall clock is told what to use instead.

The functions of `time` are replaced for the length of a run, not around each step of a device: a
wake-up costs nothing more, and others who call them meanwhile get what they always got. What a
module has taken for itself before (``from time import time``) and what is written in C
(``datetime.now``) is not seen.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from .. import units
from ..errors import SimulationError

if TYPE_CHECKING:
    from .crew import Crew

INSTEAD = {
    (time, "time"): "self.clock.now()",
    (time, "time_ns"): "self.clock.now()",
    (time, "monotonic"): "self.now",
    (time, "monotonic_ns"): "self.now",
    (time, "sleep"): "await self.sleep(...)",
    (asyncio, "sleep"): "await self.sleep(...)",
}


class WallClock:
    """As a context manager: the functions are replaced while at least one run is inside.

    Modules are the process's, so this state is as well; a lock keeps threads with worlds of their
    own from undoing each other.
    """

    _lock = threading.Lock()
    _inside: ClassVar[list[WallClock]] = []
    _originals: ClassVar[dict[tuple[ModuleType, str], Any]] = {}

    def __init__(self, crews: list[Crew]) -> None:
        self._crews = crews
        self._thread = 0

    def __enter__(self) -> WallClock:
        self._thread = threading.get_ident()
        with WallClock._lock:
            if not WallClock._inside:
                for (module, name), instead in INSTEAD.items():
                    original = getattr(module, name)
                    WallClock._originals[module, name] = original
                    setattr(module, name, _watched(original, f"{module.__name__}.{name}", instead))
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
                for (module, name), original in WallClock._originals.items():
                    setattr(module, name, original)
                WallClock._originals.clear()

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


def _watched(original: Callable[..., Any], name: str, instead: str) -> Callable[..., Any]:
    def function(*arguments: Any, **more: Any) -> Any:
        crew = WallClock.speaker()
        if crew is not None and not _is_library(sys._getframe(1).f_globals.get("__name__", "")):
            unit = crew.speaking
            assert unit is not None
            raise SimulationError(
                f"{unit.client_id}: {name} is the wall clock; device code runs in virtual time: "
                f"{instead}",
                virtual_time=unit.now / units.SECOND,
            )
        return original(*arguments, **more)

    function.__name__ = name
    return function


def _is_library(module: str) -> bool:
    """The standard library may: a log record has a time of creation, whoever makes it."""
    return module.partition(".")[0] in sys.stdlib_module_names
