import inspect
import re

import pytest

import mqttwin as mt
from mqttwin import _core, links

SECOND = 10**9


@pytest.mark.parametrize("name", links.PRESETS)
def test_every_preset_names_its_sources_and_its_assumptions(name):
    about = inspect.getdoc(links.PRESETS[name])
    assert re.search("[Aa]ssumption", about)
    if name in ("ethernet", "ble_gateway", "lorawan_backhaul"):
        assert re.search(r"[Aa]ll (figures|of it) (are|is an) assumption", " ".join(about.split()))
        return
    assert "Source" in about
    assert re.search(r"grade\s+[ABC]", about)
    assert "undated" in about or re.search(r"20\d\d-\d\d-\d\d", about)


@pytest.mark.parametrize("name", links.PRESETS)
def test_every_value_of_a_preset_can_be_overridden(name):
    cell = links.shared(bandwidth="1Mbit/s")
    mine = links.PRESETS[name](
        latency=("1s", "2s"),
        jitter="3ms",
        jitter_kind="exponential",
        reorder=(False, True),
        loss=(0.5, 0.25),
        bursts=(None, links.bursts(good="9s", bad="1s")),
        bandwidth="1kbit/s",
        queue=("1KiB", None),
        queue_packets=(None, 7),
        schedule=([(0, "5s")], None),
        mtu=576,
        sleep=links.duty_cycle(on="1s", period="10s"),
        outages=[("1h", "2h")],
        random_outages=links.random_outages(up="6h", down="2min"),
        idle_timeout=links.idle_timeouts.FRENCH_CARRIER,
        on_idle="reset",
        tcp="embedded",
        user_timeout="30s",
        tcp_keep_alive="60s",
        shared=cell,
        name="mine",
    )
    ms = 10**6
    curve = links.schedule([(0, "5s")])
    assert mine.up == links.Direction(SECOND, 3 * ms, "exponential", 0.5, 1000, 1024, curve=curve)
    assert mine.down == links.Direction(
        2 * SECOND,
        3 * ms,
        "exponential",
        0.25,
        1000,
        None,
        queue_packets=7,
        reorder=True,
        bursts=links.bursts(good="9s", bad="1s"),
    )
    assert mine.mtu == 576
    assert mine.shared is cell
    spec = mine._core(shared=3)
    assert (spec.up.latency, spec.down.latency) == (SECOND, 2 * SECOND)
    assert (spec.up.queue_bytes, spec.up.queue_packets) == (1024, _core.PipeSpec.UNBOUNDED)
    assert (spec.down.queue_bytes, spec.down.queue_packets) == (_core.PipeSpec.UNBOUNDED, 7)
    assert (spec.up.bursts.clock, spec.down.bursts.clock) == ("off", "time")
    assert (spec.up.curve.points, spec.down.curve.points) == ([(0, 5 * SECOND, -1.0)], [])
    assert (spec.sleep.kind, spec.sleep.period) == ("cyclic", 10 * SECOND)
    assert spec.outages == [(3600 * SECOND, 7200 * SECOND)]
    assert (spec.random_outages.kind, spec.random_outages.down) == ("exponential", 120 * SECOND)
    assert (spec.nat.idle_timeout, spec.nat.reset) == (270 * SECOND, True)
    assert (spec.tcp.profile, spec.tcp.user_timeout) == ("embedded", 30 * SECOND)
    assert (spec.tcp.keep_alive_idle, spec.tcp.keep_alive_count) == (60 * SECOND, 9)
    assert spec.shared == 3


def test_presets_take_the_keywords_of_link():
    keywords = inspect.signature(links.link).parameters
    assert list(links.Options.__annotations__) == list(keywords)


def test_figures_of_presets():
    nb_iot = mt.links.nb_iot()
    assert nb_iot.up.latency == 837_000_000
    assert nb_iot.up.bandwidth == 60_000
    assert nb_iot.sleep is None
    gprs = mt.links.gprs()
    assert gprs.up.latency + gprs.down.latency == 500_000_000
    assert gprs.up.loss == 0.02
    cat1 = mt.links.lte_cat1()
    assert (cat1.up.bandwidth, cat1.down.bandwidth) == (5e6, 10e6)
    assert mt.links.leo().up.jitter_kind == "normal"
    assert mt.links.preset("3g") == mt.links.umts()
    assert mt.links.preset("5g", loss=0.1) == mt.links.nr_5g(loss=0.1)
    assert mt.links.nr_5g().up.latency == 4_000_000


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"latency": "-1ms"}, "latency"),
        ({"latency": "soon"}, "latency"),
        ({"latency": "2h"}, "latency"),
        ({"latency": (1, 2, 3)}, "latency"),
        ({"latency": float("nan")}, "latency"),
        ({"jitter": -1}, "jitter"),
        ({"jitter_kind": "cauchy"}, "jitter_kind"),
        ({"reorder": 1}, "reorder"),
        ({"loss": 1}, "loss"),
        ({"loss": -0.1}, "loss"),
        ({"loss": (0.1, 2)}, "loss"),
        ({"loss": float("nan")}, "loss"),
        ({"bursts": 0.1}, "bursts"),
        ({"bandwidth": "fast"}, "bandwidth"),
        ({"bandwidth": -1}, "bandwidth"),
        ({"bandwidth": 0.5}, "bandwidth"),
        ({"queue": 0}, "queue"),
        ({"queue": "0B"}, "queue"),
        ({"queue": ("64KiB", 0)}, "queue"),
        ({"queue": "1KiB"}, "queue"),  # less than an MTU
        ({"queue": "-1KiB"}, "queue"),
        ({"queue_packets": 0}, "queue_packets"),
        ({"mtu": 10}, "mtu"),
        ({"schedule": []}, "schedule"),
        ({"schedule": [("0s", "1ms"), ("0s", "2ms")]}, "schedule[1].time"),
        ({"schedule": [("1h", "1ms"), ("30min", "2ms")]}, "schedule[1].time"),
        ({"schedule": [("0s", "-1ms")]}, "schedule[0].latency"),
        ({"schedule": [("0s", "2h")]}, "schedule[0].latency"),
        ({"schedule": [("0s", "1ms", 2)]}, "schedule[0].loss"),
        ({"schedule": ["0s"]}, "schedule[0]"),
        ({"schedule": "0s"}, "schedule"),
        ({"trace": 7}, "trace"),
        ({"trace": "no such file.csv"}, "trace"),
        ({"trace": "a.csv", "schedule": [(0, 1)]}, "trace"),
        ({"sleep": "1h"}, "sleep"),
        ({"outages": ["1h"]}, "outages[0]"),
        ({"outages": [("2h", "1h")]}, "outages[0]"),
        ({"outages": [("1h", "3h"), ("2h", "4h")]}, "outages[1]"),
        ({"random_outages": "6h"}, "random_outages"),
        ({"idle_timeout": "-1s"}, "idle_timeout"),
        ({"idle_timeout": 0}, "idle_timeout"),
        ({"on_idle": "explode"}, "on_idle"),
        ({"tcp": "windows"}, "tcp"),
        ({"user_timeout": -1}, "user_timeout"),
        ({"tcp_keep_alive": 0}, "tcp_keep_alive"),
        ({"shared": "1Mbit/s"}, "shared"),
    ],
)
def test_wrong_values_are_named(wrong, key):
    with pytest.raises(mt.ConfigError) as error:
        mt.links.link(**wrong)
    assert error.value.key == key


@pytest.mark.parametrize(
    ("part", "wrong", "key"),
    [
        (links.bursts, {"good": 0, "bad": 1}, "bursts.good"),
        (links.bursts, {"good": 1, "bad": 1, "loss_in_bad": 2}, "bursts.loss_in_bad"),
        (links.packet_bursts, {"to_bad": -1, "to_good": 1}, "bursts.to_bad"),
        (links.psm, {"t3412": "20s"}, "sleep"),
        (links.psm, {"t3324": 0, "inactivity": 0}, "sleep"),
        (links.psm, {"buffered": -1}, "sleep.buffered"),
        (links.edrx, {"cycle": 0}, "sleep.period"),
        (links.edrx, {"paging_window": "90s"}, "sleep.paging_window"),
        (links.duty_cycle, {"on": 0, "period": 1}, "sleep.on"),
        (links.random_outages, {"up": 0, "down": 1}, "random_outages.up"),
        (links.random_outages, {"up": 1, "down": 1, "kind": "now"}, "random_outages.kind"),
        (links.tcp_keep_alive, {"count": 0}, "tcp_keep_alive.count"),
        (links.shared, {"bandwidth": -1}, "shared.bandwidth"),
        (links.shared, {"bandwidth": 1, "queue": 0}, "shared.queue"),
        (links.schedule, {"points": [("1h", "1ms")], "repeat": "30min"}, "schedule.repeat"),
    ],
)
def test_wrong_parts_are_named(part, wrong, key):
    with pytest.raises(mt.ConfigError) as error:
        part(**wrong)
    assert error.value.key == key


def test_a_range_that_only_the_core_knows_is_named_too():
    with pytest.raises(mt.ConfigError, match=r"random_outages\.up: must be within 1 ms to 366 d"):
        mt.links.link(random_outages=mt.links.random_outages(up=1e-6, down=1))
    with pytest.raises(mt.ConfigError, match=r"tcp_keep_alive\.interval: must be at least 1 s"):
        mt.links.link(tcp_keep_alive=mt.links.tcp_keep_alive(interval=0.5))


def test_a_trace_is_read(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("loss,time,latency\n,0,0.04\n0.1,10s,50ms\n\n0.2,1min, 1e-3\n")
    curve = links.trace(path, linear=True, repeat="2min")
    assert curve.points == (
        (0, 40_000_000, -1.0),
        (10 * SECOND, 50_000_000, 0.1),
        (60 * SECOND, 1_000_000, 0.2),
    )
    assert (curve.linear, curve.repeat) == (True, 120 * SECOND)
    assert links.link(trace=str(path)).up.curve == links.trace(path)
    both = links.link(trace=(path, None), latency="7ms")
    assert both.down.curve is None
    assert str(both) == "link (up 1 ms to 50 ms over time; down 7 ms)"


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("time,delay\n0,1\n", 1, "no column latency"),
        ("", 1, "no column time"),
        ("time,latency\n0,1\n5,1\n5,2\n", 4, "time: must be later than 5 s"),
        ("time,latency\n0,1\n-1,1\n", 3, "time: '-1' is negative"),
        ("time,latency\n0,fast\n", 2, "latency: 'fast' is not a duration"),
        ("time,latency\n0\n", 2, "latency: is missing"),
        ("time,latency,loss\n0,1,1.5\n", 2, "loss: must be from 0 to 1"),
        ("time,latency,loss\n0,1,much\n", 2, "loss: 'much' is not a number"),
    ],
)
def test_a_wrong_trace_is_refused_with_its_line(tmp_path, text, line, complaint):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(mt.ConfigError) as error:
        links.link(trace=path)
    assert error.value.line == line
    assert str(path) in str(error.value)
    assert complaint in str(error.value)


def test_a_trace_without_rows_is_refused(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("time,latency\n")
    with pytest.raises(mt.ConfigError, match="holds no rows"):
        links.trace(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(mt.ConfigError, match="is no CSV file"):
        links.trace(path)


def test_sleep_of_a_modem():
    psm = links.psm(t3412="24h", t3324="16s", inactivity="4s", wake_up="2s", buffered=3)._core()
    assert (psm.kind, psm.active, psm.window) == ("psm", 20 * SECOND, 20 * SECOND)
    assert (psm.period, psm.wake_up, psm.buffered) == (86400 * SECOND, 2 * SECOND, 3)
    edrx = links.edrx(cycle="655.36s", paging_window="5.12s")._core()
    assert (edrx.kind, edrx.window, edrx.period) == ("cyclic", 5_120_000_000, 655_360_000_000)


def test_two_shared_media_are_never_the_same():
    one, two = (links.shared(bandwidth=("1Mbit/s", 0), queue=(None, "64KiB")) for _ in range(2))
    assert one != two
    assert links.link(shared=one) == links.link(shared=one) != links.link(shared=two)
    spec = one._core()
    assert (spec.up.bandwidth, spec.down.bandwidth) == (1e6, 0)
    assert (spec.up.queue_bytes, spec.down.queue_bytes) == (_core.PipeSpec.UNBOUNDED, 65536)


def test_unknown_preset_names_those_that_there_are():
    with pytest.raises(mt.ConfigError, match="nb_iot, lte_m"):
        mt.links.preset("smoke")


def test_a_link_reads_well():
    assert str(mt.links.nb_iot(loss=0.02)) == "NB-IoT (837 ms, 60 kbit/s, 2 % loss)"
    assert str(mt.links.lte_cat1()).startswith("LTE Cat 1 (up 20 ms, ± 5 ms uniform, 5 Mbit/s; ")
    rich = mt.links.nb_iot(
        bursts=mt.links.bursts(good="19s", bad="1s"),
        sleep=mt.links.psm(t3412="24h"),
        outages=[(1, 2)],
        random_outages=mt.links.random_outages(up="6h", down="2min"),
        idle_timeout=mt.links.idle_timeouts.AWS_NLB,
        tcp="embedded",
        shared=mt.links.shared(bandwidth=1e6, name="cell 7"),
    )
    assert str(rich) == (
        "NB-IoT (837 ms, 60 kbit/s, bursts of 1 s, 5 % bad; PSM 20 s of every 24 h; 1 outage; "
        "outages of 2 min after 6 h; forgotten after 5 min 50 s idle; "
        "embedded TCP (unvalidated); shares cell 7)"
    )
