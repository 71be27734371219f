"""Names, layers, partitions, shared media and faults, end to end."""

import pytest

import mqttwin as mt

LINK = mt.links.link(latency="50ms")


def fleets(world, count=10, name="meter", **options):
    """Meters that report every 10 s with QoS 1, and somebody who listens."""
    options.setdefault("link", LINK)
    options.setdefault("keep_alive", "60s")
    options.setdefault("session_expiry", "24h")
    options.setdefault("clean_start", False)
    options.setdefault("backoff", mt.backoff.fixed("5s"))
    meters = world.fleet(name, count, **options)
    meters.publish("t/{id}", every="10s", qos=1, payload=b"x" * 40)
    if "ear" not in world.fleets:
        broker = next(iter(world.brokers))
        world.fleet("ear", broker=broker, session_expiry="24h").subscribe("t/#", qos=1)
    return meters


def settled(world):
    """All that is owed has been delivered, or is accounted for."""
    result = world.run("10min")
    assert result.conservation.holds, result.conservation
    return result


@pytest.fixture
def world():
    with mt.World(11) as world:
        world.broker("east", hostname="mqtt.example.com", ttl="60s")
        yield world


# --- names --------------------------------------------------------------------------------------


def test_who_asks_finds_a_broker_that_moved_and_who_does_not_is_left_behind(world):
    by_name = fleets(world, find="name")
    by_address = fleets(world, name="old", find="address")
    known = fleets(world, name="sure")
    world.run("1min")
    assert (by_name.online, by_address.online, known.online) == (10, 10, 10)
    world.brokers["east"].move()
    world.run("10s")
    assert by_name.online == 10  # nobody has noticed
    result = settled(world)
    assert (by_name.online, by_address.online, known.online) == (10, 0, 10)
    assert result.counts["sessions_resumed"] >= 20


def test_the_ttl_says_how_long_devices_go_to_the_old_address():
    def back_after(ttl):
        with mt.World(2) as world:
            broker = world.broker(hostname="b.example")
            broker.set_ttl(ttl)
            meters = world.fleet(
                "meter",
                find="name",
                keep_alive="30s",
                connect_timeout="5s",
                backoff=mt.backoff.fixed("5s"),
            )
            world.run("1min")
            broker.move()
            world.run_until(lambda: meters.online == 0)
            begin = world.now
            world.run_until(lambda: meters.online == 1)
            return world.now - begin

    assert back_after("10s") < 15
    assert 60 < back_after("5min") < 300


def test_a_name_that_was_not_updated_leads_nowhere(world):
    meters = fleets(world, find="name")
    world.run("1min")
    world.brokers["east"].move(update_name=False)
    settled(world)
    assert meters.online == 0


def test_a_move_may_lose_the_sessions():
    def resumed(keep):
        with mt.World(3) as world:
            broker = world.broker(hostname="b.example", ttl="10s")
            fleets(world, find="name")
            world.run("1min")
            broker.move(keep_sessions=keep)
            return settled(world).counts["sessions_resumed"]

    assert resumed(True) >= 10
    assert resumed(False) == 0


def test_a_lookup_takes_its_time(world):
    fast = fleets(world, 1, find="name", resolver="1ms", keep_alive="20min")
    slow = fleets(world, 1, "slow", find="name", resolver="2s", keep_alive="20min")
    world.run("1s")
    assert (fast.online, slow.online) == (1, 0)
    world.run("2s")
    assert slow.online == 1


# --- layers -------------------------------------------------------------------------------------


def ip_bytes(**options):
    with mt.World(4) as world:
        world.broker()
        fleets(world, 1, **options)
        result = world.run("1min")
        assert result.conservation.holds
        assert result.delivered >= 5
        return result.counts["ip_bytes_up"] + result.counts["ip_bytes_down"]


def test_layers_cost_bytes():
    plain = ip_bytes()
    websocket = ip_bytes(websocket=True)
    tls = ip_bytes(tls=mt.tls())
    both = ip_bytes(tls=True, websocket=mt.websocket("/other"))
    dear = ip_bytes(tls=mt.tls("1.2", key="rsa4096", mutual=True))
    assert plain < websocket < tls < both < dear


def test_a_resumed_session_is_cheaper():
    def bytes_down(resumption):
        with mt.World(5) as world:
            world.broker()
            meters = fleets(world, tls=mt.tls(resumption=resumption))
            world.run("1min")
            for _ in range(5):
                meters.cut()
                world.run("1min")
            assert meters.online == 10
            return world.result().counts["ip_bytes_down"]

    assert bytes_down(True) < 0.8 * bytes_down(False)


def test_the_report_names_layers(world):
    fleets(world, tls=mt.tls("1.2", key="p384"), websocket=True)
    fleets(world, name="bare")
    text = world.run("1min").report()
    line = next(line for line in str(text).splitlines() if "fleet meter" in line)
    assert "over link (50 ms), TLS 1.2, p384" in line
    assert line.endswith("WebSocket, /mqtt")
    assert world.fleets["meter"].layers
    bare = next(line for line in str(text).splitlines() if "fleet bare" in line)
    assert bare.endswith("over link (50 ms)")
    assert world.fleets["bare"].layers == ""


# --- partitions and links that are down ---------------------------------------------------------


def test_a_partition_parts_those_that_are_named(world):
    west = world.broker("west")
    here = fleets(world, broker="east")
    there = fleets(world, name="there", broker=west)
    world.run("1min")
    cut_off = world.partition(here, ["east"])
    world.run("5min")
    assert (here.online, there.online) == (0, 10)
    cut_off.heal()
    cut_off.heal()  # once is enough
    result = settled(world)
    assert (here.online, there.online) == (10, 10)
    assert result.conservation.dropped == 0


def test_a_partition_of_all_is_over_with_its_block(world):
    meters = fleets(world)
    world.run("1min")
    with world.partition():
        world.run("5min")
        assert meters.online == 0
    settled(world)
    assert meters.online == 10


def test_a_short_partition_only_delays(world):
    meters = fleets(world)
    world.run("1min")
    with world.partition(["meter"], "east"):
        world.run("8s")
    result = settled(world)
    assert meters.online == 10
    assert result.counts["reconnects"] == 0
    assert result.conservation.dropped == 0


def test_two_partitions_both_have_to_heal(world):
    meters = fleets(world)
    world.run("1min")
    with world.partition(meters):
        with world.partition():
            world.run("3min")
        world.run("3min")
        assert meters.online == 0
    settled(world)
    assert meters.online == 10


def test_links_of_some_devices_are_down(world):
    meters = fleets(world)
    world.run("1min")
    with meters.link_down([0, 3]):
        world.run("5min")
        assert meters.online == 8
    settled(world)
    assert meters.online == 10
    meters.link_down()
    world.run("5min")
    assert meters.online == 0
    meters.link_up(range(4))
    settled(world)
    assert meters.online == 4


# --- shared media -------------------------------------------------------------------------------


def test_devices_of_two_fleets_compete_for_a_medium():
    def delay(shared):
        with mt.World(6) as world:
            world.broker()
            cell = mt.links.shared(bandwidth="20kbit/s", queue=None)
            other = cell if shared else mt.links.shared(bandwidth="20kbit/s", queue=None)
            for name, medium in (("a", cell), ("b", other)):
                fleet = fleets(world, 5, name, link=mt.links.link(latency="50ms", shared=medium))
                fleet.publish("t/big/{id}", every="20s", phase=0, payload=b"x" * 1000)
            result = settled(world)
            assert result.delivered > 500
            return result.latency.p99

    assert delay(True) > 1.5 * delay(False)


def test_a_medium_may_serve_several_worlds():
    cell = mt.links.shared(bandwidth="1Mbit/s")
    for _ in range(2):
        with mt.World(7) as world:
            world.broker()
            fleets(world, link=mt.links.link(latency="50ms", shared=cell))
            assert settled(world).delivered > 0


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("after", [0, 1, 3, 17, 40, 100])
def test_a_cut_at_a_byte_breaks_connections_and_loses_nothing(world, direction, after):
    meters = fleets(world)
    world.run("1min")
    meters.cut(after_bytes=after, direction=direction)
    result = settled(world)
    assert result.counts["reconnects"] == 10
    assert meters.online == 10
    assert result.conservation.dropped == 0


def test_a_cut_may_wait_for_the_next_connection(world):
    meters = fleets(world)
    meters.cut(after_bytes=10)  # in the middle of CONNECT
    result = settled(world)
    assert result.counts["connects_failed"] == 10
    assert meters.online == 10


def test_before_the_first_event_a_cut_is_fine(world):
    meters = fleets(world)
    meters.cut(after_bytes=0)
    world.run(0)
    meters.cut(after_bytes=0)
    settled(world)
    assert meters.online == 10


@pytest.mark.parametrize("after", [0, 5, 60])
def test_a_black_hole_is_found_by_the_keep_alive(world, after):
    meters = fleets(world)
    world.run("1min")
    meters.black_hole(range(5), after_bytes=after)
    world.run("20s")
    assert meters.online == 10
    result = settled(world)
    assert meters.online == 10
    assert result.counts["keep_alive_timeouts"] >= 5
    assert result.conservation.dropped == 0


def test_a_stalled_listener_reads_on():
    with mt.World(8) as world:
        world.broker()
        fleets(world)
        ear = world.fleets["ear"]
        world.run("1min")
        before = world.result().delivered
        ear.stall()
        result = world.run("5min")
        assert result.delivered == before
        assert result.conservation.holds
        assert result.conservation.in_flight > 0
        ear.read_on()
        result = settled(world)
        assert result.counts["reconnects"] == 0
        assert result.delivered == result.conservation.expected


def test_a_broker_that_does_not_read_is_given_up(world):
    meters = fleets(world)
    world.run("1min")
    meters.stall(range(3), direction="up")
    result = settled(world)
    assert meters.online == 10
    assert result.counts["reconnects"] >= 3


def test_a_fault_may_be_taken_back(world):
    meters = fleets(world)
    world.run("1min")
    meters.cut(after_bytes=100)
    meters.clear_fault()
    assert settled(world).counts["reconnects"] == 0


# --- the same again -----------------------------------------------------------------------------


def eventful(others: int = 0) -> mt.World:
    """A world in which everything happens."""
    world = mt.World(99)
    world.broker("b", hostname="b.example", ttl="2min")
    link = mt.links.link(latency="50ms", jitter="10ms", loss=0.02, idle_timeout="4min")
    meters = fleets(world, link=link, tls=mt.tls(resumption=True), find="name")
    if others:
        fleets(world, others, "others", link=mt.links.lte_m(loss=0.1), websocket=True)
    world.at("2min", lambda: meters.cut(range(3), after_bytes=200))
    world.at("3min", lambda: meters.black_hole(4, after_bytes=33))
    world.at("4min", lambda: meters.stall([5, 6]))
    world.at("6min", lambda: meters.read_on([5, 6]))
    world.at("7min", lambda: meters.link_down(7))
    world.at("9min", lambda: meters.link_up(7))
    world.at("10min", world.brokers["b"].move)

    @world.at("14min")
    def part():
        world.at("15min", world.partition("meter").heal)

    return world


def test_the_same_seed_gives_the_same_run():
    first, second = eventful(), eventful()
    a, b = first.run("30min"), second.run("30min")
    assert a.digest == b.digest
    assert a.counts == b.counts
    assert a.conservation.holds
    assert a.counts["reconnects"] > 10


def test_runs_in_pieces_are_the_same():
    whole, pieces = eventful().run("30min"), eventful()
    for _ in range(1800):
        pieces.run("1s")
    assert pieces.result().digest == whole.digest


def test_what_befalls_a_fleet_does_not_depend_on_others():
    def rows(world):
        world.run("30min")
        table = world.result().devices("meter")
        # Who listens has one queue for all of them: what is dropped there does depend on others.
        return {name: list(table[name]) for name in table.columns if name != "lost"}

    assert rows(eventful()) == rows(eventful(others=5))


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a b", ".a", "a.", "a..b", "x" * 64, "a." * 127 + "b", 7])
def test_host_names(name):
    with mt.World() as world, pytest.raises(mt.ConfigError, match="hostname") as caught:
        world.broker(hostname=name)
    assert caught.value.key == "hostname"


def test_a_host_name_is_one_brokers_alone(world):
    with pytest.raises(mt.ConfigError, match="hostname"):
        world.broker("other", hostname="MQTT.example.com")
    assert list(world.brokers) == ["east"]
    world.broker("other", hostname="mqtt2.example.com")


@pytest.mark.parametrize("ttl", [-1, "-1s", "366d", "soon", None, "1h2"])
def test_times_to_live(world, ttl):
    for call in (world.brokers["east"].set_ttl, lambda ttl: world.broker("w", ttl=ttl)):
        with pytest.raises(mt.ConfigError) as caught:
            call(ttl)
        assert caught.value.key == "ttl"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"find": "luck"}, "find"),
        ({"find": None}, "find"),
        ({"find": "name", "broker": "nameless"}, "find"),
        ({"resolver": -1}, "resolver"),
        ({"resolver": "soon"}, "resolver"),
        ({"tls": "1.3"}, "tls"),
        ({"tls": mt.websocket()}, "tls"),
        ({"tls": False}, "tls"),
        ({"websocket": mt.tls()}, "websocket"),
        ({"websocket": "/mqtt"}, "websocket"),
        ({"websocket": 1}, "websocket"),
        ({"link": "nb_iot"}, "link"),
    ],
)
def test_fleets(world, options, key):
    world.broker("nameless")
    with pytest.raises(mt.ConfigError) as caught:
        world.fleet("f", **{"broker": "east", **options})
    assert caught.value.key == key
    assert not world.fleets


@pytest.mark.parametrize("what", ["cut", "black_hole", "stall"])
@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"after_bytes": -1}, "after_bytes"),
        ({"after_bytes": 1.5}, "after_bytes"),
        ({"after_bytes": 2**30 + 1}, "after_bytes"),
        ({"after_bytes": "1kB"}, "after_bytes"),
        ({"after_bytes": True}, "after_bytes"),
        ({"after_bytes": 1, "direction": "sideways"}, "direction"),
        ({"after_bytes": 1, "direction": None}, "direction"),
        ({"after_bytes": 1, "devices": 10}, "device"),
        ({"after_bytes": 1, "devices": [0, -1]}, "device"),
        ({"after_bytes": 1, "devices": "all"}, "device"),
    ],
)
def test_faults(world, what, options, key):
    meters = fleets(world)
    with pytest.raises(mt.ConfigError) as caught:
        getattr(meters, what)(**options)
    assert caught.value.key == key


def test_a_silent_cut_at_a_byte_is_a_black_hole(world):
    with pytest.raises(mt.ConfigError, match="black_hole"):
        fleets(world).cut(silent=True, after_bytes=3)


@pytest.mark.parametrize("what", ["link_down", "link_up", "read_on", "clear_fault"])
@pytest.mark.parametrize("devices", [10, -1, [0, 10], "x", [None], 1.5])
def test_devices(world, what, devices):
    meters = fleets(world)
    with pytest.raises(mt.ConfigError, match="device"):
        getattr(meters, what)(devices)


def test_reading_on_has_a_direction(world):
    meters = fleets(world)
    for direction in ("both", "", None, 1, "UP"):
        with pytest.raises(mt.ConfigError, match="direction"):
            meters.read_on(direction=direction)


def test_partitions(world):
    meters = fleets(world)
    with mt.World() as elsewhere:
        stranger = elsewhere.broker()
        foreign = elsewhere.fleet("f")
        for wrong in ("nobody", 7, [meters, "nobody"], foreign, world.brokers["east"]):
            with pytest.raises(mt.ConfigError) as caught:
                world.partition(wrong)
            assert caught.value.key == "fleets"
        for wrong in ("nobody", 7, ["east", None], stranger, meters):
            with pytest.raises(mt.ConfigError) as caught:
                world.partition(meters, wrong)
            assert caught.value.key == "brokers"
    assert settled(world).counts["connects_failed"] == 0


def test_moves(world):
    broker = world.brokers["east"]
    for wrong in (None, 1, "no", 0, []):
        for key in ("keep_sessions", "update_name"):
            with pytest.raises(mt.ConfigError, match=key):
                broker.move(**{key: wrong})
    with pytest.raises(mt.ConfigError, match="ttl"):
        world.broker("nameless").set_ttl("1h")


def test_real_sockets_are_nobodys_simulation():
    with mt.World() as world:
        with pytest.raises(mt.ConfigError, match="url"):
            world.broker("real", url="mqtt://127.0.0.1:1", hostname="a.example")
        broker = world.broker("real", url="mqtt://127.0.0.1:1")
        wrong = {"tls": True, "websocket": True, "find": "name"}
        for key, value in wrong.items():
            with pytest.raises(mt.ConfigError, match=key):
                world.fleet("f", **{key: value})
        fleet = world.fleet("f")
        for what in ("black_hole", "stall", "read_on", "link_down", "link_up", "clear_fault"):
            with pytest.raises(mt.ConfigError, match=what):
                getattr(fleet, what)()
        with pytest.raises(mt.ConfigError, match="move"):
            broker.move()
        with pytest.raises(mt.ConfigError, match="brokers"):
            world.partition(fleet, broker)


def test_a_second_black_hole_finds_nothing_left_to_swallow():
    """What the first has kept from the broker is not handed over by the second."""
    with mt.World(seed=604) as world:
        world.broker()
        fleet = world.fleet("meter", link=mt.links.lte_m(), keep_alive="60s", session_expiry="1h")
        fleet.subscribe("d/{id}/cmd", qos=1)
        world.at(0, lambda: fleet.black_hole(0, after_bytes=1))
        world.at("15s", lambda: fleet.black_hole(0))
        result = world.run("5min")
        assert result.counts["closes.protocol_fault"] == 0
        assert fleet.online == 1
