// Topic aliases towards a client.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

TEST(OutboundAliases, AKnownTopicIsNotSaidAgain) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").topic_aliases(2));
    ann.subscribes(1, {{"#"}});
    ann.heard();
    Party& bob = bench.join("bob");
    bob.publishes("first", "1");
    bob.publishes("first", "2");
    bob.publishes("second", "3");
    bob.publishes("third", "4");
    bob.publishes("second", "5");
    bob.publishes("third", "6");
    ann.hears({"PUBLISH q0 first=1 alias=1", "PUBLISH q0 =2 alias=1", "PUBLISH q0 second=3 alias=2",
               "PUBLISH q0 third=4", "PUBLISH q0 =5 alias=2", "PUBLISH q0 third=6"});
}

// [MQTT-3.1.2-27]
TEST(OutboundAliases, WhoTakesNoneGetsNone) {
    Bench bench;
    Party& ann = bench.join("ann");
    Party& old = bench.join("old", Version::v311);
    ann.subscribes(1, {{"#"}});
    old.subscribes(1, {{"#"}});
    ann.heard();
    old.heard();
    bench.join("bob").publishes("topic", "1");
    ann.hears({"PUBLISH q0 topic=1"});
    old.hears({"PUBLISH q0 topic=1"});
}

TEST(OutboundAliases, TheBrokerHasABoundOfItsOwn) {
    Options options;
    options.outbound_topic_aliases = 1;
    Bench bench(options);
    Party& ann = bench.enter(Hello(Version::v5, "ann").topic_aliases(65535));
    ann.subscribes(1, {{"#"}});
    ann.heard();
    ann.publishes("a", "1");
    ann.publishes("b", "2");
    ann.hears({"PUBLISH q0 a=1 alias=1", "PUBLISH q0 b=2"});
}

TEST(OutboundAliases, EveryQualityAndIdentifiersToo) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").topic_aliases(5));
    ann.subscribes(1, {{"#", QoS::exactly_once}}, 9);
    ann.heard();
    Party& bob = bench.join("bob");
    const std::string big(1000, 'x');
    bob.publishes("t", "0");
    bob.publishes("t", "1", QoS::at_least_once, {.id = 1});
    bob.publishes("t", big, QoS::exactly_once, {.id = 2});
    ann.hears({"PUBLISH q0 t=0 alias=1 sub=9", "PUBLISH q1 id=1 =1 alias=1 sub=9",
               "PUBLISH q2 id=2 =" + big + " alias=1 sub=9"});
}

// [MQTT-3.3.2-7]: aliases end with their connection, also for what is sent again.
TEST(OutboundAliases, ANewConnectionHasNewOnes) {
    Bench bench;
    Hello hello(Version::v5, "ann");
    hello.resume().expires(1000).topic_aliases(5);
    Party& ann = bench.enter(hello);
    ann.subscribes(1, {{"#", QoS::at_least_once}});
    ann.heard();
    ann.publishes("a", "x", QoS::at_least_once, {.id = 1});
    ann.publishes("b", "1", QoS::at_least_once, {.id = 2});
    ann.publishes("b", "2", QoS::at_least_once, {.id = 3});
    ann.pubacks(1);
    ann.heard();
    ann.vanishes();
    Party& again = bench.enter(hello, true);
    again.hears({"PUBLISH q1 id=2 dup b=1 alias=1", "PUBLISH q1 id=3 dup =2 alias=1"});
}

TEST(OutboundAliases, ThoseWhoCameAlikeShareTheirFrames) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").topic_aliases(5));
    Party& bob = bench.enter(Hello(Version::v5, "bob").topic_aliases(5));
    Party& late = bench.enter(Hello(Version::v5, "late").topic_aliases(5));
    ann.subscribes(1, {{"#"}});
    bob.subscribes(1, {{"#"}});
    const std::string big(1000, 'x');
    ann.publishes("t", big);
    late.subscribes(1, {{"#"}});
    ann.publishes("t", big);
    ASSERT_EQ(ann.heads.size(), 2U);
    EXPECT_EQ(ann.heads, bob.heads);
    EXPECT_EQ(ann.bodies, bob.bodies);
    EXPECT_NE(ann.heads[1], late.heads.at(0));
    EXPECT_EQ(ann.bodies[1], late.bodies.at(0));  // the payload is everybody's
    EXPECT_EQ(late.heard().back(), "PUBLISH q0 t=" + big + " alias=1");
}

// [MQTT-3.1.2-24]: an alias neither makes a packet too large nor keeps out one that it makes fit.
TEST(OutboundAliases, TheMaximumPacketSizeHoldsWithThem) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").topic_aliases(5).maximum_packet_size(30));
    ann.subscribes(1, {{"#"}});
    ann.heard();
    Party& bob = bench.join("bob");
    const std::string topic(10, 't');
    bob.publishes(topic, std::string(15, 'x'));  // 30 bytes, and 33 with an alias
    ann.hears({"PUBLISH q0 " + topic + "=" + std::string(15, 'x')});
    bob.publishes(topic, std::string(12, 'x'));
    ann.hears({"PUBLISH q0 " + topic + "=" + std::string(12, 'x') + " alias=1"});
    bob.publishes(topic, std::string(22, 'x'));  // 30 bytes thanks to the alias
    ann.hears({"PUBLISH q0 =" + std::string(22, 'x') + " alias=1"});
    bob.publishes(topic, std::string(23, 'x'));
    ann.hears_nothing();
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 0 q0 packet_too_large"}));
}

TEST(OutboundAliases, RetainedMessagesUseThem) {
    Bench bench;
    bench.join("bob").publishes("t", "kept", QoS::at_most_once, {.retain = true});
    Party& ann = bench.enter(Hello(Version::v5, "ann").topic_aliases(5));
    ann.subscribes(1, {{"t"}});
    ann.subscribes(2, {{"t"}});
    ann.hears({"SUBACK 1 00", "PUBLISH q0 retain t=kept alias=1", "SUBACK 2 00",
               "PUBLISH q0 retain =kept alias=1"});
}

}  // namespace
}  // namespace mqttwin::broker
