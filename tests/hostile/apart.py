"""A server in a process of its own: its memory, its processor time and its files are its alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def memory(pid: int | None = None) -> int:
    """Bytes of a process that are in memory; by default of this one."""
    pages = int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Server:
    """`World.serve` with these options, for as long as the context lasts."""

    def __init__(self, options: dict[str, Any], limits: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps([options, limits])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said, "the server did not start"
        self.port = int(said)
        self.pid = self._process.pid

    def cpu(self) -> float:
        """Seconds of processor time of all its threads, finer than the clock's ticks."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((t / "schedstat").read_text().split()[0]) for t in threads) / 1e9

    def files(self) -> int:
        """Files that are open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(timeout=60) == 0, "the server did not end well"


def _main() -> None:
    import resource

    import mqttwin as mt

    options, limits = json.loads(sys.argv[1])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with mt.World(seed=1) as world:
        world.broker(**options)
        with world.serve(port=0, **limits) as server:
            print(server.port, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    _main()
