"""What a counterexample says: a story for people, and a test that reproduces it."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import units
from .trial import Case, Invariant, Plan, Verdict, name_of


def story(plan: Plan, verdict: Verdict) -> str:
    """The run, its faults in order, and what was seen."""
    case = verdict.case
    given = "".join(f", {name}={value!r}" for name, value in sorted(case.parameters.items()))
    lines = [f"seed {case.seed}{given}"]
    for fault in case.faults or ():
        lines.append(f"  {fault.at:>9.3f} s  {fault.text}")
    until = case.until or 0
    calm = units.format_duration(plan.calm)
    lines.append(f"  {until / units.SECOND:>9.3f} s  no more faults, and {calm} of calm")
    for violation in verdict.violations:
        first, *rest = str(violation).splitlines()
        lines.append(f"  violated: {first}")
        lines += [f"    {line}" for line in rest]
    if verdict.packets:
        lines += ["", "  the exchange around the last fault:"]
        lines += [f"  {line}" for line in verdict.packets.splitlines()]
    return "\n".join(lines)


def test_of(plan: Plan, verdict: Verdict, path: Path | None) -> str:
    """A module for pytest that makes this very run."""
    case = verdict.case
    imports = {"import mqttwin as mt"}
    if case.faults:
        imports.add("from mqttwin.mischief import Fault")
    before: list[str] = []
    if path is not None:
        before.append(f"scenario = mt.load_scenario({str(path)!r})")
        scenario = "scenario"
    else:
        scenario = _referred(plan.scenario, imports, before)
    invariants = [_of_invariant(one, imports, before) for one in plan.invariants]
    first = verdict.violations[0]
    about = " ".join(first.text.split("\n")[0].split()).replace('"""', "'''").replace("\\", "/")
    body = [
        f"def test_{_identifier(first.invariant)}_seed_{case.seed}():",
        f'    """{first.invariant}: {about}"""',
        "    mt.replay(",
        f"        {scenario},",
        f"        seed={case.seed},",
        *_parameters(case),
        *_listed("faults", [repr(fault) for fault in case.faults or ()]),
        *_listed("invariants", invariants),
        f"        until={_time(case.until or 0)},",
        f"        calm={_time(plan.calm)},",
        "    )",
    ]
    head = "\n".join(sorted(imports, key=lambda line: (line[:4] == "from", line)))
    middle = "".join(f"\n\n{part}\n" for part in before)
    return f"{head}\n{middle}\n\n" + "\n".join(body) + "\n"


def _parameters(case: Case) -> list[str]:
    if not case.parameters:
        return []
    return [f"        parameters={dict(case.parameters)!r},"]


def _listed(name: str, items: Sequence[str]) -> list[str]:
    if not items:
        return [f"        {name}=[],"]
    return [f"        {name}=[", *(f"            {item}," for item in items), "        ],"]


def _time(ns: int) -> str:
    """As short as it can be exact."""
    return repr(f"{ns // units.SECOND}s") if ns % units.SECOND == 0 else repr(ns / units.SECOND)


def _identifier(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_").lower() or "it"


def _of_invariant(invariant: Invariant, imports: set[str], before: list[str]) -> str:
    text = repr(invariant)
    if text.startswith("mt.invariants."):
        return text
    if inspect.isfunction(invariant):
        return _referred(invariant, imports, before)
    return _constructed(invariant, text, imports)


def _constructed(invariant: Any, text: str, imports: set[str]) -> str:
    """An object of the user's, whose repr should be Python that makes it."""
    kind = type(invariant)
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return f"...  # {name_of(invariant)}: say here how to make a {kind.__name__}"
    imports.add(f"from {kind.__module__} import {kind.__qualname__.partition('.')[0]}")
    return text


def _referred(function: Callable[..., Any], imports: set[str], before: list[str]) -> str:
    """A function by import, or by its source where it cannot be imported."""
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", "")
    importable = name.isidentifier() and module not in ("", "__main__", "_mqttwin_scenario")
    if importable and getattr(sys.modules.get(module), name, None) is function:
        imports.add(f"from {module} import {name}")
        return name
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        before.append(f"...  # {name or function!r}: put its definition here")
        return name or "scenario"
    if source.startswith(("def ", "@")):
        before.append(source.rstrip())
        return str(function.__name__)
    before.append(f"{function.__name__.strip('<>')} = ...  # put its definition here")
    return str(function.__name__.strip("<>"))
