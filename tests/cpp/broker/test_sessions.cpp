// Sessions: clean and resumed, taken over, expired.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Sessions : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Sessions);

// [MQTT-3.1.2-5], [MQTT-3.2.2-3]
TEST_P(Sessions, ASessionOutlivesItsConnection) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.vanishes();
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
    EXPECT_EQ(bench.broker.counts().connections, 0U);
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "x", QoS::at_least_once, {.id = 1});
    Party& again = bench.return_as("ann", version(), true);
    again.hears({"PUBLISH q1 id=1 a=x"});
}

// [MQTT-3.1.2-4], [MQTT-3.2.2-2]
TEST_P(Sessions, ACleanStartForgetsTheOldOne) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.vanishes();
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "x", QoS::at_least_once, {.id = 1});
    bench.witness.take({});
    Party& again = bench.join("ann", version());
    again.hears_nothing();
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 0 q1 session_ended"}));
    EXPECT_EQ(bench.broker.counts().subscriptions, 0U);
    bob.publishes("a", "y", QoS::at_least_once, {.id = 2});
    again.hears_nothing();
}

TEST_P(Sessions, WithoutExpiryASessionEndsWithItsConnection) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.vanishes();
    EXPECT_EQ(bench.broker.counts().sessions, 0U);
    EXPECT_EQ(bench.broker.counts().subscriptions, 0U);
    bench.return_as("ann", version(), false);
}

TEST(SessionsV5, ASessionExpires) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").expires(100));
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.vanishes();
    Party& bob = bench.join("bob");
    bob.publishes("a", "x", QoS::at_least_once, {.id = 1});
    bench.witness.take({});
    bench.after(milliseconds(99'999));
    EXPECT_EQ(bench.broker.counts().sessions, 2U);
    bench.after(milliseconds(1));
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 0 q1 session_ended"}));
    EXPECT_EQ(bench.broker.counts().queued, 0U);
}

TEST(SessionsV5, ComingBackStopsTheClock) {
    Bench bench;
    Hello hello(Version::v5, "ann");
    hello.resume().expires(100);
    Party* ann = &bench.enter(hello);
    for (int i = 0; i < 5; ++i) {
        ann->vanishes();
        bench.after(seconds(60));
        ann = &bench.enter(hello, true);
        bench.after(seconds(60));
    }
    ann->vanishes();
    bench.after(seconds(100));
    EXPECT_EQ(bench.broker.counts().sessions, 0U);
    EXPECT_EQ(bench.broker.next_deadline(), Instant::never());
}

TEST(SessionsV311, ALastingSessionIsBoundedByTheServer) {
    Options options;
    options.max_session_expiry = 3600;
    Bench bench(options);
    bench.return_as("ann", Version::v311, false).vanishes();
    bench.after(seconds(3599));
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
    bench.after(seconds(1));
    EXPECT_EQ(bench.broker.counts().sessions, 0U);
}

// [MQTT-3.1.4-3]
TEST_P(Sessions, AnotherConnectionTakesOver) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.heard();
    Party& again = bench.return_as("ann", version(), true);
    ann.hears(v5() ? Lines{"DISCONNECT 8e", "close"} : Lines{"close"});
    EXPECT_EQ(bench.witness.take({"close"}), (Lines{"close 0 taken_over 8e"}));
    again.publishes("a", "x");
    again.hears({"PUBLISH q0 a=x"});
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
    EXPECT_EQ(bench.broker.counts().connections, 1U);
}

TEST_P(Sessions, ASessionThatEndsWithItsConnectionIsNotThereToBeTakenOver) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a"}});
    bench.return_as("ann", version(), false);
    EXPECT_TRUE(ann.closed());
    EXPECT_EQ(bench.broker.counts().subscriptions, 0U);
}

TEST_P(Sessions, ACleanStartTakesOverToo) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.publishes("a", "x", QoS::at_least_once, {.id = 1});
    bench.witness.take({});
    Party& again = bench.join("ann", version());
    EXPECT_TRUE(ann.closed());
    again.hears_nothing();
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 0 q1 session_ended #1"}));
}

TEST_P(Sessions, TakenOverAgainAndAgainLeavesOneOfEach) {
    Bench bench;
    for (int i = 0; i < 50; ++i) bench.return_as("ann", version(), i > 0);
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
    EXPECT_EQ(bench.broker.counts().connections, 1U);
}

TEST(SessionsV5, DisconnectChangesTheExpiry) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").expires(100));
    ann.leaves(0, 5);
    bench.after(seconds(5));
    EXPECT_EQ(bench.broker.counts().sessions, 0U);
    Party& bob = bench.enter(Hello(Version::v5, "bob").expires(100));
    bob.leaves(0, 0);
    EXPECT_EQ(bench.broker.counts().sessions, 0U);
}

TEST(SessionsV5, DisconnectCannotProlongASessionThatEndsAtOnce) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.leaves(0, 10);
    ann.hears({"DISCONNECT 82", "close"});
    EXPECT_EQ(bench.broker.counts().sessions, 0U);
}

TEST_P(Sessions, AMillionYearsOfSilenceChangeNothingForWhoNeverExpires) {
    Bench bench;
    bench.return_as("ann", version(), false).vanishes();
    bench.after(hours(24 * 365 * 100));
    bench.return_as("ann", version(), true);
}

TEST(SessionsMixed, ASessionMayChangeItsVersion) {
    Bench bench;
    Party& ann = bench.return_as("ann", Version::v5, false);
    ann.subscribes(1, {{"a", QoS::at_least_once}}, 9);
    ann.vanishes();
    Party& bob = bench.join("bob");
    bob.publishes("a", "x", QoS::at_least_once, {.id = 1, .user_name = "k", .user_value = "v"});
    Party& again = bench.return_as("ann", Version::v311, true);
    again.hears({"PUBLISH q1 id=1 a=x"});
    again.vanishes();
    Party& third = bench.return_as("ann", Version::v5, true);
    third.hears({"PUBLISH q1 id=1 dup a=x sub=9 k:v"});
}

TEST_P(Sessions, KeepAliveIsOneAndAHalfTimes) {
    Bench bench;
    Party& ann = bench.enter(Hello(version(), "ann").keep_alive(10));
    bench.after(milliseconds(14'999));
    ann.hears_nothing();
    ann.says(pingreq());
    ann.hears({"PINGRESP"});
    bench.after(milliseconds(14'999));
    ann.hears_nothing();
    bench.after(milliseconds(1));
    // [MQTT-3.1.2-22]
    ann.hears(v5() ? Lines{"DISCONNECT 8d", "close"} : Lines{"close"});
    EXPECT_EQ(bench.witness.take({"close"}), (Lines{"close 0 keep_alive 8d"}));
}

TEST_P(Sessions, AnyPacketKeepsAlive) {
    Bench bench;
    Party& ann = bench.enter(Hello(version(), "ann").keep_alive(10));
    for (int i = 0; i < 10; ++i) {
        bench.after(seconds(14));
        ann.publishes("a", "x");
    }
    ann.hears_nothing();
    // Part of a packet does not.
    bench.after(seconds(14));
    ann.says({0x30, 0x10, 0x00});
    bench.after(seconds(2));
    EXPECT_TRUE(ann.closed());
}

TEST_P(Sessions, WithoutKeepAliveSilenceIsFine) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    bench.after(hours(1000));
    ann.hears_nothing();
    EXPECT_EQ(bench.broker.next_deadline(), Instant::never());
}

// [MQTT-3.1.2-21]
TEST(SessionsV5, TheServersKeepAliveCounts) {
    Options options;
    options.server_keep_alive = 20;
    Bench bench(options);
    Party& ann = bench.enter(Hello(Version::v5, "ann").keep_alive(600));
    bench.after(seconds(29));
    ann.hears_nothing();
    bench.after(seconds(1));
    EXPECT_TRUE(ann.closed());
}

TEST_P(Sessions, ReconnectingManyTimesLeavesNoTrailOfDeadlines) {
    // Every connection arms its own deadlines; the stale ones go as they come up.
    Bench bench;
    Hello hello(version(), "ann");
    hello.resume().keep_alive(60);
    if (v5()) hello.expires(1000);
    for (int i = 0; i < 200; ++i) {
        Party& ann = bench.enter(hello, i > 0);
        bench.after(seconds(10));
        ann.vanishes();
    }
    bench.after(seconds(1000));
    EXPECT_EQ(bench.broker.counts().sessions, v5() ? 0U : 1U);
    EXPECT_EQ(bench.broker.next_deadline(), Instant::never());
}

}  // namespace
}  // namespace mqttwin::broker
