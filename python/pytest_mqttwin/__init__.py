"""The pytest plugin of mqttwin: fixtures, seeds, and what a failure shows.

Loaded by pytest in every project that has mqttwin installed, so it imports nothing of it until a
test asks: that is why it stands beside the package and not in it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mqttwin import World
    from mqttwin.testing import LiveBroker, LiveClient

    from .bench import Bench

# What `@pytest.mark.mqttwin(seeds=…)` takes at most.
MOST_SEEDS = 1_000_000
_MARK = "mqttwin"
_SEED = pytest.StashKey[int]()  # that this run of the test has
_REPEATED = pytest.StashKey[tuple[int, int]]()  # this run, of so many
_BENCHES = pytest.StashKey["list[Bench]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the command line."""
    group = parser.getgroup("mqttwin")
    group.addoption(
        "--mqttwin-seed",
        metavar="N",
        type=_seed,
        help="seed of mqtt_world and mqtt_broker; a test over seeds runs with this one alone",
    )
    group.addoption(
        "--mqttwin-artifacts",
        metavar="DIR",
        help="where a failing test leaves its trace, its capture (pcapng) and its packets",
    )


def _seed(text: str) -> int:
    import argparse

    try:
        seed = int(text, 0)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**64:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 2**64 - 1, not {text}")
    return seed


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    config.addinivalue_line(
        "markers",
        "mqttwin(seeds=N): runs the test with N seeds, each in a fresh world, until one fails",
    )


# --- Seeds ----------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs a test over seeds: one item, one result, that of the first seed that fails."""
    if item.get_closest_marker(_MARK) is None:
        return None
    from _pytest.runner import runtestprotocol

    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports: list[pytest.TestReport] = []
    seeds = _seeds_of(item)
    for number, seed in enumerate(seeds):
        if number:
            item._initrequest()  # type: ignore[attr-defined]  # fixtures anew, as for a first run
        item.stash[_SEED] = seed
        item.stash[_REPEATED] = (number, len(seeds))
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if any(not report.passed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _seeds_of(item: pytest.Item) -> range | list[int]:
    """The seeds that a test is to run with; one, where the mark is wrong: see `_mark_problem`."""
    chosen = item.config.getoption("--mqttwin-seed")
    if chosen is not None:
        return [chosen]
    mark = item.get_closest_marker(_MARK)
    first = _derived(item)
    if mark is None or _mark_problem(item):
        return [first]
    return range(first, first + mark.kwargs.get("seeds", 1))


def _derived(item: pytest.Item) -> int:
    """The same every time: a test that passed passes again."""
    import zlib

    return zlib.crc32(item.nodeid.encode())


def _mark_problem(item: pytest.Item) -> str:
    mark = item.get_closest_marker(_MARK)
    if mark is None:
        return ""
    seeds = mark.kwargs.get("seeds", 1)
    if mark.args or set(mark.kwargs) - {"seeds"}:
        return "@pytest.mark.mqttwin takes seeds=N and nothing else"
    if not isinstance(seeds, int) or isinstance(seeds, bool) or not 1 <= seeds <= MOST_SEEDS:
        return f"seeds must be a whole number from 1 to {MOST_SEEDS:,}, not {seeds!r}"
    names = getattr(item, "fixturenames", ())
    if seeds > 1 and not {"mqtt_world", "mqtt_broker"} & set(names):
        return "seeds=N runs a test in fresh worlds, and this one has none: it takes no mqtt_world"
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Says what is wrong before anything runs."""
    problem = _mark_problem(item)
    names = getattr(item, "fixturenames", ())
    if not problem and "mqtt_world" in names and "mqtt_broker" in names:
        problem = (
            "mqtt_world and mqtt_broker are two worlds, one in virtual and one in real time, that "
            "do not meet: use one of them (the broker's own world is mqtt_broker.world)"
        )
    if problem:
        pytest.fail(problem, pytrace=False)


# --- Fixtures -------------------------------------------------------------------------------------


def _bench(request: pytest.FixtureRequest) -> Bench:
    from .bench import Bench

    item: pytest.Item = request.node
    if _SEED not in item.stash:
        item.stash[_SEED] = _seeds_of(item)[0]
    directory = request.config.getoption("--mqttwin-artifacts")
    bench = Bench(item.nodeid, item.stash[_SEED], directory, item.stash.get(_REPEATED, (0, 1)))
    item.stash.setdefault(_BENCHES, []).append(bench)
    return bench


@pytest.fixture
def mqtt_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A fresh `mqttwin.World` with a broker; its seed is in the report of a failure."""
    bench = _bench(request)
    with bench.world() as world:
        yield world
    bench.finish()


@pytest.fixture
def mqtt_broker(request: pytest.FixtureRequest) -> Iterator[LiveBroker]:
    """A live broker on an ephemeral loopback port, for firmware that is a process of its own."""
    bench = _bench(request)
    with bench.broker() as broker:
        yield broker
    bench.finish()


@pytest.fixture
def mqtt_client(mqtt_broker: LiveBroker) -> Iterator[LiveClient]:
    """A client of `mqtt_broker` for tests that are no coroutines."""
    from mqttwin.testing import LiveClient

    with LiveClient(mqtt_broker.host, mqtt_broker.port, client_id="mqtt_client") as client:
        yield client


# --- Failures -------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds seed, replay and packets to what a failing test says."""
    report = yield
    benches = item.stash.get(_BENCHES, [])
    if report.failed:
        for bench in benches:
            report.sections.append(("mqttwin", bench.report()))
    if call.when == "teardown":
        benches.clear()
    return report
