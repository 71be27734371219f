#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "network_bench.hpp"

namespace mqttwin::net {
namespace {

TEST(Network, HandshakeTakesARoundTripForTheClientAndOneAndAHalfForTheServer) {
    Bench bench(plain());
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, (std::vector<std::string>{"client open", "server open"}));
    EXPECT_EQ(bench.opened_at[0].ns, milliseconds(100).ns);
    EXPECT_EQ(bench.opened_at[1].ns, milliseconds(150).ns);
}

TEST(Network, BytesArriveInOrderWholeAndWithTheirStamp) {
    LinkSpec link = plain();
    link.up.jitter = milliseconds(40);
    link.up.jitter_kind = PipeJitter::uniform;
    link.up.loss = 0.2;
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run();
    std::string expected;
    for (int i = 0; i < 500; ++i) {
        const std::string text = std::to_string(i) + ",";
        expected += text;
        bench.send(flow, End::client, text);
        bench.run(bench.clock + milliseconds(10));
    }
    bench.run();
    EXPECT_EQ(bench.at_server, expected);
    for (std::size_t i = 1; i < bench.arrivals.size(); ++i) {
        EXPECT_LE(bench.arrivals[i - 1], bench.arrivals[i]);
    }
    EXPECT_EQ(bench.stamps.front().origin, 7U);
    EXPECT_GT(bench.network.traffic(End::client).lost, 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(Network, LossBecomesDelay) {
    LinkSpec link = plain();
    link.up.loss = 0.2;
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run();
    int delayed = 0;
    for (int i = 0; i < 200; ++i) {
        const Instant sent = bench.clock;
        bench.send(flow, End::client, "x");
        bench.run(bench.clock + minutes(5));
        const Duration took = bench.arrivals.back() - sent;
        EXPECT_GE(took, milliseconds(50));
        if (took == milliseconds(50)) continue;
        ++delayed;
        // The timer does not fire before a round trip and 200 ms.
        EXPECT_GE(took, milliseconds(350));
    }
    EXPECT_GT(delayed, 20);
    EXPECT_LT(delayed, 80);
    EXPECT_EQ(bench.at_server.size(), 200U);
}

TEST(Network, ALinkThatLosesEverythingFailsTheConnect) {
    LinkSpec dead = plain();
    dead.up.loss = 0.999999999;
    Bench lossy(dead);
    lossy.open();
    lossy.run();
    EXPECT_EQ(lossy.log, (std::vector<std::string>{"client timed out"}));
    // SYNs at 0, 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s, each a little late; 64 s after the last.
    EXPECT_GT(lossy.closed_at.ns, seconds(131).ns);
    EXPECT_LT(lossy.closed_at.ns, seconds(138).ns);
    EXPECT_EQ(lossy.network.flows(), 0U);
}

TEST(Network, WhatCannotGetThroughForLongBreaksTheConnection) {
    LinkSpec link = plain();
    link.up.loss = 0.8;  // some handshake makes it, and some write does not
    bool seen = false;
    for (std::uint64_t seed = 0; seed < 400 && !seen; ++seed) {
        Bench bench(link, seed);
        const FlowId flow = bench.open();
        bench.run();
        if (bench.log.size() < 2 || bench.log[1] != "server open") continue;
        for (int i = 0; i < 20 && !seen; ++i) {
            if (bench.network.ended(flow, End::client)) break;
            bench.send(flow, End::client, "x");
            bench.send(flow, End::client, "y");
            bench.run();
            if (bench.log.back() != "client timed out") continue;
            seen = true;
            EXPECT_FALSE(bench.discarded.empty());
            EXPECT_EQ(bench.pool.live(), 0U);
            EXPECT_EQ(bench.network.flows(), 1U);  // half-open: the server does not know
        }
    }
    EXPECT_TRUE(seen);
}

TEST(Network, FinArrivesAfterWhatWasSentBefore) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    bench.send(flow, End::client, "last words");
    bench.network.close(bench.clock, flow, End::client);
    bench.run();
    EXPECT_EQ(bench.at_server, "last words");
    EXPECT_EQ(bench.log.back(), "server closed");
    EXPECT_EQ(bench.network.flows(), 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(Network, WhatIsSentToAnEndThatVanishedIsRetriedUntilTcpGivesUp) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    bench.network.vanish(bench.clock, flow, End::client);
    const Instant sent = bench.clock;
    bench.send(flow, End::server, "hello?");
    bench.run_for(minutes(10));
    EXPECT_EQ(bench.discarded, "hello?");
    EXPECT_EQ(bench.log.size(), 2U);  // nobody was told yet
    EXPECT_EQ(bench.network.flows(), 1U);
    bench.run();
    EXPECT_EQ(bench.log.back(), "server timed out");
    EXPECT_GT(bench.closed_at - sent, minutes(13));
    EXPECT_EQ(bench.network.flows(), 0U);
}

TEST(Network, DataForAClosedEndIsAnsweredWithAReset) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    bench.network.abort(bench.clock, flow, End::client);
    bench.send(flow, End::server, "late");
    bench.run();
    EXPECT_EQ(bench.discarded, "late");
    EXPECT_EQ(bench.log.back(), "server reset");
    EXPECT_EQ(bench.network.flows(), 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(Network, AHostWhereNobodyListensRefuses) {
    Bench bench(plain());
    bench.listening = false;
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, (std::vector<std::string>{"client reset"}));
    EXPECT_EQ(bench.closed_at.ns, milliseconds(100).ns);
    EXPECT_EQ(bench.network.flows(), 0U);
}

TEST(Network, ADeviceMayHaveAnOldConnectionBesideItsNewOne) {
    Bench bench(plain());
    const FlowId first = bench.open();
    bench.run();
    bench.send(first, End::client, "old ");
    bench.network.vanish(bench.clock, first, End::client);
    const FlowId second = bench.open();
    bench.run();
    bench.send(second, End::client, "new");
    bench.run();
    EXPECT_EQ(bench.at_server, "old new");
    EXPECT_EQ(bench.network.flows(), 2U);
}

TEST(Network, BandwidthSpacesPacketsOut) {
    LinkSpec link = plain();
    link.up.bandwidth = 8000.0;  // a thousand bytes a second
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run();
    bench.clock = bench.clock + seconds(10);
    const Instant start = bench.clock;
    bench.arrivals.clear();
    bench.send(flow, End::client, std::string(948, 'x'));  // 1000 bytes with headers
    bench.send(flow, End::client, std::string(948, 'y'));
    bench.run();
    ASSERT_EQ(bench.arrivals.size(), 2U);
    EXPECT_EQ((bench.arrivals[0] - start).ns, (seconds(1) + milliseconds(50)).ns);
    EXPECT_EQ((bench.arrivals[1] - start).ns, (seconds(2) + milliseconds(50)).ns);
}

TEST(Network, AFullQueueCostsARetransmission) {
    LinkSpec link = plain();
    link.up.bandwidth = 8000.0;
    link.up.queue_bytes = 2500;
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run();
    bench.clock = bench.clock + seconds(10);
    for (int i = 0; i < 3; ++i) bench.send(flow, End::client, std::string(948, 'x'));
    bench.run();
    EXPECT_EQ(bench.at_server.size(), 3U * 948U);
    EXPECT_GE(bench.network.traffic(End::client).lost, 1U);
}

TEST(Network, DrawsOfADeviceDoNotDependOnOthers) {
    LinkSpec link = plain();
    link.up.loss = 0.3;
    link.up.jitter = milliseconds(20);
    link.up.jitter_kind = PipeJitter::normal;
    const auto arrivals_of_device_zero = [&](std::uint32_t devices) {
        Bench bench(link, 42, devices);
        const FlowId flow = bench.open(0);
        if (devices > 1) bench.open(1);
        bench.run(Instant{0} + seconds(60));
        for (int i = 0; i < 100; ++i) {
            bench.send(flow, End::client, "x");
            bench.run(bench.clock + milliseconds(300));
        }
        bench.run();
        return bench.arrivals;
    };
    EXPECT_EQ(arrivals_of_device_zero(1), arrivals_of_device_zero(2));
}

// Both ends, what belongs to neither, and what a device finds it by.
TEST(Network, AnIdleConnectionTakes160Bytes) {
    constexpr std::uint32_t kDevices = 12'800;
    Bench bench(plain(), 1, kDevices);
    const std::size_t before = bench.network.footprint();
    for (std::uint32_t device = 0; device < kDevices; ++device) {
        const FlowId flow = bench.open(device);
        bench.run();
        bench.send(flow, End::client, "twenty-one degrees");
        bench.run();
    }
    EXPECT_EQ(bench.network.flows(), kDevices);
    const std::size_t by_index = kDevices * sizeof(std::uint32_t);  // was there before
    EXPECT_GE(before, by_index);
    constexpr std::size_t kWorking = 100'000;  // records of what is under way: a few hundred
    EXPECT_LE(bench.network.footprint() - before + by_index, 160 * kDevices + kWorking);
}

// A device's number of its connection goes on, whichever of them ends first.
TEST(Network, EventsOfAnEarlierConnectionAreNotThoseOfALaterOne) {
    for (const bool newer_first : {false, true}) {
        Bench bench(plain());
        const FlowId first = bench.open();
        bench.run();
        const FlowId second = bench.open();
        bench.run();
        bench.network.abort(bench.clock, newer_first ? second : first, End::client);
        bench.run();
        EXPECT_EQ(bench.network.flows(), 1U);
        const FlowId third = bench.open();
        bench.run();
        bench.send(third, End::client, "third");
        bench.send(newer_first ? first : second, End::client, "other");
        bench.run();
        EXPECT_EQ(bench.at_server, "otherthird");  // in the order of their numbers
        bench.network.abort(bench.clock, third, End::client);
        bench.network.abort(bench.clock, newer_first ? first : second, End::client);
        bench.run();
        EXPECT_EQ(bench.network.flows(), 0U);
        const FlowId last = bench.open();
        bench.run();
        bench.send(last, End::server, "hello");
        bench.run();
        EXPECT_EQ(bench.at_client, "hello");
    }
}

}  // namespace
}  // namespace mqttwin::net
