"""What a run leaves on disk: a directory with a manifest, columns, counts and a report."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from .errors import ConfigError
from .html import report_page
from .report import sections_of, to_text

if TYPE_CHECKING:
    from .result import Result
    from .table import Table

FORMAT = "mqttwin-run"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"


def prepare_directory(directory: str | os.PathLike[str]) -> Path:
    """The directory, created, and found to be writable before a long run begins.

    Raises:
        ConfigError: It is not.
    """
    path = Path(directory)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".{os.getpid()}.probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot be written: {reason}", file=path, key="out") from None
    return path


def write_result(
    result: Result,
    directory: str | os.PathLike[str],
    more: Mapping[str, Any],
    *,
    title: str = "mqttwin",
    found: str = "",
) -> None:
    """Writes everything; the manifest last, so that where it is the rest is whole."""
    path = prepare_directory(directory)
    try:
        files = {
            "messages": write_table(result.messages, path / "messages"),
            "series": write_table(result.series, path / "series"),
            "counts": "counts.json",
            "report": "report.html",
            "text": "report.txt",
        }
        _write_json(path / "counts.json", _figures(result))
        (path / "report.html").write_text(report_page(result, title, found), encoding="utf-8")
        text = to_text(sections_of(result)) + ("\n" + found if found.strip() else "")
        (path / "report.txt").write_text(text, encoding="utf-8")
        _write_json(path / MANIFEST, {**_manifest(result), "files": files, **more})
    except OSError as error:
        where = error.filename or path
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot be written: {reason}", file=where, key="out") from None


def write_table(table: Table, stem: Path) -> str:
    """As Parquet, or as CSV where there is no pyarrow; the name of the file."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        name = stem.with_suffix(".csv")
        table.to_csv(name)
        return name.name
    name = stem.with_suffix(".parquet")
    pq.write_table(table.to_arrow(), name, compression="zstd")
    return name.name


def versions() -> dict[str, str]:
    """Of mqttwin, Python and NumPy."""
    return {
        "mqttwin": _core.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _manifest(result: Result) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "digest": result.digest,
        "seed": result.seed,
        "virtual_ns": result.info.virtual_ns,
        "interrupted": result.interrupted,
        "stopped": result.stopped,
        "parameters": {name: str(value) for name, value in result.info.parameters.items()},
        "versions": versions(),
    }


def _figures(result: Result) -> dict[str, Any]:
    latencies = {
        latency.name: {
            "count": latency.count,
            "mean": latency.mean,
            "min": latency.min,
            "p50": latency.p50,
            "p90": latency.p90,
            "p99": latency.p99,
            "p99.9": latency.p99_9,
            "max": latency.max,
        }
        for latency in (result.latency, result.ingest, result.ack)
    }
    balance = result.conservation
    return {
        "counts": result.counts,
        "seconds": latencies,
        "conservation": {name: getattr(balance, name) for name in balance.NAMES},
        "lost": result.lost,
    }


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")


def read_manifest(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of a run.

    Raises:
        ConfigError: There is none, or it is not one of ours.
    """
    path = Path(directory) / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=path) from None
    except ValueError as error:
        raise ConfigError(f"is not JSON: {error}", file=path) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ConfigError("is not the manifest of a run", file=path)
    if content.get("format_version") != FORMAT_VERSION:
        version = content.get("format_version")
        raise ConfigError(f"has format version {version}, not {FORMAT_VERSION}", file=path)
    return content
