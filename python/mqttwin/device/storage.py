"""Non-volatile storage: what a device still knows after a power cut."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from ..errors import ConfigError, MqttwinError

MAXIMUM_LIMIT = 1 << 30


class StorageFull(MqttwinError, OSError):
    """There is no room left in a device's non-volatile storage."""


class Storage(MutableMapping[str, Any]):
    """``self.storage["seq"] = 17``: a dictionary that survives reboots and power cuts.

    What is stored is a copy: a list that is changed afterwards is to be stored again. A value is
    there when the statement is over, or not at all. Keys are texts; values are what `pickle` can
    hold, and their pickled size is what counts towards the limit.

    Attributes:
        writes: How often something was stored or erased: flash wears.
    """

    def __init__(self, limit: int) -> None:
        if not 0 <= limit <= MAXIMUM_LIMIT:
            raise ConfigError(f"must be from 0 to {MAXIMUM_LIMIT:,}", key="storage_limit")
        self.limit = limit
        self.writes = 0
        self._frozen: dict[str, bytes] = {}  # pickled: reading it is to copy it
        self._sizes: dict[str, int] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Afterwards it is as it was before, whatever is written meanwhile."""
        before = self.writes, self._frozen.copy(), self._sizes.copy()
        try:
            yield
        finally:
            self.writes, self._frozen, self._sizes = before

    @property
    def used(self) -> int:
        """Bytes taken."""
        return sum(self._sizes.values())

    def __getitem__(self, key: str) -> Any:
        return pickle.loads(self._frozen[key])

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise ConfigError(f"keys are texts, not {key!r}", key="storage")
        try:
            frozen = pickle.dumps(value, protocol=4)
        except Exception as error:
            raise ConfigError(f"{value!r} cannot be stored ({error})", key="storage") from None
        size = len(key.encode()) + len(frozen)
        if self.used - self._sizes.get(key, 0) + size > self.limit:
            raise StorageFull(
                f"{key!r} needs {size:,} bytes, and of {self.limit:,} there are "
                f"{self.limit - self.used:,} left"
            )
        self.writes += 1
        self._frozen[key] = frozen
        self._sizes[key] = size

    def __delitem__(self, key: str) -> None:
        del self._frozen[key]
        del self._sizes[key]
        self.writes += 1

    def __iter__(self) -> Iterator[str]:
        return iter(self._frozen)

    def __len__(self) -> int:
        return len(self._frozen)

    def __repr__(self) -> str:
        return f"<Storage {self.used:,} of {self.limit:,} bytes: {', '.join(self._frozen)}>"
