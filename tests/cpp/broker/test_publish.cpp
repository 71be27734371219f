// From a client to the broker: acknowledgements, QoS 2 at every step, topic aliases, limits.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Publishing : public BothVersions {
   protected:
    [[nodiscard]] std::string unmatched() const { return v5() ? " 10" : ""; }
};
MQTTWIN_BOTH_VERSIONS(Publishing);

TEST_P(Publishing, EachQosIsAnswered) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    Party& bob = bench.join("bob", version());
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    ann.heard();

    bob.publishes("a", "0");
    bob.hears_nothing();
    ann.hears({"PUBLISH q0 a=0"});
    bob.publishes("a", "1", QoS::at_least_once, {.id = 10});
    bob.hears({"PUBACK 10"});  // [MQTT-4.3.2-4]
    ann.hears({"PUBLISH q1 id=1 a=1"});
    bob.publishes("a", "2", QoS::exactly_once, {.id = 11});
    bob.hears({"PUBREC 11"});  // [MQTT-4.3.3-8]
    ann.hears({"PUBLISH q2 id=2 a=2"});
    bob.pubrels(11);
    bob.hears({"PUBCOMP 11"});  // [MQTT-4.3.3-11]
    EXPECT_EQ(bench.witness.take({"publish"}),
              (Lines{"publish 1 q0 a to 1", "publish 1 q1 a to 1", "publish 1 q2 a to 1"}));
}

TEST_P(Publishing, NobodyIsThereToHear) {
    Bench bench;
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "1", QoS::at_least_once, {.id = 10});
    bob.publishes("a", "2", QoS::exactly_once, {.id = 11});
    bob.hears({"PUBACK 10" + unmatched(), "PUBREC 11" + unmatched()});
    EXPECT_EQ(bench.witness.take({"publish", "expected"}),
              (Lines{"publish 0 q1 a to 0", "publish 0 q2 a to 0"}));
}

// [MQTT-4.3.3-10]
TEST_P(Publishing, AQos2MessageIsRoutedOnceHoweverOftenItIsSent) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a"}});
    ann.heard();
    Party& bob = bench.return_as("bob", version(), false);
    bob.publishes("a", "x", QoS::exactly_once, {.id = 5});
    bob.publishes("a", "x", QoS::exactly_once, {.id = 5, .dup = true});
    bob.publishes("a", "x", QoS::exactly_once, {.id = 5});
    bob.hears({"PUBREC 5", "PUBREC 5", "PUBREC 5"});
    ann.hears({"PUBLISH q0 a=x"});

    // The connection breaks before PUBREL: the session remembers.
    bob.vanishes();
    Party& again = bench.return_as("bob", version(), true);
    again.publishes("a", "x", QoS::exactly_once, {.id = 5, .dup = true});
    again.hears({"PUBREC 5"});
    ann.hears_nothing();
    // It breaks between PUBREL and PUBCOMP: PUBREL comes again.
    again.pubrels(5);
    again.vanishes();
    Party& third = bench.return_as("bob", version(), true);
    third.pubrels(5);
    third.hears({v5() ? "PUBCOMP 5 92" : "PUBCOMP 5"});
    // Released: the identifier is free for another message.
    third.publishes("a", "y", QoS::exactly_once, {.id = 5});
    third.hears({"PUBREC 5"});
    ann.hears({"PUBLISH q0 a=y"});
}

TEST_P(Publishing, AMessageIsNewToANewSession) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a"}});
    ann.heard();
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "x", QoS::exactly_once, {.id = 5});
    bob.vanishes();
    Party& again = bench.join("bob", version());
    again.publishes("a", "x", QoS::exactly_once, {.id = 5, .dup = true});
    ann.hears({"PUBLISH q0 a=x", "PUBLISH q0 a=x"});
}

TEST_P(Publishing, PubrelOfNothingIsAnswered) {
    Bench bench;
    Party& bob = bench.join("bob", version());
    bob.pubrels(77);
    bob.hears({v5() ? "PUBCOMP 77 92" : "PUBCOMP 77"});
}

TEST_P(Publishing, TheSameIdentifierAMillionTimesCostsNothing) {
    Bench bench;
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "x", QoS::exactly_once, {.id = 5});
    bob.heard();
    const Bytes again = publish(version(), "a", "x", QoS::exactly_once, {.id = 5, .dup = true});
    const std::size_t live = bench.pool.live();
    for (int i = 0; i < 1'000'000; ++i) {
        bench.broker.handle_bytes(bench.now, bob.slot(), again, {});
        for (const Output& out : bench.broker.outbox()) bench.pool.release(out.head);
        bench.broker.outbox().clear();
    }
    EXPECT_EQ(bench.pool.live(), live);
    EXPECT_EQ(bench.witness.published.size(), 1U);
}

// [MQTT-3.3.4-7]
TEST(PublishingV5, MoreThanTheReceiveMaximumIsAFault) {
    Options options;
    options.receive_maximum = 2;
    Bench bench(options);
    Hello hello(Version::v5, "bob");
    hello.resume().expires(100);
    Party& bob = bench.enter(hello);
    bob.publishes("a", "x", QoS::exactly_once, {.id = 1});
    bob.publishes("a", "x", QoS::exactly_once, {.id = 2});
    bob.publishes("a", "x", QoS::exactly_once, {.id = 2, .dup = true});
    bob.hears({"PUBREC 1 10", "PUBREC 2 10", "PUBREC 2"});
    bob.publishes("a", "x", QoS::exactly_once, {.id = 3});
    bob.hears({"DISCONNECT 93", "close"});
    // The quota is a connection's: what is left over does not count against the next one.
    Party& again = bench.enter(hello, true);
    again.publishes("a", "x", QoS::exactly_once, {.id = 3});
    again.publishes("a", "x", QoS::at_least_once, {.id = 4});
    again.publishes("a", "x", QoS::exactly_once, {.id = 5});
    again.hears({"PUBREC 3 10", "PUBACK 4 10", "PUBREC 5 10"});
    again.publishes("a", "x", QoS::at_least_once, {.id = 6});
    again.hears({"DISCONNECT 93", "close"});
}

TEST(PublishingV311, ThereIsNoReceiveMaximum) {
    Options options;
    options.receive_maximum = 2;
    Bench bench(options);
    Party& bob = bench.join("bob", Version::v311);
    for (wire::PacketId id = 1; id < 100; ++id) {
        bob.publishes("a", "x", QoS::exactly_once, {.id = id});
    }
    EXPECT_FALSE(bob.closed());
}

// [MQTT-3.2.2-11], [MQTT-3.2.2-14]
TEST_P(Publishing, WhatIsNotServedIsAFault) {
    Options options;
    options.maximum_qos = QoS::at_least_once;
    options.retain_available = false;
    Bench bench(options);
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "x", QoS::exactly_once, {.id = 1});
    bob.hears(v5() ? Lines{"DISCONNECT 9b", "close"} : Lines{"close"});
    Party& cat = bench.join("cat", version());
    cat.publishes("a", "x", QoS::at_most_once, {.retain = true});
    cat.hears(v5() ? Lines{"DISCONNECT 9a", "close"} : Lines{"close"});
}

TEST_P(Publishing, TheServersTopicsAreItsOwn) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"$SYS/#"}});
    ann.heard();
    Party& bob = bench.join("bob", version());
    bob.publishes("$SYS/uptime", "x", QoS::at_least_once, {.id = 1});
    bob.publishes("$SYS/uptime", "x");
    bob.hears({v5() ? "PUBACK 1 87" : "PUBACK 1"});
    ann.hears_nothing();

    wire::Publish uptime;
    uptime.topic = "$SYS/uptime";
    uptime.payload = as_bytes("3 s");
    bench.broker.publish(bench.now, uptime, {});
    bench.drain();
    ann.hears({"PUBLISH q0 $SYS/uptime=3 s"});
}

TEST_P(Publishing, ATopicMayBeTooDeep) {
    Options options;
    options.max_topic_levels = 4;
    Bench bench(options);
    Party& bob = bench.join("bob", version());
    bob.publishes("a/b/c/d", "x");
    bob.subscribes(1, {{"a/b/c/d"}, {"a/b/c/d/e"}});
    bob.hears({v5() ? "SUBACK 1 00 8f" : "SUBACK 1 00 80"});
    bob.publishes("a/b/c/d/e", "x");
    bob.hears(v5() ? Lines{"DISCONNECT 90", "close"} : Lines{"close"});
}

TEST(PublishingV5, ATextThatIsNoTextIsRefusedIfAsked) {
    Options options;
    options.check_payload_format = true;
    Bench bench(options);
    Party& bob = bench.join("bob");
    bob.publishes("a", "gr\xC3\xBC\xC3\x9F", QoS::at_least_once, {.id = 1, .format = 1});
    bob.publishes("a", "\xFF", QoS::at_least_once, {.id = 2, .format = 1});
    bob.publishes("a", "\xFF", QoS::exactly_once, {.id = 3, .format = 1});
    bob.publishes("a", "\xFF", QoS::at_least_once, {.id = 4, .format = 0});
    bob.pubrels(3);  // refused, so not remembered
    bob.hears({"PUBACK 1 10", "PUBACK 2 99", "PUBREC 3 99", "PUBACK 4 10", "PUBCOMP 3 92"});
}

// --- Topic aliases -------------------------------------------------------------------------------

// [MQTT-3.3.2-10]
TEST(TopicAliases, AnAliasStandsForItsTopic) {
    Options options;
    options.topic_alias_maximum = 5;
    Bench bench(options);
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"#", QoS::at_least_once}});
    ann.heard();
    Party& bob = bench.join("bob");
    bob.publishes("long/topic", "1", QoS::at_most_once, {.alias = 5});
    bob.publishes("", "2", QoS::at_most_once, {.alias = 5});
    bob.publishes("other/topic", "3", QoS::at_most_once, {.alias = 5});
    bob.publishes("", "4", QoS::at_least_once, {.id = 1, .alias = 5});
    // The alias ends at the broker.
    ann.hears({"PUBLISH q0 long/topic=1", "PUBLISH q0 long/topic=2", "PUBLISH q0 other/topic=3",
               "PUBLISH q1 id=1 other/topic=4"});
}

// [MQTT-3.3.2-7]
TEST(TopicAliases, AnAliasIsItsConnectionsOwn) {
    Options options;
    options.topic_alias_maximum = 5;
    Bench bench(options);
    Party& ann = bench.join("ann");
    ann.publishes("t", "1", QoS::at_most_once, {.alias = 1});
    Party& bob = bench.join("bob");
    bob.publishes("", "2", QoS::at_most_once, {.alias = 1});
    bob.hears({"DISCONNECT 82", "close"});
    ann.vanishes();
    Party& again = bench.join("ann");
    again.publishes("", "2", QoS::at_most_once, {.alias = 1});
    again.hears({"DISCONNECT 82", "close"});
}

// [MQTT-3.3.2-9]
TEST(TopicAliases, AnAliasBeyondTheMaximumIsAFault) {
    Options options;
    options.topic_alias_maximum = 5;
    Bench bench(options);
    Party& bob = bench.join("bob");
    bob.publishes("t", "1", QoS::at_most_once, {.alias = 6});
    bob.hears({"DISCONNECT 94", "close"});
    options.topic_alias_maximum = 0;
    Bench none(options);
    Party& cat = none.join("cat");
    cat.publishes("t", "1", QoS::at_most_once, {.alias = 1});
    cat.hears({"DISCONNECT 94", "close"});
}

}  // namespace
}  // namespace mqttwin::broker
