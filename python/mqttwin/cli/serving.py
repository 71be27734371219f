"""``mqttwin serve``: a broker, and the devices of a scenario, for real clients."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from ..errors import ConfigError
from ..server import Server, speed_of
from ..world import World
from . import parameters
from .running import OK, as_text, users_call

READY = 'mqttwin: broker "{broker}" listening on {host}:{port}'


def serve(
    scenario: Annotated[
        Path | None,
        typer.Argument(metavar="[SCENARIO.py]", help="Its virtual devices join the real clients."),
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="To listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="0: any that is free.")
    ] = 1883,
    speed: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Virtual seconds in a second; max is as fast as possible while no real client "
            "is there.",
        ),
    ] = "1",
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Who may come in (mqttwin passwd).")
    ] = None,
    allow_anonymous: Annotated[
        bool | None,
        typer.Option(
            "--allow-anonymous/--no-anonymous",
            help="Without user name; by default on loopback only, and not with --users.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the virtual devices.")] = 0,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Of the scenario."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No report at the end.")] = False,
) -> int:
    """Serve a broker to real clients."""
    console = Console(stderr=True, highlight=False)
    _log_to(console)
    pace = speed_of(speed)
    if scenario is None and parameter:
        raise ConfigError("needs a scenario", key="--parameter")
    with World(seed) as world:
        conclude = None if scenario is None else _describe(world, scenario, parameter or [])
        server = world.serve(
            host=host,
            port=port,
            speed="max" if pace == 0 else pace,
            users=users,
            allow_anonymous=allow_anonymous,
        )
        _stop_on_signals(server)
        broker = next(iter(world.brokers))
        print(READY.format(broker=broker, host=server.host, port=server.port), flush=True)
        server.run()
        if conclude is not None and not quiet:
            conclude()
    return OK


def _describe(world: World, path: Path, given: list[str]) -> Callable[[], None]:
    """Lets a scenario describe the world; what says how it went."""
    from .app import load_scenario

    loaded = load_scenario(path)
    values = parameters.values_of(loaded.parameters, parameters.split(given))
    found = users_call(loaded, lambda: loaded.build(world, values))

    def conclude() -> None:
        result = world.result()
        print(result.report())
        if found is not None:
            print(as_text(users_call(loaded, lambda: found(result))))

    return conclude


def _stop_on_signals(server: Server) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _log_to(console: Console) -> None:
    handler = RichHandler(console=console, show_path=False, show_level=True)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
