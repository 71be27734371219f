// Sockets on loopback: what arrives, in which order, and what happens to peers that do not read.
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqttwin/transport/sockets.hpp"

namespace mqttwin::transport {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Remembers what it hears; `echo` sends everything back.
struct Listener : Handler {
    bool on_accepted(ConnectionId id, ListenerId, std::string_view address) override {
        accepted.push_back(id);
        addresses.emplace_back(address);
        return welcoming;
    }
    void on_connected(ConnectionId id) override { connected.push_back(id); }
    void on_bytes(ConnectionId id, ByteView bytes) override {
        received[id] += std::string(as_text(bytes));
        if (on_data) on_data(id, bytes);
    }
    void on_closed(ConnectionId id, std::string_view why) override {
        closed[id] = std::string(why);
    }
    void on_backlog(ConnectionId id, bool is_congested) override { congested[id] = is_congested; }

    bool welcoming = true;
    std::vector<ConnectionId> accepted;
    std::vector<std::string> addresses;
    std::vector<ConnectionId> connected;
    std::map<ConnectionId, std::string> received;
    std::map<ConnectionId, std::string> closed;
    std::map<ConnectionId, bool> congested;
    std::function<void(ConnectionId, ByteView)> on_data;
};

class SocketsTest : public ::testing::Test {
   protected:
    explicit SocketsTest(const Limits& limits = {})
        : server(pool, at_server, limits), client(pool, at_client), began(now()) {
        listening = server.listen("127.0.0.1", 0);
    }

    static std::int64_t now() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(
                   std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }

    void turn() {
        const Duration clock{now() - began};
        for (Sockets* sockets : {&server, &client}) {
            sockets->wait(milliseconds(1));
            sockets->dispatch(clock);
            sockets->flush();
        }
    }
    // Turns until it holds; fails the test after ten seconds.
    void until(const std::function<bool()>& holds) {
        const std::int64_t deadline = now() + seconds(10).ns;
        while (!holds()) {
            ASSERT_LT(now(), deadline) << "waited for too long";
            turn();
        }
    }
    // A pair of ends, the client's and the server's.
    std::pair<ConnectionId, ConnectionId> pair() {
        const std::size_t before = at_server.accepted.size();
        const ConnectionId id = client.connect("127.0.0.1", listening.port);
        until([&] { return at_server.accepted.size() > before && !at_client.connected.empty(); });
        at_client.connected.clear();
        return {id, at_server.accepted.back()};
    }
    BlobId blob(std::string_view text) { return pool.make(as_bytes(text)); }

    BlobPool pool;
    Listener at_server;
    Listener at_client;
    Sockets server;
    Sockets client;
    std::int64_t began;
    Sockets::Listening listening;
};

TEST_F(SocketsTest, CarriesBytesBothWays) {
    const auto [near, far] = pair();
    EXPECT_THAT(at_server.addresses.back(), HasSubstr("127.0.0.1:"));
    client.send(near, blob("ques"), blob("tion"));
    until([&, f = far] { return at_server.received[f] == "question"; });
    server.send(far, blob("answer"), BlobId::none);
    until([&, n = near] { return at_client.received[n] == "answer"; });
    EXPECT_EQ(pool.live(), 0U);
}

TEST_F(SocketsTest, KeepsTheOrderOfSmallAndLargePackets) {
    const auto [near, far] = pair();
    std::string expected;
    for (int i = 0; i < 400; ++i) {
        const std::string head = "<" + std::to_string(i) + ">";
        const std::string body(i % 7 == 0 ? 70'000 : static_cast<std::size_t>(i), 'x');
        client.send(near, blob(head), blob(body));
        expected += head + body;
    }
    until([&, f = far] { return at_server.received[f].size() >= expected.size(); });
    EXPECT_TRUE(at_server.received[far] == expected);
    EXPECT_EQ(pool.live(), 0U);
    EXPECT_EQ(client.backlog(), 0U);
}

TEST_F(SocketsTest, ClosesAfterWhatWasSent) {
    const auto [near, far] = pair();
    server.send(far, blob("last words"), BlobId::none);
    server.close(far);
    until([&, n = near] { return at_client.closed.count(n) > 0; });
    EXPECT_EQ(at_client.received[near], "last words");
    EXPECT_THAT(at_server.closed, IsEmpty()) << "it closed by itself";
    until([&] { return server.connections() == 0; });
}

// Closed with unread bytes in its buffer, a socket answers with a reset, which may destroy what the
// peer has not read yet: a CONNACK that refuses, a DISCONNECT that says why.
TEST_F(SocketsTest, LastWordsArriveThoughThePeerStillTalks) {
    const auto [near, far] = pair();
    client.send(near, blob(std::string(200'000, 'a')), BlobId::none);
    at_server.on_data = [&](ConnectionId id, ByteView) {
        at_server.on_data = nullptr;
        server.send(id, blob("no"), BlobId::none);
        server.close(id);
    };
    until([&, n = near] { return at_client.received[n] == "no"; });
    until([&, n = near] { return at_client.closed.count(n) > 0; });
    EXPECT_EQ(at_client.closed[near], "closed by the peer");
}

TEST_F(SocketsTest, AbortResets) {
    const auto [near, far] = pair();
    server.abort(far);
    until([&, n = near] { return at_client.closed.count(n) > 0; });
    EXPECT_THAT(at_client.closed[near], HasSubstr("reset"));
    EXPECT_EQ(server.connections(), 0U);
}

TEST_F(SocketsTest, WhoIsNotWelcomeIsClosed) {
    at_server.welcoming = false;
    const ConnectionId id = client.connect("127.0.0.1", listening.port);
    until([&] { return at_client.closed.count(id) > 0; });
    EXPECT_EQ(server.connections(), 0U);
}

TEST_F(SocketsTest, SaysWhyAConnectionCouldNotBeMade) {
    server.stop_listening();
    const ConnectionId id = client.connect("127.0.0.1", listening.port);
    until([&] { return at_client.closed.count(id) > 0; });
    EXPECT_THAT(at_client.closed[id], HasSubstr("refused"));
}

TEST_F(SocketsTest, WhatIsSentToAClosedConnectionIsForgotten) {
    const auto [near, far] = pair();
    server.send(far, blob("in time"), BlobId::none);
    server.close(far);
    server.send(far, blob("too late"), BlobId::none);
    until([&, n = near] { return at_client.closed.count(n) > 0; });
    EXPECT_EQ(at_client.received[near], "in time");
    EXPECT_EQ(pool.live(), 0U);
}

TEST_F(SocketsTest, AddressInUseIsAnError) {
    try {
        server.listen("127.0.0.1", listening.port);
        FAIL() << "it listened twice";
    } catch (const TransportError& error) {
        EXPECT_THAT(error.what(), HasSubstr(std::to_string(listening.port)));
        EXPECT_THAT(error.what(), HasSubstr("in use"));
    }
}

TEST_F(SocketsTest, WakeEndsAWaitFromAnotherThread) {
    std::thread other([this] { server.wake(); });
    const std::int64_t before = now();
    server.wait(seconds(60));
    other.join();
    EXPECT_LT(now() - before, seconds(30).ns);
}

class SlowReaders : public SocketsTest {
   protected:
    static Limits tight() {
        Limits limits;
        limits.backlog_mark = 64 << 10;
        limits.max_backlog = 64 << 20;
        limits.linger = milliseconds(50);
        return limits;
    }
    SlowReaders() : SocketsTest(tight()) {}

    // Only the server turns: nobody reads at the other end.
    void server_turn() {
        server.wait({0});
        server.dispatch({now() - began});
        server.flush();
    }
};

TEST_F(SlowReaders, AreReportedAndReportedAgainWhenTheyHaveCaughtUp) {
    const auto [near, far] = pair();
    const std::string chunk(1 << 20, 'x');
    std::size_t sent = 0;
    while (!at_server.congested[far]) {
        ASSERT_LT(sent, 200U) << "the kernel takes everything";
        server.send(far, blob(chunk), BlobId::none);
        ++sent;
        server_turn();
    }
    EXPECT_GT(server.backlog(), 64U << 10);
    until([&, f = far] { return !at_server.congested[f]; });
    until([&, n = near] { return at_client.received[n].size() == sent * chunk.size(); });
    EXPECT_EQ(server.backlog(), 0U);
    EXPECT_EQ(pool.live(), 0U);
}

// Answers to what it sends would pile up: who does not read is not read from.
TEST_F(SlowReaders, AreNotReadFrom) {
    const auto [near, far] = pair();
    const std::string chunk(1 << 20, 'x');
    while (!at_server.congested[far]) {
        server.send(far, blob(chunk), BlobId::none);
        server_turn();
    }
    const std::size_t before = at_server.received[far].size();
    client.send(near, blob("more"), BlobId::none);
    client.flush();
    for (int i = 0; i < 20; ++i) server_turn();
    EXPECT_EQ(at_server.received[far].size(), before);
    until([&, f = far] { return at_server.received[f].size() == before + 4; });
}

TEST_F(SlowReaders, AreResetBeyondTheBound) {
    const auto [near, far] = pair();
    const std::string chunk(8 << 20, 'x');
    for (int i = 0; i < 40 && at_server.closed.count(far) == 0; ++i) {
        server.send(far, blob(chunk), BlobId::none);
        server_turn();
    }
    EXPECT_EQ(at_server.closed[far], "reads too slowly");
    EXPECT_EQ(pool.live(), 0U);
}

TEST_F(SlowReaders, DoNotHoldUpAClose) {
    const auto [near, far] = pair();
    const std::string chunk(1 << 20, 'x');
    while (!at_server.congested[far]) {
        server.send(far, blob(chunk), BlobId::none);
        server_turn();
    }
    server.close(far);
    const std::int64_t deadline = now() + seconds(10).ns;
    while (server.connections() > 0) {
        ASSERT_LT(now(), deadline) << "it lingers for ever";
        server_turn();
    }
    EXPECT_EQ(pool.live(), 0U);
}

TEST_F(SocketsTest, ManyConnectionsAtOnce) {
    constexpr int kMany = 500;
    at_server.on_data = [&](ConnectionId id, ByteView bytes) {
        server.send(id, pool.make(bytes), BlobId::none);
    };
    std::vector<ConnectionId> ids;
    for (int i = 0; i < kMany; ++i) ids.push_back(client.connect("127.0.0.1", listening.port));
    until([&] { return at_client.connected.size() == kMany; });
    for (const ConnectionId id : ids) client.send(id, blob(std::to_string(id)), BlobId::none);
    until([&] {
        for (const ConnectionId id : ids) {
            if (at_client.received[id] != std::to_string(id)) return false;
        }
        return true;
    });
    for (const ConnectionId id : ids) client.close(id);
    until([&] { return server.connections() == 0 && client.connections() == 0; });
    EXPECT_EQ(at_server.closed.size(), static_cast<std::size_t>(kMany));
}

}  // namespace
}  // namespace mqttwin::transport
