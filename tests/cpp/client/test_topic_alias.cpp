// Topic aliases, from the server and to it (3.3.2.3.4).
#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::Property;
using wire::QoS;

Options taking(std::uint16_t aliases) {
    Options options;
    options.topic_alias_maximum = aliases;
    return options;
}

Options using_aliases(std::uint16_t aliases) {
    Options options;
    options.outbound_topic_aliases = aliases;
    return options;
}

Bytes aliased(Bench& bench, std::string_view topic, std::uint16_t alias,
              QoS qos = QoS::at_most_once, wire::PacketId id = 0) {
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = as_bytes("x");
    packet.qos = qos;
    packet.packet_id = id;
    packet.properties = with_number(Property::topic_alias, alias);
    return bench.message(packet);
}

// --- from the server -----------------------------------------------------------------------------

TEST(AliasesOfTheServer, AreAnnounced) {
    Bench bench(taking(10));
    bench.connect();
    bench.open();
    EXPECT_EQ(bench.take().back(), "CONNECT v5 clean id=c0 keep=60 aliases=10");
}

// [MQTT-3.3.2-10]: every one up to the maximum.
TEST(AliasesOfTheServer, StandForTopics) {
    Bench bench(taking(3));
    bench.go_online();
    for (std::uint16_t alias = 1; alias <= 3; ++alias) {
        bench.receive(aliased(bench, "topic/" + std::to_string(alias), alias));
    }
    for (std::uint16_t alias = 3; alias >= 1; --alias) bench.receive(aliased(bench, "", alias));
    bench.receive(aliased(bench, "", 2, QoS::at_least_once, 7));
    bench.receive(aliased(bench, "", 2, QoS::exactly_once, 8));
    EXPECT_EQ(bench.heard.take(0),
              (Lines{"message q0 topic/1=x", "message q0 topic/2=x", "message q0 topic/3=x",
                     "message q0 topic/3=x", "message q0 topic/2=x", "message q0 topic/1=x",
                     "message q1 topic/2=x", "message q2 topic/2=x"}));
    bench.expect_no_leak();
}

TEST(AliasesOfTheServer, MayChange) {
    Bench bench(taking(1));
    bench.go_online();
    for (const char* topic : {"a", "", "b", "", "b", ""}) bench.receive(aliased(bench, topic, 1));
    EXPECT_EQ(bench.heard.take(0), (Lines{"message q0 a=x", "message q0 a=x", "message q0 b=x",
                                          "message q0 b=x", "message q0 b=x", "message q0 b=x"}));
    bench.expect_no_leak();
}

// [MQTT-3.3.2-7]
TEST(AliasesOfTheServer, EndWithTheirConnection) {
    Options options = taking(3);
    options.session_expiry = 100;
    Bench bench(options);
    bench.go_online();
    bench.receive(aliased(bench, "a", 1));
    bench.closed();
    EXPECT_EQ(bench.pool.live(), 0U);
    bench.wait(seconds(2));
    bench.go_online(0, true);
    bench.receive(aliased(bench, "", 1));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 82", "close"}));
    bench.expect_no_leak();
}

// [MQTT-3.1.2-26], [MQTT-3.3.2-8]
TEST(AliasesOfTheServer, OutOfRangeAreAFault) {
    Bench bench(taking(3));
    for (const std::uint16_t alias : std::vector<std::uint16_t>{0, 4, 65535}) {
        bench.go_online();
        bench.receive(aliased(bench, "a", alias));
        EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 94", "close"}));
        EXPECT_EQ(bench.heard.faults.back().clause, alias == 0 ? "MQTT-3.3.2-8" : "MQTT-3.1.2-26");
        bench.clients.reset(bench.now, 0);
        bench.closed();
        bench.heard.take(0);
    }
    bench.expect_no_leak();
}

// [MQTT-3.1.2-27]
TEST(AliasesOfTheServer, AreAFaultWhereNoneWereAllowed) {
    Bench bench;
    bench.go_online();
    bench.receive(aliased(bench, "a", 1));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 94", "close"}));
    EXPECT_EQ(bench.heard.faults.at(0).clause, "MQTT-3.1.2-27");
}

TEST(AliasesOfTheServer, OutliveAListenerThatLeaves) {
    Bench bench(taking(1));
    std::string topic;
    bench.heard.when_message = [&](Instant now, Slot client, const wire::Publish& packet) {
        if (++topic[0] != 2) return;
        bench.clients.disconnect(now, client);
        topic = packet.topic;
    };
    topic = std::string(1, '\0');
    bench.go_online();
    bench.receive(aliased(bench, "a/long/enough/topic", 1));
    bench.receive(aliased(bench, "", 1, QoS::at_least_once, 5));
    EXPECT_EQ(topic, "a/long/enough/topic");
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 00", "close"}));
    bench.expect_no_leak();
}

TEST(AliasesOfTheServer, AreCopiedWithTheEngine) {
    Bench bench(taking(1));
    bench.go_online();
    bench.receive(aliased(bench, "a", 1));
    BlobPool pool(bench.pool);
    Recorder heard;
    Clients copy(bench.clients);
    copy.rebind(bench.profile, pool, heard);
    bench.receive(aliased(bench, "b", 1));
    copy.handle_bytes(bench.now, 0, aliased(bench, "", 1), {});
    EXPECT_EQ(heard.take(0), (Lines{"message q0 a=x"}));
    copy.reset(bench.now, 0);
    EXPECT_EQ(pool.live(), 0U);
    bench.expect_no_leak();
}

// --- to the server -------------------------------------------------------------------------------

wire::Properties allowing(std::uint32_t aliases) {
    return with_number(Property::topic_alias_maximum, aliases);
}

TEST(OwnAliases, StandForTheFirstTopics) {
    Bench bench(using_aliases(2));
    bench.go_online(0, false, allowing(10));
    for (const char* topic : {"a", "a", "b", "c", "b", "c", "a"}) {
        bench.publish(topic, "x", QoS::at_most_once);
    }
    EXPECT_EQ(bench.take(),
              (Lines{"PUBLISH q0 a=x alias=1", "PUBLISH q0 =x alias=1", "PUBLISH q0 b=x alias=2",
                     "PUBLISH q0 c=x", "PUBLISH q0 =x alias=2", "PUBLISH q0 c=x",
                     "PUBLISH q0 =x alias=1"}));
    bench.expect_no_leak();
}

// [MQTT-3.2.2-17], [MQTT-3.3.2-9]
TEST(OwnAliases, AreNoMoreThanTheServerAllows) {
    Bench bench(using_aliases(100));
    bench.go_online(0, false, allowing(1));
    for (const char* topic : {"a", "b", "a"}) bench.publish(topic, "x", QoS::at_most_once);
    EXPECT_EQ(bench.take(),
              (Lines{"PUBLISH q0 a=x alias=1", "PUBLISH q0 b=x", "PUBLISH q0 =x alias=1"}));
}

// [MQTT-3.2.2-18]
TEST(OwnAliases, AreNoneWhereTheServerIsSilent) {
    Bench bench(using_aliases(100));
    bench.go_online();
    bench.publish("a", "x", QoS::at_most_once);
    bench.publish("a", "x", QoS::at_most_once);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q0 a=x", "PUBLISH q0 a=x"}));
}

TEST(OwnAliases, GoWithEveryQualityAndProperty) {
    Bench bench(using_aliases(5));
    bench.go_online(0, false, allowing(5));
    wire::Publish packet;
    packet.topic = "t";
    packet.payload = as_bytes("x");
    packet.qos = QoS::exactly_once;
    packet.retain = true;
    packet.properties = with_user_property(with_text(Property::content_type, "text"));
    bench.clients.publish(bench.now, 0, packet, {});
    bench.clients.publish(bench.now, 0, packet, {});
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q2 id=1 retain t=x type=text alias=1 kind:test",
                                   "PUBLISH q2 id=2 retain =x type=text alias=1 kind:test"}));
    bench.expect_no_leak();
}

// What is sent again on a new connection has its topic [MQTT-3.3.2-7].
TEST(OwnAliases, EndWithTheirConnection) {
    Options options = using_aliases(5);
    options.session_expiry = 100;
    Bench bench(options);
    bench.go_online(0, false, allowing(5));
    bench.publish("a", "1", QoS::at_least_once);
    bench.publish("a", "2", QoS::exactly_once);
    bench.take();
    bench.closed();
    bench.publish("a", "3", QoS::at_least_once);
    bench.wait(seconds(2));
    bench.open();
    bench.take();
    bench.receive(bench.connack(true, 0, allowing(5)));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 dup a=1", "PUBLISH q2 id=2 dup a=2",
                                   "PUBLISH q1 id=3 a=3 alias=1"}));
    bench.closed();
    bench.wait(seconds(2));
    bench.open();
    bench.take();
    bench.receive(bench.connack(false));  // a server without aliases, which has lost the session
    EXPECT_EQ(bench.take(),
              (Lines{"PUBLISH q1 id=4 a=1", "PUBLISH q2 id=5 a=2", "PUBLISH q1 id=6 a=3"}));
    bench.expect_no_leak();
}

// [MQTT-3.2.2-15]
TEST(OwnAliases, NeverMakeAPacketTooLarge) {
    Bench bench(using_aliases(5));
    bench.go_online(0, false, with_number(Property::maximum_packet_size, 40, allowing(5)));
    const std::string payload(30, 'x');
    EXPECT_EQ(bench.publish("topic", payload, QoS::at_most_once), PublishOutcome::sent);
    EXPECT_EQ(bench.publish("topic", "x", QoS::at_most_once), PublishOutcome::sent);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q0 topic=" + payload, "PUBLISH q0 topic=x alias=1"}));
}

TEST(OwnAliases, AreAsManyAsThereCanBe) {
    Bench bench(using_aliases(65535));
    bench.go_online(0, false, allowing(65535));
    for (int round = 0; round < 2; ++round) {
        for (int n = 0; n < 65536; ++n) {
            bench.publish("t" + std::to_string(n), "x", QoS::at_most_once);
        }
        const std::vector<Sent> sent = bench.take_sent();
        ASSERT_EQ(sent.size(), 65536U);
        EXPECT_EQ(describe(wire::Version::v5, sent[65534].bytes),
                  round == 0 ? "PUBLISH q0 t65534=x alias=65535" : "PUBLISH q0 =x alias=65535");
        EXPECT_EQ(describe(wire::Version::v5, sent[65535].bytes), "PUBLISH q0 t65535=x");
    }
    bench.expect_no_leak();
}

TEST(OwnAliases, AreTheEnginesBusiness) {
    Bench bench(using_aliases(5));
    bench.go_online(0, false, allowing(5));
    wire::Publish packet;
    packet.topic = "t";
    packet.properties = with_number(Property::topic_alias, 3);
    EXPECT_EQ(bench.clients.publish(bench.now, 0, packet, {}), PublishOutcome::refused);
    EXPECT_EQ(bench.clients.check_publish(0, packet).reason, 0x94);
    EXPECT_EQ(bench.take(), Lines{});
}

}  // namespace
}  // namespace mqttwin::client
