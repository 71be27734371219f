"""One run of a scenario, from its description to what it leaves behind."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import output, units
from ..errors import ConfigError, MqttwinError
from ..result import Result
from ..world import World
from .checks import Check, Outcome
from .parameters import values_of
from .scenario import Scenario, place_in, user_traceback

OK = 0
FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130

TRACE = "trace.msgpack"


class ScenarioFailed(Exception):
    """The user's own code raised; the message is the traceback to show."""


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line.

    Attributes:
        until: Virtual time since the start; None: what the scenario says.
        seed: Of the world.
        given: Parameters as texts.
        out: Where to write, or None.
        checks: What must hold.
        trace: Whether to write the event log, too.
        capture: Where to write what crosses links, or None.
        quiet: No progress, no report.
    """

    until: str | None = None
    seed: int = 0
    given: Mapping[str, str] = field(default_factory=dict)
    out: Path | None = None
    checks: Sequence[Check] = ()
    trace: bool = False
    capture: Path | None = None
    quiet: bool = False


@dataclass(frozen=True)
class Finished:
    """What a run came to."""

    result: Result
    found: Any  # what the scenario said: text or something that rich can show
    outcomes: Sequence[Outcome]
    until_ns: int

    @property
    def status(self) -> int:
        """For the shell."""
        if not all(outcome.passed for outcome in self.outcomes):
            return FAILED
        return INTERRUPTED if self.result.interrupted else OK


def execute(scenario: Scenario, order: Order) -> Finished:
    """Describes a world, runs it, and writes what was asked for.

    Raises:
        ConfigError: Wrong input, also where the scenario passed it on.
        ScenarioFailed: An exception of the scenario's own.
    """
    values = values_of(scenario.parameters, order.given)
    until = _until(scenario, order)
    if order.out is not None:
        output.prepare_directory(order.out)
    with World(order.seed) as world:
        found = users_call(scenario, lambda: scenario.build(world, values))
        for check in order.checks:
            check.validate(world.result())
        if order.trace and order.out is not None:
            world.trace(order.out / TRACE)
        if order.capture is not None:
            world.capture(order.capture)
        rest = max(0, until - round(world.now * units.SECOND))
        show = False if order.quiet else None
        result = users_call(scenario, lambda: world.run(f"{rest}ns", progress=show))
        said = None if found is None else users_call(scenario, lambda: found(result))
        outcomes = [check.judge(result) for check in order.checks]
        trace_problem = world._end_trace()
        if order.capture is not None:
            world.stop_capture()
    finished = Finished(result, said, outcomes, until)
    if order.out is not None:
        _write(scenario, order, finished, order.out)
    if trace_problem:  # the run itself is whole, and written
        raise MqttwinError(f"the event log is incomplete: {trace_problem}")
    return finished


def _until(scenario: Scenario, order: Order) -> int:
    if order.until is not None:
        return units.duration(order.until, "--until")
    try:
        return units.duration(scenario.until)
    except ConfigError as error:
        raise ConfigError(error.message, file=scenario.path, key="UNTIL") from None


def users_call(scenario: Scenario, call: Callable[[], Any]) -> Any:
    """Calls the user's code: wrong input gets its place, anything else is theirs."""
    try:
        return call()
    except ConfigError as error:
        line = place_in(scenario.path, error)
        if line is None or error.file is not None:
            raise
        message = ": ".join(part for part in (error.key, error.message) if part)
        raise ConfigError(message, file=scenario.path, line=line) from None
    except MqttwinError:
        raise
    except Exception as error:
        raise ScenarioFailed(user_traceback(error)) from error


def _write(scenario: Scenario, order: Order, finished: Finished, out: Path) -> None:
    more = {
        "scenario": {
            "path": str(scenario.path),
            "from_here": os.path.relpath(scenario.path, out),
            "sha256": scenario.sha256,
            "given": dict(order.given),
        },
        "until_ns": finished.result.info.virtual_ns,
        "checks": [vars(outcome) for outcome in finished.outcomes],
    }
    if order.trace:
        more["trace"] = TRACE
    title = scenario.path.stem.replace("_", " ")
    text = as_text(finished.found)
    output.write_result(finished.result, out, more, title=title, found=text)


def as_text(found: Any, width: int = 100) -> str:
    """What a scenario said, as plain text."""
    if found is None:
        return ""
    if isinstance(found, str):
        return found.rstrip() + "\n"
    buffer = io.StringIO()
    Console(file=buffer, width=width, no_color=True).print(found)
    return buffer.getvalue()
