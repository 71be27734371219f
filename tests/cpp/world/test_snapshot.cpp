// A world that is stored and read goes on as if nothing had been.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqttwin/world/snapshot.hpp"

#include "worlds.hpp"

namespace mqttwin::world {
namespace {

using testing::HasSubstr;

WorldOptions options(std::uint64_t seed) {
    WorldOptions out;
    out.seed = seed;
    return out;
}

/// A bit of everything: each room has something under way at any time.
std::unique_ptr<VirtualWorld> busy_world(std::uint64_t seed) {
    auto world = std::make_unique<VirtualWorld>(options(seed));
    broker::Options broker_options;
    broker_options.sys_interval = seconds(10);
    const std::uint32_t broker = world->add_broker("broker", broker_options);
    world->name_broker(broker, "mqtt.example", seconds(20));
    net::SharedSpec medium;
    medium.up = {40'000.0, 20'000};
    medium.down = {80'000.0, 20'000};
    const std::uint32_t cell = world->add_shared(medium);

    FleetSpec meters = fleet_of("meter", 12);
    meters.link = lossy(0.05);
    meters.link.shared = cell;
    meters.link.random_outages = {net::RandomOutages::Kind::exponential, seconds(40), seconds(3)};
    meters.client.session_expiry = 3600;
    meters.client.keep_alive = 10;
    meters.profile.will =
        fleet::WillSpec{"gone/{id}", "{id}", false, wire::QoS::at_least_once, true, 5};
    meters.profile.subscriptions = {subscribing("cmd/{id}/#", wire::QoS::exactly_once)};
    meters.reach = net::Reach::Kind::name;
    meters.ramp = seconds(5);
    meters.keep = 1000;
    const std::uint32_t meter = world->add_fleet(meters);
    world->add_publish(meter, publishing(wire::QoS::at_least_once, milliseconds(700), "m/{id}"));
    fleet::PublishSpec walk = publishing(wire::QoS::exactly_once, milliseconds(1900), "w/{id}");
    walk.payload = fleet::PayloadSpec::json(
        {{"walk", {fleet::gen::RandomWalk{}, 2}}, {"ou", {fleet::gen::OrnsteinUhlenbeck{}, -1}}});
    walk.retain = true;
    world->add_publish(meter, walk);

    FleetSpec tags = fleet_of("tag", 8);
    tags.link = lossy(0.1);
    tags.link.up.bandwidth = tags.link.down.bandwidth = 20'000;
    tags.link.up.queue_packets = 5;
    tags.link.up.bursts = {net::GilbertElliott::Clock::time, seconds(9), seconds(1)};
    tags.link.nat.idle_timeout = seconds(8);
    tags.link.sleep.kind = net::SleepSpec::Kind::cyclic;
    tags.link.sleep.active = seconds(1);
    tags.link.sleep.window = milliseconds(200);
    tags.link.sleep.period = seconds(3);
    tags.layers.tls = net::TlsSpec{};
    tags.layers.tls->resumption = true;
    tags.layers.websocket = net::WebSocketSpec{};
    tags.client.version = wire::Version::v311;
    tags.client.clean_start = false;
    const std::uint32_t tag = world->add_fleet(tags);
    world->add_publish(tag, publishing(wire::QoS::at_most_once, milliseconds(500), "tag/{index}"));

    FleetSpec sinks = fleet_of("sink", 3);
    sinks.client.receive_maximum = 4;
    sinks.client.session_expiry = 60;
    sinks.profile.subscriptions = {subscribing("$share/g/m/+", wire::QoS::at_least_once),
                                   subscribing("w/#", wire::QoS::exactly_once),
                                   subscribing("tag/#", wire::QoS::at_most_once),
                                   subscribing("gone/#", wire::QoS::at_least_once)};
    const std::uint32_t sink = world->add_fleet(sinks);
    world->add_publish(sink,
                       publishing(wire::QoS::exactly_once, seconds(2), "cmd/meter-{index}/x"));
    world->recorder().track_latency(meter);
    return world;
}

/// What an operator does meanwhile; at fixed instants, so that a restored world gets the same.
void disturb(VirtualWorld& world, int minute) {
    world.cut(0, static_cast<std::uint32_t>(minute) % 12, minute % 2 == 0);
    world.cut(2, static_cast<std::uint32_t>(minute) % 3, true);
    net::Fault fault;
    fault.kind = net::Fault::Kind::stall;
    fault.after_bytes = 50;
    world.set_fault(1, static_cast<std::uint32_t>(minute) % 8, fault);
    world.set_link_down(1, static_cast<std::uint32_t>(minute + 1) % 8, minute % 3 == 0);
    if (minute % 4 == 1) world.broker_restart(0, true);
    if (minute % 4 == 3) world.broker_move(0, true, true);
}

void run_on(VirtualWorld& world, Instant from, Instant until) {
    for (int minute = 0; minute < 100; ++minute) {
        const Instant at{seconds(20).ns * (minute + 1)};
        if (at <= from) continue;
        if (at > until) break;
        world.run(at, forever);
        disturb(world, minute);
    }
    world.run(until, forever);
}

std::vector<std::uint8_t> stored(VirtualWorld& world) {
    std::vector<std::uint8_t> bytes;
    Archive a([&](ByteView piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
    world.archive(a);
    a.flush();
    return bytes;
}

std::unique_ptr<VirtualWorld> restored(const std::vector<std::uint8_t>& bytes) {
    Archive a{ByteView(bytes)};
    auto world = std::make_unique<VirtualWorld>(VirtualWorld::options_of(a));
    world->archive(a);
    a.end();
    return world;
}

void expect_same(VirtualWorld& a, VirtualWorld& b) {
    EXPECT_EQ(a.now(), b.now());
    EXPECT_EQ(a.events(), b.events());
    EXPECT_EQ(a.recorder().digest(), b.recorder().digest());
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> differences;
    a.recorder().counters().for_each(
        [&](const std::string& name, std::uint64_t n) { differences[name].first = n; });
    b.recorder().counters().for_each(
        [&](const std::string& name, std::uint64_t n) { differences[name].second = n; });
    std::erase_if(differences, [](const auto& d) { return d.second.first == d.second.second; });
    EXPECT_THAT(differences, testing::IsEmpty());
    EXPECT_EQ(a.recorder().latency(), b.recorder().latency());
    EXPECT_EQ(a.recorder().ack(), b.recorder().ack());
    EXPECT_EQ(a.count_in_flight(), b.count_in_flight());
    EXPECT_EQ(a.live_blobs(), b.live_blobs());
    EXPECT_EQ(a.traffic(net::End::client).packets, b.traffic(net::End::client).packets);
    EXPECT_EQ(a.traffic(net::End::server).bytes, b.traffic(net::End::server).bytes);
    EXPECT_EQ(a.broker_counts(0).sessions, b.broker_counts(0).sessions);
    EXPECT_EQ(a.broker_counts(0).stored_bytes, b.broker_counts(0).stored_bytes);
}

TEST(Snapshot, GoesOnAsIfNothingHadBeen) {
    for (const std::uint64_t seed : seeds(12)) {
        SCOPED_TRACE(replay(seed));
        const Instant end = Instant{} + seconds(130);
        auto whole = busy_world(seed);
        run_on(*whole, Instant{-1}, end);
        // At the start, in the middle of handshakes, and later.
        for (const std::int64_t ms : {0, 70, 1'333, 20'000, 47'111, 81'000}) {
            SCOPED_TRACE("stored after " + std::to_string(ms) + " ms");
            const Instant at = Instant{} + milliseconds(ms);
            auto first = busy_world(seed);
            run_on(*first, Instant{-1}, at);
            const std::vector<std::uint8_t> bytes = stored(*first);
            auto second = restored(bytes);
            EXPECT_TRUE(!Archive::kExact || stored(*second) == bytes) << "something got lost";
            run_on(*second, at, end);
            expect_same(*second, *whole);
            run_on(*first, at, end);
            expect_same(*first, *whole);
        }
    }
}

TEST(Snapshot, BranchesShareNothing) {
    auto trunk = busy_world(5);
    trunk->run(Instant{} + seconds(30), forever);
    const std::vector<std::uint8_t> bytes = stored(*trunk);
    auto left = restored(bytes);
    auto right = restored(bytes);
    left->broker_restart(0, false);
    left->run(Instant{} + seconds(60), forever);
    right->run(Instant{} + seconds(60), forever);
    trunk->run(Instant{} + seconds(60), forever);
    EXPECT_NE(left->recorder().digest(), right->recorder().digest());
    expect_same(*right, *trunk);
}

TEST(Snapshot, TornArchivesAreRefused) {
    auto world = busy_world(3);
    world->run(Instant{} + seconds(12), forever);
    const std::vector<std::uint8_t> bytes = stored(*world);
    for (std::size_t i = 0; i < 200; ++i) {
        const std::size_t size = bytes.size() * i / 200;
        const std::vector<std::uint8_t> torn(bytes.begin(),
                                             bytes.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_THROW((void)restored(torn), ArchiveError) << size;
    }
}

TEST(Snapshot, OfRawClientsIsRefused) {
    VirtualWorld world(options(1));
    const std::uint32_t broker = world.add_broker("broker", {});
    world.add_peers("probe", 1, broker, {});
    try {
        (void)stored(world);
        FAIL();
    } catch (const std::invalid_argument& error) {
        EXPECT_THAT(error.what(), HasSubstr("\"probe\""));
    }
}

// --- Files ---------------------------------------------------------------------------------------

class SnapshotFile : public testing::Test {
   protected:
    void SetUp() override {
        path_ = std::filesystem::path(testing::TempDir()) /
                (std::string("mqttwin-") +
                 testing::UnitTest::GetInstance()->current_test_info()->name() + ".snapshot");
        std::filesystem::remove(path_);
    }
    void TearDown() override { std::filesystem::remove(path_); }

    [[nodiscard]] std::string content() const {
        std::ifstream file(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
    [[nodiscard]] std::string problem() const {
        try {
            const Snapshot snapshot(path_);
            return "none";
        } catch (const SnapshotError& error) {
            return error.what();
        }
    }

    std::filesystem::path path_;
};

TEST_F(SnapshotFile, HoldsAWorldAndNotes) {
    auto world = busy_world(9);
    world->run(Instant{} + seconds(25), forever);
    save_snapshot(*world, "what the caller wants back", path_);
    EXPECT_FALSE(std::filesystem::exists(path_.string() + ".part"));
    const Snapshot snapshot(path_);
    EXPECT_EQ(snapshot.notes(), "what the caller wants back");
    VirtualWorld again(snapshot.options());
    snapshot.restore(again);
    again.run(Instant{} + seconds(50), forever);
    world->run(Instant{} + seconds(50), forever);
    expect_same(again, *world);
}

TEST_F(SnapshotFile, InMemoryIsTheSame) {
    auto world = busy_world(9);
    world->run(Instant{} + seconds(25), forever);
    const Snapshot snapshot(*world, "notes");
    VirtualWorld again(snapshot.options());
    snapshot.restore(again);
    expect_same(again, *world);
}

TEST_F(SnapshotFile, DamageIsFoundWhereverItIs) {
    auto world = std::make_unique<VirtualWorld>(options(2));
    world->add_broker("broker", {});
    world->add_fleet(fleet_of("meter", 2));
    world->run(Instant{} + seconds(5), forever);
    save_snapshot(*world, "", path_);
    const std::string good = content();
    for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 400) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x20);
        write(bad);
        EXPECT_THAT(problem(), HasSubstr(path_.string() + ": byte ")) << at;
        write(good.substr(0, at));
        EXPECT_NE(problem(), "none") << at;
    }
    write(good + "x");
    EXPECT_THAT(problem(), HasSubstr("something follows the end"));
}

TEST_F(SnapshotFile, ForeignFilesAreRefusedWithTheReason) {
    write("");
    EXPECT_THAT(problem(), HasSubstr("the file is empty"));
    write("{\"json\": 1}");
    EXPECT_THAT(problem(), HasSubstr("this is no snapshot of a world"));
    std::filesystem::remove(path_);
    EXPECT_THAT(problem(), HasSubstr("No such file"));
    auto world = std::make_unique<VirtualWorld>(options(2));
    save_snapshot(*world, "", path_);
    std::string later = content();
    later[later.find("version") + 7] = 9;
    write(later);
    EXPECT_THAT(problem(), HasSubstr("a snapshot of format 9"));
}

TEST_F(SnapshotFile, AFullDiskLeavesTheOldOne) {
    auto world = std::make_unique<VirtualWorld>(options(2));
    EXPECT_THROW(save_snapshot(*world, "", "/dev/null/x"), SnapshotError);
    save_snapshot(*world, "old", path_);
    const std::string old = content();
    world->add_peers("probe", 1, world->add_broker("broker", {}), {});
    EXPECT_THROW(save_snapshot(*world, "new", path_), std::invalid_argument);
    EXPECT_EQ(content(), old);
    EXPECT_FALSE(std::filesystem::exists(path_.string() + ".part"));
}

}  // namespace
}  // namespace mqttwin::world
