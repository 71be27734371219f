// From `connect` to CONNACK, and every way in which that fails.
#include "mqttwin/client/phases.hpp"

#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::Property;
using wire::QoS;

class Connecting : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Connecting);

TEST_P(Connecting, OpensThenSaysConnectThenIsOnline) {
    Bench bench(options());
    EXPECT_EQ(bench.clients.phase(0), Phase::idle);
    bench.connect();
    EXPECT_EQ(bench.take(), (Lines{"open"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::opening);
    bench.open();
    EXPECT_EQ(bench.take(),
              (Lines{v5() ? "CONNECT v5 clean id=c0 keep=60" : "CONNECT v4 clean id=c0 keep=60"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::awaiting_connack);
    bench.receive(bench.connack());
    EXPECT_EQ(bench.clients.phase(0), Phase::online);
    EXPECT_EQ(bench.heard.take(0), (Lines{"connected fresh"}));
    EXPECT_EQ(bench.take(), Lines{});
    bench.expect_no_leak();
}

TEST_P(Connecting, SaysWhoItIsAndWhatItsWillIs) {
    Bench bench(options());
    bench.profile.user_name = "meter";
    bench.profile.will_topic = "gone/c0";
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(), std::string(v5() ? "CONNECT v5" : "CONNECT v4") +
                                       " clean id=c0 keep=60 user=meter will=gone/c0");
}

TEST(ConnectingV5, AnnouncesItsLimits) {
    Options options;
    options.session_expiry = 3600;
    options.receive_maximum = 10;
    options.maximum_packet_size = 4096;
    options.clean_start = false;
    Bench bench(options);
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(),
              "CONNECT v5 resume id=c0 keep=60 expiry=3600 receive=10 size=4096");
}

TEST_P(Connecting, IgnoresConnectWhileThereIsAConnection) {
    Bench bench(options());
    bench.connect();
    bench.connect();
    EXPECT_EQ(bench.take(), (Lines{"open"}));
    bench.open();
    bench.connect();
    bench.receive(bench.connack());
    bench.connect();
    EXPECT_EQ(bench.take().size(), 1U);
}

TEST_P(Connecting, TriesAgainWhenTheNetworkCannot) {
    Bench bench(options());
    bench.connect();
    bench.closed();
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected connect_failed 00"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::backing_off);
    EXPECT_EQ(bench.take(), (Lines{"open"}));
    bench.wait(seconds(2));
    EXPECT_EQ(bench.take(), (Lines{"open"}));
}

TEST_P(Connecting, StaysIdleWithoutReconnect) {
    Options chosen = options();
    chosen.reconnect = false;
    Bench bench(chosen);
    bench.connect();
    bench.closed();
    EXPECT_EQ(bench.clients.phase(0), Phase::idle);
    EXPECT_EQ(bench.clients.next_deadline(), Instant::never());
}

TEST_P(Connecting, GivesUpWaitingForAConnection) {
    Options chosen = options();
    chosen.connect_timeout = seconds(5);
    Bench bench(chosen);
    bench.connect();
    bench.wait(seconds(5) - nanoseconds(1));
    EXPECT_EQ(bench.take(), (Lines{"open"}));
    bench.wait(nanoseconds(1));
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected connect_timeout 00"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::backing_off);
}

TEST_P(Connecting, GivesUpWaitingForConnackCountedFromTheOpen) {
    Options chosen = options();
    chosen.connect_timeout = seconds(5);
    Bench bench(chosen);
    bench.connect();
    bench.wait(seconds(3));
    bench.open();
    bench.wait(seconds(2));
    EXPECT_EQ(bench.take().back(), "abort");
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected connect_timeout 00"}));
}

TEST_P(Connecting, ClosesWhenItIsRefusedAndTriesAgain) {
    Bench bench(options());
    bench.connect();
    bench.open();
    bench.take();
    bench.receive(bench.connack(false, v5() ? 0x86 : 0x04));
    EXPECT_EQ(bench.take(), (Lines{"close"}));
    EXPECT_EQ(bench.heard.take(0),
              (Lines{v5() ? "disconnected refused 86" : "disconnected refused 04"}));
    bench.closed();
    bench.wait(seconds(2));
    EXPECT_EQ(bench.take(), (Lines{"open"}));
}

TEST_P(Connecting, DisconnectsByCommandFromEveryPhase) {
    Bench bench(options());
    bench.clients.disconnect(bench.now, 0);
    EXPECT_EQ(bench.take(), Lines{});

    bench.connect();
    bench.clients.disconnect(bench.now, 0);
    EXPECT_EQ(bench.take(), (Lines{"open", "abort"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected by_command 00"}));
    bench.open();  // too late
    EXPECT_EQ(bench.take(), Lines{});
    bench.closed();

    bench.connect();
    bench.open();
    bench.take();
    bench.clients.disconnect(bench.now, 0);
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    bench.closed();

    bench.connect();
    bench.closed();
    bench.take();
    bench.clients.disconnect(bench.now, 0);
    EXPECT_EQ(bench.take(), Lines{});

    bench.go_online();
    bench.clients.disconnect(bench.now, 0, v5() ? 0x04 : 0x00);
    EXPECT_EQ(bench.take(), (Lines{v5() ? "DISCONNECT 04" : "DISCONNECT 00", "close"}));
    bench.receive(bench.message("t", "late", QoS::at_most_once));
    EXPECT_EQ(bench.heard.take(0),
              (Lines{v5() ? "disconnected by_command 04" : "disconnected by_command 00"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::idle);
    EXPECT_EQ(bench.clients.next_deadline(), Instant::never());
    bench.wait(hours(1));
    EXPECT_EQ(bench.take(), Lines{});
    bench.expect_no_leak();
}

TEST_P(Connecting, ReopensInALaterTurnWhileTheOldConnectionIsBeingClosed) {
    Bench bench(options());
    bench.go_online();
    bench.clients.disconnect(bench.now, 0);
    bench.connect();
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 00", "close"}));
    bench.closed();  // the old one
    EXPECT_EQ(bench.clients.next_deadline(), bench.now);
    bench.wait({});
    EXPECT_EQ(bench.take(), (Lines{"open"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::opening);
    bench.closed();  // the new one
    EXPECT_EQ(bench.heard.take(0).back(), "disconnected connect_failed 00");
}

TEST_P(Connecting, NeverReopensInTheTurnInWhichItCloses) {
    Options chosen = options();
    chosen.backoff = {Duration{}, Duration{}, 1.0, 1.0};
    chosen.connect_timeout = Duration{};
    Bench bench(chosen);
    bench.connect();
    for (int turn = 0; turn < 10; ++turn) {
        bench.take();
        bench.now = bench.clients.next_deadline();
        bench.clients.handle_timeout(bench.now);
        EXPECT_EQ(bench.take().size(), 1U);
        EXPECT_GT(bench.clients.next_deadline(), bench.now);
    }
}

TEST_P(Connecting, ConnectEndsABackOff) {
    Bench bench(options());
    bench.connect();
    bench.closed();
    bench.take();
    bench.connect();
    EXPECT_EQ(bench.take(), (Lines{"open"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::opening);
}

TEST_P(Connecting, LosesTheConnectionAndComesBack) {
    Bench bench(options());
    bench.go_online();
    bench.closed();
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected transport 00"}));
    bench.wait(seconds(1));
    EXPECT_EQ(bench.take(), (Lines{"open"}));
    bench.closed();
    bench.closed();
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected connect_failed 00"}));
}

TEST(ConnectingV5, LeavesWhenTheServerSaysDisconnect) {
    Bench bench;
    bench.go_online();
    bench.receive(bench.server_disconnect(0x8B) + bench.message("t", "late", QoS::at_most_once));
    EXPECT_EQ(bench.take(), (Lines{"close"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected by_server 8b"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::backing_off);
}

TEST(ConnectingV31, SpeaksTheOldProtocolToo) {
    Options options = version_options(wire::Version::v3);
    options.clean_start = false;
    Bench bench(options);
    bench.profile.subscriptions = {{"a", QoS::at_least_once}};
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v3 resume id=c0 keep=60");
    bench.receive(bench.connack());
    EXPECT_EQ(bench.take(), (Lines{"SUBSCRIBE 1 a:q1"}));
    bench.receive(bench.suback(1, {1}));
    bench.publish("t", "x", QoS::at_least_once, 5);
    bench.closed();
    bench.wait(seconds(2));
    bench.open();
    bench.take();
    bench.receive(bench.connack());
    // The server cannot say whether it kept the session: both are prepared for.
    EXPECT_EQ(bench.take(), (Lines{"SUBSCRIBE 3 a:q1", "PUBLISH q1 id=2 dup t=x"}));
    bench.expect_no_leak();
}

// [MQTT-3.2.2-21]
TEST(ConnectingV5, TakesTheServersKeepAlive) {
    Bench bench;
    wire::Properties properties;
    properties.mark(Property::server_keep_alive);
    properties.server_keep_alive = 7;
    bench.go_online(0, false, properties);
    bench.wait(seconds(7) - nanoseconds(1));
    EXPECT_EQ(bench.take(), Lines{});
    bench.wait(nanoseconds(1));
    EXPECT_EQ(bench.take(), (Lines{"PINGREQ"}));
}

TEST(ConnectingV5, KeepsAnAssignedIdentifierAsLongAsItsSession) {
    Options options;
    options.session_expiry = 100;
    Bench bench(options);
    bench.profile.anonymous = true;
    wire::Properties properties;
    properties.mark(Property::assigned_client_identifier);
    properties.assigned_client_identifier = "auto-17";
    bench.go_online(0, false, properties);
    for (int n = 0; n < 3; ++n) {
        bench.closed();
        bench.wait(seconds(2));
        bench.open();
        EXPECT_EQ(bench.take().back(), "CONNECT v5 resume id=auto-17 keep=60 expiry=100");
        bench.receive(bench.connack(n == 1));
    }
    bench.expect_no_leak();
    bench.closed();
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v5 clean id= keep=60 expiry=100");
}

TEST(ConnectingV5, ForgetsAnAssignedIdentifierWithoutASession) {
    Bench bench;
    bench.profile.anonymous = true;
    wire::Properties properties;
    properties.mark(Property::assigned_client_identifier);
    properties.assigned_client_identifier = "auto-17";
    bench.go_online(0, false, properties);
    bench.closed();
    bench.wait(seconds(2));
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v5 clean id= keep=60");
}

TEST(ConnectingV5, StartsCleanAgainWhenTheServerGrantsNoSession) {
    Options options;
    options.session_expiry = 100;
    Bench bench(options);
    wire::Properties properties;
    properties.mark(Property::session_expiry_interval);
    properties.session_expiry_interval = 0;
    bench.go_online(0, false, properties);
    bench.closed();
    bench.wait(seconds(2));
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v5 clean id=c0 keep=60 expiry=100");
}

TEST(ConnectingV5, ResumesWhenTheServerGrantsASessionUnasked) {
    Bench bench;
    wire::Properties properties;
    properties.mark(Property::session_expiry_interval);
    properties.session_expiry_interval = 60;
    bench.go_online(0, false, properties);
    bench.closed();
    bench.wait(seconds(2));
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v5 resume id=c0 keep=60");
}

// [MQTT-3.1.3-7] of 3.1.1
TEST(ConnectingV311, NeverAsksForASessionWithoutAnIdentifier) {
    Options options = version_options(wire::Version::v311);
    options.clean_start = false;
    Bench bench(options);
    bench.profile.anonymous = true;
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v4 clean id= keep=60");
}

// [MQTT-3.2.2-4]
TEST_P(Connecting, ClosesOnASessionThatItDidNotAskFor) {
    Bench bench(options());
    bench.connect();
    bench.open();
    bench.take();
    bench.receive(bench.connack(true));
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected protocol_fault 82"}));
    ASSERT_EQ(bench.heard.faults.size(), 1U);
    EXPECT_EQ(bench.heard.faults[0].clause, v5() ? "MQTT-3.2.2-4" : "MQTT-3.2.2-1");
}

TEST_P(Connecting, ResetIsLikeANewDevice) {
    Options chosen = options();
    chosen.session_expiry = 100;
    Bench bench(chosen);
    bench.go_online();
    bench.publish("t", "1", QoS::at_least_once, 1);
    bench.publish("t", "2", QoS::exactly_once, 2);
    bench.receive(bench.ack(wire::PacketType::pubrec, 2));
    bench.take();
    bench.clients.reset(bench.now, 0);
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected by_command 00", "dropped 1 q1 offline"}));
    EXPECT_EQ(bench.pool.live(), 0U);
    bench.closed();
    bench.connect();
    bench.open();
    EXPECT_NE(bench.take().back().find("clean"), std::string::npos);
}

TEST(PhaseTable, LeadsEverywhereAndNowhereTwice) {
    for (const PhaseTransition& row : kPhaseTable) {
        int same = 0;
        for (const PhaseTransition& other : kPhaseTable) {
            if (other.from == row.from && other.input == row.input) ++same;
        }
        EXPECT_EQ(same, 1);
    }
    for (const Phase phase : {Phase::opening, Phase::awaiting_connack, Phase::online}) {
        bool lost = false;
        bool stopped = false;
        for (const PhaseTransition& row : kPhaseTable) {
            if (row.from != phase) continue;
            lost |= row.input == PhaseInput::lost && row.to == Phase::backing_off;
            stopped |= row.input == PhaseInput::stop && row.to == Phase::idle;
        }
        EXPECT_TRUE(lost && stopped);
    }
}

}  // namespace
}  // namespace mqttwin::client
