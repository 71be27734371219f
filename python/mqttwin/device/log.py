"""What a device says: log records with virtual time and client id."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from .. import units

if TYPE_CHECKING:
    from .unit import Unit

_LOGGER = logging.getLogger("mqttwin")


class DeviceLog(logging.LoggerAdapter):  # type: ignore[type-arg]
    """``self.log.info("flow is %.1f", flow)``; records have `virtual_time` and `client_id`."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(_LOGGER, {})
        self._unit = unit

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Adds what the record is to have."""
        unit = self._unit
        now = unit.now / units.SECOND
        extra = {"virtual_time": now, "client_id": unit.client_id}
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return f"[{now:.6f} {unit.client_id}] {msg}", kwargs
