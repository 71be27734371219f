"""A stand-in for `datetime.datetime`, whose `now` somebody else tells.

The class itself is written in C and cannot be changed. What is put in its place makes instances of
the real one: they outlive their scope, can be compared, copied and pickled, and are what
`isinstance` says, there and here. (`datetime.today` and `date.today` ask `time.time`.)
"""

from __future__ import annotations

import copyreg
import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.machinery import ExtensionFileLoader
from typing import Any

REAL = datetime.datetime
_SECOND = 1_000_000_000

Now = Callable[[], int | None]
"""Tells nanoseconds since 1970, or None: then the real time is meant."""


class _AsTheReal(type):
    """Instances and subclasses of the real class are the stand-in's; its subclasses are plain."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, REAL) if is_stand_in(cls) else super().__instancecheck__(instance)
        )

    def __subclasscheck__(cls, subclass: type) -> bool:
        return (
            issubclass(subclass, REAL) if is_stand_in(cls) else super().__subclasscheck__(subclass)
        )


def is_stand_in(cls: type) -> bool:
    """Whether this module has made it."""
    return "_tells" in vars(cls)


def stand_in(tells: Now) -> type[datetime.datetime]:
    """A class for the place of `datetime.datetime`."""

    class Standing(datetime.datetime, metaclass=_AsTheReal):
        __slots__ = ()
        _tells = staticmethod(tells)

        @staticmethod
        def _reduced(moment: datetime.datetime) -> Any:
            made: Any = moment.__reduce_ex__(4)
            return Standing, made[1]

        def __new__(cls, *arguments: Any, **more: Any) -> Any:
            return REAL.__new__(REAL if is_stand_in(cls) else cls, *arguments, **more)

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            ns = tells()
            return _really("now", cls)(tz) if ns is None else _at(cls, ns, tz)

        @classmethod
        def utcnow(cls) -> Any:
            ns = tells()
            if ns is None:
                return _really("utcnow", cls)()
            return _at(cls, ns, datetime.timezone.utc).replace(tzinfo=None)

    Standing.__name__ = Standing.__qualname__ = REAL.__qualname__
    Standing.__module__ = REAL.__module__
    Standing.__doc__ = REAL.__doc__
    return Standing


def told_by(cls: type, otherwise: int | None = None) -> int | None:
    """What a stand-in would say; of the real class nothing is known."""
    tells: Now | None = vars(cls).get("_tells")
    return otherwise if tells is None else tells()


def subclasses() -> Iterator[type[datetime.datetime]]:
    """Those that others have made of the real class, and that have left its `now` as it was."""
    waiting = list(REAL.__subclasses__())
    while waiting:
        cls = waiting.pop()
        if not is_stand_in(cls) and not {"now", "utcnow"} & set(vars(cls)):
            yield cls
            waiting += cls.__subclasses__()


@contextmanager
def in_place(standing: type[datetime.datetime]) -> Iterator[None]:
    """Within it, a stand-in is in the place of the real class, which others still need.

    Pickle looks for the class of an instance where the stand-in is; and extension modules that are
    loaded meanwhile look at the memory of what they find there.
    """
    loading = [(name, vars(ExtensionFileLoader)[name]) for name, _ in _LOADING]
    before = copyreg.dispatch_table.get(REAL)
    copyreg.dispatch_table[REAL] = vars(standing)["_reduced"]
    for name, method in _LOADING:
        setattr(ExtensionFileLoader, name, method)
    try:
        yield
    finally:
        for name, method in loading:
            setattr(ExtensionFileLoader, name, method)
        if before is None:
            copyreg.dispatch_table.pop(REAL, None)
        else:
            copyreg.dispatch_table[REAL] = before


def _with_the_real_one(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def load(loader: ExtensionFileLoader, what: Any) -> Any:
        there, datetime.datetime = datetime.datetime, REAL  # type: ignore[misc]
        try:
            return method(loader, what)
        finally:
            datetime.datetime = there  # type: ignore[misc]

    return load


_LOADING = [
    (name, _with_the_real_one(vars(ExtensionFileLoader)[name]))
    for name in ("create_module", "exec_module")
]


def _really(name: str, cls: type) -> Callable[..., Any]:
    """The method in C, for any subclass."""
    method: Callable[..., Any] = vars(REAL)[name].__get__(None, cls)
    return method


def _at(cls: Any, ns: int, tz: datetime.tzinfo | None) -> Any:
    return cls.fromtimestamp(ns // _SECOND, tz).replace(microsecond=ns % _SECOND // 1000)
