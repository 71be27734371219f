"""What stands behind the fixtures: a world under test, and what is left of it when a test fails."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from mqttwin import World
from mqttwin.testing import LiveBroker

# Packets that a failure shows.
SHOWN_PACKETS = 40


class Bench:
    """One world for one run of one test.

    Args:
        nodeid: Of the test.
        seed: Of the world.
        directory: Where artifacts go; None: nowhere.
        repeated: The number of this run, and of how many.
    """

    def __init__(
        self, nodeid: str, seed: int, directory: str | None, repeated: tuple[int, int]
    ) -> None:
        self.nodeid = nodeid
        self.seed = seed
        self._repeated = repeated
        self._world: World | None = None
        self._failed = False
        self._said = ""
        self._place: Path | None = None
        if directory is not None:
            name = re.sub(r"[^\w.\-]+", "_", nodeid)
            self._place = Path(directory) / f"{name}-{seed}"

    def world(self) -> World:
        """A fresh one in virtual time, with a broker."""
        self._world = world = World(self.seed)
        world.broker()
        world.watch_packets()
        self._record(world)
        return world

    def broker(self) -> LiveBroker:
        """A live one."""
        live = LiveBroker(self.seed)
        self._world = live.world
        self._record(live.world)
        return live

    def _record(self, world: World) -> None:
        if self._place is not None:
            self._place.mkdir(parents=True, exist_ok=True)
            world.trace(self._place / "trace.msgpack")
            world.capture(self._place / "packets.pcapng")

    def report(self) -> str:
        """For a failing test; artifacts are written the first time."""
        if self._failed or self._world is None:
            return self._said
        self._failed = True
        world = self._world
        exchange = world.exchange()
        lines = [f"seed {self.seed}{self._which()}", f"replay: {self.replay()}"]
        if self._place is not None:
            world.stop_trace()
            world.stop_capture()
            (self._place / "exchange.txt").write_text(exchange.ladder() + "\n", encoding="utf-8")
            (self._place / "exchange.mmd").write_text(exchange.mermaid(), encoding="utf-8")
            lines.append(f"artifacts: {self._place}")
        lines += [f"packets until {world.now:.3f} s:", exchange.ladder(last=SHOWN_PACKETS)]
        self._said = "\n".join(lines)
        return self._said

    def replay(self) -> str:
        """The command that runs this test again, with this seed."""
        return f"pytest {shlex.quote(self.nodeid)} --mqttwin-seed={self.seed}"

    def finish(self) -> None:
        """A test that has passed leaves nothing behind."""
        if self._place is not None and not self._failed:
            shutil.rmtree(self._place, ignore_errors=True)

    def _which(self) -> str:
        number, count = self._repeated
        return f", the first of {count:,} that fails (number {number + 1:,})" if count > 1 else ""
