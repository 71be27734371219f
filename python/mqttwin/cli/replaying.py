"""Running a recorded run again, to see whether it comes out the same."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import output, units
from ..errors import ConfigError
from .running import Finished, Order, execute
from .scenario import Scenario, load


@dataclass(frozen=True)
class Replayed:
    """A run and its repetition.

    Attributes:
        recorded: The digest in the manifest.
        finished: The repetition.
        differences: What is different about the conditions, for people.
    """

    recorded: str
    finished: Finished
    differences: list[str]

    @property
    def same(self) -> bool:
        """Whether the digests agree."""
        return self.finished.result.digest == self.recorded


def replay(directory: Path, *, quiet: bool) -> Replayed:
    """Runs again what a directory's manifest describes.

    Raises:
        ConfigError: No manifest, or no scenario.
    """
    manifest = output.read_manifest(directory)
    file = directory / output.MANIFEST
    try:
        about = manifest["scenario"]
        seconds = manifest["until_ns"]
        given = {str(name): str(value) for name, value in about["given"].items()}
        order = Order(
            until=f"{int(seconds)}ns", seed=int(manifest["seed"]), given=given, quiet=quiet
        )
        recorded = str(manifest["digest"])
    except (KeyError, TypeError, ValueError, AttributeError):
        message = "does not say which scenario was run, and how"
        raise ConfigError(message, file=file) from None
    scenario = load(_find(directory, about))
    differences = _differences(manifest, scenario)
    return Replayed(recorded, execute(scenario, order), differences)


def _find(directory: Path, about: dict[str, Any]) -> Path:
    """The scenario's file: where it is seen from the directory, or else from here."""
    beside = Path(os.path.normpath(directory / str(about.get("from_here", ""))))
    given = Path(str(about.get("path", "")))
    for path in (beside, given):
        if path.is_file():
            return path
    raise ConfigError("the scenario is not there any more", file=given)


def _differences(manifest: dict[str, Any], scenario: Scenario) -> list[str]:
    out = []
    if manifest["scenario"].get("sha256") != scenario.sha256:
        out.append(f"{scenario.path} has changed since")
    before = dict(manifest.get("versions", {}))
    for name, version in output.versions().items():
        if name != "numpy" and before.get(name, version) != version:
            out.append(f"{name} was {before[name]}, is {version}")
    return out


def describe_time(finished: Finished) -> str:
    """How long it took, for people."""
    real = units.format_duration(1e9 * finished.result.wall_seconds)
    return f"{units.format_duration(finished.result.info.virtual_ns)} in {real}"
