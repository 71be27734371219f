"""The link of one device, and what befalls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faults import Direction, LinkDown

if TYPE_CHECKING:
    from .unit import Unit


class DeviceLink:
    """``dut.link``: what `Fleet` can do to links, for one device."""

    def __init__(self, unit: Unit) -> None:
        self._fleet = unit.crew.fleet
        self._index = unit.index

    def down(self) -> LinkDown:
        """Nothing passes, and nobody is told; as a context manager it ends in `up`."""
        return self._fleet.link_down(self._index)

    def up(self) -> None:
        """It is up again."""
        self._fleet.link_up(self._index)

    def cut(
        self,
        *,
        silent: bool = False,
        after_bytes: int | None = None,
        direction: Direction = "up",
    ) -> None:
        """Breaks the connection, now or at a byte.

        Args:
            silent: Neither end is told; otherwise both see a reset.
            after_bytes: So many are still read, then it breaks. None is now.
            direction: Whose bytes count: "up" those of the device, "down" those of the broker.
        """
        if silent and after_bytes is not None:
            self.black_hole(after_bytes=after_bytes, direction=direction)
        else:
            self._fleet.cut(
                self._index, silent=silent, after_bytes=after_bytes, direction=direction
            )

    def reset(self) -> None:
        """Both ends see a reset."""
        self._fleet.cut(self._index)

    def black_hole(self, *, after_bytes: int = 0, direction: Direction = "up") -> None:
        """From a byte on nothing passes on this connection, and nobody says so."""
        self._fleet.black_hole(self._index, after_bytes=after_bytes, direction=direction)

    def stall(self, *, after_bytes: int = 0, direction: Direction = "down") -> None:
        """From a byte on a reader reads no more: "down" the device, "up" the broker."""
        self._fleet.stall(self._index, after_bytes=after_bytes, direction=direction)

    def read_on(self, *, direction: Direction = "down") -> None:
        """A reader that stalled reads again."""
        self._fleet.read_on(self._index, direction=direction)

    def clear_fault(self) -> None:
        """A fault that has not struck yet will not."""
        self._fleet.clear_fault(self._index)
