"""What befalls the network of a fleet: links that are down, faults at a byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from . import _core, units
from .errors import ConfigError

if TYPE_CHECKING:
    from .world import World

Direction = Literal["up", "down"]
Devices = int | Iterable[int] | None

DIRECTIONS = ("up", "down")
FARTHEST = 2**30  # bytes from now at which a fault may strike: within the numbers of one stream


class Faults:
    """The part of a fleet that breaks things, now: to break them later, use `World.at`.

    A direction is that of the bytes which count: "up" from the device to the broker, "down" from
    the broker to the device. What counts is the payload of TCP as it is read at the other end:
    with TLS or WebSocket, their bytes as well. On a connection that is there bytes count from now
    on, on the next one from its beginning. A device has one fault at a time; it is gone when it
    has struck, or with its connection.
    """

    _world: World
    _number: int
    _simulated: bool

    def _chosen(self, devices: Devices) -> Sequence[int]:
        raise NotImplementedError

    def cut(
        self,
        devices: Devices = None,
        *,
        silent: bool = False,
        after_bytes: int | None = None,
        direction: Direction = "up",
    ) -> None:
        """Breaks connections, now or at a byte.

        Args:
            devices: An index, several, or all.
            silent: Neither end is told (out of coverage); otherwise both see a reset.
            after_bytes: At this byte of the present connection, or of the next one where a device
                has none: so many are still read, then both ends see a reset. None is now.
            direction: Whose bytes count.

        Raises:
            ConfigError: A value that cannot be; `silent` and `after_bytes` together, which is
                what `black_hole` is for.
        """
        _one_of(direction, DIRECTIONS, "direction")
        if after_bytes is not None:
            if silent:
                raise ConfigError("takes silent= or after_bytes=, see black_hole", key="cut")
            self._fault("reset", devices, after_bytes, direction)
            return
        core = self._world._changing()
        for device in self._chosen(devices):
            core.cut(self._number, device, silent)

    def black_hole(
        self, devices: Devices = None, *, after_bytes: int = 0, direction: Direction = "up"
    ) -> None:
        """From a byte on nothing passes any more on a connection, and nobody says so.

        A connection that is made afterwards is not concerned.

        Args:
            devices: An index, several, or all.
            after_bytes: So many are still read at the other end.
            direction: Whose bytes count; nothing passes in either.
        """
        self._fault("black_hole", devices, after_bytes, direction)

    def stall(
        self, devices: Devices = None, *, after_bytes: int = 0, direction: Direction = "down"
    ) -> None:
        """From a byte on a reader reads no more; its window closes when its buffer is full.

        Args:
            devices: An index, several, or all.
            after_bytes: So many are still read.
            direction: What is not read: "down" by the device, "up" by the broker.
        """
        self._fault("stall", devices, after_bytes, direction)

    def read_on(self, devices: Devices = None, *, direction: Direction = "down") -> None:
        """A reader that stalled reads again, first of all what has been waiting.

        Args:
            devices: An index, several, or all.
            direction: As it was given to `stall`.
        """
        _one_of(direction, DIRECTIONS, "direction")
        core = self._network("read_on")
        for device in self._chosen(devices):
            core.resume_reading(self._number, device, direction)

    def clear_fault(self, devices: Devices = None) -> None:
        """Faults that have not struck yet will not."""
        core = self._network("clear_fault")
        for device in self._chosen(devices):
            core.clear_fault(self._number, device)

    def link_down(self, devices: Devices = None) -> LinkDown:
        """Links go down: while they are, nothing passes, and nobody is told.

        ``with fleet.link_down(): world.run("10min")`` brings them up again.

        Args:
            devices: An index, several, or all.
        """
        return LinkDown(self, self._set_down(devices, down=True))

    def link_up(self, devices: Devices = None) -> None:
        """Links are up again, however often they went down.

        Args:
            devices: An index, several, or all.
        """
        self._set_down(devices, down=False)

    def _set_down(self, devices: Devices, *, down: bool) -> Sequence[int]:
        chosen = self._chosen(devices)
        core = self._network("link_down" if down else "link_up")
        for device in chosen:
            core.set_link_down(self._number, device, down)
        return chosen

    def _fault(self, what: str, devices: Devices, after_bytes: int, direction: str) -> None:
        after = units.whole(after_bytes, "after_bytes", 0, FARTHEST)
        _one_of(direction, DIRECTIONS, "direction")
        core = self._network(what)
        for device in self._chosen(devices):
            core.set_fault(self._number, device, what, direction, after)

    def _network(self, what: str) -> _core.World:
        if not self._simulated:
            raise ConfigError("is for simulated links, not for real sockets", key=what)
        return self._world._changing()


class LinkDown:
    """Links that are down; made by `Fleet.link_down`. As a context manager it ends in `up`."""

    def __init__(self, fleet: Faults, devices: Sequence[int]) -> None:
        self._fleet = fleet
        self._devices = devices

    def up(self) -> None:
        """The same devices' links are up again."""
        self._fleet.link_up(self._devices)

    def __enter__(self) -> LinkDown:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.up()


def _one_of(value: str, allowed: tuple[str, ...], key: str) -> None:
    if value not in allowed:
        raise ConfigError(f"{value!r} is none of {', '.join(allowed)}", key=key)
