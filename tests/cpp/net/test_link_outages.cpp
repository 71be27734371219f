#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/net/link_table.hpp"

namespace mqttwin::net {
namespace {

using Fate = Passage::Fate;

constexpr Instant at_s(std::int64_t s) { return Instant{seconds(s).ns}; }

Fate fate_at(LinkTable& table, Instant now, std::uint32_t device = 0, bool up = true) {
    return table.offer(now, device, up, 100).fate;
}

TEST(LinkOutages, NothingPassesWhileOneLasts) {
    LinkSpec spec;
    spec.outages = {{at_s(10), at_s(20)}, {at_s(20), at_s(21)}, {at_s(100), at_s(110)}};
    LinkTable table(spec, 1, "meter", 1);
    EXPECT_EQ(fate_at(table, at_s(10) - Duration{1}), Fate::arrives);
    for (const bool up : {true, false}) EXPECT_EQ(fate_at(table, at_s(10), 0, up), Fate::outage);
    EXPECT_EQ(fate_at(table, at_s(20) - Duration{1}), Fate::outage);
    EXPECT_EQ(fate_at(table, at_s(20)), Fate::outage);
    EXPECT_EQ(fate_at(table, at_s(21)), Fate::arrives);
    EXPECT_EQ(fate_at(table, at_s(105)), Fate::outage);
    EXPECT_EQ(fate_at(table, at_s(1'000)), Fate::arrives);
}

TEST(LinkOutages, OneDeviceMayBeAheadOfAnother) {
    // A shared medium lets offers of several devices come out of order of time.
    LinkSpec spec;
    spec.outages = {{at_s(10), at_s(20)}, {at_s(100), at_s(110)}};
    LinkTable table(spec, 1, "meter", 2);
    EXPECT_FALSE(table.up(at_s(105), 0));
    EXPECT_FALSE(table.up(at_s(15), 1));
    EXPECT_TRUE(table.up(at_s(110), 0));
    EXPECT_TRUE(table.up(at_s(9), 1));
}

TEST(LinkOutages, WhatIsUnderWayAsOneBeginsStillArrives) {
    LinkSpec spec;
    spec.up.latency = seconds(5);
    spec.outages = {{at_s(10), at_s(20)}};
    LinkTable table(spec, 1, "meter", 1);
    EXPECT_EQ(table.offer(at_s(8), 0, true, 100).arrives, at_s(13));
}

TEST(LinkOutages, ThePlugOfOneDeviceIsPulled) {
    LinkTable table({}, 1, "meter", 200);
    table.set_down(130, true);
    table.set_down(130, true);
    table.set_down(7, true);
    for (const bool up : {true, false}) {
        EXPECT_EQ(fate_at(table, at_s(1), 130, up), Fate::outage);
        EXPECT_EQ(fate_at(table, at_s(1), 131, up), Fate::arrives);
    }
    EXPECT_FALSE(table.up(at_s(1), 7));
    table.set_down(130, false);
    EXPECT_EQ(fate_at(table, at_s(2), 130), Fate::arrives);
    EXPECT_TRUE(table.is_down(7));
}

struct Seen {
    double share = 0;         // of time down
    std::vector<double> ups;  // whole stretches, in seconds
    std::vector<double> downs;
    int at_first = 0;  // devices that are down at instant 0
};

Seen watch(RandomOutages::Kind kind) {
    constexpr std::uint32_t kDevices = 300;
    constexpr int kTenths = 40'000;
    LinkSpec spec;
    spec.random_outages = {kind, seconds(100), seconds(25)};
    LinkTable table(spec, 11, "meter", kDevices);
    Seen seen;
    std::int64_t down = 0;
    for (std::uint32_t device = 0; device < kDevices; ++device) {
        bool before = false;
        int since = -1;
        for (int i = 0; i < kTenths; ++i) {
            const bool now_down = !table.up(Instant{milliseconds(100).ns * i}, device);
            down += now_down ? 1 : 0;
            if (i == 0) seen.at_first += now_down ? 1 : 0;
            if (i > 0 && now_down != before) {
                if (since >= 0) (before ? seen.downs : seen.ups).push_back((i - since) / 10.0);
                since = i;
            }
            before = now_down;
        }
    }
    seen.share = double(down) / kDevices / kTenths;
    return seen;
}

double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
}

TEST(LinkOutages, RandomOnesHaveTheirMeans) {
    const Seen seen = watch(RandomOutages::Kind::exponential);
    EXPECT_NEAR(seen.share, 0.2, 0.01);
    EXPECT_NEAR(seen.at_first, 60, 25);
    EXPECT_NEAR(mean(seen.ups), 100, 5);
    EXPECT_NEAR(mean(seen.downs), 25, 1.2);
    double squares = 0;
    for (const double v : seen.downs) squares += v * v;
    // An exponential distribution: the standard deviation is the mean.
    EXPECT_NEAR(std::sqrt(squares / double(seen.downs.size()) - 25.0 * 25), 25, 2.5);
}

TEST(LinkOutages, FixedOnesHaveTheirLengthAndARandomPhase) {
    const Seen seen = watch(RandomOutages::Kind::fixed);
    EXPECT_NEAR(seen.share, 0.2, 0.001);
    EXPECT_NEAR(seen.at_first, 60, 25);
    for (const double v : seen.ups) EXPECT_NEAR(v, 100, 0.11);
    for (const double v : seen.downs) EXPECT_NEAR(v, 25, 0.11);
}

TEST(LinkOutages, WhenTheyComeDoesNotDependOnWhoLooks) {
    LinkSpec spec;
    spec.random_outages = {RandomOutages::Kind::exponential, seconds(100), seconds(25)};
    LinkTable seldom(spec, 11, "meter", 1);
    LinkTable often(spec, 11, "meter", 1);
    for (int s = 0; s < 20'000; ++s) {
        const bool up = often.up(at_s(s), 0);
        if (s % 611 == 0) {
            EXPECT_EQ(seldom.up(at_s(s), 0), up) << s;
        }
    }
}

}  // namespace
}  // namespace mqttwin::net
