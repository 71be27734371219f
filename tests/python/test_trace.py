import pytest

import mqttwin as mt
from conftest import small_world


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "trace.msgpack"
    world = small_world()
    world.trace(path)
    world.run("10min")
    world.stop_trace()
    return path


def test_what_is_in_it(log):
    events, header = mt.read_trace(log)
    assert header["seed"] == "1"
    assert header["mqttwin"] == mt.__version__
    frame = events.to_pandas()
    assert {"open", "sent", "delivered"} <= set(frame["kind"])
    assert frame["time"].is_monotonic_increasing
    publishes = frame[(frame["packet"] == "PUBLISH") & (frame["kind"] == "sent")]
    assert len(publishes) > 100
    assert publishes["topic"].str.startswith("site/").all()


def test_a_torn_log_is_read_up_to_the_damage(log):
    whole, _ = mt.read_trace(log)
    log.write_bytes(log.read_bytes()[:-100])
    torn, header = mt.read_trace(log)
    assert 0 <= len(torn) < len(whole)
    assert "byte" in header["damage"]


def test_files_that_are_none(tmp_path):
    (tmp_path / "x").write_text("nothing of the kind")
    for name in ("x", "absent"):
        events, header = mt.read_trace(tmp_path / name)
        assert len(events) == 0
        assert header["damage"]


def test_a_log_that_cannot_be_written_is_refused(tmp_path):
    world = small_world()
    with pytest.raises(mt.ConfigError, match=r"^trace: "):
        world.trace(tmp_path / "absent" / "t.msgpack")
