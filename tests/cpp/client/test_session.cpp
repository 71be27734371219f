// What survives a connection: redelivery, lost sessions, subscriptions.
#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::PacketType;
using wire::Property;
using wire::QoS;

Options keeping_session(wire::Version version) {
    Options options = version_options(version);
    options.clean_start = false;
    options.session_expiry = 3600;
    return options;
}

class Sessions : public BothVersions {
   protected:
    // Off and on again, up to and including the CONNACK; what was sent on the way is forgotten.
    static void reconnect(Bench& bench, bool session_present,
                          const wire::Properties& properties = {}) {
        bench.closed();
        bench.connect();
        bench.open();
        bench.take();
        bench.receive(bench.connack(session_present, 0, properties));
    }
    [[nodiscard]] Options keeping() const { return keeping_session(GetParam()); }
};
MQTTWIN_BOTH_VERSIONS(Sessions);

class SessionsV5 : public Sessions {};
INSTANTIATE_TEST_SUITE_P(Version, SessionsV5, ::testing::Values(wire::Version::v5),
                         [](const auto& tested) { return version_name(tested.param); });

// [MQTT-4.4.0-1], [MQTT-3.3.1-1], [MQTT-4.6.0-1], [MQTT-4.6.0-4]
TEST_P(Sessions, RedeliversInOrderWithDupAndThenSendsTheQueue) {
    Options chosen = keeping();
    chosen.max_in_flight = 5;
    Bench bench(chosen);
    bench.go_online();
    bench.publish("t", "1", QoS::at_least_once, 1);
    for (std::uint32_t n = 2; n <= 5; ++n) {
        bench.publish("t", std::to_string(n), QoS::exactly_once, n);
    }
    bench.publish("t", "6", QoS::at_least_once, 6);
    bench.receive(bench.ack(PacketType::pubrec, 4) + bench.ack(PacketType::pubrec, 2));
    bench.take();
    for (int again = 0; again < 3; ++again) {
        reconnect(bench, true);
        EXPECT_EQ(bench.take(), (Lines{"PUBREL 4", "PUBREL 2", "PUBLISH q1 id=1 dup t=1",
                                       "PUBLISH q2 id=3 dup t=3", "PUBLISH q2 id=5 dup t=5"}));
    }
    bench.receive(bench.ack(PacketType::puback, 1));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=6 t=6"}));
    bench.receive(bench.ack(PacketType::pubcomp, 2) + bench.ack(PacketType::pubcomp, 4) +
                  bench.ack(PacketType::pubrec, 3) + bench.ack(PacketType::pubcomp, 3));
    EXPECT_EQ(bench.take(), (Lines{"PUBREL 3"}));
    bench.expect_no_leak();
}

TEST_P(Sessions, RedeliversTheSameBytesAndStampButForDup) {
    Bench bench(keeping());
    bench.go_online();
    bench.now = Instant{77};
    bench.publish("topic", "payload", QoS::at_least_once, 3);
    const auto first = bench.take_sent();
    reconnect(bench, true);
    const auto second = bench.take_sent();
    ASSERT_EQ(second.size(), 1U);
    Bytes expected = first[0].bytes;
    expected[0] |= 0x08;
    EXPECT_EQ(second[0].bytes, expected);
    EXPECT_TRUE(second[0].is_publish);
    EXPECT_EQ(second[0].stamp.origin, 3U);
    EXPECT_EQ(second[0].stamp.published, Instant{77});
    bench.expect_no_leak();
}

TEST_P(Sessions, LeavesBytesOnTheirWayAlone) {
    Bench bench(keeping());
    bench.go_online();
    bench.publish("t", "x", QoS::at_least_once);
    Outbox on_its_way;
    std::swap(on_its_way, bench.clients.outbox());
    reconnect(bench, true);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 dup t=x"}));
    reconnect(bench, false);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=2 t=x"}));
    ASSERT_EQ(on_its_way.size(), 1U);
    EXPECT_EQ(describe(bench.options.version, bench.pool.bytes(on_its_way[0].head)),
              "PUBLISH q1 id=1 t=x");
    bench.pool.release(on_its_way[0].head);
    bench.expect_no_leak();
}

// [MQTT-3.2.2-5]
TEST_P(Sessions, PublishesAnewWhatALostSessionHadInFlight) {
    Options chosen = keeping();
    chosen.max_in_flight = 4;
    Bench bench(chosen);
    bench.go_online();
    bench.publish("t", "1", QoS::at_least_once, 1);
    bench.publish("t", "2", QoS::exactly_once, 2);
    bench.publish("t", "3", QoS::exactly_once, 3);
    bench.publish("t", "4", QoS::at_least_once, 4);
    bench.publish("t", "5", QoS::at_least_once, 5);
    bench.receive(bench.ack(PacketType::pubrec, 3));
    bench.take();
    reconnect(bench, true);
    bench.take();  // DUP is set by now, and must go again
    bench.heard.take(0);
    reconnect(bench, false);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=5 t=1", "PUBLISH q2 id=6 t=2",
                                   "PUBLISH q1 id=7 t=4", "PUBLISH q1 id=8 t=5"}));
    // What was confirmed by PUBREC had arrived.
    EXPECT_EQ(bench.heard.take(0),
              (Lines{"disconnected transport 00", "acknowledged 3 q2 00", "connected fresh"}));
    bench.expect_no_leak();
}

// [MQTT-3.2.2-5]
TEST_P(Sessions, ForgetTheIdentifiersTheyReceivedOnlyWhenTheyAreLost) {
    Bench bench(keeping());
    bench.go_online();
    bench.receive(bench.message("a", "old", QoS::exactly_once, 7));
    reconnect(bench, true);
    bench.receive(bench.message("a", "old", QoS::exactly_once, 7, true));
    EXPECT_EQ(bench.heard.take(0),
              (Lines{"message q2 a=old", "disconnected transport 00", "connected resumed"}));
    reconnect(bench, false);
    EXPECT_EQ(bench.pool.live(), 0U);
    bench.receive(bench.message("a", "new", QoS::exactly_once, 7));
    EXPECT_EQ(bench.heard.take(0),
              (Lines{"disconnected transport 00", "connected fresh", "message q2 a=new"}));
    bench.expect_no_leak();
}

TEST(SessionsWithout, CleanStartPublishesAnewToo) {
    Bench bench;
    bench.go_online();
    bench.publish("t", "1", QoS::at_least_once, 1);
    bench.take();
    bench.closed();
    bench.wait(seconds(1));
    bench.open();
    EXPECT_EQ(bench.take(), (Lines{"open", "CONNECT v5 clean id=c0 keep=60"}));
    bench.receive(bench.connack());
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=2 t=1"}));
    bench.expect_no_leak();
}

// [MQTT-4.9.0-1]
TEST_P(SessionsV5, RedeliversNoFasterThanASmallerReceiveMaximumAllows) {
    Bench bench(keeping());
    bench.go_online();
    for (std::uint32_t n = 1; n <= 5; ++n) {
        bench.publish("t", std::to_string(n), QoS::at_least_once, n);
    }
    bench.take();
    wire::Properties properties;
    properties.mark(Property::receive_maximum);
    properties.receive_maximum = 2;
    reconnect(bench, true, properties);
    EXPECT_EQ(bench.publish("t", "new", QoS::at_least_once, 6), PublishOutcome::queued);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 dup t=1", "PUBLISH q1 id=2 dup t=2"}));
    EXPECT_EQ(bench.clients.in_flight(0), 5U);
    bench.receive(bench.ack(PacketType::puback, 2));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=3 dup t=3"}));
    bench.receive(bench.ack(PacketType::puback, 1) + bench.ack(PacketType::puback, 3));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=4 dup t=4", "PUBLISH q1 id=5 dup t=5"}));
    bench.receive(bench.ack(PacketType::puback, 5));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=6 t=new"}));
    bench.expect_no_leak();
}

TEST_P(SessionsV5, DropsFromRedeliveryWhatTheServerNoLongerTakes) {
    Bench bench(keeping());
    bench.go_online();
    bench.publish("t", "1", QoS::exactly_once, 1);
    bench.publish("t", "2", QoS::at_least_once, 2);
    bench.publish("t", std::string(50, 'x'), QoS::at_least_once, 3);
    bench.take();
    bench.heard.take(0);
    wire::Properties properties;
    properties.mark(Property::maximum_qos);
    properties.maximum_qos = 1;
    properties.mark(Property::maximum_packet_size);
    properties.maximum_packet_size = 30;
    reconnect(bench, true, properties);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=2 dup t=2"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected transport 00", "dropped 1 q2 refused",
                                          "dropped 3 q1 refused", "connected resumed"}));
    bench.expect_no_leak();
}

TEST_P(Sessions, KeepsTheirMessagesOverADisconnectByCommand) {
    Bench bench(keeping());
    bench.go_online();
    bench.publish("t", "1", QoS::exactly_once, 1);
    bench.clients.disconnect(bench.now, 0);
    bench.publish("t", "2", QoS::at_least_once, 2);
    bench.take();
    reconnect(bench, true);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q2 id=1 dup t=1", "PUBLISH q1 id=2 t=2"}));
    bench.expect_no_leak();
}

// --- subscriptions -------------------------------------------------------------------------------

TEST_P(Sessions, SubscribeOnceAndAgainOnlyWhenTheSessionIsFresh) {
    Bench bench(keeping());
    bench.profile.subscriptions = {{"cmd/c0", QoS::at_least_once}, {"all/#", QoS::exactly_once}};
    bench.connect();
    bench.open();
    bench.take();
    bench.receive(bench.connack());
    EXPECT_EQ(bench.take(), (Lines{"SUBSCRIBE 1 cmd/c0:q1 all/#:q2"}));
    bench.receive(bench.suback(1, {1, 0x80}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"connected fresh", "subscribed 01 80"}));
    reconnect(bench, true);
    EXPECT_EQ(bench.take(), Lines{});
    reconnect(bench, false);
    EXPECT_EQ(bench.take(), (Lines{"SUBSCRIBE 2 cmd/c0:q1 all/#:q2"}));
    bench.expect_no_leak();
}

TEST_P(Sessions, SubscribeAgainWhenTheAnswerGotLost) {
    Bench bench(keeping());
    bench.profile.subscriptions = {{"a", QoS::at_least_once}};
    bench.go_online();
    reconnect(bench, true);
    EXPECT_EQ(bench.take(), (Lines{"SUBSCRIBE 2 a:q1"}));
    bench.receive(bench.suback(2, {1}));
    reconnect(bench, true);
    EXPECT_EQ(bench.take(), Lines{});
    bench.expect_no_leak();
}

TEST_P(SessionsV5, SubscribeInAsManyPacketsAsTheServerNeeds) {
    Bench bench(keeping());
    for (int n = 0; n < 5; ++n) {
        bench.profile.subscriptions.push_back({"filter/" + std::to_string(n), QoS::at_least_once});
    }
    bench.profile.subscriptions.push_back({std::string(100, 'x'), QoS::at_least_once});
    wire::Properties properties;
    properties.mark(Property::maximum_packet_size);
    properties.maximum_packet_size = 27;  // 5 of header, 11 a filter
    bench.connect();
    bench.open();
    bench.take();
    bench.receive(bench.connack(false, 0, properties));
    const auto sent = bench.take_sent();
    Lines lines;
    for (const Sent& packet : sent) {
        EXPECT_LE(packet.bytes.size(), 27U);
        lines.push_back(describe(bench.options.version, packet.bytes));
    }
    EXPECT_EQ(lines, (Lines{"SUBSCRIBE 1 filter/0:q1 filter/1:q1",
                            "SUBSCRIBE 2 filter/2:q1 filter/3:q1", "SUBSCRIBE 3 filter/4:q1"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"subscribed 95", "connected fresh"}));
    bench.receive(bench.suback(3, {1}) + bench.suback(1, {1, 1}));
    reconnect(bench, true, properties);  // one was not answered
    EXPECT_EQ(bench.take().size(), 3U);
    bench.receive(bench.suback(4, {1, 1}) + bench.suback(5, {1, 1}) + bench.suback(6, {1}));
    reconnect(bench, true, properties);
    EXPECT_EQ(bench.take(), Lines{});
    bench.expect_no_leak();
}

TEST_P(Sessions, SubscribeAndUnsubscribeByCommand) {
    Bench bench(keeping());
    const wire::SubscriptionRequest request{"a/+", {}};
    const std::string_view filter = "a/+";
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}), 0);
    EXPECT_EQ(bench.clients.unsubscribe(bench.now, 0, {&filter, 1}), 0);
    bench.go_online();
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}), 1);
    EXPECT_EQ(bench.clients.unsubscribe(bench.now, 0, {&filter, 1}), 2);
    bench.publish("t", "x", QoS::at_least_once);
    EXPECT_EQ(bench.take(),
              (Lines{"SUBSCRIBE 1 a/+:q0", "UNSUBSCRIBE 2 a/+", "PUBLISH q1 id=3 t=x"}));
    EXPECT_EQ(bench.clients.in_flight(0), 1U);
    bench.receive(bench.suback(1, {0}) + bench.unsuback(2, v5() ? Bytes{0x11} : Bytes{}));
    EXPECT_EQ(bench.heard.take(0),
              (Lines{"subscribed 00", v5() ? "unsubscribed 11" : "unsubscribed"}));
    bench.expect_no_leak();
}

TEST_P(Sessions, ForgetUnansweredCommandsWithTheirConnection) {
    Bench bench(keeping());
    bench.go_online();
    const wire::SubscriptionRequest request{"a", {}};
    const std::string_view filter = "b";
    bench.clients.subscribe(bench.now, 0, {&request, 1});
    bench.clients.unsubscribe(bench.now, 0, {&filter, 1});
    bench.take();
    reconnect(bench, true);
    EXPECT_EQ(bench.take(), Lines{});
    bench.expect_no_leak();
}

TEST_P(SessionsV5, RefuseARequestThatTheServerIsTooSmallFor) {
    Bench bench(keeping());
    wire::Properties properties;
    properties.mark(Property::maximum_packet_size);
    properties.maximum_packet_size = 20;
    bench.go_online(0, false, properties);
    const wire::SubscriptionRequest request{"a/very/long/filter", {}};
    const std::string_view filter = "a/very/long/filter";
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}), 0);
    EXPECT_EQ(bench.clients.unsubscribe(bench.now, 0, {&filter, 1}), 0);
    EXPECT_EQ(bench.take(), Lines{});
}

// --- copies --------------------------------------------------------------------------------------

TEST_P(Sessions, AreCopiedWithTheEngine) {
    Bench bench(keeping(), 3);
    bench.go_online(1);
    bench.publish("t", "1", QoS::at_least_once, 1, 1);
    bench.publish("t", "2", QoS::exactly_once, 2, 2);
    bench.take(1);

    Bench fork(keeping(), 3);
    fork.pool = bench.pool;
    fork.clients = bench.clients;
    fork.clients.rebind(fork.profile, fork.pool, fork.heard);
    fork.now = bench.now;

    bench.receive(bench.ack(PacketType::puback, 1), 1);
    EXPECT_EQ(bench.clients.in_flight(1), 0U);
    EXPECT_EQ(fork.clients.in_flight(1), 1U);
    fork.closed(1);
    fork.wait(seconds(1));
    fork.open(1);
    fork.take(1);
    fork.receive(fork.connack(true), 1);
    EXPECT_EQ(fork.take(1), (Lines{"PUBLISH q1 id=1 dup t=1"}));
    EXPECT_EQ(fork.heard.take(1), (Lines{"disconnected transport 00", "connected resumed"}));
    EXPECT_EQ(bench.heard.take(1), (Lines{"acknowledged 1 q1 00"}));
    fork.expect_no_leak();
    bench.expect_no_leak();
}

}  // namespace
}  // namespace mqttwin::client
