// Keep-alive and back-off: when a client does something on its own.
#include <set>

#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::QoS;

class KeepAlive : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(KeepAlive);

// [MQTT-3.1.2-20]
TEST_P(KeepAlive, PingsAfterAnIntervalWithoutSending) {
    Bench bench(options());
    bench.go_online();
    for (int n = 0; n < 5; ++n) {
        bench.wait(seconds(60) - nanoseconds(1));
        EXPECT_EQ(bench.take(), Lines{});
        bench.wait(nanoseconds(1));
        EXPECT_EQ(bench.take(), (Lines{"PINGREQ"}));
        bench.receive(bench.pingresp());
    }
    EXPECT_EQ(bench.heard.take(0), Lines{});
}

TEST_P(KeepAlive, IsPushedBackByEverythingSent) {
    Bench bench(options());
    bench.go_online();
    for (int n = 0; n < 100; ++n) {
        bench.wait(seconds(59));
        bench.publish("t", "x", QoS::at_most_once);
        EXPECT_EQ(bench.take(), (Lines{"PUBLISH q0 t=x"}));
    }
    bench.wait(seconds(59));
    bench.receive(bench.message("t", "x", QoS::at_least_once, 1));
    EXPECT_EQ(bench.take(), (Lines{"PUBACK 1"}));
    bench.wait(seconds(60) - nanoseconds(1));
    EXPECT_EQ(bench.take(), Lines{});
    bench.wait(nanoseconds(1));
    EXPECT_EQ(bench.take(), (Lines{"PINGREQ"}));
}

TEST_P(KeepAlive, IsNotPushedBackByWhatIsReceived) {
    Bench bench(options());
    bench.go_online();
    bench.wait(seconds(59));
    bench.receive(bench.message("t", "x", QoS::at_most_once));
    bench.wait(seconds(1));
    EXPECT_EQ(bench.take(), (Lines{"PINGREQ"}));
}

TEST_P(KeepAlive, BreaksOffWhenNothingAnswersThePing) {
    Bench bench(options());
    bench.go_online();
    bench.wait(seconds(60) + seconds(20) - nanoseconds(1));
    EXPECT_EQ(bench.take(), (Lines{"PINGREQ"}));
    bench.wait(nanoseconds(1));
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected ping_timeout 00"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::backing_off);
    bench.closed();
    EXPECT_EQ(bench.heard.take(0), Lines{});
}

TEST_P(KeepAlive, TakesAnythingReceivedForAnAnswer) {
    Bench bench(options());
    bench.go_online();
    bench.wait(seconds(70));
    EXPECT_EQ(bench.take(), (Lines{"PINGREQ"}));
    Bytes half = bench.message("t", "x", QoS::at_most_once);
    half.resize(3);
    bench.receive(half);
    bench.wait(seconds(50) - nanoseconds(1));
    EXPECT_EQ(bench.take(), Lines{});
    bench.wait(nanoseconds(1));
    EXPECT_EQ(bench.take(), (Lines{"PINGREQ"}));  // a minute after the last thing sent
    bench.expect_no_leak();
}

TEST_P(KeepAlive, WaitsForAnAnswerNoLongerThanItsInterval) {
    Options chosen = options();
    chosen.keep_alive = 5;
    Bench bench(chosen);
    bench.go_online();
    bench.wait(seconds(10));
    EXPECT_EQ(bench.take(), (Lines{"PINGREQ", "abort"}));
}

TEST_P(KeepAlive, IsOffAtZero) {
    Options chosen = options();
    chosen.keep_alive = 0;
    Bench bench(chosen);
    bench.go_online();
    EXPECT_EQ(bench.clients.next_deadline(), Instant::never());
    bench.wait(hours(100));
    EXPECT_EQ(bench.take(), Lines{});
}

TEST(KeepAliveOfMany, CostsOneDeadlineAClient) {
    Bench bench({}, 1000);
    for (Slot client = 0; client < 1000; ++client) bench.go_online(client);
    for (int minute = 0; minute < 60; ++minute) {
        bench.wait(minutes(1));
        for (Slot client = 0; client < 1000; ++client) {
            ASSERT_EQ(bench.take(client), (Lines{"PINGREQ"}));
            bench.receive(bench.pingresp(), client);
        }
    }
}

// --- back-off ------------------------------------------------------------------------------------

// How long each of the first attempts to reconnect is waited for, when nothing ever connects.
std::vector<Duration> waits(Bench& bench, Slot client, int count) {
    std::vector<Duration> out;
    bench.connect(client);
    for (int n = 0; n < count; ++n) {
        bench.closed(client);
        const Instant since = bench.now;
        while (bench.clients.phase(client) == Phase::backing_off) {
            bench.wait_until(bench.clients.next_deadline());
        }
        out.push_back(bench.now - since);
    }
    return out;
}

TEST(BackOff, GrowsToItsMaximumWithoutJitter) {
    Options options;
    options.backoff = {seconds(1), seconds(20), 2.0, 0.0};
    Bench bench(options);
    EXPECT_EQ(waits(bench, 0, 8),
              (std::vector<Duration>{seconds(1), seconds(2), seconds(4), seconds(8), seconds(16),
                                     seconds(20), seconds(20), seconds(20)}));
}

TEST(BackOff, IsFixedAtFactorOne) {
    Options options;
    options.backoff = {seconds(3), minutes(2), 1.0, 0.0};
    Bench bench(options);
    EXPECT_EQ(waits(bench, 0, 300), (std::vector<Duration>(300, seconds(3))));
}

TEST(BackOff, IsNeverMoreThanItsMaximum) {
    Options options;
    options.backoff = {minutes(5), minutes(2), 3.0, 0.0};
    Bench bench(options);
    EXPECT_EQ(waits(bench, 0, 3), (std::vector<Duration>(3, minutes(2))));
}

TEST(BackOff, JitterTakesAwayUpToItsShare) {
    Options options;
    options.backoff = {seconds(8), seconds(8), 1.0, 0.25};
    Bench bench(options);
    Duration shortest = hours(1);
    Duration longest{};
    for (const Duration wait : waits(bench, 0, 2000)) {
        shortest = min(shortest, wait);
        longest = max(longest, wait);
    }
    EXPECT_GT(shortest, seconds(6));
    EXPECT_LT(shortest, milliseconds(6010));
    EXPECT_LE(longest, seconds(8));
    EXPECT_GT(longest, milliseconds(7990));
}

TEST(BackOff, OfOneClientDoesNotDependOnOthers) {
    Bench alone({}, 3);
    const auto expected = waits(alone, 2, 20);
    EXPECT_EQ((std::set<Duration>(expected.begin(), expected.end()).size()), 20U);

    Bench crowd({}, 100);
    waits(crowd, 7, 5);
    EXPECT_EQ(waits(crowd, 2, 20), expected);

    Bench other_client({}, 3);
    EXPECT_NE(waits(other_client, 1, 20), expected);
    Bench other_seed({}, 3, 2);
    EXPECT_NE(waits(other_seed, 2, 20), expected);
}

TEST(BackOff, StartsAgainOnceOnlineButItsLuckGoesOn) {
    Options options;
    options.backoff = {seconds(1), minutes(2), 2.0, 0.0};
    Bench bench(options);
    EXPECT_EQ(waits(bench, 0, 3).back(), seconds(4));
    bench.go_online();
    bench.closed();
    EXPECT_EQ(bench.clients.next_deadline(), bench.now + seconds(1));

    // With jitter, the n-th back-off of a life has the n-th draw, online in between or not.
    Options jittered;
    jittered.backoff = {seconds(1), seconds(1), 1.0, 1.0};
    Bench steady(jittered);
    const auto expected = waits(steady, 0, 4);
    Bench lucky(jittered);
    waits(lucky, 0, 3);
    lucky.go_online();
    lucky.closed();
    EXPECT_EQ(lucky.clients.next_deadline(), lucky.now + expected[3]);
}

TEST(BackOff, IsNotResetByAConnackThatRefuses) {
    Options options;
    options.backoff = {seconds(1), minutes(2), 2.0, 0.0};
    Bench bench(options);
    bench.connect();
    for (const int expected : {1, 2, 4, 8}) {
        bench.open();
        bench.receive(bench.connack(false, 0x88));
        bench.closed();
        EXPECT_EQ(bench.clients.next_deadline(), bench.now + seconds(expected));
        bench.wait(seconds(expected));
        EXPECT_EQ(bench.clients.phase(0), Phase::opening);
    }
}

TEST(BackOff, OfAMillionRefusalsKeepsOneDeadline) {
    Options options;
    options.backoff = {milliseconds(1), milliseconds(1), 1.0, 0.0};
    Bench bench(options);
    bench.connect();
    for (int n = 0; n < 20'000; ++n) {
        bench.closed();
        bench.wait(milliseconds(1));
        ASSERT_EQ(bench.clients.phase(0), Phase::opening);
    }
    // Were old deadlines kept, waiting would run into thousands of them.
    int wakes = 0;
    bench.clients.disconnect(bench.now, 0);
    while (bench.clients.next_deadline() != Instant::never()) {
        bench.clients.handle_timeout(bench.clients.next_deadline());
        ++wakes;
    }
    EXPECT_EQ(wakes, 0);
}

}  // namespace
}  // namespace mqttwin::client
