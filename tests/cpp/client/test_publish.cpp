// Own messages: at each QoS, the window, the queue, what the server does not take.
#include "mqttwin/wire/encode.hpp"

#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::PacketType;
using wire::Property;
using wire::QoS;

class Publishing : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Publishing);

TEST_P(Publishing, SendsQos0AtOnceAndForgetsIt) {
    Bench bench(options());
    bench.go_online();
    bench.now = Instant{123};
    EXPECT_EQ(bench.publish("a/b", "21.5", QoS::at_most_once, 9), PublishOutcome::sent);
    const auto sent = bench.take_sent();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_TRUE(sent[0].is_publish);
    EXPECT_EQ(sent[0].stamp.origin, 9U);
    EXPECT_EQ(sent[0].stamp.published, Instant{123});
    EXPECT_EQ(describe(bench.options.version, sent[0].bytes), "PUBLISH q0 a/b=21.5");
    EXPECT_EQ(bench.pool.live(), 0U);
    EXPECT_EQ(bench.clients.in_flight(0), 0U);
}

// [MQTT-4.3.2-2], [MQTT-4.3.2-3]
TEST_P(Publishing, KeepsQos1UntilPuback) {
    Bench bench(options());
    bench.go_online();
    EXPECT_EQ(bench.publish("t", "x", QoS::at_least_once, 4), PublishOutcome::sent);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 t=x"}));
    EXPECT_EQ(bench.clients.in_flight(0), 1U);
    bench.receive(bench.ack(PacketType::puback, 1));
    EXPECT_EQ(bench.heard.take(0), (Lines{"acknowledged 4 q1 00"}));
    EXPECT_EQ(bench.clients.in_flight(0), 0U);
    EXPECT_EQ(bench.take(), Lines{});
    EXPECT_EQ(bench.pool.live(), 0U);
}

// [MQTT-4.3.3-2], [MQTT-4.3.3-4], [MQTT-4.3.3-5]
TEST_P(Publishing, TakesQos2ThroughItsFourPackets) {
    Bench bench(options());
    bench.go_online();
    bench.publish("t", "x", QoS::exactly_once, 4);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q2 id=1 t=x"}));
    bench.receive(bench.ack(PacketType::pubrec, 1));
    EXPECT_EQ(bench.take(), (Lines{"PUBREL 1"}));
    EXPECT_EQ(bench.heard.take(0), Lines{});
    EXPECT_EQ(bench.clients.in_flight(0), 1U);
    bench.receive(bench.ack(PacketType::pubcomp, 1));
    EXPECT_EQ(bench.heard.take(0), (Lines{"acknowledged 4 q2 00"}));
    EXPECT_EQ(bench.clients.in_flight(0), 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

// [MQTT-4.4.0-2]
TEST(PublishingV5, TellsOfRefusals) {
    Bench bench;
    bench.go_online();
    bench.publish("t", "x", QoS::at_least_once, 1);
    bench.publish("t", "y", QoS::exactly_once, 2);
    bench.publish("t", "z", QoS::at_least_once, 3);
    bench.receive(bench.ack(PacketType::puback, 1, 0x97) + bench.ack(PacketType::pubrec, 2, 0x87) +
                  bench.ack(PacketType::puback, 3, 0x10));
    EXPECT_EQ(bench.heard.take(0),
              (Lines{"acknowledged 1 q1 97", "acknowledged 2 q2 87", "acknowledged 3 q1 10"}));
    EXPECT_EQ(bench.clients.in_flight(0), 0U);
    bench.take();
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(PublishingV5, TakesAPubcompThatKnowsNothingForTheEnd) {
    Bench bench;
    bench.go_online();
    bench.publish("t", "y", QoS::exactly_once, 2);
    bench.receive(bench.ack(PacketType::pubrec, 1) + bench.ack(PacketType::pubcomp, 1, 0x92));
    EXPECT_EQ(bench.heard.take(0), (Lines{"acknowledged 2 q2 00"}));
}

TEST(PublishingV5, AnswersAPubrecForNothing) {
    Bench bench;
    bench.go_online();
    bench.receive(bench.ack(PacketType::pubrec, 77) + bench.ack(PacketType::puback, 78) +
                  bench.ack(PacketType::pubcomp, 79));
    EXPECT_EQ(bench.take(), (Lines{"PUBREL 77 92"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::online);
}

TEST(PublishingV5, CarriesProperties) {
    Bench bench;
    bench.go_online();
    wire::Publish packet;
    packet.topic = "t";
    packet.qos = QoS::at_least_once;
    packet.dup = true;  // an application's slip
    packet.packet_id = 999;
    packet.properties.mark(Property::content_type);
    packet.properties.content_type = "text/plain";
    bench.clients.publish(bench.now, 0, packet, {});
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 t= type=text/plain"}));
    bench.expect_no_leak();
}

TEST_P(Publishing, NeverSendsDupAtQos0) {
    Bench bench(options());
    bench.go_online();
    wire::Publish packet;
    packet.topic = "t";
    packet.dup = true;
    bench.clients.publish(bench.now, 0, packet, {});
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q0 t="}));
}

TEST_P(Publishing, RefusesWhatIsNoTopicName) {
    Bench bench(options());
    bench.go_online();
    const std::string long_topic(65536, 'x');
    for (const std::string& topic : {std::string(), std::string("a/+"), std::string("#"),
                                     std::string("a\0b", 3), std::string("\xC0\x80"), long_topic}) {
        EXPECT_EQ(bench.publish(topic, "x", QoS::at_least_once), PublishOutcome::refused);
    }
    wire::Publish aliased;
    aliased.topic = "t";
    aliased.properties.mark(Property::topic_alias);
    aliased.properties.topic_alias = 1;
    EXPECT_EQ(bench.clients.publish(bench.now, 0, aliased, {}), PublishOutcome::refused);
    EXPECT_EQ(bench.take(), Lines{});
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST_P(Publishing, KeepsToItsWindowAndQueuesTheRest) {
    Options chosen = options();
    chosen.max_in_flight = 2;
    Bench bench(chosen);
    bench.go_online();
    EXPECT_EQ(bench.publish("t", "1", QoS::at_least_once, 1), PublishOutcome::sent);
    EXPECT_EQ(bench.publish("t", "2", QoS::exactly_once, 2), PublishOutcome::sent);
    EXPECT_EQ(bench.publish("t", "3", QoS::at_least_once, 3), PublishOutcome::queued);
    EXPECT_EQ(bench.publish("t", "4", QoS::at_least_once, 4), PublishOutcome::queued);
    EXPECT_EQ(bench.publish("t", "now", QoS::at_most_once, 5), PublishOutcome::sent);
    EXPECT_EQ(bench.take(),
              (Lines{"PUBLISH q1 id=1 t=1", "PUBLISH q2 id=2 t=2", "PUBLISH q0 t=now"}));
    EXPECT_EQ(bench.clients.in_flight(0), 2U);
    EXPECT_EQ(bench.clients.queued(0), 2U);

    bench.receive(bench.ack(PacketType::pubrec, 2));  // still unacknowledged
    EXPECT_EQ(bench.take(), (Lines{"PUBREL 2"}));
    bench.receive(bench.ack(PacketType::pubcomp, 2));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=3 t=3"}));
    bench.receive(bench.ack(PacketType::puback, 1));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=4 t=4"}));
    bench.receive(bench.ack(PacketType::puback, 3) + bench.ack(PacketType::puback, 4));
    EXPECT_EQ(bench.clients.in_flight(0), 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

// [MQTT-3.3.4-7], [MQTT-4.9.0-1]
TEST(PublishingV5, KeepsToTheServersReceiveMaximum) {
    Bench bench;
    wire::Properties properties;
    properties.mark(Property::receive_maximum);
    properties.receive_maximum = 3;
    bench.go_online(0, false, properties);
    for (int n = 0; n < 10; ++n) bench.publish("t", "x", QoS::exactly_once);
    EXPECT_EQ(bench.take().size(), 3U);
    EXPECT_EQ(bench.clients.queued(0), 7U);
    bench.publish("t", "x", QoS::at_most_once);
    EXPECT_EQ(bench.take().size(), 1U);
    bench.expect_no_leak();
}

TEST_P(Publishing, DropsTheOldestWhenTheQueueIsFull) {
    Options chosen = options();
    chosen.max_in_flight = 1;
    chosen.max_queued = 3;
    Bench bench(chosen);
    bench.go_online();
    for (std::uint32_t n = 1; n <= 6; ++n) {
        bench.publish("t", std::to_string(n), QoS::at_least_once, n);
    }
    EXPECT_EQ(bench.heard.take(0), (Lines{"dropped 2 q1 queue_full", "dropped 3 q1 queue_full"}));
    EXPECT_EQ(bench.clients.queued(0), 3U);
    bench.receive(bench.ack(PacketType::puback, 1));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 t=1", "PUBLISH q1 id=2 t=4"}));
    bench.expect_no_leak();
}

TEST_P(Publishing, HasNoQueueOfLengthZero) {
    Options chosen = options();
    chosen.max_in_flight = 1;
    chosen.max_queued = 0;
    Bench bench(chosen);
    EXPECT_EQ(bench.publish("t", "0", QoS::at_least_once), PublishOutcome::dropped_offline);
    bench.go_online();
    EXPECT_EQ(bench.publish("t", "1", QoS::at_least_once), PublishOutcome::sent);
    EXPECT_EQ(bench.publish("t", "2", QoS::at_least_once), PublishOutcome::dropped_queue_full);
    EXPECT_EQ(bench.heard.take(0), Lines{});
    bench.expect_no_leak();
}

TEST_P(Publishing, QueuesOfflineAndSendsInOrderOnceOnline) {
    Bench bench(options());
    EXPECT_EQ(bench.publish("t", "0", QoS::at_most_once, 1), PublishOutcome::dropped_offline);
    EXPECT_EQ(bench.publish("t", "1", QoS::at_least_once, 1), PublishOutcome::queued);
    bench.connect();
    EXPECT_EQ(bench.publish("t", "2", QoS::exactly_once, 2), PublishOutcome::queued);
    bench.open();
    EXPECT_EQ(bench.publish("t", "3", QoS::at_least_once, 3), PublishOutcome::queued);
    bench.take();
    bench.receive(bench.connack());
    EXPECT_EQ(bench.take(),
              (Lines{"PUBLISH q1 id=1 t=1", "PUBLISH q2 id=2 t=2", "PUBLISH q1 id=3 t=3"}));
    bench.expect_no_leak();
}

TEST_P(Publishing, QueuesQos0OfflineWhenAsked) {
    Options chosen = options();
    chosen.queue_qos0 = true;
    chosen.max_in_flight = 1;
    Bench bench(chosen);
    bench.publish("t", "1", QoS::at_most_once, 1);
    bench.publish("t", "2", QoS::at_least_once, 2);
    bench.publish("t", "3", QoS::at_most_once, 3);
    bench.publish("t", "4", QoS::at_least_once, 4);
    bench.connect();
    bench.open();
    bench.take();
    bench.receive(bench.connack());
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q0 t=1", "PUBLISH q1 id=1 t=2", "PUBLISH q0 t=3"}));
    bench.receive(bench.ack(PacketType::puback, 1));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=2 t=4"}));
    bench.expect_no_leak();
}

// [MQTT-3.2.2-11], [MQTT-3.2.2-14], [MQTT-3.2.2-15]
TEST(PublishingV5, RefusesWhatTheServerDoesNotTake) {
    Bench bench;
    wire::Properties properties;
    properties.mark(Property::maximum_qos);
    properties.maximum_qos = 1;
    properties.mark(Property::retain_available);
    properties.retain_available = 0;
    properties.mark(Property::maximum_packet_size);
    properties.maximum_packet_size = 30;
    bench.go_online(0, false, properties);
    const std::string large(30, 'x');
    EXPECT_EQ(bench.publish("t", "x", QoS::exactly_once), PublishOutcome::refused);
    EXPECT_EQ(bench.publish("t", large, QoS::at_most_once), PublishOutcome::refused);
    EXPECT_EQ(bench.publish("t", large, QoS::at_least_once), PublishOutcome::refused);
    wire::Publish retained;
    retained.topic = "t";
    retained.retain = true;
    EXPECT_EQ(bench.clients.publish(bench.now, 0, retained, {}), PublishOutcome::refused);
    EXPECT_EQ(bench.publish("t", std::string(22, 'x'), QoS::at_least_once), PublishOutcome::sent);
    EXPECT_EQ(bench.take_sent()[0].bytes.size(), 30U);
    bench.expect_no_leak();
}

TEST(PublishingV5, DropsWhatWaitedWhenTheServerTurnsOutNotToTakeIt) {
    Bench bench;
    bench.publish("t", "x", QoS::exactly_once, 1);
    bench.publish("t", std::string(30, 'x'), QoS::at_least_once, 2);
    bench.publish("t", "x", QoS::at_least_once, 3);
    wire::Publish retained;
    retained.topic = "t";
    retained.qos = QoS::at_least_once;
    retained.retain = true;
    Stamp stamp;
    stamp.origin = 4;
    bench.clients.publish(bench.now, 0, retained, stamp);
    bench.connect();
    bench.open();
    bench.take();
    wire::Properties properties;
    properties.mark(Property::maximum_qos);
    properties.maximum_qos = 1;
    properties.mark(Property::retain_available);
    properties.retain_available = 0;
    properties.mark(Property::maximum_packet_size);
    properties.maximum_packet_size = 30;
    bench.receive(bench.connack(false, 0, properties));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 t=x"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"dropped 1 q2 refused", "dropped 2 q1 refused",
                                          "dropped 4 q1 refused", "connected fresh"}));
    bench.expect_no_leak();
}

TEST_P(Publishing, WrapsPacketIdentifiersAroundThoseInUse) {
    Options chosen = options();
    chosen.max_in_flight = 10;
    Bench bench(chosen);
    bench.go_online();
    bench.publish("t", "stuck", QoS::at_least_once);
    std::uint32_t last = 1;
    for (int n = 0; n < 70'000; ++n) {
        bench.publish("t", "x", QoS::at_least_once);
        const auto sent = bench.take_sent();
        const Bytes& bytes = sent.back().bytes;
        const auto id = static_cast<wire::PacketId>((bytes[5] << 8) | bytes[6]);
        ASSERT_EQ(id, last == 65535 ? 2U : last + 1);
        last = id;
        bench.receive(bench.ack(PacketType::puback, id));
    }
    EXPECT_EQ(bench.clients.in_flight(0), 1U);
    bench.expect_no_leak();
}

TEST_P(Publishing, HoldsEveryIdentifierInFlight) {
    Options chosen = options();
    chosen.max_in_flight = 1'000'000;
    chosen.max_queued = 10;
    Bench bench(chosen);
    bench.go_online();
    for (int n = 0; n < 65'535; ++n) {
        ASSERT_EQ(bench.publish("t", "x", QoS::at_least_once), PublishOutcome::sent);
    }
    EXPECT_EQ(bench.publish("t", "y", QoS::at_least_once), PublishOutcome::queued);
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {}), 0);
    const wire::SubscriptionRequest request{"a", {}};
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}), 0);
    bench.take_sent();
    bench.receive(bench.ack(PacketType::puback, 1));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 t=y"}));
    EXPECT_EQ(bench.clients.in_flight(0), 65'535U);
    bench.expect_no_leak();
}

TEST_P(Publishing, GoesOnFromAnAcknowledgement) {
    Options chosen = options();
    chosen.max_in_flight = 1;
    Bench bench(chosen);
    bench.go_online();
    bench.heard.when_acknowledged = [&](Instant, Slot, const Stamp& stamp) {
        if (stamp.origin < 5) bench.publish("t", "next", QoS::exactly_once, stamp.origin + 1);
    };
    bench.publish("t", "first", QoS::exactly_once, 1);
    for (wire::PacketId id = 1; id <= 5; ++id) {
        EXPECT_EQ(bench.take().back().substr(0, 15), "PUBLISH q2 id=" + std::to_string(id));
        bench.receive(bench.ack(PacketType::pubrec, id) + bench.ack(PacketType::pubcomp, id));
    }
    EXPECT_EQ(bench.heard.take(0).size(), 5U);
    bench.expect_no_leak();
}

TEST_P(Publishing, CountsWhatIsPending) {
    Options chosen = options();
    chosen.max_in_flight = 2;
    Bench bench(chosen, 3);
    bench.go_online(1);
    const wire::SubscriptionRequest request{"a", {}};
    bench.clients.subscribe(bench.now, 1, {&request, 1});
    for (std::uint32_t n = 1; n <= 3; ++n) bench.publish("t", "x", QoS::at_least_once, n, 1);
    bench.publish("t", "x", QoS::exactly_once, 9, 2);
    std::vector<std::pair<Slot, std::uint32_t>> seen;
    bench.clients.for_each_pending(
        [&](Slot client, const Stamp& stamp, QoS) { seen.push_back({client, stamp.origin}); });
    EXPECT_EQ(seen, (std::vector<std::pair<Slot, std::uint32_t>>{{1, 1}, {1, 2}, {1, 3}, {2, 9}}));
    bench.expect_no_leak();
}

}  // namespace
}  // namespace mqttwin::client
