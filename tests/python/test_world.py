"""A world in time: barriers, waiting, Ctrl-C, other threads."""

import _thread
import signal
import threading
import time

import pytest

import mqttwin as mt
from conftest import small_world


def test_virtual_time_advances_by_exactly_what_was_asked():
    world = mt.World()
    world.broker()
    for step, now in (("1h", 3600), (0, 3600), ("0.5s", 3600.5), ("1ns", 3600.500000001)):
        result = world.run(step)
        assert world.now == now
        assert result.duration == now


def test_callbacks_come_at_their_instant_and_in_order():
    world = small_world(devices=2)
    seen = []
    world.at("10s", lambda: seen.append(("b", world.now)))
    world.at("5s", lambda: seen.append(("a", world.now)))
    world.at("10s", lambda: seen.append(("c", world.now)))

    @world.at("1min")
    def end():
        seen.append(("end", world.now))

    world.run("1min")
    assert seen == [("a", 5), ("b", 10), ("c", 10), ("end", 60)]


def test_a_callback_may_add_callbacks_also_for_its_own_instant():
    world = mt.World()
    world.broker()
    seen = []

    def first():
        seen.append(world.now)
        world.at(world.now, lambda: seen.append("same instant"))
        world.at("3s", lambda: seen.append(world.now))

    world.at("2s", first)
    world.run("10s")
    assert seen == [2, "same instant", 3]


def test_every_repeats_until_cancelled():
    world = mt.World()
    world.broker()
    seen = []
    timer = world.every("10s", lambda: seen.append(world.now))
    late = world.every("10s", lambda: seen.append(-world.now), start="25s")
    world.at("35s", timer.cancel)
    world.run("45s")
    assert seen == [10, 20, -25, 30, -35, -45]
    late.cancel()
    world.run("45s")
    assert len(seen) == 6


def test_callbacks_of_the_past_are_refused():
    world = mt.World()
    world.broker()
    world.run("10s")
    with pytest.raises(mt.ConfigError, match="is over"):
        world.at("9s", print)
    with pytest.raises(mt.ConfigError, match="is over"):
        world.every("9s", print, start="1s")
    with pytest.raises(mt.ConfigError, match="cannot be called"):
        world.at("11s", 5)
    with pytest.raises(mt.ConfigError, match="more than 0"):
        world.every(0, print)


def test_an_exception_in_a_callback_is_the_users_own():
    world = mt.World()
    world.broker()

    def wrong():
        raise LookupError("mine")

    world.at("1s", wrong)
    with pytest.raises(LookupError, match="mine"):
        world.run("10s")
    assert world.now == 1
    world.run("1s")
    assert world.now == 2


def test_a_callback_cannot_run_the_world():
    world = mt.World()
    world.broker()
    world.at("1s", lambda: world.run("1s"))
    with pytest.raises(mt.MqttwinError, match="cannot run it again"):
        world.run("10s")


def test_run_until_stops_when_it_is_true():
    world = small_world(devices=10)
    meters = world.fleets["meter"]
    result = world.run_until(lambda: meters.online == 10, timeout="1min", step="10ms")
    assert meters.online == 10
    assert 0 < world.now < 10
    assert result.counts["connects"] >= 10
    before = world.now
    world.run_until(lambda: True)
    assert world.now == before


def test_run_until_gives_up_with_the_virtual_time():
    world = mt.World()
    world.broker()
    looks = []
    with pytest.raises(mt.SimulationError, match="within '10s'") as error:
        world.run_until(lambda: looks.append(world.now), timeout="10s", step="4s")
    assert error.value.virtual_time == 10
    assert looks == [0, 4, 8, 10]


def test_ctrl_c_ends_a_run_with_what_was_gathered():
    world = small_world()
    world.at("10min", _thread.interrupt_main)
    result = world.run("10h")
    assert result.interrupted
    assert 600 <= world.now < 36_000
    assert result.delivered > 0
    assert "interrupted" in result.report()
    assert "interrupted" in repr(result)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not world.run("1min").interrupted


def test_ctrl_c_stops_within_a_moment_while_the_core_is_busy():
    world = small_world(devices=2000)
    threading.Timer(0.3, _thread.interrupt_main).start()
    began = time.monotonic()
    result = world.run("100000h")
    assert result.interrupted
    assert time.monotonic() - began < 5


def test_an_interrupted_run_can_be_repeated():
    world = small_world()
    world.at("10min", _thread.interrupt_main)
    result = world.run("10h")
    again = small_world()
    assert again.run(f"{result.info.virtual_ns}ns").digest == result.digest


def test_a_handler_of_the_users_own_stays():
    caught = []
    before = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        world = small_world(devices=2)
        world.at("1s", _thread.interrupt_main)
        assert not world.run("1min").interrupted
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught == [signal.SIGINT]


def test_other_threads_run_meanwhile():
    world = small_world(devices=1000)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (world.run("1h", progress=False), done.set()))
    thread.start()
    turns = 0
    while not done.wait(0.001):
        turns += 1
    thread.join()
    assert turns >= 3


def test_a_closed_world_does_not_run():
    with small_world() as world:
        result = world.run("1min")
    assert result.delivered >= 0
    with pytest.raises(mt.MqttwinError, match="closed"):
        world.run("1s")
    with pytest.raises(mt.MqttwinError, match="closed"):
        world.broker("another")


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", None])
def test_wrong_seeds(seed):
    with pytest.raises(mt.ConfigError, match=r"^seed: "):
        mt.World(seed)


@pytest.mark.parametrize(
    "wrong",
    [{"late_after": -1}, {"keep_messages": -1}, {"series_width": 0}, {"series_buckets": 1}],
)
def test_wrong_options_of_a_world(wrong):
    with pytest.raises(mt.ConfigError, match=f"^{next(iter(wrong))}: "):
        mt.World(**wrong)


def test_repr_and_memory():
    world = small_world(devices=1500)
    world.run("2h")
    assert repr(world) == "<World seed=1, 1 brokers, 1,501 devices, at 2 h>"
    assert all(isinstance(size, int) for size in world.memory().values())
