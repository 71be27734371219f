"""Loading a scenario, and what to say when it goes wrong."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ConfigError
from ..world import World
from .parameters import Parameter, parameters_of

FUNCTION = "scenario"
DEFAULT_UNTIL = "1h"
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@dataclass(frozen=True)
class Scenario:
    """A Python file with ``def scenario(world, *, ...)``.

    Attributes:
        path: As it was given.
        sha256: Of the file.
        function: ``scenario`` itself; what it returns, where that is a function, is called with
            the result of the run, and what that returns is printed.
        parameters: Its keyword parameters.
        until: How long to run if nothing else is said: ``UNTIL`` of the file, or an hour.
        about: The first paragraph of the function's or the file's docstring.
    """

    path: Path
    sha256: str
    function: Callable[..., Any]
    parameters: Mapping[str, Parameter]
    until: Any
    about: str

    def build(self, world: World, values: Mapping[str, Any]) -> Callable[..., Any] | None:
        """Lets it describe a world; what to call with the result, if anything."""
        defaults = {
            name: parameter.default
            for name, parameter in self.parameters.items()
            if not parameter.required
        }
        world.parameters = {**defaults, **values}
        found = self.function(world, **values)
        return found if callable(found) else None


def load(path: Path) -> Scenario:
    """Reads and executes a scenario's file.

    Raises:
        ConfigError: It is not there, is no Python, or has no function of that name.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(reason, file=path) from None
    return from_source(path, source)


def from_source(path: Path, source: bytes) -> Scenario:
    """Executes what was read from a scenario's file, here or on another machine.

    Raises:
        ConfigError: It is no Python, or has no function of that name.
    """
    module = _module(path, source)
    function = getattr(module, FUNCTION, None)
    if not callable(function) or isinstance(function, type):
        message = f"has no function {FUNCTION}(world, *, ...)"
        raise ConfigError(message, file=path)
    if not inspect.signature(function).parameters:
        raise ConfigError(f"{FUNCTION}() takes no world", file=path)
    text = inspect.getdoc(function) or inspect.getdoc(module) or ""
    return Scenario(
        path=path,
        sha256=hashlib.sha256(source).hexdigest(),
        function=function,
        parameters=parameters_of(function),
        until=getattr(module, "UNTIL", DEFAULT_UNTIL),
        about=" ".join(text.partition("\n\n")[0].split()),
    )


def _module(path: Path, source: bytes) -> ModuleType:
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ConfigError(f"is no Python: {error.msg}", file=path, line=error.lineno) from None
    except ValueError as error:
        raise ConfigError(f"is no Python: {error}", file=path) from None
    name = "_mqttwin_scenario"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    sys.modules[name] = module
    beside = str(path.resolve().parent)  # as for `python FILE`: imports of its neighbours
    if beside not in sys.path:
        sys.path.insert(0, beside)
    exec(code, module.__dict__)
    return module


def place_in(path: Path, error: BaseException) -> int | None:
    """The line of the scenario that an error came through, the innermost one."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return lines[-1] if lines else None


def user_traceback(error: BaseException) -> str:
    """The traceback without our own frames."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told)
    return "".join(told.format()).rstrip()


def _trim(told: traceback.TracebackException) -> None:
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in told.stack if not _is_ours(frame.filename)]
    )
    for inner in (told.__cause__, told.__context__):
        if inner is not None:
            _trim(inner)


def _is_ours(filename: str) -> bool:
    return os.path.abspath(filename).startswith(_PACKAGE) or filename.startswith("<frozen")
