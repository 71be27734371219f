"""A world on the wall clock: its broker on a real socket, its devices beside real clients."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from . import _core, units
from .errors import ConfigError, MqttwinError
from .units import Duration

if TYPE_CHECKING:
    from .world import World

log = logging.getLogger("mqttwin")

# The loop says that it is behind when it is by this much, and not more often than this.
_BEHIND_NS = units.SECOND // 2
_SAY_EVERY = 10.0
_UNLIMITED = ("max", "inf")


def speed_of(speed: float | str) -> float:
    """Virtual seconds in a second of the wall clock; 0 for "max".

    Raises:
        ConfigError: Neither a number over 0 nor "max".
    """
    if isinstance(speed, str) and speed.lower() in _UNLIMITED:
        return 0.0
    try:
        value = float(speed)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 < value <= 1e6:
        raise ConfigError(f'must be a number from 0 to 1e6, or "max", not {speed!r}', key="speed")
    return value


class Server:
    """Serves a world; made by `World.serve`.

    As a context manager it runs in a thread of its own, and the world can be used meanwhile: its
    brokers publish, its fleets are cut and counted. Or call `run` and stay in it.

    Attributes:
        host: The address that it listens on.
        port: The port that it got.
    """

    def __init__(
        self,
        world: World,
        broker: int | None,
        where: tuple[str, int],
        speed: float,
        limits: dict[str, int],
    ) -> None:
        self._world = world
        self._core: _core.World = world._core
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._said = 0.0
        self._ended = False
        self._core.go_live(speed, **limits)
        try:
            self.host, self.port = where
            if broker is not None:
                self.host, self.port = self._core.listen(broker, *where)
        except Exception:
            self._core.end_live()
            raise

    @property
    def url(self) -> str:
        """For clients: ``mqtt://127.0.0.1:1883``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt://{host}:{self.port}"

    @property
    def behind(self) -> float:
        """By how many seconds of virtual time the devices are late (0: they keep up)."""
        return self._core.live_status()[0] / units.SECOND

    @property
    def connections(self) -> int:
        """Real connections at present."""
        return self._core.live_status()[1]

    def run(self, duration: Duration | None = None) -> None:
        """Serves in this thread: for so long in real time, or until `stop` or Ctrl-C."""
        if self._thread is not None:
            raise MqttwinError("the server runs in a thread of its own already")
        end = None if duration is None else units.duration(duration, "run") / units.SECOND
        began = time.monotonic()

        def more() -> bool:
            self._say_if_behind()
            return not self._stop.is_set() and (end is None or time.monotonic() - began < end)

        try:
            self._world._timeline.serve(more)
        finally:
            self.close()

    def stop(self) -> None:
        """Ends `run`, from any thread or signal handler."""
        self._stop.set()
        if not self._ended:
            self._core.stop_serving()

    def close(self) -> None:
        """Ends every real connection; the world can go on in virtual time.

        Raises:
            Exception: What a callback of the world raised meanwhile.
        """
        self.stop()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        if not self._ended:
            self._ended = True
            self._core.end_live()
            self._world._server = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _say_if_behind(self) -> None:
        late = self._core.live_status()[0]
        now = time.monotonic()
        if late > _BEHIND_NS and now - self._said > _SAY_EVERY:
            self._said = now
            log.warning("%.1f s behind real time", late / units.SECOND)

    def _run_in_thread(self) -> None:
        def more() -> bool:
            self._say_if_behind()
            return not self._stop.is_set()

        try:
            self._world._timeline.serve(more)
        except BaseException as error:
            self._error = error

    def start(self) -> Server:
        """Serves in a thread of its own, until `close`: for notebooks; elsewhere use ``with``."""
        if self._thread is not None or self._ended:
            raise MqttwinError("a server starts once")
        self._thread = threading.Thread(
            target=self._run_in_thread, name="mqttwin server", daemon=True
        )
        self._thread.start()
        return self

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._error = None  # the one under way matters more
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.url}>"
