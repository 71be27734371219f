"""``mqttwin explore``: searches for what goes wrong in a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import invariants as ready
from .. import mischief
from ..errors import ConfigError
from . import parameters
from .running import FAILED, INTERRUPTED, OK


def explore(
    scenario: Annotated[
        Path, typer.Argument(metavar="SCENARIO.py", help="A file with def scenario(world, *, ...).")
    ],
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="So many runs, at most.")] = 200,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long faults come; else UNTIL, or 10min.")
    ] = None,
    calm: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long none does; else CALM, or 10min.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Such as cuts or restarts; else FAULTS, or all kinds."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Of the scenario."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; else one a core.")
    ] = None,
    stop_after: Annotated[
        int, typer.Option(metavar="N", min=0, help="Seeds that fail end the search; 0: none does.")
    ] = 1,
    shrink: Annotated[bool, typer.Option(help="Look for the smallest run that fails.")] = True,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="Write the test that reproduces it.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what is wrong.")
    ] = False,
) -> int:
    """Search a scenario for what faults break: its INVARIANTS, after a calm."""
    from ..exploring import explore as search
    from .app import load_scenario

    loaded = load_scenario(scenario)
    given = parameters.values_of(loaded.parameters, parameters.split(parameter or []))
    names = loaded.function.__globals__
    found = search(
        loaded.function,
        seeds=seeds,
        faults=_kinds(fault, names),
        invariants=names.get("INVARIANTS", [make() for make in ready.DEFAULT]),
        until=until or names.get("UNTIL", "10min"),
        calm=calm or names.get("CALM", "10min"),
        parameters=given,
        workers=workers,
        shrink=shrink,
        stop_after=stop_after or None,
        progress=False if quiet else None,
        path=scenario,
    )
    if not found or not quiet:
        print(found)
    if not found:
        if out is not None:
            out.write_text(found.counterexamples[0].test, encoding="utf-8")
        return FAILED
    return INTERRUPTED if found.interrupted else OK


def _kinds(wanted: Sequence[str] | None, names: Mapping[str, Any]) -> Any:
    if not wanted:
        return names.get("FAULTS")
    for name in wanted:
        if name not in mischief.KINDS:
            message = f"{name!r} is none of {', '.join(mischief.KINDS)}"
            raise ConfigError(message, key="--fault")
    return [mischief.KINDS[name]() for name in wanted]
