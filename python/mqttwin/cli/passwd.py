"""``mqttwin passwd``: the users of a broker."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import users
from ..errors import ConfigError
from .running import OK


def passwd(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The users; made if absent.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the user.")],
    delete: Annotated[bool, typer.Option("--delete", help="Remove the user.")] = False,
    iterations: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How often the password is hashed: 4096 to 600000, else 15000.",
        ),
    ] = None,
) -> int:
    """Add a user, or change a password; it is asked for, or read from standard input."""
    if delete:
        if iterations is not None:
            raise ConfigError("does not go with --delete", key="--iterations")
        users.remove_user(file, name)
        print(f"removed {name}")
        return OK
    is_new = users.add_user(file, name, _password(name), iterations=iterations)
    print(f"added {name}" if is_new else f"changed the password of {name}")
    return OK


def _password(name: str) -> str:
    """From the terminal, twice and unseen; else the first line of standard input."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        if not line:
            raise ConfigError("no password given")
        return line.rstrip("\r\n")
    try:
        password = getpass.getpass(f"Password of {name}: ")
        again = getpass.getpass("Again: ")
    except EOFError:
        raise ConfigError("no password given") from None
    if again != password:
        raise ConfigError("the passwords differ")
    return password
