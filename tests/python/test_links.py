import inspect
import re

import pytest

import mqttwin as mt
from mqttwin import links


@pytest.mark.parametrize("name", links.PRESETS)
def test_every_preset_names_its_sources_and_its_assumptions(name):
    about = inspect.getdoc(links.PRESETS[name])
    assert re.search("[Aa]ssumption", about)
    if name != "ethernet":
        assert "Source" in about
        assert re.search(r"grade\s+[ABC]", about)
        assert "undated" in about or re.search(r"20\d\d-\d\d-\d\d", about)


@pytest.mark.parametrize("name", links.PRESETS)
def test_every_value_of_a_preset_can_be_overridden(name):
    mine = links.PRESETS[name](
        latency=("1s", "2s"),
        jitter="3ms",
        jitter_kind="exponential",
        loss=(0.5, 0.25),
        bandwidth="1kbit/s",
        queue="1KiB",
        mtu=576,
    )
    assert mine.up == links.Direction(10**9, 3 * 10**6, "exponential", 0.5, 1000, 1024)
    assert mine.down == links.Direction(2 * 10**9, 3 * 10**6, "exponential", 0.25, 1000, 1024)
    assert mine.mtu == 576


def test_figures_of_presets():
    nb_iot = mt.links.nb_iot()
    assert nb_iot.up.latency == 837_000_000
    assert nb_iot.up.bandwidth == 60_000
    gprs = mt.links.gprs()
    assert gprs.up.latency + gprs.down.latency == 500_000_000
    assert gprs.up.loss == 0.02
    cat1 = mt.links.lte_cat1()
    assert (cat1.up.bandwidth, cat1.down.bandwidth) == (5e6, 10e6)
    assert mt.links.leo().up.jitter_kind == "normal"
    assert mt.links.preset("3g") == mt.links.umts()


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"latency": "-1ms"}, "latency"),
        ({"latency": "soon"}, "latency"),
        ({"jitter": -1}, "jitter"),
        ({"jitter_kind": "cauchy"}, "jitter_kind"),
        ({"loss": 1}, "loss"),
        ({"loss": -0.1}, "loss"),
        ({"loss": (0.1, 2)}, "loss"),
        ({"bandwidth": "fast"}, "bandwidth"),
        ({"bandwidth": -1}, "bandwidth"),
        ({"queue": "-1KiB"}, "queue"),
        ({"mtu": 10}, "mtu"),
        ({"latency": (1, 2, 3)}, "link"),
    ],
)
def test_wrong_values_are_named(wrong, key):
    with pytest.raises(mt.ConfigError) as error:
        mt.links.link(**wrong)
    assert error.value.key == key


def test_unknown_preset_names_those_that_there_are():
    with pytest.raises(mt.ConfigError, match="nb_iot, lte_m"):
        mt.links.preset("smoke")


def test_a_link_reads_well():
    assert str(mt.links.nb_iot(loss=0.02)) == "NB-IoT (837 ms, 60 kbit/s, 2 % loss)"
    assert str(mt.links.lte_cat1()).startswith("LTE Cat 1 (up 20 ms, ± 5 ms uniform, 5 Mbit/s; ")
