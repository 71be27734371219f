// Worlds on the wall clock: real clients and virtual devices around one broker.
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqttwin/transport/sockets.hpp"
#include "mqttwin/world/live.hpp"

namespace mqttwin::world {
namespace {

using namespace std::chrono_literals;

// A client of the real world that speaks bytes.
struct Outsider : transport::Handler {
    explicit Outsider(std::uint16_t port) : sockets(pool, *this) {
        id = sockets.connect("127.0.0.1", port);
    }
    bool on_accepted(transport::ConnectionId, transport::ListenerId, std::string_view) override {
        return false;
    }
    void on_connected(transport::ConnectionId) override { open = true; }
    void on_bytes(transport::ConnectionId, ByteView bytes) override {
        received += std::string(as_text(bytes));
    }
    void on_closed(transport::ConnectionId, std::string_view) override {
        open = false, over = true;
    }
    void on_backlog(transport::ConnectionId, bool) override {}

    void send(std::string_view bytes) {
        sockets.send(id, pool.make(as_bytes(bytes)), BlobId::none);
        sockets.flush();
    }
    void turn() {
        sockets.wait({0});
        sockets.dispatch({});
        sockets.flush();
    }

    BlobPool pool;
    transport::Sockets sockets;
    transport::ConnectionId id = 0;
    bool open = false;
    bool over = false;
    std::string received;
};

using namespace std::string_view_literals;
// 3.1.1, clean session, keep-alive as given, client id "out".
std::string connect_packet(std::uint8_t keep_alive) {
    std::string packet("\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03out"sv);
    packet[11] = static_cast<char>(keep_alive);
    return packet;
}
constexpr auto kConnack = "\x20\x02\x00\x00"sv;

class LiveTest : public ::testing::Test {
   protected:
    LiveTest() : world({}) { world.add_broker("broker", {}); }

    static std::int64_t now() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(
                   std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }
    void until(Live& live, std::vector<Outsider*> outsiders, const std::function<bool()>& holds) {
        const std::int64_t deadline = now() + seconds(20).ns;
        while (!holds()) {
            ASSERT_LT(now(), deadline) << "waited for too long";
            live.run(Instant::never(), milliseconds(1));
            for (Outsider* outsider : outsiders) outsider->turn();
        }
    }
    std::uint32_t add_meters(std::uint32_t count) {
        FleetSpec spec;
        spec.population.name = "meter";
        spec.population.count = count;
        spec.population.id = "meter-{index}";
        const std::uint32_t fleet = world.add_fleet(spec);
        return fleet;
    }

    VirtualWorld world;
};

TEST_F(LiveTest, ServesARealClient) {
    Live live(world, {});
    const auto listening = live.listen(0, "127.0.0.1", 0);
    Outsider outsider(listening.port);
    until(live, {&outsider}, [&] { return outsider.open; });
    outsider.send(connect_packet(60));
    until(live, {&outsider}, [&] { return outsider.received == kConnack; });
    EXPECT_EQ(world.broker_counts(0).connections, 1U);
    outsider.sockets.abort(outsider.id);
    until(live, {&outsider}, [&] { return world.broker_counts(0).connections == 0; });
}

TEST_F(LiveTest, DevicesAndRealClientsHearEachOther) {
    const std::uint32_t fleet = add_meters(1);
    fleet::SubscriptionSpec subscription;
    subscription.filter = "to/meter";
    world.add_subscribe(fleet, subscription);
    Live live(world, {});
    const auto listening = live.listen(0, "127.0.0.1", 0);
    Outsider outsider(listening.port);
    until(live, {&outsider}, [&] { return world.broker_counts(0).subscriptions == 1; });
    until(live, {&outsider}, [&] { return outsider.open && world.online(fleet) == 1; });
    outsider.send(connect_packet(60));
    outsider.send("\x30\x0c\x00\x08to/meterhi"sv);
    until(live, {&outsider},
          [&] { return world.recorder().counters()[trace::Counter::delivered] == 1; });
}

// The broker sees one clock; a real client's keep-alive is stretched on it by the pace.
TEST_F(LiveTest, KeepAliveOfARealClientFollowsTheWallClockAtAnySpeed) {
    LiveOptions options;
    options.speed = 1000;
    Live live(world, options);
    const auto listening = live.listen(0, "127.0.0.1", 0);
    Outsider outsider(listening.port);
    until(live, {&outsider}, [&] { return outsider.open; });
    outsider.send(connect_packet(1));
    until(live, {&outsider}, [&] { return outsider.received == kConnack; });
    const Instant began = world.now();
    const std::int64_t wall = now();
    until(live, {&outsider}, [&] { return outsider.over; });
    EXPECT_GE(now() - wall, milliseconds(1400).ns);
    EXPECT_GE(world.now() - began, seconds(1400));
}

TEST_F(LiveTest, AsFastAsPossibleOnlyWhileNobodyIsThere) {
    LiveOptions options;
    options.speed = 0;
    Live live(world, options);
    const auto listening = live.listen(0, "127.0.0.1", 0);
    EXPECT_TRUE(live.run({hours(24).ns}, seconds(60))) << "a day with nothing in it takes no time";
    Outsider outsider(listening.port);
    // While nobody was there, the horizon was reached at once; now time must crawl.
    const std::int64_t deadline = now() + seconds(20).ns;
    Instant horizon = world.now();
    while (!outsider.open || live.connections() == 0) {
        ASSERT_LT(now(), deadline);
        horizon = horizon + milliseconds(1);
        live.run(horizon, milliseconds(1));
        outsider.turn();
    }
    const Instant before = world.now();
    EXPECT_FALSE(live.run(before + hours(1), milliseconds(50)));
    EXPECT_LT(world.now() - before, seconds(30));
}

TEST_F(LiveTest, ADestroyedGateEndsRealConnectionsOnly) {
    const std::uint32_t fleet = add_meters(3);
    {
        Live live(world, {});
        const auto listening = live.listen(0, "127.0.0.1", 0);
        Outsider outsider(listening.port);
        until(live, {&outsider}, [&] { return outsider.open && world.online(fleet) == 3; });
        outsider.send(connect_packet(60));
        until(live, {&outsider}, [&] { return world.broker_counts(0).connections == 4; });
    }
    EXPECT_EQ(world.broker_counts(0).connections, 3U);
    EXPECT_TRUE(world.run(world.now() + hours(1), [] { return true; }));
    EXPECT_EQ(world.online(fleet), 3U);
}

TEST_F(LiveTest, AFleetCanUseSomebodyElsesBroker) {
    // The other broker is one of ours, in a world of its own.
    VirtualWorld elsewhere({});
    elsewhere.add_broker("broker", {});
    Live theirs(elsewhere, {});
    const auto listening = theirs.listen(0, "127.0.0.1", 0);

    FleetSpec spec;
    spec.population.name = "meter";
    spec.population.count = 20;
    spec.population.id = "meter-{index}";
    spec.broker = world.add_remote("theirs", "127.0.0.1", listening.port);
    const std::uint32_t fleet = world.add_fleet(spec);
    Live live(world, {});
    const std::int64_t deadline = now() + seconds(20).ns;
    while (world.online(fleet) < 20) {
        ASSERT_LT(now(), deadline);
        live.run(Instant::never(), milliseconds(1));
        theirs.run(Instant::never(), milliseconds(1));
    }
    EXPECT_EQ(elsewhere.broker_counts(0).connections, 20U);
    world.cut(fleet, 7, false);
    while (elsewhere.broker_counts(0).connections != 19) {
        ASSERT_LT(now(), deadline);
        live.run(Instant::never(), milliseconds(1));
        theirs.run(Instant::never(), milliseconds(1));
    }
}

TEST_F(LiveTest, AnotherThreadGetsInBetween) {
    const std::uint32_t fleet = add_meters(100);
    Live live(world, {});
    live.listen(0, "127.0.0.1", 0);
    std::thread loop([&] { live.run(Instant::never(), seconds(60)); });
    for (int i = 0; i < 200; ++i) {
        {
            const std::lock_guard inside(live.turnstile());
            world.cut(fleet, static_cast<std::uint32_t>(i) % 100, false);
            wire::Publish message;
            message.topic = "t";
            world.broker_publish(0, message);
        }
        live.wake();
    }
    live.stop();
    loop.join();
    EXPECT_EQ(world.broker_counts(0).retained, 0U);
}

}  // namespace
}  // namespace mqttwin::world
