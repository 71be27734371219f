"""The table of statements: what becomes of each, from `statements/*.toml`.

    [[statement]]
    ids = ["5.0 MQTT-3.1.0-2", "3.1.1 MQTT-3.1.0-2"]
    role = "broker"                     # who must keep it: broker, client, both
    says = "A second CONNECT on a connection is a protocol error; the connection is closed."
    code = ["cpp/src/broker/broker.cpp"]  # files that name it; or "file: what stands there"
    tests = ["test_second_connect_is_a_protocol_error"]

A statement about an application or the transport has `role = "application"` or `"transport"`, and
`untestable = "why"` instead of code and tests.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .suite import LEVELS, ROLES, TIMED, claims_of, virtual_only

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings this one
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TITLES = {"5.0": "MQTT 5.0", "3.1.1": "MQTT 3.1.1"}


@dataclass(frozen=True)
class Statement:
    """A line of the table."""

    version: str
    id: str
    role: str  # broker, client, both, application, transport
    says: str
    code: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    untestable: str = ""
    names: frozenset[tuple[str, str]] = frozenset()  # (version, id): all of the table's line
    where: str = field(default="", compare=False)  # the file of the table

    def __str__(self) -> str:
        return f"{self.version} {self.id} ({self.where})"


@cache
def normative(version: str) -> tuple[str, ...]:
    """The identifiers of all statements of the standard, in its order."""
    ids = (HERE / "statements" / f"{version}.ids").read_text().split()
    return tuple(sorted(ids, key=lambda id: [int(number) for number in re.findall(r"\d+", id)]))


def statements() -> list[Statement]:
    """The table, in the order of the standards."""
    out: list[Statement] = []
    for path in sorted((HERE / "statements").glob("*.toml")):
        for entry in tomllib.loads(path.read_text())["statement"]:
            out += _of_entry(entry, path.name)
    order = {(v, id): n for v in LEVELS for n, id in enumerate(normative(v))}
    return sorted(out, key=lambda s: (-LEVELS[s.version], order.get((s.version, s.id), -1)))


def _of_entry(entry: dict[str, Any], where: str) -> Iterator[Statement]:
    entry = dict(entry)
    names = [tuple(name.split(" ")) for name in entry.pop("ids")]
    lists = {key: tuple(entry.get(key, ())) for key in ("code", "tests")}
    for version, id in names:
        yield Statement(version, id, names=frozenset(names), where=where, **{**entry, **lists})


def tests() -> dict[str, Any]:
    """The test functions that pytest collects here, by name."""
    out: dict[str, Any] = {}
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(f".{path.stem}", __package__)
        for name, test in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and test.__module__ == module.__name__:
                assert name not in out, f"two tests are called {name}"
                out[name] = test
    return out


# --- code -----------------------------------------------------------------------------------------

_ID = r"MQTT-\d+(?:\.\d+)+-\d+"
_LIST = rf"(?:\[{_ID}\](?:,? and |[,;]? |))+"
_OF_311 = re.compile(rf"3\.1\.1:? ({_LIST})|({_LIST})of 3\.1\.1")
_ONE_OF_EACH = re.compile(rf'"({_ID})"(?:,| :)\s+"({_ID})"')

# Code of one side; all other is code of both.
_SIDES = {
    "broker": ("broker/", "wire/decode_connect.cpp", "wire/decode_subscribe.cpp"),
    "client": (
        "client/",
        "bindings/",
        "wire/decode_connack.cpp",
        "wire/encode_connect.cpp",
        "wire/encode_subscribe.cpp",
    ),
}


@cache
def named_in(path: str) -> frozenset[tuple[str, str]]:
    """The statements that a file names, as (version, id).

    In comments `[MQTT-1.5.4-1]` is one of 5.0, `3.1.1 [MQTT-1.5.3-1]` and a list of such are of
    3.1.1; of two literals "MQTT-1.5.4-1", "MQTT-1.5.3-1" the second is. A single literal is both.
    """
    text = re.sub(r"\n\s*///? ?", " ", (ROOT / path).read_text())
    found = set()
    for pattern in (_OF_311, _ONE_OF_EACH):
        for match in pattern.finditer(text):
            old, new = (match[0], "") if pattern is _OF_311 else (match[2], match[1])
            found |= {("3.1.1", id) for id in re.findall(_ID, old)}
            found |= {("5.0", id) for id in re.findall(_ID, new)}
        text = pattern.sub("", text)
    found |= {("3.1.1", id) for id in re.findall(f'"({_ID})"', text)}
    return frozenset(found | {("5.0", id) for id in re.findall(_ID, text)})


def sides_of(reference: str) -> set[str]:
    """Whose code that is: the broker's, the client's, or that of both."""
    one = {s for s, parts in _SIDES.items() if any(f"/src/{p}" in reference for p in parts)}
    return one or set(ROLES)


def code_problem(reference: str, names: frozenset[tuple[str, str]]) -> str:
    """What is wrong with a reference to code; '' for nothing."""
    path, _, symbol = reference.partition(": ")
    if not (ROOT / path).is_file():
        return f"there is no {path}"
    named = names & named_in(path)
    if symbol and named:
        return f"{path} names it: {symbol!r} need not be said"
    if symbol and symbol not in (ROOT / path).read_text():
        return f"there is no {symbol} in {path}"
    return "" if named or symbol else f"is not named in {path}"


# --- lines ----------------------------------------------------------------------------------------


def problems(statement: Statement, known: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a line of the table, given all tests."""
    s = statement
    if s.id not in normative(s.version):
        yield "is not in the standard"
    if not s.says:
        yield "says nothing"
    if s.untestable:
        if s.role not in ("application", "transport"):
            yield f"is about the {s.role}: it can be tested"
        if s.tests:
            yield "is untestable and has tests"
        return
    if s.role not in (*ROLES, "both"):
        yield f"has no such role: {s.role}"
    yield from filter(None, (code_problem(reference, s.names) for reference in s.code))
    roles = set()
    for name in s.tests:
        if name not in known:
            yield f"has lost its test {name}"
            continue
        if (s.version, s.id) not in [(c.version, c.id) for c in claims_of(known[name])]:
            yield f"is not what {name} claims to check"
        roles |= {role for role in ROLES if role in inspect.signature(known[name]).parameters}
        if getattr(known[name], "pytestmark", []):
            yield f"has a test with marks (skipped?): {name}"
    sides = set().union(*map(sides_of, s.code))
    for role in ROLES if s.role == "both" else [s.role]:
        if role not in roles:
            yield f"has no test of the {role}"
        if role not in sides:
            yield f"names no code of the {role}"


# --- the page -------------------------------------------------------------------------------------


def page() -> str:
    """docs/conformance.md."""
    table, known = statements(), tests()
    out = [_HEAD]
    out.append("| | statements | of the broker | of the client | of both | untestable |")
    out.append("|---|---|---|---|---|---|")
    for version, title in TITLES.items():
        mine = [s for s in table if s.version == version]
        tested = Counter(s.role for s in mine if not s.untestable)
        roles = " | ".join(str(tested[role]) for role in (*ROLES, "both"))
        out.append(f"| {title} | {len(mine)} | {roles} | {sum(bool(s.untestable) for s in mine)} |")
    out.append("\nUntestable, as there is nothing to be tested:\n")
    for why, version in dict.fromkeys((s.untestable, s.version) for s in table if s.untestable):
        them = [_number(s) for s in table if (s.untestable, s.version) == (why, version)]
        out.append(f"- {TITLES[version]}, {', '.join(them)}: {why}.")
    out.append(_how(table, known))
    for version, title in TITLES.items():
        out.append(f"\n## {title}\n")
        out.append("| statement | role | what it says | code | tests |\n|---|---|---|---|---|")
        out += [_row(s, known) for s in table if s.version == version]
    return "\n".join(out) + "\n"


def _how(table: list[Statement], known: dict[str, Any]) -> str:
    claimed = {name: test for name, test in known.items() if claims_of(test)}
    reasons = Counter(virtual_only(test) for test in claimed.values())
    timed, everywhere = reasons.pop(TIMED), reasons.pop("")
    lonely = [s for s in table if s.tests and all(virtual_only(known[name]) for name in s.tests)]
    violations = sum(len(c.violations) for test in claimed.values() for c in claims_of(test))
    wanting = "\n".join(
        f"- `{name}`: {virtual_only(test)}."
        for name, test in claimed.items()
        if virtual_only(test) not in ("", TIMED)
    )
    return _HOW.format(
        tests=len(claimed),
        violations=violations,
        everywhere=everywhere,
        timed=timed,
        engine=sum(reasons.values()),
        lonely=len(lonely),
        wanting=wanting,
    )


def _number(s: Statement) -> str:
    return s.id.removeprefix("MQTT-")


def _row(s: Statement, known: dict[str, Any]) -> str:
    code = "<br>".join(f"`{reference}`" for reference in s.code)
    marks = {name: " *virtual*" if virtual_only(known[name]) else "" for name in s.tests}
    tests = "<br>".join(f"`{test}`{mark}" for test, mark in marks.items())
    says = s.says.replace("|", "\\|")
    return f"| {_number(s)} | {s.role} | {says} | {code} | {tests or 'untestable'} |"


_HEAD = """\
<!-- Generated from tests/conformance/statements by tests/conformance/make_page.py. -->
# Conformance

The two standards number what implementations have to do: 251 statements in MQTT 5.0, 141 in 3.1.1.
Each stands below, with who has to keep it, the code that does, and the tests that would notice if
it did not. What they say is our paraphrase; the standard's text rules.
"""

_HOW = """
## How they are tested

{tests} tests, each a conversation of a few packets. A test speaks for itself: its encoder and its
strict decoder of packets share nothing with the engines. It runs once for each version of MQTT that
it has statements of, on each of two backends:

| | the broker | the client |
|---|---|---|
| virtual time | a world's broker, over a link of the world | the engine of fleets and of `Client` |
| TCP | a world, served on a socket of the loopback device | `mqttwin.Client`, with such a socket |

{everywhere} tests run on both. {timed}, in which time passes, run in virtual time only, and so do
{engine} tests of the client with a step that `mqttwin.Client` has not; they are listed below. Both
kinds are marked *virtual* in the tables; {lonely} statements have no other test.

A test that has passed is then played against a recording of what it has heard, changed in the way
of an implementation that breaks the statement ({violations} such violations), and has to fail.

What this does not show: that statements hold in situations that no test thinks of (for that there
are the fuzzers and the hostile tests of the repository), behaviour that the standards describe
without a number, MQTT 3.1, and TLS or WebSocket underneath.

The tests that talk to the client's engine alone, and what for:

{wanting}

## Reading the tables

*Role* says who keeps the statement. *Code* names the files in which its number stands, at the line
that does it; where 3.1.1 and 5.0 number one statement differently, it may be the other number. A
few statements have no such line: for them it is `file: what to look for`. `wire` and `session` are
code of broker and client alike."""
