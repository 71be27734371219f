"""Generators and encoders, seen through previews: no world runs here."""

import json
import struct

import numpy as np
import pytest

import mqttwin as mt


def payloads(payload, *, count=3, devices=5, device=1, seed=1, every="1min", **columns):
    world = mt.World(seed)
    world.broker()
    fleet = world.fleet("dev", devices, columns=columns)
    fleet.publish("t", every=every, phase=0, payload=payload)
    return [body for _, _, body in fleet.preview(device, count)]


def values(generator, **more):
    return [json.loads(body)["x"] for body in payloads(mt.json(x=generator), **more)]


def test_constants_of_every_kind():
    body = payloads(
        mt.json(
            i=3,
            f=1.5,
            yes=True,
            text="dev {index:03}",
            literal=mt.gen.constant("{index}"),
            own=np.array([0.5, 1.5, 2.5, 3.5, 4.5]),
            listed=[10.0, 11.0, 12.0, 13.0, 14.0],
            big=2**62,
            numpy=np.int64(7),
        )
    )[0]
    assert json.loads(body) == {
        "i": 3,
        "f": 1.5,
        "yes": True,
        "text": "dev 001",
        "literal": "{index}",
        "own": 1.5,
        "listed": 11.0,
        "big": 2**62,
        "numpy": 7,
    }


def test_counter():
    assert values(mt.gen.counter()) == [0, 1, 2]
    assert values(mt.gen.counter(10, -5)) == [10, 5, 0]
    assert values(mt.gen.counter(65534, wrap=65536), count=4) == [65534, 65535, 0, 1]


def test_replay_of_an_array_loops_or_stays():
    assert values(mt.gen.replay([1.5, 2.5]), count=5) == [1.5, 2.5, 1.5, 2.5, 1.5]
    assert values(mt.gen.replay([1, 2], loop=False), count=4) == [1, 2, 2, 2]
    assert values(mt.gen.replay([1, 2, 3, 4], offset=[0, 2, 0, 0, 0])) == [3, 4, 1]
    assert values(mt.gen.replay([1, 2, 3, 4], stride=2)) == [1, 3, 1]
    assert values(mt.gen.replay([1, float("nan"), 3])) == [1, None, 3]
    assert values(mt.gen.replay([1, 2, 3], every="2min"), count=4) == [1, 1, 2, 2]


def test_normal_and_uniform_have_their_moments():
    drawn = np.array(values(mt.gen.normal(5, 2), count=4000))
    assert abs(drawn.mean() - 5) < 0.15
    assert abs(drawn.std() - 2) < 0.1
    drawn = np.array(values(mt.gen.uniform(-1, 3), count=4000))
    assert drawn.min() >= -1
    assert drawn.max() < 3
    assert abs(drawn.mean() - 1) < 0.1


def test_ornstein_uhlenbeck_comes_back_and_remembers():
    drawn = np.array(values(mt.gen.ou(mean=21, sigma=0.5, tau="10min"), count=20_000))
    assert abs(drawn.mean() - 21) < 0.1
    assert abs(drawn.std() - 0.5) < 0.05
    x = drawn - drawn.mean()
    correlation = (x[1:] * x[:-1]).mean() / x.var()
    assert abs(correlation - np.exp(-1 / 10)) < 0.03  # readings a minute apart


def test_random_walk_stays_between_its_walls():
    drawn = np.array(values(mt.gen.random_walk(0, 1, low=-2, high=2), count=2000))
    assert drawn[0] == 0
    assert drawn.min() >= -2
    assert drawn.max() <= 2
    assert 0.5 < np.abs(np.diff(drawn)).mean() < 1.1


def test_diurnal_peaks_at_its_hour():
    drawn = values(mt.gen.diurnal(10, 5, peak_hour=14), count=24, every="1h")
    assert int(np.argmax(drawn)) == 14
    assert max(drawn) == pytest.approx(15)
    assert min(drawn) == pytest.approx(5)


def test_choice_boolean_index_and_time():
    assert set(values(mt.gen.choice(["a", "b"]), count=50)) == {"a", "b"}
    weighted = values(mt.gen.choice([1, 2], weights=[9, 1]), count=1000)
    assert 850 < weighted.count(1) < 950
    assert 200 < sum(values(mt.gen.boolean(0.3), count=1000)) < 400
    assert values(mt.gen.index(), device=4) == [4, 4, 4]
    assert values(mt.gen.timestamp("s", absolute=False)) == [0, 60, 120]
    assert values(mt.gen.timestamp("iso"))[1] == "2025-01-01T00:01:00.000Z"


def test_digits():
    assert payloads(mt.json(x=mt.gen.constant(1.005, digits=2)))[0] in (
        b'{"x":1.00}',
        b'{"x":1.01}',
    )
    assert payloads(mt.json(x=mt.gen.constant(2.0, digits=1)))[0] == b'{"x":2.0}'


def test_text_columns():
    body = payloads(mt.json(where="{room}/{index}"), room=["a", "b", "c", "d", "e"])[0]
    assert json.loads(body) == {"where": "b/1"}


def test_distributions_give_each_device_one_value():
    first = [values(mt.dist.normal(20, 5), device=d)[0] for d in range(5)]
    again = [values(mt.dist.normal(20, 5), device=d, count=2) for d in range(5)]
    assert len(set(first)) == 5
    assert again == [[x, x] for x in first]
    more = [values(mt.dist.normal(20, 5), device=d, devices=50)[0] for d in range(5)]
    assert more == first  # whoever else there is


@pytest.mark.parametrize(
    "distribution",
    [
        mt.dist.uniform(1, 2),
        mt.dist.lognormal(1, 0.5),
        mt.dist.exponential(3),
        mt.dist.choice([1, 2, 3], weights=[1, 1, 2]),
    ],
)
def test_every_distribution_draws(distribution):
    assert values(distribution)[0] > 0


def unpacked(body):
    """Decodes the few forms of MessagePack that the encoder uses here."""
    at = 0

    def take(count):
        nonlocal at
        at += count
        return body[at - count : at]

    def value():
        kind = take(1)[0]
        if kind < 0x80:
            return kind
        if kind < 0x90:
            return {value(): value() for _ in range(kind & 15)}
        if 0xA0 <= kind < 0xC0:
            return take(kind & 31).decode()
        if kind == 0xC4:
            return take(take(1)[0])
        if kind == 0xCB:
            return struct.unpack(">d", take(8))[0]
        return {0xC0: None, 0xC2: False, 0xC3: True}[kind]

    decoded = value()
    assert at == len(body)
    return decoded


def test_msgpack():
    body = payloads(mt.msgpack({"a b": 1.5}, n=mt.gen.counter(), s="x", no=False))[1]
    assert unpacked(body) == {"a b": 1.5, "n": 1, "s": "x", "no": False}
    padded = payloads(mt.msgpack(n=1, pad_to=100))[0]
    assert len(padded) == 100
    assert unpacked(padded)["n"] == 1


def test_struct_in_the_notation_of_python():
    body = payloads(mt.struct("<fHh", 1.5, mt.gen.counter(7), -3.4))[2]
    assert struct.unpack("<fHh", body) == (1.5, 9, -3)
    named = payloads(mt.struct(">Hd", n=mt.gen.counter(), t=2.5))[1]
    assert struct.unpack(">Hd", named) == (1, 2.5)


def test_raw_text_and_random_bytes():
    assert payloads(b"\x00\xff")[0] == b"\x00\xff"
    assert payloads(mt.raw(b"x", pad_to=4))[0] == b"x\0\0\0"
    assert payloads(21.5)[0] == b"21.5"
    assert payloads("state {id}")[0] == b"state dev-1"
    one, two, _ = payloads(mt.random_bytes("16B"))
    assert len(one) == len(two) == 16
    assert one != two
    assert len(payloads(mt.random_bytes([1, 2, 3, 4, 5]))[0]) == 2
    assert len(payloads(mt.json(x=1, pad_to="1KiB"))[0]) == 1024


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: mt.gen.normal(sd=-1), "sd: -1"),
        (lambda: mt.gen.normal(mean="warm"), "mean: 'warm' is not a number"),
        (lambda: mt.gen.ou(tau="-1h"), "tau: '-1h' is negative"),
        (lambda: mt.gen.ou(tau=0), "tau: must be more than 0"),
        (lambda: mt.gen.boolean(2), "probability: 2"),
        (lambda: mt.gen.choice([]), "at least one"),
        (lambda: mt.gen.choice([1, "a"]), "numbers, or texts"),
        (lambda: mt.gen.choice([1, 2], weights=[1]), "1 weights for 2 values"),
        (lambda: mt.gen.replay([]), "not empty"),
        (lambda: mt.gen.replay([[1, 2]]), "one dimension"),
        (lambda: mt.gen.timestamp("week"), "'week'"),
        (lambda: mt.gen.counter(wrap=-1), "wrap: "),
        (lambda: mt.gen.uniform(3, 1, digits=99), "digits"),
        (lambda: mt.struct("fH", 1, 2), "must begin with"),
        (lambda: mt.struct("<f", 1, 2), "2 fields"),
        (lambda: mt.struct("<zz", 1, 2), "z"),
        (lambda: mt.json(x=None), "x: None cannot be sent"),
        (lambda: mt.json(x=b"bytes"), "x: b'bytes' cannot be sent"),
        (lambda: mt.raw("text"), "is not bytes"),
        (lambda: mt.dist.normal(0, -1), None),
        (lambda: mt.random_bytes("-5"), "is not a size"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(make, told):
    if told is None:
        made = make()  # a distribution is looked at when it is used
        with pytest.raises(mt.ConfigError):
            mt.gen.constant(made)
        return
    with pytest.raises(mt.ConfigError) as error:
        make()
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_length_of_a_column_is_refused_with_the_fleet():
    with pytest.raises(mt.ConfigError, match="5"):
        values([1.0, 2.0])


def test_reprs_say_what_it_is():
    assert repr(mt.gen.counter()) == "gen.counter(start=0, step=1)"
    assert repr(mt.json(a=1, b=2)) == "json(a, b)"
    assert repr(mt.dist.uniform(1, 2)) == "dist.uniform(1, 2)"
