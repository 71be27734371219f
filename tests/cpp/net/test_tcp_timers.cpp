#include <gtest/gtest.h>

#include "mqttwin/net/tcp_rtt.hpp"
#include "mqttwin/net/tcp_wheel.hpp"

#include "tcp_wire.hpp"

namespace mqttwin::net::tcp {
namespace {

constexpr Duration kJiffy = milliseconds(4);

TEST(TcpWheel, IsNeverEarlyAndLateByABucketAtMost) {
    for (const std::int64_t ms : {4, 40, 248, 252, 1'000, 1'996, 2'016, 15'000, 120'000}) {
        const std::uint32_t ticks = ticks_of(milliseconds(ms), kJiffy);
        const Duration bucket = milliseconds(ms < 252      ? 4
                                             : ms < 2'016  ? 32
                                             : ms < 16'128 ? 256
                                                           : 2'048);
        for (std::int64_t phase = 0; phase < 5'000'000; phase += 37'777) {
            const Instant now{milliseconds(12'345).ns};
            const Instant at = fires_at(now, ticks, kJiffy, microseconds(phase), true);
            EXPECT_GE(at - now, milliseconds(ms)) << ms;
            EXPECT_LE(at - now, milliseconds(ms) + bucket + kJiffy) << ms;
        }
    }
}

TEST(TcpWheel, CoarseBucketsMakeTimersOfOneHostFireTogether) {
    const auto fires = [](std::int64_t ms) {
        return fires_at(Instant{milliseconds(ms).ns}, 30'000, kJiffy, {}, true);
    };
    EXPECT_EQ(fires(1'000), fires(1'500));
}

TEST(TcpRtt, FirstSampleGivesThreeTimesItOrTheFloor) {
    RttEstimator slow;
    EXPECT_TRUE(slow.sample(600'000, 200'000, true));
    EXPECT_EQ(slow.timeout(), 1'800'000U);
    RttEstimator fast;
    fast.sample(40'000, 200'000, true);
    EXPECT_EQ(fast.timeout(), 240'000U);
}

TEST(TcpRtt, VarianceJumpsUpAndComesDownOnceARoundTrip) {
    RttEstimator rtt;
    rtt.sample(600'000, 200'000, true);
    for (int i = 0; i < 60; ++i) rtt.sample(600'000, 200'000, true);
    EXPECT_NEAR(rtt.timeout(), 800'000, 1'000);
    rtt.sample(3'000'000, 200'000, false);
    const std::uint32_t high = rtt.timeout();
    EXPECT_GT(high, 1'400'000U);
    rtt.sample(600'000, 200'000, false);
    EXPECT_GT(rtt.variance, 600'000U - 1);
    EXPECT_GT(rtt.timeout(), 1'200'000U);
}

TEST(TcpRtt, AFasterPathDoesNotLengthenTheTimeOutMuch) {
    RttEstimator rtt;
    for (int i = 0; i < 60; ++i) rtt.sample(600'000, 200'000, true);
    const std::uint32_t before = rtt.timeout();
    rtt.sample(100'000, 200'000, false);
    EXPECT_LT(rtt.timeout(), before);
}

// --- The handshake's timers --------------------------------------------------------------------

TEST(TcpHandshake, TakesOneRoundTripAndLeavesNothingInFlight) {
    Wire wire;
    wire.connect();
    wire.run_for(milliseconds(100));
    EXPECT_TRUE(wire.established[0]);
    EXPECT_FALSE(wire.established[1]);
    wire.run_for(milliseconds(50));
    EXPECT_TRUE(wire.established[1]);
    EXPECT_EQ(wire.machine.flights(), 0U);
    EXPECT_EQ(wire.machine.deadline(wire.end[0]), Instant::never());
    EXPECT_EQ(wire.machine.deadline(wire.end[1]), Instant::never());
    EXPECT_EQ(wire.seen.size(), 3U);
}

TEST(TcpHandshake, SynsIntoABlackHoleAreLinearFirstThenDouble) {
    Wire wire;
    wire.lose = [](int, const Segment&, std::size_t) { return true; };
    wire.connect();
    wire.run_for(seconds(200));
    const std::vector<double> expected = {0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 68};
    ASSERT_EQ(wire.seen.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_GE(wire.seen[i].at.seconds(), expected[i]);
        EXPECT_LE(wire.seen[i].at.seconds(), expected[i] * 1.04 + 0.04);
    }
    EXPECT_EQ(wire.over[0], Over::time_out);
    EXPECT_NEAR(wire.over_at[0].seconds(), 134, 3);
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpHandshake, UserTimeOutEndsAConnectEarly) {
    Profile profile;
    profile.user_timeout = seconds(20);
    Wire wire(milliseconds(50), profile);
    wire.lose = [](int, const Segment&, std::size_t) { return true; };
    wire.connect();
    wire.run_for(seconds(60));
    EXPECT_EQ(wire.over[0], Over::time_out);
    EXPECT_NEAR(wire.over_at[0].seconds(), 20, 0.4);
}

TEST(TcpHandshake, ALostSynAckIsRepeatedAndItsEchoMakesAnInflatedSample) {
    Wire wire;
    wire.lose = [](int side, const Segment& s, std::size_t n) {
        return side == 1 && s.syn && n == 0;
    };
    wire.connect();
    wire.run_for(seconds(3));
    EXPECT_TRUE(wire.established[0]);
    // The second SYN-ACK still echoes the first SYN: the sample spans the second between them.
    EXPECT_GT(wire.end[0].rtt.mean(), 1'000'000U);
    EXPECT_GT(wire.end[0].rto, ticks_of(seconds(3), kJiffy));
}

TEST(TcpHandshake, WithoutAListenerItIsRefused) {
    Wire wire;
    wire.listening = false;
    wire.connect();
    wire.run_for(milliseconds(100));
    EXPECT_EQ(wire.over[0], Over::refused);
}

TEST(TcpHandshake, DataCompletesItWhenTheLastAckIsLost) {
    Wire wire;
    wire.lose = [](int side, const Segment& s, std::size_t n) {
        return side == 0 && n == 1 && s.length == 0;
    };
    wire.connect();
    wire.run_for(milliseconds(100));
    wire.write(0, 100);
    wire.run_for(milliseconds(60));
    EXPECT_TRUE(wire.established[1]);
    EXPECT_EQ(wire.delivered[1], 100U);
}

}  // namespace
}  // namespace mqttwin::net::tcp
