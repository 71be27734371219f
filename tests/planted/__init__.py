"""Firmwares with one realistic bug each, and their correct twins.

A module is a pair: `Buggy` and `Correct`, both on `firmware.Firmware` or, where the bug is in what
mqttwin's own client does right, on `raw.RawFirmware`; its docstring is the page of the
documentation. `harness` holds the one scenario that fits them all.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

SHARED = ("cloud", "exploring", "firmware", "harness", "pages", "raw")


def names() -> list[str]:
    """Every pair."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [name for name in found if name not in SHARED]


def pair(name: str) -> ModuleType:
    """The module of a pair."""
    return importlib.import_module(f"{__name__}.{name}")
