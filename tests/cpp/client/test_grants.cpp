// What CONNACK grants is respected; what packets carry besides reaches its reader.
#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::PacketType;
using wire::Property;
using wire::QoS;
using wire::SubscriptionRequest;

wire::SubscriptionOptions no_local() {
    wire::SubscriptionOptions out;
    out.no_local = true;
    return out;
}

// --- limits --------------------------------------------------------------------------------------

// [MQTT-3.2.2-11], [MQTT-3.2.2-14], [MQTT-3.2.2-15]
TEST(Grants, PublishesTellWhyTheyAreRefused) {
    Bench bench;
    bench.go_online(0, false,
                    with_number(Property::maximum_qos, 1,
                                with_number(Property::retain_available, 0,
                                            with_number(Property::maximum_packet_size, 20))));
    wire::Publish packet;
    packet.topic = "t";
    EXPECT_EQ(bench.clients.check_publish(0, packet).reason, 0);
    packet.qos = QoS::exactly_once;
    EXPECT_EQ(bench.clients.check_publish(0, packet).reason, 0x9B);
    EXPECT_EQ(bench.clients.publish(bench.now, 0, packet, {}), PublishOutcome::refused);
    packet.qos = QoS::at_least_once;
    packet.retain = true;
    EXPECT_EQ(bench.clients.check_publish(0, packet).reason, 0x9A);
    EXPECT_EQ(bench.clients.publish(bench.now, 0, packet, {}), PublishOutcome::refused);
    packet.retain = false;
    const Bytes payload(20, 'x');
    packet.payload = payload;
    EXPECT_EQ(bench.clients.check_publish(0, packet).reason, 0x95);
    EXPECT_EQ(bench.clients.publish(bench.now, 0, packet, {}), PublishOutcome::refused);
    EXPECT_EQ(bench.take(), Lines{});
}

TEST(Grants, NoClientSendsSuchMessages) {
    Bench bench;
    bench.go_online();
    wire::Publish packet;
    packet.topic = "a/+";  // [MQTT-3.3.2-2]
    EXPECT_EQ(bench.clients.check_publish(0, packet).reason, 0x90);
    packet.topic = "a";
    packet.properties = with_subscription_identifier();
    EXPECT_EQ(bench.clients.check_publish(0, packet).clause, "MQTT-3.3.4-6");
    EXPECT_EQ(bench.clients.publish(bench.now, 0, packet, {}), PublishOutcome::refused);
    packet.properties = with_text(Property::response_topic, "answers/#");
    EXPECT_EQ(bench.clients.check_publish(0, packet).clause, "MQTT-3.3.2-14");
    EXPECT_EQ(bench.clients.publish(bench.now, 0, packet, {}), PublishOutcome::refused);
    EXPECT_EQ(bench.take(), Lines{});
}

TEST(Grants, SubscribesAreWithinWhatTheServerHas) {
    struct Case {
        Property grant;
        std::string_view filter;
        bool identifier;
        int reason;
    };
    for (const Case& c : {Case{Property::wildcard_subscription_available, "a/#", false, 0xA2},
                          Case{Property::wildcard_subscription_available, "a/+", false, 0xA2},
                          Case{Property::wildcard_subscription_available, "a", false, 0},
                          Case{Property::shared_subscription_available, "$share/g/a", false, 0x9E},
                          Case{Property::shared_subscription_available, "a", false, 0},
                          Case{Property::subscription_identifier_available, "a", true, 0xA1},
                          Case{Property::subscription_identifier_available, "a", false, 0}}) {
        SCOPED_TRACE(std::string(c.filter) + " " + std::to_string(c.reason));
        Bench bench;
        bench.go_online(0, false, with_number(c.grant, 0));
        const SubscriptionRequest request{c.filter, {}};
        const wire::Properties properties =
            c.identifier ? with_subscription_identifier() : wire::Properties{};
        EXPECT_EQ(bench.clients.check_subscribe(0, {&request, 1}, properties).reason, c.reason);
        const wire::PacketId id = bench.clients.subscribe(bench.now, 0, {&request, 1}, properties);
        EXPECT_EQ(id == 0, c.reason != 0);
        EXPECT_EQ(bench.take().size(), c.reason == 0 ? 1U : 0U);
        bench.expect_no_leak();
    }
}

// [MQTT-3.8.3-4]
TEST(Grants, NoLocalIsNotForSharedSubscriptions) {
    Bench bench;
    bench.go_online();
    const SubscriptionRequest request{"$share/g/a", no_local()};
    EXPECT_EQ(bench.clients.check_subscribe(0, {&request, 1}).clause, "MQTT-3.8.3-4");
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}), 0);
}

// [MQTT-4.7.1-1], [MQTT-3.8.3-2], [MQTT-3.10.3-2]
TEST(Grants, ListsNameFilters) {
    Bench bench;
    bench.go_online();
    for (const std::string_view filter : {"", "a/#/b", "a+", "$share/g"}) {
        const SubscriptionRequest request{filter, {}};
        EXPECT_NE(bench.clients.check_subscribe(0, {&request, 1}).reason, 0);
        EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}), 0);
        EXPECT_NE(bench.clients.check_unsubscribe(0, {&filter, 1}).reason, 0);
        EXPECT_EQ(bench.clients.unsubscribe(bench.now, 0, {&filter, 1}), 0);
    }
    EXPECT_EQ(bench.clients.check_subscribe(0, {}).clause, "MQTT-3.8.3-2");
    EXPECT_EQ(bench.clients.check_unsubscribe(0, {}).clause, "MQTT-3.10.3-2");
    EXPECT_EQ(bench.take(), Lines{});
    bench.expect_no_leak();
}

TEST(Grants, SubscriptionsOfAProfileThatTheServerLacksAreToldAsRefused) {
    Bench bench;
    bench.profile.subscriptions = {
        {"a/#", QoS::at_most_once}, {"a", QoS::at_least_once}, {"$share/g/b", QoS::at_most_once}};
    bench.connect();
    bench.open();
    bench.take();
    bench.receive(
        bench.connack(false, 0,
                      with_number(Property::wildcard_subscription_available, 0,
                                  with_number(Property::shared_subscription_available, 0))));
    EXPECT_EQ(bench.take(), (Lines{"SUBSCRIBE 1 a:q1"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"subscribed a2", "subscribed 9e", "connected fresh"}));
    bench.receive(bench.suback(1, {1}));
    bench.expect_no_leak();
}

// [MQTT-3.2.2-15]: properties count, too.
TEST(Grants, ListsAreNoLargerThanTheServerTakes) {
    Bench bench;
    bench.go_online(0, false, with_number(Property::maximum_packet_size, 20));
    const SubscriptionRequest request{"abcdef", {}};
    const std::string_view filter = "abcdef";
    EXPECT_EQ(bench.clients.check_subscribe(0, {&request, 1}).reason, 0);
    EXPECT_EQ(bench.clients.check_subscribe(0, {&request, 1}, with_user_property()).reason, 0x95);
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}, with_user_property()), 0);
    EXPECT_EQ(bench.clients.check_unsubscribe(0, {&filter, 1}, with_user_property()).reason, 0x95);
    EXPECT_EQ(bench.clients.unsubscribe(bench.now, 0, {&filter, 1}, with_user_property()), 0);
    EXPECT_EQ(bench.take(), Lines{});
    bench.expect_no_leak();
}

// [MQTT-4.9.0-1]: with a connection the server's quota starts anew, while the identifiers of the
// former one still wait for their PUBRELs.
TEST(Grants, ReceiveMaximumCountsByConnection) {
    Options options;
    options.receive_maximum = 2;
    options.session_expiry = 100;
    Bench bench(options);
    bench.go_online();
    for (wire::PacketId id = 1; id <= 2; ++id) {
        bench.receive(bench.message("a", "x", QoS::exactly_once, id));
    }
    bench.closed();
    bench.wait(seconds(2));
    bench.go_online(0, true);
    for (wire::PacketId id = 3; id <= 4; ++id) {
        bench.receive(bench.message("a", "x", QoS::exactly_once, id));
    }
    EXPECT_EQ(bench.clients.phase(0), Phase::online);
    bench.take();
    bench.receive(bench.message("a", "x", QoS::exactly_once, 5));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 93", "close"}));
    bench.expect_no_leak();
}

// --- properties ----------------------------------------------------------------------------------

TEST(Properties, GoWithEverythingThatAnApplicationSays) {
    Options options;
    options.session_expiry = 100;
    Bench bench(options);
    bench.profile.connect_properties = with_user_property();
    bench.profile.will_topic = "gone";
    bench.profile.will_properties =
        with_user_property(with_number(Property::will_delay_interval, 9));
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(),
              "CONNECT v5 clean id=c0 keep=60 expiry=100 kind:test will=gone delay=9 kind:test");
    bench.receive(bench.connack());
    const SubscriptionRequest request{"a", {}};
    wire::Properties properties = with_user_property(with_subscription_identifier());
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}, properties), 1);
    const std::string_view filter = "a";
    EXPECT_EQ(bench.clients.unsubscribe(bench.now, 0, {&filter, 1}, with_user_property()), 2);
    wire::Disconnect packet;
    packet.reason = 0x04;
    packet.properties = with_user_property(with_text(
        Property::reason_string, "enough", with_number(Property::session_expiry_interval, 7)));
    EXPECT_TRUE(bench.clients.disconnect(bench.now, 0, packet));
    EXPECT_EQ(bench.take(), (Lines{"SUBSCRIBE 1 a:q0 #77 kind:test", "UNSUBSCRIBE 2 a kind:test",
                                   "DISCONNECT 04 reason=enough expiry=7 kind:test", "close"}));
    bench.expect_no_leak();
}

TEST(Properties, ComeWithEverythingThatAServerSays) {
    Bench bench;
    bench.connect();
    bench.open();
    const wire::Properties why = with_user_property(with_text(Property::reason_string, "why"));
    bench.receive(bench.connack(false, 0, why));
    const SubscriptionRequest request{"a", {}};
    const std::string_view filter = "a";
    bench.clients.subscribe(bench.now, 0, {&request, 1});
    bench.clients.unsubscribe(bench.now, 0, {&filter, 1});
    bench.publish("a", "x", QoS::at_least_once);
    bench.publish("a", "x", QoS::exactly_once);
    bench.receive(bench.suback(1, {0}, why) + bench.unsuback(2, {0}, why) +
                  bench.ack(PacketType::puback, 3, 0x10, why) +
                  bench.ack(PacketType::pubrec, 4, 0x97, why));
    bench.receive(
        bench.server_disconnect(0x9D, with_text(Property::server_reference, "elsewhere", why)));
    EXPECT_EQ(bench.heard.details,
              (Lines{"CONNACK 00 reason=why kind:test", "SUBACK 1 reason=why kind:test",
                     "UNSUBACK 2 reason=why kind:test", "PUBACK 3 reason=why kind:test",
                     "PUBREC 4 reason=why kind:test",
                     "DISCONNECT 9d reason=why server=elsewhere kind:test"}));
    EXPECT_EQ(bench.heard.take(0),
              (Lines{"connected fresh", "subscribed 00", "unsubscribed 00", "acknowledged 0 q1 10",
                     "acknowledged 0 q2 97", "disconnected by_server 9d"}));
    bench.expect_no_leak();
}

TEST(Properties, OfARefusalReachTheApplication) {
    Bench bench;
    bench.connect();
    bench.open();
    bench.receive(bench.connack(false, 0x9C, with_text(Property::server_reference, "elsewhere")));
    EXPECT_EQ(bench.heard.details, (Lines{"CONNACK 9c server=elsewhere"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected refused 9c"}));
}

// [MQTT-3.1.2-29]
TEST(Properties, OfProblemsAreAFaultWhereTheyAreNotWanted) {
    Options options;
    options.request_problem_information = false;
    const auto expect = [&](bool fault, const auto& packet) {
        Bench bench(options);
        bench.connect();
        bench.open();
        EXPECT_EQ(bench.take().back(), "CONNECT v5 clean id=c0 keep=60 no-problems");
        const wire::Properties why = with_text(Property::reason_string, "why");
        bench.receive(bench.connack(false, 0, why));  // here and in DISCONNECT they are fine
        bench.publish("a", "x", QoS::at_least_once);
        const SubscriptionRequest request{"a", {}};
        bench.clients.subscribe(bench.now, 0, {&request, 1});
        bench.heard.take(0);
        bench.receive(packet(bench, why));
        EXPECT_EQ(bench.clients.phase(0) != Phase::online, fault);
        if (fault) {
            EXPECT_EQ(bench.heard.faults.at(0).clause, "MQTT-3.1.2-29");
        }
        bench.expect_no_leak();
    };
    using Why = wire::Properties;
    expect(true, [](Bench& b, const Why& why) { return b.ack(PacketType::puback, 1, 0x10, why); });
    expect(true, [](Bench& b, const Why&) {
        return b.ack(PacketType::puback, 1, 0x10, with_user_property());
    });
    expect(true, [](Bench& b, const Why& why) { return b.ack(PacketType::pubrel, 9, 0x92, why); });
    expect(true, [](Bench& b, const Why& why) { return b.suback(2, {0}, why); });
    expect(false, [](Bench& b, const Why&) { return b.suback(2, {0}); });
    expect(false, [](Bench& b, const Why&) {
        wire::Publish packet;
        packet.topic = "t";
        packet.properties = with_user_property();
        return b.message(packet);
    });
}

// [MQTT-3.1.2-28]
TEST(Properties, ResponseInformationComesToWhomAsksForIt) {
    for (const bool asked : {false, true}) {
        Options options;
        options.request_response_information = asked;
        Bench bench(options);
        bench.connect();
        bench.open();
        EXPECT_EQ(bench.take().back(),
                  std::string("CONNECT v5 clean id=c0 keep=60") + (asked ? " response?" : ""));
        bench.receive(
            bench.connack(false, 0, with_text(Property::response_information, "answers/17")));
        EXPECT_EQ(bench.clients.phase(0) == Phase::online, asked);
        if (asked) {
            EXPECT_EQ(bench.heard.details, (Lines{"CONNACK 00 response=answers/17"}));
        } else {
            EXPECT_EQ(bench.heard.faults.at(0).clause, "MQTT-3.1.2-28");
        }
        bench.expect_no_leak();
    }
}

// --- DISCONNECT ----------------------------------------------------------------------------------

wire::Disconnect leaving(std::uint32_t session_expiry) {
    wire::Disconnect packet;
    packet.properties = with_number(Property::session_expiry_interval, session_expiry);
    return packet;
}

TEST(Leaving, EndsTheSessionIfItSaysSo) {
    Options options;
    options.session_expiry = 100;
    Bench bench(options);
    const auto next_connect = [&] {
        bench.closed();
        bench.connect();
        bench.open();
        return bench.take().back();
    };
    bench.go_online();
    EXPECT_TRUE(bench.clients.disconnect(bench.now, 0, leaving(50)));
    EXPECT_EQ(next_connect(), "CONNECT v5 resume id=c0 keep=60 expiry=100");
    bench.receive(bench.connack(true));
    EXPECT_TRUE(bench.clients.disconnect(bench.now, 0, leaving(0)));
    EXPECT_EQ(next_connect(), "CONNECT v5 clean id=c0 keep=60 expiry=100");
    bench.expect_no_leak();
}

TEST(Leaving, ForgetsAnAssignedIdentifierWithItsSession) {
    Options options;
    options.session_expiry = 100;
    Bench bench(options);
    bench.profile.anonymous = true;
    wire::Properties properties;
    properties.mark(Property::assigned_client_identifier);
    properties.assigned_client_identifier = "auto-17";
    bench.go_online(0, false, properties);
    bench.clients.disconnect(bench.now, 0, leaving(10));
    bench.closed();
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v5 resume id=auto-17 keep=60 expiry=100");
    bench.receive(bench.connack(true));
    bench.clients.disconnect(bench.now, 0, leaving(0));
    bench.closed();
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v5 clean id= keep=60 expiry=100");
    bench.expect_no_leak();
}

// 3.14.2.2.2
TEST(Leaving, NeverStartsASessionAtTheEnd) {
    Bench bench;
    bench.go_online();
    EXPECT_FALSE(bench.clients.disconnect(bench.now, 0, leaving(10)));
    EXPECT_EQ(bench.take(), Lines{});
    EXPECT_EQ(bench.clients.phase(0), Phase::online);
    EXPECT_TRUE(bench.clients.disconnect(bench.now, 0, leaving(0)));
}

// [MQTT-3.14.2-1]
TEST(Leaving, GivesNoReasonOfAServer) {
    Bench bench;
    bench.go_online();
    wire::Disconnect packet;
    for (const std::uint8_t reason : Bytes{0x01, 0x87, 0x8B, 0x8E, 0x9D, 0xA2}) {
        packet.reason = reason;
        EXPECT_FALSE(bench.clients.disconnect(bench.now, 0, packet));
    }
    EXPECT_EQ(bench.clients.phase(0), Phase::online);
}

TEST(Leaving, SaysNoMoreThanTheServerTakes) {
    Options options;
    options.session_expiry = 100;
    Bench bench(options);
    bench.go_online(0, false, with_number(Property::maximum_packet_size, 8));
    wire::Disconnect packet = leaving(0);
    packet.properties = with_user_property(packet.properties);
    EXPECT_TRUE(bench.clients.disconnect(bench.now, 0, packet));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 00", "close"}));
}

TEST(Leaving, IsPossibleWhileALostSessionIsToldOf) {
    Options options;
    options.session_expiry = 100;
    Bench bench(options);
    bench.go_online();
    bench.publish("t", "1", QoS::exactly_once, 1);
    bench.publish("t", "2", QoS::exactly_once, 2);
    bench.receive(bench.ack(PacketType::pubrec, 1));
    bench.closed();
    bench.wait(seconds(2));
    bench.open();
    bench.take();
    bench.heard.take(0);
    bench.heard.when_acknowledged = [&](Instant now, Slot client, const Stamp&) {
        bench.clients.disconnect(now, client);
    };
    bench.receive(bench.connack(false));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 00", "close"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"acknowledged 1 q2 00", "disconnected by_command 00"}));
    bench.expect_no_leak();
}

TEST(Leaving, PublishingWhileALostSessionIsToldOfSendsNothingTwice) {
    Options options;
    options.session_expiry = 100;
    Bench bench(options);
    bench.go_online();
    bench.publish("t", "1", QoS::exactly_once, 1);
    bench.publish("t", "2", QoS::exactly_once, 2);
    bench.receive(bench.ack(PacketType::pubrec, 1));
    bench.closed();
    bench.wait(seconds(2));
    bench.open();
    bench.take();
    bench.heard.when_acknowledged = [&](Instant, Slot, const Stamp&) {
        bench.publish("t", "3", QoS::exactly_once, 3);
    };
    bench.receive(bench.connack(false));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q2 id=3 t=2", "PUBLISH q2 id=4 t=3"}));
    bench.expect_no_leak();
}

}  // namespace
}  // namespace mqttwin::client
