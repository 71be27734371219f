// Modems that do not listen: PSM, eDRX and other duty cycles.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/net/link_table.hpp"

namespace mqttwin::net {
namespace {

using Fate = Passage::Fate;

constexpr Instant at_s(std::int64_t s) { return Instant{seconds(s).ns}; }
constexpr Duration kLatency = milliseconds(100);

LinkSpec sleepy(SleepSpec::Kind kind) {
    LinkSpec spec;
    spec.up.latency = spec.down.latency = kLatency;
    spec.sleep.kind = kind;
    return spec;
}

/// Awake for 10 s after a packet, then every hour for 2 s.
LinkSpec psm() {
    LinkSpec spec = sleepy(SleepSpec::Kind::psm);
    spec.sleep.active = seconds(10);
    spec.sleep.window = seconds(2);
    spec.sleep.period = hours(1);
    spec.sleep.wake_up = seconds(3);
    spec.sleep.buffered = 2;
    return spec;
}

/// Whose device has just sent something, at 10,000 s.
LinkTable awake(const LinkSpec& spec) {
    LinkTable table(spec, 1, "meter", 1);
    (void)table.offer(at_s(10'000), 0, true, 100);
    return table;
}

// When the last packet left, which the wake-up may have delayed.
Instant last_sent(const LinkSpec& spec) {
    LinkTable table(spec, 1, "meter", 1);
    return table.offer(at_s(10'000), 0, true, 100).departs;
}

TEST(LinkSleep, APacketKeepsItAwakeForTheActiveTime) {
    LinkTable table = awake(psm());
    const Instant last = last_sent(psm());
    const Passage p = table.offer(last + seconds(9), 0, false, 100);
    EXPECT_FALSE(p.held);
    EXPECT_EQ(p.arrives, last + seconds(9) + kLatency);
    // And this one again.
    EXPECT_FALSE(table.offer(last + seconds(18), 0, false, 100).held);
    EXPECT_TRUE(table.offer(last + seconds(40), 0, false, 100).held);
}

TEST(LinkSleep, WhatComesWhileItSleepsWaitsForThePeriodicUpdate) {
    LinkTable table = awake(psm());
    const Instant last = last_sent(psm());
    const Passage p = table.offer(last + minutes(5), 0, false, 100);
    EXPECT_TRUE(p.held);
    EXPECT_EQ(p.departs, last + hours(1));
    EXPECT_EQ(p.arrives, last + hours(1) + kLatency);
    EXPECT_EQ(table.listens_at(last + minutes(6), 0), last + hours(1));
    // Having heard it, it is awake for the active time.
    EXPECT_FALSE(table.offer(last + hours(1) + seconds(9), 0, false, 100).held);
}

TEST(LinkSleep, WithoutTrafficItListensForAWindowEveryPeriod) {
    LinkTable table = awake(psm());
    const Instant last = last_sent(psm());
    EXPECT_EQ(table.listens_at(last + hours(2) + seconds(1), 0), last + hours(2) + seconds(1));
    EXPECT_EQ(table.listens_at(last + hours(2) + seconds(2), 0), last + hours(3));
}

TEST(LinkSleep, TheNetworkKeepsSoManyPackets) {
    LinkTable table = awake(psm());
    const Instant asleep = last_sent(psm()) + minutes(1);
    EXPECT_TRUE(table.offer(asleep, 0, false, 100).held);
    EXPECT_TRUE(table.offer(asleep, 0, false, 100).held);
    EXPECT_EQ(table.offer(asleep, 0, false, 100).fate, Fate::asleep);
    // The next sleep has a buffer of its own.
    const Instant next = asleep + hours(1) + minutes(1);
    EXPECT_TRUE(table.offer(next, 0, false, 100).held);
    EXPECT_TRUE(table.offer(next, 0, false, 100).held);
    EXPECT_EQ(table.offer(next, 0, false, 100).fate, Fate::asleep);
}

TEST(LinkSleep, ThenNothingIsKeptWhereTheBufferIsNone) {
    LinkSpec spec = psm();
    spec.sleep.buffered = 0;
    LinkTable table = awake(spec);
    EXPECT_EQ(table.offer(last_sent(spec) + minutes(1), 0, false, 100).fate, Fate::asleep);
}

TEST(LinkSleep, SendingWakesItAndReleasesWhatWasHeld) {
    LinkSpec spec = psm();
    spec.down.bandwidth = 8'000;  // a byte a millisecond
    LinkTable table = awake(spec);
    const Instant asleep = last_sent(spec) + minutes(1);
    EXPECT_TRUE(table.offer(asleep, 0, false, 100).held);
    EXPECT_TRUE(table.offer(asleep, 0, false, 100).held);
    const Instant sends = asleep + minutes(10);
    const Passage up = table.offer(sends, 0, true, 100);
    EXPECT_TRUE(up.woke);
    EXPECT_EQ(up.departs, sends + seconds(3));
    EXPECT_EQ(up.arrives, sends + seconds(3) + kLatency);
    // As the owner of the packets offers them again, nothing is left of the first passage.
    const Passage down = table.offer(sends, 0, false, 100);
    EXPECT_FALSE(down.held);
    EXPECT_EQ(down.arrives, sends + milliseconds(100) + kLatency);
    EXPECT_FALSE(table.offer(sends + seconds(4), 0, true, 100).woke);
}

TEST(LinkSleep, HeldPacketsKeepTheirOrderAndShareTheBandwidth) {
    LinkSpec spec = psm();
    spec.down.bandwidth = 8'000;
    LinkTable table = awake(spec);
    const Instant last = last_sent(spec);
    const Instant wakes = last + hours(1);
    EXPECT_EQ(table.offer(last + minutes(1), 0, false, 100).departs, wakes + milliseconds(100));
    EXPECT_EQ(table.offer(last + minutes(2), 0, false, 100).departs, wakes + milliseconds(200));
    EXPECT_EQ(table.offer(wakes, 0, false, 100).departs, wakes + milliseconds(300));
}

TEST(LinkSleep, WhatIsHeldTakesNoPlaceInTheQueue) {
    LinkSpec spec = psm();
    spec.down.bandwidth = 8'000;
    spec.down.queue_packets = 1;
    LinkTable table = awake(spec);
    const Instant asleep = last_sent(spec) + minutes(1);
    EXPECT_TRUE(table.offer(asleep, 0, false, 100).held);
    EXPECT_TRUE(table.offer(asleep, 0, false, 100).held);
    const Instant sends = asleep + minutes(10);
    EXPECT_TRUE(table.offer(sends, 0, true, 100).woke);
    EXPECT_EQ(table.offer(sends, 0, false, 100).fate, Fate::arrives);
    EXPECT_EQ(table.offer(sends, 0, false, 100).fate, Fate::queue_full);
}

TEST(LinkSleep, ACycleHasAPhaseOfEachDevice) {
    LinkSpec spec = sleepy(SleepSpec::Kind::cyclic);
    spec.sleep.period = seconds(80);
    spec.sleep.window = seconds(5);
    constexpr std::uint32_t kDevices = 4'000;
    LinkTable table(spec, 3, "meter", kDevices);
    int listening = 0;
    double waits = 0;
    for (std::uint32_t device = 0; device < kDevices; ++device) {
        const Instant next = table.listens_at(at_s(1'000), device);
        listening += next == at_s(1'000) ? 1 : 0;
        waits += (next - at_s(1'000)).seconds();
        // The same window, a period later.
        EXPECT_EQ(table.listens_at(next + seconds(80), device), next + seconds(80));
        EXPECT_LT(next - at_s(1'000), seconds(75));
    }
    EXPECT_NEAR(double(listening) / kDevices, 5.0 / 80, 0.015);
    EXPECT_NEAR(waits / kDevices, 75.0 * 75 / 160, 1.2);
}

TEST(LinkSleep, PagingWindowsAreLaidOutByTheCycleAndNotByTraffic) {
    LinkSpec spec = sleepy(SleepSpec::Kind::cyclic);
    spec.sleep.period = seconds(80);
    spec.sleep.window = seconds(2);
    spec.sleep.active = seconds(10);
    LinkTable table(spec, 3, "meter", 1);
    const Instant window = table.listens_at(at_s(100), 0) + seconds(80);
    const Passage up = table.offer(window + seconds(20), 0, true, 100);
    EXPECT_TRUE(up.woke);
    EXPECT_FALSE(table.offer(window + seconds(29), 0, false, 100).held);
    const Passage down = table.offer(window + seconds(50), 0, false, 100);
    EXPECT_TRUE(down.held);
    EXPECT_EQ(down.departs, window + seconds(80));
}

TEST(LinkSleep, DevicesWithPsmDoNotWakeTogetherAtFirst) {
    constexpr std::uint32_t kDevices = 2'000;
    LinkTable table(psm(), 5, "meter", kDevices);
    std::vector<int> quarters(4);
    for (std::uint32_t device = 0; device < kDevices; ++device) {
        const Duration wait = table.listens_at(at_s(20), device) - at_s(20);
        ++quarters[static_cast<std::size_t>(std::min<std::int64_t>(wait.ns / minutes(15).ns, 3))];
    }
    for (const int quarter : quarters) EXPECT_NEAR(quarter, kDevices / 4, 90);
}

}  // namespace
}  // namespace mqttwin::net
