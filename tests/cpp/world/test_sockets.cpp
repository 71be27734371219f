// Sockets of hosts in virtual time, as firmware sees them.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/world/sockets.hpp"
#include "mqttwin/world/virtual_world.hpp"

namespace mqttwin::world {
namespace {

class SocketsTest : public testing::Test {
   protected:
    SocketsTest() {
        broker = world.add_broker("broker", {});
        link.up.latency = link.down.latency = milliseconds(10);
        host = sockets.add_host("host", link, {}, milliseconds(5));
        server = sockets.add_host("server", link, {}, milliseconds(5));
    }

    /// Runs until there are news, or for `time`.
    std::vector<SocketNews> run(Duration time) {
        world.run(world.now() + time, [] { return true; });
        return sockets.take_news();
    }
    void run_through(Duration time) {
        const Instant end = world.now() + time;
        while (!world.run(end, [] { return true; })) (void)sockets.take_news();
    }
    SocketId connected(net::Address address) {
        const SocketId id = sockets.open(host);
        sockets.connect(id, address);
        run_through(milliseconds(100));
        EXPECT_TRUE(sockets.ready(id).writable);
        return id;
    }
    std::string receive(SocketId id, SocketError& problem, std::size_t most = 1000) {
        const auto bytes = sockets.receive(id, most, false, problem);
        return {bytes.begin(), bytes.end()};
    }
    std::size_t send(SocketId id, std::string_view text, SocketError& problem) {
        const auto* first = reinterpret_cast<const std::uint8_t*>(text.data());
        return sockets.send(id, {first, text.size()}, problem);
    }
    /// A listener, and a connection to it: both ends.
    std::pair<SocketId, SocketId> pair() {
        const SocketId listener = sockets.open(server);
        const std::uint32_t number = sockets.listen(listener, "listener");
        const SocketId near = connected(world.address_of(number));
        return {near, sockets.accept(listener)};
    }

    VirtualWorld world{{}};
    Sockets& sockets = world.sockets();
    net::LinkSpec link;
    std::uint32_t broker = 0;
    std::uint32_t host = 0;
    std::uint32_t server = 0;
    SocketError error = SocketError::none;
};

TEST_F(SocketsTest, ATimerIsAnEventOfItsHost) {
    sockets.arm(host, Instant{seconds(5).ns});
    sockets.arm(host, Instant{seconds(3).ns});  // takes its place
    const auto news = run(seconds(60));
    ASSERT_EQ(news.size(), 1U);
    EXPECT_EQ(news[0].kind, SocketNews::Kind::timer);
    EXPECT_EQ(news[0].host, host);
    EXPECT_EQ(world.now().ns, seconds(3).ns);
    EXPECT_TRUE(run(seconds(60)).empty());
    EXPECT_EQ(world.now().ns, seconds(63).ns);
}

TEST_F(SocketsTest, ConnectingTakesARoundTripAndIsNews) {
    const SocketId id = sockets.open(host);
    sockets.watch(id, false, true);
    sockets.connect(id, world.address_of(broker));
    EXPECT_TRUE(sockets.ready(id).connecting);
    EXPECT_EQ(send(id, "x", error), 0U);
    EXPECT_EQ(error, SocketError::again);
    const auto news = run(seconds(60));
    ASSERT_EQ(news.size(), 1U);
    EXPECT_EQ(news[0].number, id);
    EXPECT_TRUE(sockets.ready(id).writable);
    EXPECT_GE(world.now().ns, milliseconds(20).ns);
    EXPECT_LT(world.now().ns, milliseconds(30).ns);
}

TEST_F(SocketsTest, RefusedAndTimedOut) {
    world.broker_down(broker);
    const SocketId refused = sockets.open(host);
    sockets.connect(refused, world.address_of(broker));
    const SocketId silent = sockets.open(host);
    sockets.connect(silent, net::kNoHost);
    run_through(seconds(1));
    EXPECT_EQ(sockets.take_error(refused), SocketError::refused);
    EXPECT_EQ(sockets.take_error(refused), SocketError::none);  // told once
    EXPECT_TRUE(sockets.ready(silent).connecting);
    run_through(minutes(10));
    EXPECT_EQ(sockets.take_error(silent), SocketError::timed_out);
}

TEST_F(SocketsTest, BytesAndTheEndOfAStream) {
    const auto [near, far] = pair();
    ASSERT_NE(far, Sockets::kNoSocket);
    EXPECT_EQ(send(near, "question", error), 8U);
    run_through(seconds(1));
    EXPECT_EQ(receive(far, error, 5), "quest");
    EXPECT_EQ(receive(far, error), "ion");
    EXPECT_EQ(receive(far, error), "");
    EXPECT_EQ(error, SocketError::again);
    // Half of it ends; the answer is still heard.
    sockets.finish(near);
    EXPECT_EQ(send(near, "x", error), 0U);
    EXPECT_EQ(error, SocketError::broken_pipe);
    run_through(seconds(1));
    EXPECT_EQ(receive(far, error), "");
    EXPECT_EQ(error, SocketError::none);
    sockets.close(far, false);
    run_through(seconds(1));
    EXPECT_EQ(receive(near, error), "");
    EXPECT_EQ(error, SocketError::none);
}

TEST_F(SocketsTest, AResetDropsWhatWasNotRead) {
    const auto [near, far] = pair();
    send(far, "late", error);
    run_through(seconds(1));
    sockets.close(far, true);
    run_through(seconds(1));
    EXPECT_EQ(receive(near, error), "");
    EXPECT_EQ(error, SocketError::reset);
}

TEST_F(SocketsTest, AReaderThatDoesNotReadHoldsTheSenderBack) {
    const auto [near, far] = pair();
    const std::string chunk(100'000, 'x');
    std::size_t sent = 0;
    for (int k = 0; k < 1000; ++k) {
        sent += send(near, chunk, error);
        run_through(seconds(1));
    }
    EXPECT_EQ(error, SocketError::again);
    EXPECT_FALSE(sockets.ready(near).writable);
    EXPECT_LT(sent, 20'000'000U);
    std::size_t read = 0;
    for (int k = 0; k < 100'000 && read < sent; ++k) {
        const std::string got = receive(far, error, 50'000);
        read += got.size();
        if (got.empty()) run_through(milliseconds(100));
    }
    EXPECT_EQ(read, sent);
    EXPECT_TRUE(sockets.ready(near).writable);
}

TEST_F(SocketsTest, ANameIsAskedForOverTheLink) {
    world.name_broker(broker, "mqtt.example.com", hours(1));
    const std::uint32_t known = sockets.ask(host, "MQTT.example.com");
    const std::uint32_t unknown = sockets.ask(host, "nowhere.example.com");
    std::vector<SocketNews> news;
    while (news.size() < 2) {
        for (const SocketNews& each : run(seconds(1))) news.push_back(each);
    }
    EXPECT_GE(world.now().ns, milliseconds(25).ns);
    for (const SocketNews& each : news) {
        EXPECT_EQ(each.kind, SocketNews::Kind::answer);
        EXPECT_FALSE(each.timed_out);
        EXPECT_EQ(each.address, each.number == known ? world.address_of(broker) : net::kNoHost);
    }
    EXPECT_NE(known, unknown);
    sockets.set_link_down(host, true);
    sockets.ask(host, "mqtt.example.com");
    const auto lost = run(minutes(1));
    ASSERT_EQ(lost.size(), 1U);
    EXPECT_TRUE(lost[0].timed_out);
}

TEST_F(SocketsTest, WhatIsNotThereIsRefused) {
    EXPECT_THROW(sockets.connect(99, 0), std::invalid_argument);
    EXPECT_THROW(sockets.open(99), std::invalid_argument);
    const SocketId id = sockets.open(host);
    EXPECT_THROW(sockets.accept(id), std::invalid_argument);
    EXPECT_THROW(sockets.secure(id), std::invalid_argument);
    sockets.close(id, false);
    EXPECT_THROW(sockets.close(id, false), std::invalid_argument);
    for (std::uint32_t k = 0; k < Sockets::kMaximumOpen; ++k) sockets.open(host);
    EXPECT_THROW(sockets.open(host), std::length_error);
}

}  // namespace
}  // namespace mqttwin::world
