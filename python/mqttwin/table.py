"""Columns of what happened."""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from .errors import MqttwinError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Table:
    """An immutable table; pandas, polars and pyarrow read it without copying what is numeric.

    It offers the Arrow PyCapsule interface (``__arrow_c_stream__``), so that
    ``polars.DataFrame(table)`` and ``pyarrow.table(table)`` work as well as the methods here.
    Times are durations since the start of the world.
    """

    def __init__(self, core: _core.Table) -> None:
        self._core = core

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._core.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return self._core.num_rows

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._core.column_names

    @property
    def metadata(self) -> dict[str, str]:
        """What else is known, such as how many rows a bound kept out (``not_kept``)."""
        return self._core.metadata

    def __getitem__(self, column: str) -> Any:
        """A column: a NumPy array, or a list where it holds text or bytes."""
        try:
            return self._core.column(column)
        except KeyError:
            raise KeyError(f"no column {column!r} (there are {', '.join(self.columns)})") from None

    def seconds(self, column: str) -> Any:
        """A column of times as floating point seconds."""
        return self[column] / np.timedelta64(1, "s")

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas DataFrame (pyarrow is not needed)."""
        columns = {name: self[name] for name in self.columns}
        frame: pandas.DataFrame = _needed("pandas", "pandas").DataFrame(columns)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """A polars DataFrame."""
        frame: polars.DataFrame = _needed("polars", "polars").DataFrame(self)
        return frame

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow Table."""
        return _needed("pyarrow", "arrow").table(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes a CSV file; times in seconds."""
        columns = [_cells(self[name]) for name in self.columns]
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(zip(*columns, strict=True))

    def __repr__(self) -> str:
        return f"<Table of {len(self):,} rows: {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        from .html import table_html

        return table_html(self)


def _needed(module: str, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        message = f"this needs {module}: pip install 'mqttwin[{extra}]'"
        raise MqttwinError(message) from None


def _cells(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "m":
            return (values / np.timedelta64(1, "s")).tolist()
        return values.tolist()
    return [v.hex() if isinstance(v, bytes) else v for v in values]


def read_trace(path: str | os.PathLike[str]) -> tuple[Table, dict[str, str]]:
    """Reads an event log that `World.trace` wrote.

    A torn or damaged file is read up to the damage.

    Returns:
        The events, and what the log says about itself. Where the file is not whole, ``"damage"``
        says why, and ``"damage_offset"`` up to which byte it was read.
    """
    events, header, damage = _core.read_event_log(os.fspath(path))
    if damage:
        offset = events.metadata["damage_offset"]
        header = {**header, "damage": damage, "damage_offset": offset}
    return Table(events), header
