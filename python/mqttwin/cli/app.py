"""The commands and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .._core import __version__
from ..errors import ConfigError
from . import exploring, parameters, passwd, properties, pub, replaying, serving, sub
from .checks import Check, Outcome
from .running import FAILED, OK, Finished, Order, execute
from .scenario import Scenario, load

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Simulate MQTT fleets, brokers and networks.",
)


def execute_command(arguments: list[str]) -> int:
    """Parses and executes; usage errors become ConfigErrors."""
    command = typer.main.get_command(app)
    try:
        status = command.main(arguments or ["--help"], "mqttwin", standalone_mode=False)
    except Exception as error:
        # Typer brings its own click, older versions need the other one: known by its method.
        format_message = getattr(error, "format_message", None)
        if format_message is None:
            raise
        text = str(format_message()).rstrip(".")
        raise ConfigError(f"{text[:1].lower()}{text[1:]} (try --help)") from None
    return status if isinstance(status, int) else OK


def _version(wanted: bool) -> None:
    if wanted:
        print(f"mqttwin {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which it is.")
    ] = False,
) -> None:
    """Simulate MQTT fleets, brokers and networks."""


@app.command(add_help_option=False)
def run(
    context: typer.Context,
    scenario: Annotated[
        Path | None,
        typer.Argument(metavar="SCENARIO.py", help="A file with def scenario(world, *, ...)."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Virtual time, such as 24h; else what it says itself."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all randomness.")] = 0,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--parameter",
            metavar="NAME=VALUE",
            help="A parameter of the scenario (run SCENARIO.py --help lists them).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write manifest, columns and report.html there."),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Such as 'latency.p99 < 5s': exit 1 if it fails."),
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="With --out: also log every event, in trace.msgpack.")
    ] = False,
    capture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what crosses links there, for Wireshark."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what is wrong.")
    ] = False,
    help_: Annotated[
        bool, typer.Option("--help", "-h", help="Show this, and the scenario's parameters.")
    ] = False,
) -> int:
    """Simulate a scenario."""
    if help_:
        _show_help(context, scenario)
        return OK
    if scenario is None:
        raise ConfigError("missing argument SCENARIO.py (try mqttwin run --help)")
    if trace and out is None:
        raise ConfigError("needs --out", key="--trace")
    checks = [Check.parse(text) for text in check or []]
    given = parameters.split(parameter or [])
    order = Order(until, seed, given, out, checks, trace, capture, quiet)
    finished = execute(load_scenario(scenario), order)
    _tell(finished, quiet=quiet, out=out)
    return finished.status


@app.command()
def replay(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What run --out wrote.")],
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what is wrong.")
    ] = False,
) -> int:
    """Run it again, and verify that the digest is the same."""
    again = replaying.replay(directory, quiet=quiet)
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    if again.same:
        if not quiet:
            time = replaying.describe_time(again.finished)
            print(f"same digest: {again.recorded} ({time})")
        return OK
    err.print("[bold red]not the same[/]")
    err.print(f"  recorded  {again.recorded}")
    err.print(f"  now       {again.finished.result.digest}")
    for difference in again.differences:
        err.print(f"  {difference}", markup=False)
    return FAILED


def load_scenario(path: Path) -> Scenario:
    """A scenario; an exception while its file is executed is the user's, as in `execute`."""
    from ..errors import MqttwinError
    from .running import ScenarioFailed
    from .scenario import user_traceback

    try:
        return load(path)
    except MqttwinError:
        raise
    except Exception as error:
        raise ScenarioFailed(user_traceback(error)) from error


app.command()(serving.serve)
app.command()(exploring.explore)
app.command()(passwd.passwd)
# -h is the host here, as people know it.
for _command in (pub.pub, sub.sub):
    app.command(
        cls=properties.CommandWithProperties, context_settings={"help_option_names": ["--help"]}
    )(_command)


# --- what is said -------------------------------------------------------------------------------


def _tell(finished: Finished, *, quiet: bool, out: Path | None) -> None:
    if not quiet:
        console = Console(highlight=False)
        print(finished.result.report())
        if isinstance(finished.found, str):
            print(finished.found.rstrip() + "\n")
        elif finished.found is not None:
            console.print(finished.found)
            console.print()
        for outcome in finished.outcomes:
            if outcome.passed:
                _say_check(console, outcome)
        if out is not None:
            console.print(f"written to {out}", markup=False, soft_wrap=True)
    err = Console(stderr=True, highlight=False)
    for outcome in finished.outcomes:
        if not outcome.passed:
            _say_check(err, outcome)


def _say_check(console: Console, outcome: Outcome) -> None:
    mark = "[green]passed[/]" if outcome.passed else "[bold red]failed[/]"
    text = outcome.text.replace("[", r"\[")
    console.print(f"{mark}  {text}  [dim]({outcome.actual})[/]", soft_wrap=True)


def _show_help(context: typer.Context, path: Path | None) -> None:
    if path is None:
        text = context.get_help()
        if text:
            print(text)
        return
    scenario = load_scenario(path)
    console = Console(highlight=False)
    console.print(f"\n[bold]{path}[/]  {scenario.about}\n")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, parameter in scenario.parameters.items():
        default = "required" if parameter.required else f"default {_shown(parameter.default)}"
        table.add_row(f"  -p {name}=…", parameter.describe(), f"[dim]{default}[/]")
    console.print(table if scenario.parameters else "  It has no parameters.")
    console.print(f"\n  runs for {_shown(scenario.until)} unless --until says otherwise\n")


def _shown(value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool) and abs(value) >= 1000:
        return f"{value:,}"
    return str(value)
