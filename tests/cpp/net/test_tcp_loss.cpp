#include <gtest/gtest.h>

#include "tcp_wire.hpp"

namespace mqttwin::net::tcp {
namespace {

/// Loses the n-th data segment of the client (from 0), and every repetition up to `times`.
struct LoseData {
    std::uint32_t seq;
    int times = 1;
    bool operator()(int side, const Segment& s, std::size_t) {
        return side == 0 && s.length > 0 && s.seq == seq && times-- > 0;
    }
};

TEST(TcpLoss, ALostTailIsProbedAfterTwoRoundTripsAndTheFloor) {
    Wire wire;
    wire.establish();
    wire.lose = LoseData{1};
    const Instant sent = wire.now;
    wire.write(0, 100);
    wire.run_for(seconds(2));
    EXPECT_EQ(wire.delivered[1], 100U);
    // Time-out and probe are both due after 300 ms: the probe goes first, without a back-off.
    EXPECT_GE(wire.delivered_at[1] - sent, milliseconds(350));
    EXPECT_LE(wire.delivered_at[1] - sent, milliseconds(390));
    EXPECT_EQ(wire.machine.counters().probes, 1U);
    EXPECT_EQ(wire.machine.counters().timeouts, 0U);
    EXPECT_EQ(wire.machine.flights(), 0U);
    EXPECT_EQ(wire.end[0].cwnd, 10);
    // Whether the probe was needed shows with the next acknowledgement that is no D-SACK: it was,
    // so the window is reduced. An idle connection remembers the open question.
    EXPECT_TRUE(wire.end[0].probe_open);
    wire.write(0, 100);
    wire.run_for(seconds(1));
    EXPECT_EQ(wire.end[0].cwnd, 7);
    EXPECT_FALSE(wire.end[0].probe_open);
}

TEST(TcpLoss, ALostAckCostsAProbeButNotTheWindow) {
    Wire wire;
    wire.establish();
    wire.lose = [done = false](int side, const Segment& s, std::size_t) mutable {
        return side == 1 && s.length == 0 && !std::exchange(done, true);
    };
    wire.write(0, 100);
    wire.run_for(seconds(2));
    EXPECT_EQ(wire.delivered[1], 100U);
    ASSERT_EQ(wire.data(0).size(), 2U);
    const auto dsack = std::find_if(wire.seen.begin(), wire.seen.end(),
                                    [](const Wire::Seen& s) { return s.segment.duplicate; });
    ASSERT_NE(dsack, wire.seen.end());
    EXPECT_EQ(dsack->segment.sack[0].begin, 1U);
    EXPECT_EQ(dsack->segment.sack[0].end, 101U);
    EXPECT_EQ(wire.end[0].cwnd, 10);
}

TEST(TcpLoss, BehindALostProbeComesTheTimeOutWithBackOff) {
    Wire wire;
    wire.establish();
    wire.lose = LoseData{1, 4};
    wire.write(0, 100);
    wire.run_for(seconds(10));
    const auto data = wire.data(0);
    ASSERT_EQ(data.size(), 5U);
    const double gaps[] = {0.3, 0.3, 0.6, 1.2};
    for (std::size_t i = 0; i < 4; ++i) {
        const double gap = (data[i + 1].at - data[i].at).seconds();
        EXPECT_GE(gap, gaps[i]);
        EXPECT_LE(gap, gaps[i] + 0.05);
    }
    EXPECT_EQ(wire.delivered[1], 100U);
    EXPECT_EQ(wire.machine.counters().timeouts, 3U);
}

TEST(TcpLoss, LaterMessagesWaitForALostOneAndASackBringsItSoon) {
    Wire wire;
    wire.establish();
    wire.lose = LoseData{1};
    const Instant sent = wire.now;
    wire.write(0, 100);
    wire.run_for(milliseconds(100));
    wire.write(0, 100);
    wire.run_for(milliseconds(99));
    EXPECT_EQ(wire.delivered[1], 0U);
    wire.run_for(seconds(1));
    EXPECT_EQ(wire.delivered[1], 200U);
    // The second message's SACK is back after 200 ms; more than a quarter of the round trip later
    // than the first: lost, by RACK, without waiting for three duplicates.
    EXPECT_EQ(wire.delivered_at[1] - sent, milliseconds(250));
    EXPECT_EQ(wire.machine.counters().recoveries, 1U);
    EXPECT_EQ(wire.machine.counters().timeouts, 0U);
}

TEST(TcpLoss, WhatIsSentCloseTogetherWaitsForReordering) {
    Wire wire;
    wire.establish();
    wire.lose = LoseData{1};
    const Instant sent = wire.now;
    wire.write(0, 100);
    wire.run_for(milliseconds(1));
    wire.write(0, 100);
    wire.run_for(seconds(1));
    // 101 ms for the SACK, then min_RTT/4 and the timer's granularity, then half a round trip.
    const Duration took = wire.delivered_at[1] - sent;
    EXPECT_GT(took, milliseconds(175));
    EXPECT_LT(took, milliseconds(190));
}

TEST(TcpLoss, ALateSegmentIsNoLossOnceReorderingWasSeen) {
    Wire wire;
    wire.establish();
    wire.delay = [](int side, const Segment& s) {
        return side == 0 && s.seq == 1 && s.length > 0 ? milliseconds(20) : Duration{0};
    };
    wire.write(0, 100);
    wire.run_for(milliseconds(1));
    wire.write(0, 100);
    wire.run_for(seconds(1));
    EXPECT_EQ(wire.delivered[1], 200U);
    EXPECT_EQ(wire.machine.counters().retransmissions, 0U);
    EXPECT_TRUE(wire.end[0].reordering_seen);
    EXPECT_EQ(wire.end[0].cwnd, 10);
}

TEST(TcpLoss, SmallNeighboursAreRetransmittedTogether) {
    Wire wire;
    wire.establish();
    wire.lose = [](int side, const Segment& s, std::size_t) {
        return side == 0 && s.length == 100 && s.seq < 301;
    };
    for (int i = 0; i < 3; ++i) {
        wire.write(0, 100);
        wire.run_for(milliseconds(10));
    }
    wire.run_for(seconds(5));
    EXPECT_EQ(wire.delivered[1], 300U);
    const auto data = wire.data(0);
    EXPECT_TRUE(std::any_of(data.begin(), data.end(),
                            [](const Wire::Seen& s) { return s.segment.length == 300; }));
}

TEST(TcpLoss, ADeadPeerIsGivenUpAfterTheTimeOfFifteenRetries) {
    Wire wire;
    wire.establish();
    wire.lose = [](int, const Segment&, std::size_t) { return true; };
    const Instant hole = wire.now;
    wire.write(0, 100);
    wire.run_for(seconds(2'000));
    EXPECT_EQ(wire.over[0], Over::time_out);
    const double took = (wire.over_at[0] - hole).seconds();
    EXPECT_GT(took, 924.6);
    EXPECT_LT(took, 1'050.0);
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpLoss, UserTimeOutBoundsIt) {
    Profile profile;
    profile.user_timeout = seconds(10);
    Wire wire(milliseconds(50), profile);
    wire.establish();
    wire.lose = [](int, const Segment&, std::size_t) { return true; };
    const Instant hole = wire.now;
    wire.write(0, 100);
    wire.run_for(seconds(60));
    EXPECT_EQ(wire.over[0], Over::time_out);
    EXPECT_GT((wire.over_at[0] - hole).seconds(), 10.0);
    EXPECT_LT((wire.over_at[0] - hole).seconds(), 12.0);
}

TEST(TcpLoss, WithoutSackThreeDuplicatesBringTheHeadBack) {
    Profile profile = embedded_profile();
    profile.window_cap = 10;
    profile.initial_window = 8;
    profile.nagle = false;
    profile.receive_window = 30'000;
    Wire wire(milliseconds(50), profile);
    wire.establish();
    wire.lose = LoseData{1};
    const Instant sent = wire.now;
    wire.write(0, 6 * profile.mss());
    wire.run_for(seconds(5));
    EXPECT_EQ(wire.delivered[1], 6 * profile.mss());
    EXPECT_EQ(wire.delivered_at[1] - sent, milliseconds(150));
    EXPECT_EQ(wire.machine.counters().timeouts, 0U);
}

}  // namespace
}  // namespace mqttwin::net::tcp
