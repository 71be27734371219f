#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/net/link_table.hpp"

namespace mqttwin::net {
namespace {

using Fate = Passage::Fate;

constexpr std::uint64_t kSeed = 7;

LinkTable table_of(const LinkSpec& spec, std::uint32_t devices = 1, std::uint64_t seed = kSeed) {
    return {spec, seed, "meter", devices};
}

constexpr Instant at_ms(std::int64_t ms) { return Instant{milliseconds(ms).ns}; }

/// Everything at once, with a loss that varies, or a constant one.
LinkSpec rough(double then = 0.2) {
    LinkSpec spec;
    for (PipeSpec* pipe : {&spec.up, &spec.down}) {
        pipe->latency = milliseconds(50);
        pipe->jitter = milliseconds(20);
        pipe->jitter_kind = PipeJitter::normal;
        pipe->loss = 0.05;
        pipe->bursts.clock = GilbertElliott::Clock::time;
        pipe->bursts.good = seconds(20);
        pipe->bursts.bad = seconds(1);
        pipe->bandwidth = 250'000;
        pipe->queue_packets = 10;
        pipe->curve.points = {{Duration{0}, milliseconds(50), LatencyCurve::kSameLoss},
                              {seconds(30), milliseconds(10), then}};
        pipe->curve.repeat = minutes(1);
    }
    spec.sleep.kind = SleepSpec::Kind::psm;
    spec.sleep.active = seconds(5);
    spec.sleep.window = seconds(5);
    spec.sleep.period = minutes(1);
    spec.outages = {{at_ms(100'000), at_ms(110'000)}};
    spec.random_outages = {RandomOutages::Kind::exponential, minutes(3), seconds(10)};
    return spec;
}

/// Both.
class RoughLinks : public testing::TestWithParam<double> {
   protected:
    static LinkSpec spec() { return rough(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(VaryingAndConstantLoss, RoughLinks,
                         testing::Values(0.2, LatencyCurve::kSameLoss));

/// What becomes of packets of one device, in both directions.
std::vector<std::int64_t> history(LinkTable& table, std::uint32_t device, int from, int to) {
    std::vector<std::int64_t> out;
    for (int i = from; i < to; ++i) {
        const Passage p = table.offer(at_ms(137 * i), device, i % 3 != 0, 80 + i % 200);
        out.push_back(static_cast<std::int64_t>(p.fate));
        out.push_back(p.fate == Fate::arrives ? p.arrives.ns : 0);
    }
    return out;
}

TEST(LinkTable, DirectionsHaveTheirOwnLatency) {
    LinkSpec spec;
    spec.up.latency = milliseconds(50);
    spec.down.latency = milliseconds(20);
    LinkTable table = table_of(spec);
    EXPECT_EQ(table.offer(at_ms(7), 0, true, 100).arrives, at_ms(57));
    EXPECT_EQ(table.offer(at_ms(7), 0, false, 100).arrives, at_ms(27));
    EXPECT_EQ(table.offer(at_ms(7), 0, false, 100).departs, at_ms(7));
}

TEST(LinkTable, WhatIsLargerThanTheMtuIsDropped) {
    LinkTable table = table_of({});
    EXPECT_EQ(table.offer(at_ms(0), 0, true, 1'501).fate, Fate::too_big);
    EXPECT_EQ(table.offer(at_ms(0), 0, true, 1'500).fate, Fate::arrives);
}

TEST(LinkTable, LossHasItsProbabilityInEachDirection) {
    LinkSpec spec;
    spec.up.loss = 0.05;
    spec.down.loss = 0.2;
    LinkTable table = table_of(spec, 100);
    int lost[2] = {};
    for (int i = 0; i < 100'000; ++i) {
        for (const bool up : {true, false}) {
            const Passage p = table.offer(at_ms(i), static_cast<std::uint32_t>(i % 100), up, 100);
            lost[up ? 0 : 1] += p.fate == Fate::lost ? 1 : 0;
        }
    }
    EXPECT_NEAR(lost[0], 5'000, 300);
    EXPECT_NEAR(lost[1], 20'000, 550);
}

std::vector<bool> lost_packets(const LinkSpec& spec, std::uint32_t device, int packets) {
    LinkTable table = table_of(spec, 1'000);
    std::vector<bool> out;
    for (int i = 0; i < packets; ++i) {
        out.push_back(table.offer(at_ms(100 * i), device, true, 100).fate == Fate::lost);
    }
    return out;
}

// Only losses are drawn, not packets; it is the same as if each packet were: the first is lost as
// often as any, and the number between two losses is geometric.
TEST(LinkTable, LossesAreIndependent) {
    constexpr double kLoss = 0.1;
    LinkSpec spec;
    spec.up.loss = kLoss;
    int first = 0;
    std::vector<int> gaps(40);
    int losses = 0;
    for (std::uint32_t device = 0; device < 1'000; ++device) {
        int since = 0;
        const std::vector<bool> lost = lost_packets(spec, device, 500);
        first += lost[0] ? 1 : 0;
        for (std::size_t i = 0; i < lost.size(); ++i, ++since) {
            if (!lost[i]) continue;
            // Gaps that could not have been seen to their end would bias the rest.
            if (i - static_cast<std::size_t>(since) < 400) {
                ++losses;
                if (since < 40) ++gaps[static_cast<std::size_t>(since)];
            }
            since = -1;
        }
    }
    EXPECT_NEAR(first, 100, 3 * 9.5);
    double chance = kLoss;
    for (std::size_t i = 0; i < gaps.size(); ++i, chance *= 1 - kLoss) {
        const double expected = chance * losses;
        EXPECT_NEAR(gaps[i], expected, 4 * std::sqrt(expected)) << i;
    }
}

TEST(LinkTable, EveryPacketIsLostWhereThatIsAsked) {
    LinkSpec spec;
    spec.up.loss = 1;
    const std::vector<bool> lost = lost_packets(spec, 0, 100);
    EXPECT_EQ(std::count(lost.begin(), lost.end(), true), 100);
    for (const double rare : {1e-12, 1e-17, 1e-300}) {
        spec.up.loss = rare;
        const std::vector<bool> none = lost_packets(spec, 0, 100);
        EXPECT_EQ(std::count(none.begin(), none.end(), true), 0) << rare;
    }
}

// Which packets are lost does not depend on what else the link does to those that come so far.
TEST(LinkTable, TheSamePacketsAreLostWhateverElseTheLinkDoes) {
    LinkSpec spec;
    spec.up.loss = 0.05;
    const std::vector<bool> alone = lost_packets(spec, 3, 2'000);
    spec.up.latency = milliseconds(20);
    spec.up.jitter = milliseconds(5);
    spec.up.jitter_kind = PipeJitter::normal;
    spec.up.bandwidth = 1e6;
    EXPECT_EQ(lost_packets(spec, 3, 2'000), alone);
    EXPECT_NE(lost_packets(spec, 4, 2'000), alone);
    spec.up.bursts.clock = GilbertElliott::Clock::time;
    spec.up.bursts.good = seconds(20);
    spec.up.bursts.bad = seconds(1);
    const std::vector<bool> more = lost_packets(spec, 3, 2'000);
    for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_LE(alone[i], more[i]) << i;
    EXPECT_GT(std::count(more.begin(), more.end(), true),
              std::count(alone.begin(), alone.end(), true));
}

TEST(LinkTable, JitterHasItsMomentsAndQuantiles) {
    LinkSpec spec;
    spec.up.latency = milliseconds(200);
    spec.up.jitter = milliseconds(15);
    spec.up.reorder = true;
    const auto delays = [&spec](PipeJitter kind) {
        spec.up.jitter_kind = kind;
        LinkTable table = table_of(spec);
        std::vector<double> out;
        for (int i = 0; i < 50'000; ++i) {
            const Passage p = table.offer(at_ms(i), 0, true, 100);
            out.push_back((p.arrives - at_ms(i)).seconds() * 1e3 - 200);
        }
        std::sort(out.begin(), out.end());
        return out;
    };
    const auto at = [](const std::vector<double>& sorted, double share) {
        return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size()))];
    };
    const auto uniform = delays(PipeJitter::uniform);
    EXPECT_NEAR(at(uniform, 0.25), -7.5, 0.3);
    EXPECT_GE(uniform.front(), -15.0);
    EXPECT_LE(uniform.back(), 15.0);
    const auto normal = delays(PipeJitter::normal);
    EXPECT_NEAR(at(normal, 0.5), 0.0, 0.3);
    EXPECT_NEAR(at(normal, 0.975), 1.96 * 15, 0.7);
    const auto exponential = delays(PipeJitter::exponential);
    EXPECT_GE(exponential.front(), 0.0);
    EXPECT_NEAR(at(exponential, 0.5), 15 * std::log(2.0), 0.4);
    const auto lognormal = delays(PipeJitter::lognormal);
    EXPECT_NEAR(at(lognormal, 0.5), 15.0, 0.4);
    EXPECT_NEAR(at(lognormal, 0.8413), 15.0 * std::exp(1.0), 1.5);
}

TEST(LinkTable, PacketsKeepTheirOrderUnlessToldOtherwise) {
    for (const bool reorder : {false, true}) {
        LinkSpec spec;
        spec.up.latency = milliseconds(50);
        spec.up.jitter = milliseconds(30);
        spec.up.jitter_kind = PipeJitter::exponential;
        spec.up.reorder = reorder;
        LinkTable table = table_of(spec);
        Instant last;
        int overtaken = 0;
        for (int i = 0; i < 2'000; ++i) {
            const Instant arrives = table.offer(at_ms(i), 0, true, 100).arrives;
            overtaken += arrives < last ? 1 : 0;
            last = max(last, arrives);
        }
        EXPECT_EQ(overtaken > 0, reorder);
    }
}

TEST(LinkTable, QueuesDropWhereAPipeDoes) {
    for (const auto& [packets, bytes] :
         {std::pair(3U, kUnbounded), std::pair(kUnbounded, 2'000U), std::pair(2U, 2'500U)}) {
        LinkSpec spec;
        spec.up.bandwidth = 80'000;
        spec.up.queue_packets = packets;
        spec.up.queue_bytes = bytes;
        LinkTable table = table_of(spec, 2);
        Pipe pipe;
        int full = 0;
        for (int i = 0; i < 5'000; ++i) {
            // Between 1 and 200 ms of bandwidth every 50 ms.
            const auto size = static_cast<std::uint32_t>(40 + (i * 7919) % 1'400);
            const Instant now = at_ms(50 * i);
            const Passage mine = table.offer(now, 1, true, size);
            const Passage other = pipe.offer(now, size, spec.up);
            ASSERT_EQ(mine.fate, other.fate) << i;
            ASSERT_EQ(mine.arrives, other.arrives) << i;
            full += mine.fate == Fate::queue_full ? 1 : 0;
        }
        EXPECT_GT(full, 500);
        EXPECT_LT(full, 4'500);
    }
}

TEST(LinkTable, AQueueMayBeAsLongAsItTakes) {
    LinkSpec spec;
    spec.down.bandwidth = 8'000;  // a byte a millisecond
    LinkTable table = table_of(spec);
    for (int i = 1; i <= 10'000; ++i)
        ASSERT_EQ(table.offer(at_ms(0), 0, false, 100).departs, at_ms(100 * i));
}

// A device that the radio loses for a while: how long, seen by packets that come every 10 ms.
TEST(LinkTable, SojournsOfBurstsHaveTheirMeans) {
    LinkSpec spec;
    spec.up.bursts.clock = GilbertElliott::Clock::time;
    spec.up.bursts.good = seconds(2);
    spec.up.bursts.bad = milliseconds(500);
    LinkTable table = table_of(spec);
    int runs = 0;
    int lost = 0;
    bool before = false;
    constexpr int kPackets = 400'000;
    for (int i = 0; i < kPackets; ++i) {
        const bool gone = table.offer(at_ms(10 * i), 0, true, 100).fate == Fate::lost;
        lost += gone ? 1 : 0;
        runs += gone && !before ? 1 : 0;
        before = gone;
    }
    EXPECT_NEAR(double(lost) / kPackets, 0.2, 0.015);
    EXPECT_NEAR(double(lost) / runs, 50, 4);  // packets of 10 ms
}

TEST(LinkTable, BurstsMayBeClockedByPacketAndLoseAShare) {
    LinkSpec spec;
    spec.up.bursts.clock = GilbertElliott::Clock::packet;
    spec.up.bursts.to_bad = 0.02;
    spec.up.bursts.to_good = 0.2;
    spec.up.bursts.loss_in_bad = 0.5;
    spec.up.bursts.loss_in_good = 0.01;
    LinkTable table = table_of(spec);
    int lost = 0;
    for (int i = 0; i < 200'000; ++i)
        lost += table.offer(at_ms(i), 0, true, 100).fate == Fate::lost ? 1 : 0;
    const double bad = 0.02 / 0.22;
    EXPECT_NEAR(lost / 200'000.0, 0.5 * bad + 0.01 * (1 - bad), 0.004);
}

TEST_P(RoughLinks, ADeviceDoesNotNoticeTheOthers) {
    LinkTable alone = table_of(spec(), 6);
    const auto expected = history(alone, 5, 0, 3'000);
    LinkTable crowded = table_of(spec(), 1'000);
    std::vector<std::int64_t> seen;
    for (int i = 0; i < 3'000; ++i) {
        for (const std::uint32_t other : {0U, 4U, 6U, 999U})
            (void)crowded.offer(at_ms(137 * i), other, i % 2 == 0, 1'000);
        if (i == 1'500) crowded.set_down(4, true);
        const auto one = history(crowded, 5, i, i + 1);
        seen.insert(seen.end(), one.begin(), one.end());
    }
    EXPECT_EQ(seen, expected);
}

TEST_P(RoughLinks, DevicesSeedsAndPopulationsDiffer) {
    LinkTable table = table_of(spec(), 2);
    const auto first = history(table, 0, 0, 500);
    EXPECT_NE(history(table, 1, 0, 500), first);
    LinkTable reseeded = table_of(spec(), 2, kSeed + 1);
    EXPECT_NE(history(reseeded, 0, 0, 500), first);
    LinkTable renamed(spec(), kSeed, "valve", 2);
    EXPECT_NE(history(renamed, 0, 0, 500), first);
    LinkTable again = table_of(spec(), 2);
    EXPECT_EQ(history(again, 0, 0, 500), first);
}

TEST_P(RoughLinks, ACopyGoesOnLikeTheOriginal) {
    LinkTable table = table_of(spec(), 3);
    (void)history(table, 1, 0, 1'000);
    LinkTable copy = table;
    const auto expected = history(table, 1, 1'000, 3'000);
    EXPECT_EQ(history(copy, 1, 1'000, 3'000), expected);
}

TEST_P(RoughLinks, EveryFateHappens) {
    LinkTable table = table_of(spec());
    std::vector<int> seen(8);
    for (int i = 0; i < 20'000; ++i) {
        const Passage p = table.offer(at_ms(20 * i), 0, i % 700 == 0, i == 9 ? 2'000 : 700);
        ++seen[static_cast<std::size_t>(p.fate)];
    }
    for (const Fate fate :
         {Fate::arrives, Fate::lost, Fate::queue_full, Fate::too_big, Fate::outage, Fate::asleep}) {
        EXPECT_GT(seen[static_cast<std::size_t>(fate)], 0) << static_cast<int>(fate);
    }
}

TEST(LinkTable, StateIsWhatTheSpecNeeds) {
    constexpr std::uint32_t kDevices = 10'000;
    LinkSpec spec;
    const auto bytes = [&spec] {
        const LinkTable table = table_of(spec, kDevices);
        EXPECT_LE(table.footprint(), kDevices * table.bytes_per_device() + 256);
        return table.bytes_per_device();
    };
    EXPECT_EQ(bytes(), 0U);
    spec.up.loss = spec.down.loss = 0.01;
    EXPECT_EQ(bytes(), 16U);
    spec.up.bandwidth = spec.down.bandwidth = 1e6;
    spec.up.queue_bytes = spec.down.queue_bytes = 65'536;
    EXPECT_EQ(bytes(), 32U);
    spec.up.jitter_kind = spec.down.jitter_kind = PipeJitter::uniform;
    EXPECT_EQ(bytes(), 32U);  // of nothing
    spec.up.jitter = spec.down.jitter = milliseconds(1);
    EXPECT_EQ(bytes(), 48U);
    spec.outages = {{at_ms(1), at_ms(2)}};
    spec.random_outages = {RandomOutages::Kind::fixed, seconds(1), seconds(1)};
    EXPECT_EQ(bytes(), 48U);
    for (const double then : {0.2, LatencyCurve::kSameLoss}) {
        EXPECT_LE(table_of(rough(then), kDevices).bytes_per_device(), 120U);
    }
}

TEST(LinkTable, AWrongSpecIsRefused) {
    LinkSpec spec;
    spec.up.loss = 2;
    EXPECT_THROW(table_of(spec), std::invalid_argument);
}

}  // namespace
}  // namespace mqttwin::net
