"""Looking at a world while it runs: spies on its brokers, and the packets at both ends."""

from __future__ import annotations

from . import units
from ._core import World as Core
from .exchange import Exchange, exchange_of
from .spy import KEPT_MESSAGES, Published, Spy

# Packets that `World.exchange` remembers by default, and at most (each takes up to 1.5 KiB).
KEPT_PACKETS = 2_000
MOST_PACKETS = 1_000_000


class Watching:
    """The part of a `World` that is for those who look; nothing here changes a run."""

    _core: Core
    _published: Published | None = None

    def _changing(self) -> Core:
        raise NotImplementedError

    def spy(self, filter: str, *, keep: int = KEPT_MESSAGES) -> Spy:
        """Keeps what brokers route from now on and a topic filter matches.

        Args:
            filter: Such as ``"pump/+/flow"`` or ``"#"``.
            keep: So many messages (and at most 64 MiB of them); the oldest give way.

        Raises:
            ConfigError: The filter is none, or names a shared subscription.
        """
        spy = Spy(self._changing(), filter, keep, world=self)
        self._applications()
        return spy

    def watch_packets(self, keep: int = KEPT_PACKETS) -> None:
        """From now on keeps the last packets that clients and brokers exchange, for `exchange`.

        Args:
            keep: So many; 0: none. Of a packet, the first 1024 bytes are kept.
        """
        self._changing().keep_packets(units.whole(keep, "keep", 0, MOST_PACKETS))

    def exchange(self) -> Exchange:
        """The last packets, oldest first, as far as `watch_packets` keeps them."""
        return exchange_of(self._core.packets(), self._core.packets_seen)

    def _applications(self) -> Published:
        """What applications published since the first spy."""
        if self._published is None:
            self._published = Published(self._core)
        return self._published
