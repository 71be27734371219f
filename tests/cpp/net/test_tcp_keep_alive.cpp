#include <gtest/gtest.h>

#include "tcp_wire.hpp"

namespace mqttwin::net::tcp {
namespace {

Profile keeping(Duration user_timeout = Duration{0}) {
    Profile profile;
    profile.keep_alive_idle = seconds(60);
    profile.keep_alive_interval = seconds(10);
    profile.keep_alive_probes = 6;
    profile.user_timeout = user_timeout;
    return profile;
}

/// The wheel's bucket for a timer of a minute, and that of the one that waits for the rest.
constexpr double kLate = 2.1;

TEST(TcpKeepAlive, WithoutItAnIdleConnectionHasNoDeadlineAndNoFlight) {
    Wire wire;
    wire.establish();
    EXPECT_EQ(wire.machine.deadline(wire.end[0]), Instant::never());
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpKeepAlive, APeerThatAnswersIsAskedAgainAfterTheIdleTime) {
    Wire wire(milliseconds(50), keeping());
    wire.establish();
    wire.seen.clear();
    wire.run_for(seconds(200));
    EXPECT_EQ(wire.over[0], Over::no);
    EXPECT_EQ(wire.over[1], Over::no);
    std::vector<Instant> probes;
    for (const Wire::Seen& one : wire.seen) {
        // A probe lies before what was acknowledged, so that it has to be answered.
        if (one.sender == 0 && one.segment.seq == wire.end[0].acked - 1) probes.push_back(one.at);
    }
    ASSERT_EQ(probes.size(), 3U);
    EXPECT_GE(probes[0].seconds(), 60.0);
    EXPECT_LE(probes[0].seconds(), 60.2 + kLate);
    for (std::size_t i = 1; i < probes.size(); ++i) {
        EXPECT_GE((probes[i] - probes[i - 1]).seconds(), 60.0);
        EXPECT_LE((probes[i] - probes[i - 1]).seconds(), 60.1 + kLate);
    }
    EXPECT_EQ(wire.machine.flights(), 2U);
}

TEST(TcpKeepAlive, TrafficPutsTheProbeOff) {
    Wire wire(milliseconds(50), keeping());
    wire.establish();
    wire.run_for(seconds(40));
    wire.write(0, 100);
    wire.run_for(seconds(1));
    wire.seen.clear();
    wire.run_for(seconds(58));
    EXPECT_TRUE(wire.seen.empty());
    wire.run_for(seconds(5));
    EXPECT_FALSE(wire.seen.empty());
}

TEST(TcpKeepAlive, UnansweredProbesEndTheConnectionWithAReset) {
    Wire wire(milliseconds(50), keeping());
    wire.establish();
    wire.lose = [](int, const Segment&, std::size_t) { return true; };
    wire.seen.clear();
    wire.run_for(seconds(200));
    EXPECT_EQ(wire.over[0], Over::time_out);
    // 60 s, six probes 10 s apart (each a bucket of 256 ms late at most), and none was answered.
    EXPECT_GE(wire.over_at[0].seconds(), 120.0);
    EXPECT_LE(wire.over_at[0].seconds(), 120.3 + kLate + 6 * 0.26);
    EXPECT_EQ(wire.pure_acks(0), 6U);
    EXPECT_TRUE(wire.seen.back().segment.reset);
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpKeepAlive, AUserTimeOutDecidesAfterTheFirstProbe) {
    Wire wire(milliseconds(50), keeping(seconds(30)));
    wire.establish();
    wire.lose = [](int, const Segment&, std::size_t) { return true; };
    wire.run_for(seconds(200));
    EXPECT_EQ(wire.over[0], Over::time_out);
    EXPECT_GE(wire.over_at[0].seconds(), 70.0);
    EXPECT_LE(wire.over_at[0].seconds(), 70.6 + kLate);
}

}  // namespace
}  // namespace mqttwin::net::tcp
