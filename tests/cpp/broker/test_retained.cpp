// Retained messages: kept, replayed, replaced, cleared.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

using wire::RetainHandling;

class Retained : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Retained);

// [MQTT-3.3.1-5]; 3.1.1 [MQTT-3.3.1-8]
TEST_P(Retained, ANewSubscriberHearsTheLatest) {
    Bench bench;
    Party& bob = bench.join("bob", version());
    bob.publishes("a/1", "old", QoS::at_most_once, {.retain = true});
    bob.publishes("a/1", "new", QoS::at_least_once, {.id = 1, .retain = true});
    bob.publishes("a/2", "other", QoS::at_most_once, {.retain = true});
    bob.publishes("a/3", "not kept");
    Party& ann = bench.join("ann", version());
    bench.witness.take({});
    ann.subscribes(1, {{"a/+", QoS::exactly_once}});
    ann.hears({"SUBACK 1 02", "PUBLISH q1 id=1 retain a/1=new", "PUBLISH q0 retain a/2=other"});
    EXPECT_EQ(bench.broker.counts().retained, 2U);
    // Counted apart: nobody published anything.
    EXPECT_EQ(bench.witness.take({"expected", "publish"}), Lines{});
    EXPECT_EQ(ann.stamps.at(0).origin, Stamp::kReplay);
    EXPECT_EQ(ann.stamps.at(0).sequence, 1U);
    EXPECT_EQ(ann.stamps.at(1).sequence, 0U);
}

// [MQTT-3.3.1-12]; 3.1.1 [MQTT-3.3.1-9]
TEST_P(Retained, WhoIsSubscribedAlreadyGetsAnOrdinaryMessage) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a"}});
    ann.publishes("a", "x", QoS::at_most_once, {.retain = true});
    ann.hears({"SUBACK 1 00", "PUBLISH q0 a=x"});
}

// [MQTT-3.3.1-6], [MQTT-3.3.1-7]
TEST_P(Retained, AnEmptyOneClears) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.publishes("a", "x", QoS::at_most_once, {.retain = true});
    ann.subscribes(1, {{"a"}});
    ann.publishes("a", "", QoS::at_most_once, {.retain = true});
    ann.subscribes(2, {{"a"}});
    ann.hears({"SUBACK 1 00", "PUBLISH q0 retain a=x", "PUBLISH q0 a=", "SUBACK 2 00"});
    EXPECT_EQ(bench.broker.counts().retained, 0U);
}

TEST_P(Retained, EveryMatchingFilterOfASubscribeHasItsOwn) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.publishes("a", "x", QoS::at_most_once, {.retain = true});
    ann.subscribes(1, {{"a"}, {"#"}, {"b"}, {"a#"}});
    ann.hears({v5() ? "SUBACK 1 00 00 00 8f" : "SUBACK 1 00 00 00 80", "PUBLISH q0 retain a=x",
               "PUBLISH q0 retain a=x"});
}

TEST_P(Retained, TheyOutliveTheirPublisherAndComeOldestFirst) {
    Bench bench;
    for (const char* topic : {"z", "b", "q", "a"}) {
        Party& bob = bench.join("bob", version());
        bob.publishes(topic, "x", QoS::at_most_once, {.retain = true});
        bob.leaves();
    }
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"#"}});
    ann.hears({"SUBACK 1 00", "PUBLISH q0 retain z=x", "PUBLISH q0 retain b=x",
               "PUBLISH q0 retain q=x", "PUBLISH q0 retain a=x"});
}

TEST_P(Retained, TheirNumberIsBounded) {
    Options options;
    options.max_retained = 2;
    Bench bench(options);
    Party& ann = bench.join("ann", version());
    for (const char* topic : {"a", "b", "c"}) {
        ann.publishes(topic, "1", QoS::at_most_once, {.retain = true});
    }
    ann.publishes("a", "2", QoS::at_most_once, {.retain = true});
    ann.subscribes(1, {{"#"}});
    ann.hears({"SUBACK 1 00", "PUBLISH q0 retain b=1", "PUBLISH q0 retain a=2"});
}

TEST_P(Retained, ReplaysKeepTheWindow) {
    Options options;
    options.max_in_flight = 1;
    options.max_queued = 1;
    Bench bench(options);
    Party& ann = bench.join("ann", version());
    for (const char* topic : {"a", "b", "c"}) {
        ann.publishes(topic, "x", QoS::at_least_once, {.id = 1, .retain = true});
    }
    ann.heard();
    bench.witness.take({});
    ann.subscribes(1, {{"#", QoS::at_least_once}});
    ann.hears({"SUBACK 1 01", "PUBLISH q1 id=1 retain a=x"});
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 0 q1 queue_full replay"}));
    ann.pubacks(1);
    ann.hears({"PUBLISH q1 id=2 retain b=x"});
    EXPECT_EQ(bench.witness.dropped, 0U);
}

// [MQTT-3.3.1-9] to [MQTT-3.3.1-11]
TEST(RetainedV5, RetainHandlingDecides) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.publishes("a", "x", QoS::at_most_once, {.retain = true});
    const auto ask = [](RetainHandling handling) {
        Ask about{"a"};
        about.retain_handling = handling;
        return about;
    };
    ann.subscribes(1, {ask(RetainHandling::do_not_send)});
    ann.hears({"SUBACK 1 00"});
    ann.subscribes(2, {ask(RetainHandling::send_if_new)});
    ann.hears({"SUBACK 2 00"});
    ann.subscribes(3, {ask(RetainHandling::send)});
    ann.hears({"SUBACK 3 00", "PUBLISH q0 retain a=x"});
    ann.unsubscribes(4, {"a"});
    ann.subscribes(5, {ask(RetainHandling::send_if_new)});
    ann.hears({"UNSUBACK 4 00", "SUBACK 5 00", "PUBLISH q0 retain a=x"});
}

TEST(RetainedV5, NoneToASharedSubscription) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.publishes("a", "x", QoS::at_most_once, {.retain = true});
    ann.subscribes(1, {{"$share/g/a"}});
    ann.hears({"SUBACK 1 00"});
}

TEST(RetainedV5, TheIdentifierOfTheSubscriptionIsThere) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.publishes("a", "x", QoS::at_least_once,
                  {.id = 1, .retain = true, .user_name = "k", .user_value = "v"});
    ann.heard();
    ann.subscribes(1, {{"+", QoS::at_least_once}}, 77);
    ann.hears({"SUBACK 1 01", "PUBLISH q1 id=1 retain a=x sub=77 k:v"});
}

// [MQTT-3.3.2-5], [MQTT-3.3.2-6]
TEST(RetainedV5, TheyExpire) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.publishes("a", "x", QoS::at_most_once, {.retain = true, .expiry = 100});
    bench.after(seconds(40));
    ann.subscribes(1, {{"a"}});
    ann.hears({"SUBACK 1 00", "PUBLISH q0 retain a=x expiry=60"});
    bench.after(seconds(60));
    ann.subscribes(2, {{"a"}});
    ann.hears({"SUBACK 2 00"});
    EXPECT_EQ(bench.broker.counts().retained, 0U);
}

TEST(RetainedV5, ALargeOneIsKeptOnceWhoeverWaitsForIt) {
    Bench bench;
    const std::string large(100'000, 'x');
    Party& bob = bench.join("bob");
    bench.return_as("ann", Version::v5, false).subscribes(1, {{"a", QoS::at_least_once}});
    bench.return_as("ann", Version::v5, true).vanishes();
    bob.publishes("a", large, QoS::at_least_once, {.id = 1, .retain = true});
    bob.heard();
    bob.subscribes(1, {{"a", QoS::at_least_once}});
    Party& ann = bench.return_as("ann", Version::v5, true);
    bob.hears({"SUBACK 1 01", "PUBLISH q1 id=1 retain a=" + large});
    ann.hears({"PUBLISH q1 id=1 a=" + large});
    EXPECT_EQ(bob.bodies.at(0), ann.bodies.at(0));
}

}  // namespace
}  // namespace mqttwin::broker
