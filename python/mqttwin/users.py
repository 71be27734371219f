"""The users file of a broker: who may come in, and what is kept of their passwords.

One user a line, ``name:SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>``: the password
itself is not in it. See docs/authentication.md.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from . import _core
from .errors import ConfigError, refusals

_SALT_SIZE = 16


@dataclass(frozen=True)
class User:
    """A line of a users file.

    Attributes:
        name: As it has to be given, after preparation (RFC 4013).
        iterations: How often the password is hashed.
        line: Where, counted from 1.
    """

    name: str
    iterations: int
    line: int


def list_users(file: str | os.PathLike[str]) -> list[User]:
    """The users of a file, in its order.

    Raises:
        ConfigError: It cannot be read, or has a line that is no user.
    """
    return _parse(_read(file), file)


def add_user(
    file: str | os.PathLike[str], name: str, password: str, *, iterations: int | None = None
) -> bool:
    """Adds a user, or gives one another password; the rest of the file stays as it is.

    Args:
        file: Is made when there is none. Written as a whole or not at all, and readable by its
            owner only.
        name: At most 255 bytes of UTF-8.
        password: At most 1024 bytes of UTF-8, without control characters.
        iterations: 4,096 to 600,000, and 15,000 by default: how often the password is hashed. A
            guess costs as much, but so does a login, to the client (SCRAM) or the broker (a
            password in CONNECT).

    Returns:
        Whether the user is a new one.

    Raises:
        ConfigError: The file cannot be read or written, has a line that is no user, or name,
            password or iterations are out of bounds.
    """
    line = _line_of(name, password, iterations)
    name = _prepared(name)

    def change(lines: list[bytes], at: int | None) -> bool:
        if at is not None:
            lines[at] = line
            return False
        lines.append(line)
        return True

    return _edit(file, name, change, absent_is_empty=True)


def remove_user(file: str | os.PathLike[str], name: str) -> None:
    """Removes a user.

    Raises:
        ConfigError: There is no such user, or the file cannot be read or written.
    """

    def change(lines: list[bytes], at: int | None) -> bool:
        if at is None:
            raise ConfigError(f"has no user {name!r}", file=file)
        del lines[at]
        return True

    _edit(file, _prepared(name), change)


def _line_of(name: str, password: str, iterations: int | None) -> bytes:
    # The core would show its arguments in the error.
    _check_text(name, "the user name")
    _check_text(password, "the password")
    more = () if iterations is None else (_check_iterations(iterations),)
    with refusals():
        record = _core.make_user_record(password, secrets.token_bytes(_SALT_SIZE), *more)
        return _core.user_line(name, record).encode()


def _check_text(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{what} is not UTF-8") from None


def _check_iterations(iterations: int) -> int:
    # What does not fit into 32 bits is not for the core.
    if not 0 < iterations < 2**32:
        raise ConfigError(f"must be from 4096 to 600000, not {iterations}", key="iterations")
    return iterations


def _prepared(name: str) -> str:
    _check_text(name, "the user name")
    try:
        return _core.saslprep(name, stored=True)
    except ValueError as error:
        reason = str(error).removeprefix("the text")
        raise ConfigError(f"the user name{reason}") from None


def _read(file: str | os.PathLike[str]) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=file) from error


def _parse(text: bytes, file: str | os.PathLike[str]) -> list[User]:
    try:
        found = _core.read_users(text)
    except ValueError as error:
        line, reason = error.args
        raise ConfigError(reason, file=file, line=line) from None
    return [User(name, iterations, line) for line, name, iterations in found]


def _edit(
    file: str | os.PathLike[str],
    name: str,
    change: Callable[[list[bytes], int | None], bool],
    *,
    absent_is_empty: bool = False,
) -> bool:
    """Changes the lines of a file; `change` is told at which of them the user is."""
    # A link stays one: it is its target that is replaced.
    path = Path(os.path.realpath(file))
    text = b"" if absent_is_empty and not path.exists() else _read(file)
    at = next((user.line - 1 for user in _parse(text, file) if user.name == name), None)
    lines = text.removesuffix(b"\n").split(b"\n") if text else []
    outcome = change(lines, at)
    try:
        with _replacing(path) as descriptor, os.fdopen(descriptor, "wb") as out:
            out.writelines(line + b"\n" for line in lines)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror or error}", file=file) from error
    return outcome


@contextmanager
def _replacing(path: Path) -> Iterator[int]:
    """A new file, for its owner only, that takes the place of `path` when all went well."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # The owner stays, where we may: a broker has to go on reading what root has edited.
        with suppress(OSError):
            before = path.stat()
            os.fchown(descriptor, before.st_uid, before.st_gid)
        yield descriptor
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
