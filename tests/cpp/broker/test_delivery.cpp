// From the broker to a session: window, queue, redelivery, expiry, limits.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

using wire::PacketType;

class Delivery : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Delivery);

Options small(std::uint32_t in_flight, std::uint32_t queued) {
    Options options;
    options.max_in_flight = in_flight;
    options.max_queued = queued;
    return options;
}

TEST_P(Delivery, TheWindowIsKeptAndTheQueueMovesUp) {
    Bench bench(small(2, 10));
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.heard();
    Party& bob = bench.join("bob", version());
    for (const char* text : {"1", "2", "3", "4", "5"}) {
        bob.publishes("a", text, QoS::at_least_once, {.id = 1});
    }
    ann.hears({"PUBLISH q1 id=1 a=1", "PUBLISH q1 id=2 a=2"});
    EXPECT_EQ(bench.broker.counts().in_flight, 2U);
    EXPECT_EQ(bench.broker.counts().queued, 3U);
    ann.pubacks(1);
    ann.hears({"PUBLISH q1 id=3 a=3"});
    ann.pubacks(3);
    ann.pubacks(2);
    ann.hears({"PUBLISH q1 id=4 a=4", "PUBLISH q1 id=5 a=5"});
    ann.pubacks(4);
    ann.pubacks(5);
    ann.hears_nothing();
    EXPECT_EQ(bench.broker.counts().in_flight, 0U);
    EXPECT_EQ(bench.broker.counts().queued, 0U);
}

// [MQTT-3.3.4-9]
TEST(DeliveryV5, TheClientsReceiveMaximumCounts) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").receive_maximum(1));
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    ann.heard();
    Party& bob = bench.join("bob");
    bob.publishes("a", "1", QoS::exactly_once, {.id = 1});
    bob.publishes("a", "2", QoS::at_least_once, {.id = 2});
    bob.publishes("a", "3");  // QoS 0 is not counted
    ann.hears({"PUBLISH q2 id=1 a=1", "PUBLISH q0 a=3"});
    ann.pubrecs(1);
    ann.hears({"PUBREL 1"});
    ann.pubcomps(1);
    ann.hears({"PUBLISH q1 id=2 a=2"});
}

TEST_P(Delivery, TheQueueIsBounded) {
    Bench bench(small(1, 2));
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    Party& bob = bench.join("bob", version());
    bench.witness.take({});
    for (const char* text : {"1", "2", "3", "4"}) {
        bob.publishes("a", text, QoS::at_least_once, {.id = 1});
    }
    EXPECT_EQ(bench.witness.take({"expected", "drop"}),
              (Lines{"expected 0 q1", "expected 0 q1", "expected 0 q1", "expected 0 q1",
                     "drop 0 q1 queue_full"}));
    ann.heard();
    ann.pubacks(1);
    ann.pubacks(2);
    ann.pubacks(3);
    ann.hears({"PUBLISH q1 id=2 a=2", "PUBLISH q1 id=3 a=3"});
}

TEST_P(Delivery, WhoIsAwayIsWaitedFor) {
    Bench bench(small(10, 2));
    bench.return_as("ann", version(), false).subscribes(1, {{"a", QoS::exactly_once}});
    bench.return_as("ann", version(), true).vanishes();
    Party& bob = bench.join("bob", version());
    bench.witness.take({});
    bob.publishes("a", "0");
    bob.publishes("a", "1", QoS::at_least_once, {.id = 1});
    bob.publishes("a", "2", QoS::exactly_once, {.id = 2});
    bob.publishes("a", "3", QoS::at_least_once, {.id = 3});
    EXPECT_EQ(bench.witness.take({"drop"}),
              (Lines{"drop 1 q0 offline_qos0", "drop 1 q1 queue_full"}));
    Party& ann = bench.return_as("ann", version(), true);
    ann.hears({"PUBLISH q1 id=1 a=1", "PUBLISH q2 id=2 a=2"});
}

TEST_P(Delivery, Qos0WaitsToo_IfAsked) {
    Options options = small(1, 10);
    options.queue_qos0_offline = true;
    Bench bench(options);
    bench.return_as("ann", version(), false).subscribes(1, {{"a", QoS::at_least_once}});
    bench.return_as("ann", version(), true).vanishes();
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "0");
    bob.publishes("a", "1", QoS::at_least_once, {.id = 1});
    bob.publishes("a", "2", QoS::at_least_once, {.id = 1});
    bob.publishes("a", "3");
    Party& ann = bench.return_as("ann", version(), true);
    ann.hears({"PUBLISH q0 a=0", "PUBLISH q1 id=1 a=1"});
    bob.publishes("a", "4");  // does not overtake
    ann.hears_nothing();
    ann.pubacks(1);
    ann.hears({"PUBLISH q1 id=2 a=2", "PUBLISH q0 a=3", "PUBLISH q0 a=4"});
}

// [MQTT-4.4.0-1], [MQTT-4.6.0-6]
TEST_P(Delivery, UnacknowledgedMessagesComeAgainInOrderThenTheQueue) {
    Bench bench(small(3, 10));
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    Party& bob = bench.join("bob", version());
    for (const char* text : {"1", "2", "3", "4"}) {
        bob.publishes("a", text, QoS::at_least_once, {.id = 1});
    }
    ann.pubacks(2);
    ann.hears({"SUBACK 1 02", "PUBLISH q1 id=1 a=1", "PUBLISH q1 id=2 a=2", "PUBLISH q1 id=3 a=3",
               "PUBLISH q1 id=4 a=4"});
    bob.publishes("a", "5", QoS::exactly_once, {.id = 2});
    ann.vanishes();
    bob.publishes("a", "6", QoS::at_least_once, {.id = 3});

    Party& again = bench.return_as("ann", version(), true);
    again.hears({"PUBLISH q1 id=1 dup a=1", "PUBLISH q1 id=3 dup a=3", "PUBLISH q1 id=4 dup a=4"});
    again.pubacks(1);
    again.hears({"PUBLISH q2 id=5 a=5"});
    again.vanishes();
    Party& third = bench.return_as("ann", version(), true);
    third.hears({"PUBLISH q1 id=3 dup a=3", "PUBLISH q1 id=4 dup a=4", "PUBLISH q2 id=5 dup a=5"});
    third.pubacks(3);
    third.pubacks(4);
    third.hears({"PUBLISH q1 id=6 a=6"});
}

TEST(DeliveryV5, RedeliveryKeepsASmallerReceiveMaximum) {
    Bench bench;
    Hello hello(Version::v5, "ann");
    hello.resume().expires(1000);
    Party& ann = bench.enter(hello);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    Party& bob = bench.join("bob");
    for (const char* text : {"1", "2", "3"}) {
        bob.publishes("a", text, QoS::at_least_once, {.id = 1});
    }
    ann.vanishes();
    Party& again = bench.enter(hello.receive_maximum(1), true);
    again.hears({"PUBLISH q1 id=1 dup a=1"});
    bob.publishes("a", "4", QoS::at_least_once, {.id = 1});
    again.hears_nothing();
    again.pubacks(1);
    again.hears({"PUBLISH q1 id=2 dup a=2"});
    again.pubacks(2);
    again.pubacks(3);
    again.hears({"PUBLISH q1 id=3 dup a=3", "PUBLISH q1 id=4 a=4"});
}

// QoS 2 to a client, with a break after every step.
TEST_P(Delivery, Qos2SurvivesABreakAtEveryStep) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    ann.heard();
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "x", QoS::exactly_once, {.id = 1});
    ann.hears({"PUBLISH q2 id=1 a=x"});
    ann.vanishes();  // PUBLISH lost, or PUBREC

    Party& second = bench.return_as("ann", version(), true);
    second.hears({"PUBLISH q2 id=1 dup a=x"});
    second.pubrecs(1);
    second.hears({"PUBREL 1"});
    second.pubrecs(1);  // said twice, because PUBLISH came twice
    second.hears({"PUBREL 1"});
    second.vanishes();  // PUBREL lost, or PUBCOMP

    Party& third = bench.return_as("ann", version(), true);
    third.hears({"PUBREL 1"});  // [MQTT-4.3.3-6]: not the message again
    third.pubcomps(1);
    third.vanishes();
    bench.return_as("ann", version(), true).hears_nothing();
    EXPECT_EQ(bench.broker.counts().in_flight, 0U);
}

TEST_P(Delivery, PubrelsComeBeforePublishes) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    Party& bob = bench.join("bob", version());
    for (const char* text : {"1", "2", "3"}) {
        bob.publishes("a", text, QoS::exactly_once, {.id = 1});
        bob.pubrels(1);
    }
    ann.pubrecs(2);
    ann.vanishes();
    Party& again = bench.return_as("ann", version(), true);
    again.hears({"PUBREL 2", "PUBLISH q2 id=1 dup a=1", "PUBLISH q2 id=3 dup a=3"});
}

TEST_P(Delivery, PubrecOfNothingIsAnswered) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.pubacks(9);
    ann.pubcomps(9);
    ann.hears_nothing();
    ann.pubrecs(9);
    ann.hears({v5() ? "PUBREL 9 92" : "PUBREL 9"});
}

TEST_P(Delivery, TheWrongAcknowledgementIsAFault) {
    for (const PacketType type : {PacketType::pubrec, PacketType::pubcomp}) {
        Bench bench;
        Party& ann = bench.join("ann", version());
        ann.subscribes(1, {{"a", QoS::at_least_once}});
        ann.publishes("a", "x", QoS::at_least_once, {.id = 1});
        ann.heard();
        ann.acks(type, 1);
        ann.hears(v5() ? Lines{"DISCONNECT 82", "close"} : Lines{"close"});
    }
}

// [MQTT-4.4.0-2]
TEST(DeliveryV5, WhatTheClientRefusesIsOver) {
    Bench bench(small(1, 10));
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    Party& bob = bench.join("bob");
    bob.publishes("a", "1", QoS::at_least_once, {.id = 1});
    bob.publishes("a", "2", QoS::exactly_once, {.id = 2});
    bob.publishes("a", "3", QoS::exactly_once, {.id = 3});
    ann.heard();
    bench.witness.take({});
    ann.acks(PacketType::puback, 1, wire::reason::quota_exceeded);
    ann.acks(PacketType::pubrec, 2, wire::reason::unspecified_error);
    ann.hears({"PUBLISH q2 id=2 a=2", "PUBLISH q2 id=3 a=3"});
    EXPECT_EQ(bench.witness.take({"drop"}),
              (Lines{"drop 0 q1 refused_by_client #1", "drop 0 q2 refused_by_client #2"}));
}

// [MQTT-3.3.2-5], [MQTT-3.3.2-6]
TEST(DeliveryV5, AMessageExpiresWhileItWaits) {
    Bench bench;
    bench.return_as("ann", Version::v5, false).subscribes(1, {{"a", QoS::at_least_once}});
    bench.return_as("ann", Version::v5, true).vanishes();
    Party& bob = bench.join("bob");
    bob.publishes("a", "short", QoS::at_least_once, {.id = 1, .expiry = 10});
    bob.publishes("a", "long", QoS::at_least_once, {.id = 1, .expiry = 100});
    bob.publishes("a", "ever", QoS::at_least_once, {.id = 1});
    bench.after(milliseconds(30'500));
    bench.witness.take({});
    Party& ann = bench.return_as("ann", Version::v5, true);
    ann.hears({"PUBLISH q1 id=1 a=long expiry=70", "PUBLISH q1 id=2 a=ever"});
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 3 q1 message_expired"}));
    // What has begun is finished, with what is left of its time.
    ann.vanishes();
    bench.after(seconds(100));
    bench.return_as("ann", Version::v5, true)
        .hears({"PUBLISH q1 id=1 dup a=long expiry=0", "PUBLISH q1 id=2 dup a=ever"});
}

TEST(DeliveryV5, ExpiredMessagesMakeRoomInAFullQueue) {
    Bench bench(small(10, 1));
    bench.return_as("ann", Version::v5, false).subscribes(1, {{"a", QoS::at_least_once}});
    bench.return_as("ann", Version::v5, true).vanishes();
    Party& bob = bench.join("bob");
    bob.publishes("a", "old", QoS::at_least_once, {.id = 1, .expiry = 10});
    bench.after(seconds(10));
    bench.witness.take({});
    bob.publishes("a", "new", QoS::at_least_once, {.id = 1});
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 1 q1 message_expired"}));
    bench.return_as("ann", Version::v5, true).hears({"PUBLISH q1 id=1 a=new"});
}

// [MQTT-3.1.2-24], [MQTT-3.1.2-25]
TEST(DeliveryV5, WhatIsTooLargeIsSkipped) {
    Bench bench(small(10, 10));
    Hello hello(Version::v5, "ann");
    hello.resume().expires(1000).maximum_packet_size(100);
    Party& ann = bench.enter(hello);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.heard();
    Party& bob = bench.join("bob");
    const std::string large(300, 'x');
    bench.witness.take({});
    bob.publishes("a", large);
    bob.publishes("a", large, QoS::at_least_once, {.id = 1});
    bob.publishes("a", "small", QoS::at_least_once, {.id = 1});
    ann.hears({"PUBLISH q1 id=1 a=small"});
    EXPECT_EQ(bench.witness.take({"drop"}),
              (Lines{"drop 0 q0 packet_too_large", "drop 0 q1 packet_too_large"}));
    ann.pubacks(1);
    EXPECT_EQ(ann.stamps.back().sequence, 1U);

    // From the queue, and from the window of an earlier connection, likewise.
    ann.vanishes();
    bob.publishes("a", large, QoS::at_least_once, {.id = 1});
    Hello generous(Version::v5, "ann");
    Party& wide = bench.enter(generous.resume().expires(1000), true);
    EXPECT_EQ(wide.heard().size(), 1U);
    wide.vanishes();
    bob.publishes("a", large, QoS::at_least_once, {.id = 1});
    bench.witness.take({});
    bench.enter(hello, true).hears_nothing();
    EXPECT_EQ(bench.witness.take({"drop"}),
              (Lines{"drop 3 q1 packet_too_large #2", "drop 3 q1 packet_too_large"}));
    EXPECT_EQ(bench.broker.counts().in_flight + bench.broker.counts().queued, 0U);
}

TEST_P(Delivery, StampsTravelWithTheMessage) {
    Bench bench(small(1, 10));
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    Party& bob = bench.join("bob", version());
    const Instant first = bench.now;
    bob.publishes("a", "1", QoS::at_least_once, {.id = 1});
    bench.after(seconds(1));
    bob.publishes("a", "2", QoS::at_least_once, {.id = 1});
    bob.publishes("a", "3");
    bench.after(seconds(1));
    ann.pubacks(1);
    ann.vanishes();
    Party& again = bench.return_as("ann", version(), true);
    ASSERT_EQ(ann.stamps.size(), 3U);
    ASSERT_EQ(again.stamps.size(), 1U);
    const auto expect = [&](const Stamp& stamp, Instant published, std::uint32_t sequence) {
        EXPECT_EQ(stamp.published, published);
        EXPECT_EQ(stamp.origin, bob.slot());
        EXPECT_EQ(stamp.sequence, sequence);
    };
    expect(ann.stamps[0], first, 1);
    expect(ann.stamps[1], first + seconds(1), 0);
    expect(ann.stamps[2], first + seconds(1), 2);
    expect(again.stamps[0], first + seconds(1), 2);  // a redelivery repeats its number
}

TEST_P(Delivery, ThePublishersOwnNumberReachesTheObserverAlone) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a"}});
    Stamp stamp;
    stamp.origin = 7;
    stamp.sequence = 41;
    ann.says(publish(version(), "a", "x", QoS::at_least_once, {.id = 3}), stamp);
    EXPECT_EQ(bench.witness.published.at(0).sequence, 41U);
    EXPECT_EQ(ann.stamps.at(0).sequence, 0U);
    EXPECT_EQ(ann.stamps.at(0).origin, 7U);
}

TEST_P(Delivery, WhatIsOwedCanBeCounted) {
    Bench bench(small(2, 10));
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    Party& bob = bench.join("bob", version());
    for (const char* text : {"1", "2", "3"}) {
        bob.publishes("a", text, QoS::exactly_once, {.id = 1});
        bob.pubrels(1);
    }
    ann.pubrecs(1);  // arrived, though its identifier is still in use
    std::vector<std::uint32_t> sequences;
    bench.broker.for_each_pending([&](std::uint32_t tag, const Stamp& stamp, QoS qos) {
        EXPECT_EQ(tag, ann.slot());
        EXPECT_EQ(qos, QoS::exactly_once);
        EXPECT_EQ(stamp.origin, bob.slot());
        sequences.push_back(stamp.sequence);
    });
    EXPECT_EQ(sequences, (std::vector<std::uint32_t>{2, 0}));
}

TEST_P(Delivery, IdentifiersGoInACircleAcrossIdleTimes) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.heard();
    for (wire::PacketId id = 1; id < 6; ++id) {
        ann.publishes("a", "x", QoS::at_least_once, {.id = 1});
        ann.hears({"PUBLISH q1 id=" + std::to_string(id) + " a=x", "PUBACK 1"});
        ann.pubacks(id);  // idle again
    }
}

}  // namespace
}  // namespace mqttwin::broker
