import sys

import matplotlib.pyplot as plt
import pytest

import mqttwin as mt
from conftest import small_world


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", ["latency_cdf", "rates", "connections", "connects"])
def test_a_plot_draws_into_what_it_is_given(a_result, name):
    _, ax = plt.subplots()
    assert getattr(a_result.plot, name)(ax=ax) is ax
    assert ax.get_lines()
    assert ax.get_title(loc="left")
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    ax.figure.canvas.draw()


@pytest.mark.parametrize("name", ["latency_cdf", "rates", "connections", "connects"])
def test_a_plot_makes_its_own_axes(a_result, name):
    assert getattr(a_result.plot, name)().figure is plt.gcf()


def test_latency_is_logarithmic_in_time_and_reaches_one(a_result):
    ax = a_result.plot.latency_cdf()
    assert ax.get_xscale() == "log"
    assert len(ax.get_lines()) == 3
    for line in ax.get_lines():
        assert line.get_ydata()[-1] == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "device to broker",
        "device to subscriber",
        "until acknowledged",
    ]


def test_several_results_over_each_other(a_result):
    ax = a_result.plot.latency_cdf(which="latency", label="one")
    small_world(2).run("10min").plot.latency_cdf(ax, which="latency", label="two")
    assert [line.get_label() for line in ax.get_lines()] == ["one", "two"]
    assert len({line.get_color() for line in ax.get_lines()}) == 2


def test_time_axes_cover_the_run(a_result):
    ax = a_result.plot.connections()
    x = ax.get_lines()[0].get_xdata()
    assert ax.get_xlabel() == "virtual time (min)"
    assert (x[0], x[-1]) == (0, 30)


def test_all_of_them(a_result):
    figure = a_result.plot()
    assert len(figure.axes) == 3
    figure.canvas.draw()


def test_a_run_without_anything():
    world = mt.World()
    world.broker()
    result = world.run("1s")
    result.plot().canvas.draw()
    result = mt.World().result()
    result.plot().canvas.draw()
    assert "Messages" in result.report()


def test_without_matplotlib_it_says_what_to_install(a_result, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(mt.MqttwinError, match=r"pip install 'mqttwin\[plot\]'"):
        a_result.plot.rates()
