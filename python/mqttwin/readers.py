"""Columns of CSV and Parquet files, for generators and arrivals that replay recordings."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError

PathLike = str | os.PathLike[str]


def read_numbers(
    path: PathLike, column: str | None = None, *, missing: Sequence[str] = ()
) -> NDArray[Any]:
    """A column of numbers.

    Args:
        path: A CSV file with a header (comma, semicolon or tab), or a Parquet file (``.parquet``
            or ``.pq``; needs pyarrow).
        column: Its name; may be left out where there is only one.
        missing: Cells of a CSV file that mean "no value", such as ``("", "NA")``; they become NaN.

    Returns:
        int64 where every cell is an integer, else float64.

    Raises:
        ConfigError: With the file, the row (the header is row 1) and the column.
    """
    if _is_parquet(path):
        return _parquet_numbers(path, column)
    out: list[float] = []
    whole = True
    for row, name, cell in _csv_cells(path, column):
        if cell in missing:
            out.append(float("nan"))
            whole = False
            continue
        try:
            value = float(cell)
        except ValueError:
            raise _bad_cell(path, row, name, cell, "a number") from None
        whole = whole and _is_integer(cell)
        out.append(value)
    if not out:
        raise ConfigError("holds no rows", file=path)
    array = np.array(out, dtype=np.float64)
    return array.astype(np.int64) if whole and bool(np.all(np.abs(array) < 2**53)) else array


def read_times(path: PathLike, column: str | None = None) -> NDArray[np.int64]:
    """A column of instants, as nanoseconds since the first.

    The cells of a CSV file are numbers of seconds or dates with time (``2010-01-01 00:00:00``;
    slashes will do); a Parquet column is numbers of seconds or timestamps.
    """
    if _is_parquet(path):
        values = _parquet_column(path, column).to_numpy(zero_copy_only=False)
        return times_of(values, os.fspath(path))
    out: list[int] = []
    for row, name, cell in _csv_cells(path, column):
        try:
            out.append(_instant(cell))
        except ValueError:
            raise _bad_cell(path, row, name, cell, "an instant") from None
    if not out:
        raise ConfigError("holds no rows", file=path)
    return _from_first(np.array(out, dtype=np.int64), os.fspath(path))


def times_of(values: Any, key: str) -> NDArray[np.int64]:
    """Instants from an array (seconds, timedelta64 or datetime64): nanoseconds since the first."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ConfigError("must be an array of one dimension, not empty", key=key)
    if array.dtype.kind in "mM":
        unit = "timedelta64[ns]" if array.dtype.kind == "m" else "datetime64[ns]"
        return _from_first(array.astype(unit).astype(np.int64), key)
    if array.dtype.kind not in "iuf" or not np.all(np.isfinite(array)):
        raise ConfigError("must hold seconds or times", key=key)
    return _from_first(np.rint(array * 1e9).astype(np.int64), key)


def _from_first(ns: NDArray[np.int64], key: str) -> NDArray[np.int64]:
    steps = np.diff(ns)
    if np.any(steps < 0):
        position = int(np.argmax(steps < 0)) + 2
        raise ConfigError(f"instants must not go back (number {position} does)", key=key)
    return np.asarray(ns - ns[0], dtype=np.int64)


def _is_integer(cell: str) -> bool:
    body = cell.strip().lstrip("+-")
    return body.isascii() and body.isdigit()


def _instant(cell: str) -> int:
    try:
        return round(float(cell) * 1e9)
    except ValueError:
        moment = datetime.fromisoformat(cell.strip().replace("/", "-").replace("Z", "+00:00"))
        zero = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
        since = moment - zero
        return ((since.days * 86400 + since.seconds) * 10**6 + since.microseconds) * 1000


def _bad_cell(path: PathLike, row: int, column: str, cell: str, what: str) -> ConfigError:
    shown = cell if len(cell) <= 40 else cell[:37] + "..."
    return ConfigError(f"{shown!r} is not {what}", file=path, line=row, key=f"column {column!r}")


# --- CSV ----------------------------------------------------------------------------------------


def _csv_cells(path: PathLike, column: str | None) -> Iterator[tuple[int, str, str]]:
    """(row, column name, cell) of every row that is not empty; the header is row 1."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            rows = csv.reader(file, delimiter=delimiter)
            header = next(rows, None)
            if not header:
                raise ConfigError("is empty", file=path)
            index = _index_of([name.strip() for name in header], column, path)
            name = header[index].strip()
            for cells in rows:
                if not cells:
                    continue
                if len(cells) <= index:
                    message = f"the row has {len(cells)} of {len(header)} cells"
                    raise ConfigError(
                        message, file=path, line=rows.line_num, key=f"column {name!r}"
                    )
                yield rows.line_num, name, cells[index]
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=path) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", file=path) from None
    except csv.Error as error:
        raise ConfigError(f"is not CSV: {error}", file=path) from None


def _index_of(names: Sequence[str], column: str | None, path: PathLike) -> int:
    if column is None:
        if len(names) == 1:
            return 0
        raise ConfigError(f"which column? It has {', '.join(names)}", file=path)
    if column not in names:
        raise ConfigError(f"has no column {column!r} (it has {', '.join(names)})", file=path)
    return names.index(column)


# --- Parquet ------------------------------------------------------------------------------------


def _is_parquet(path: PathLike) -> bool:
    return Path(path).suffix.lower() in (".parquet", ".pq")


def _parquet_column(path: PathLike, column: str | None) -> Any:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        message = "reading Parquet needs pyarrow: pip install 'mqttwin[arrow]'"
        raise ConfigError(message, file=path) from None
    try:
        with open(path, "rb"):  # Python's errors read better than pyarrow's
            pass
        names = pq.read_schema(path).names
        name = names[_index_of(names, column, path)]
        return pq.read_table(path, columns=[name]).column(name)
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=path) from None
    except Exception as error:  # pyarrow's own, which it may not let us import
        reason = str(error).splitlines()[0]
        raise ConfigError(f"is not a Parquet file: {reason}", file=path) from None


def _parquet_numbers(path: PathLike, column: str | None) -> NDArray[Any]:
    chunked = _parquet_column(path, column)
    values = chunked.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "iuf":
        message = f"holds {chunked.type}, not numbers"
        raise ConfigError(message, file=path, key=f"column {column!r}" if column else None)
    if values.size == 0:
        raise ConfigError("holds no rows", file=path)
    kind = np.int64 if values.dtype.kind in "iu" else np.float64
    return values.astype(kind)  # type: ignore[no-any-return]
