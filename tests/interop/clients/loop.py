"""An event loop in a thread, for clients that are made for asyncio."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..stage import DEADLINE

T = TypeVar("T")


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="asyncio", daemon=True).start()
    return loop


def run(what: Coroutine[Any, Any, T]) -> T:
    """Runs it in the loop; returns what it returns."""
    bounded = asyncio.wait_for(what, DEADLINE)
    return asyncio.run_coroutine_threadsafe(bounded, _loop()).result()
