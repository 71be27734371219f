// What a server may offer or not, and what a client may ask to be told or spared.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

TEST(Offers, ConnackNamesWhatIsNotAvailable) {
    Options options;
    options.wildcard_subscriptions_available = false;
    options.subscription_identifiers_available = false;
    options.shared_subscriptions_available = false;
    options.topic_alias_maximum = 0;
    Bench bench(options);
    Party& ann = bench.open_with(Hello(Version::v5, "ann"));
    ann.hears({"CONNACK fresh receive=1024 size=1048576 wildcards=0 identifiers=0 shared=0"});
}

TEST(Offers, AskingForItAllTheSameIsAProtocolError) {
    Options options;
    options.wildcard_subscriptions_available = false;
    options.subscription_identifiers_available = false;
    options.shared_subscriptions_available = false;
    Bench bench(options);
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"plain"}, {"a/#"}});
    ann.hears({"DISCONNECT a2", "close"});
    Party& bob = bench.join("bob");
    bob.subscribes(1, {{"$share/g/a"}});
    bob.hears({"DISCONNECT 9e", "close"});
    Party& cat = bench.join("cat");
    cat.subscribes(1, {{"plain"}}, 7);
    cat.hears({"DISCONNECT a1", "close"});
    Party& dan = bench.join("dan");
    dan.subscribes(1, {{"plain"}});
    dan.hears({"SUBACK 1 00"});
    EXPECT_EQ(bench.broker.counts().subscriptions, 1U);
}

TEST(Offers, Before5ItIsRefusedEntryByEntry) {
    Options options;
    options.wildcard_subscriptions_available = false;
    options.shared_subscriptions_available = false;
    Bench bench(options);
    Party& ann = bench.join("ann", Version::v311);
    ann.subscribes(1, {{"plain"}, {"a/#"}, {"$share/g/a"}});
    ann.hears({"SUBACK 1 00 80 80"});
}

// [MQTT-3.1.2-28]
TEST(Offers, ResponseInformationIsForThoseWhoAsk) {
    Options options;
    options.response_information = "replies/";
    Bench bench(options);
    Party& ann = bench.open_with(Hello(Version::v5, "ann"));
    EXPECT_EQ(ann.heard().at(0).find("response="), std::string::npos);
    Hello asks(Version::v5, "bob");
    asks.packet.properties.request_response_information = 1;
    asks.packet.properties.mark(wire::Property::request_response_information);
    Party& bob = bench.open_with(asks);
    EXPECT_NE(bob.heard().at(0).find("response=replies/"), std::string::npos);
    Bench silent;
    Party& cat = silent.open_with(asks);
    EXPECT_EQ(cat.heard().at(0).find("response="), std::string::npos);
}

// --- Reason strings -----------------------------------------------------------------------------

TEST(ReasonStrings, ComeWithEveryRefusal) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.publishes("$SYS/x", "y", QoS::at_least_once, {.id = 1});
    ann.publishes("$SYS/x", "y", QoS::exactly_once, {.id = 2});
    ann.subscribes(3, {{"a"}, {"a#"}, {"+b"}});
    ann.unsubscribes(4, {"a#"});
    ann.says({0x80, 0x00});  // SUBSCRIBE with wrong flags
    ann.hears({"PUBACK 1 87", "PUBREC 2 87", "SUBACK 3 00 8f 8f", "UNSUBACK 4 8f", "DISCONNECT 81",
               "close"});
    ASSERT_EQ(ann.reasons.size(), 5U);
    EXPECT_EQ(ann.reasons[0], "$SYS topics are the server's");
    EXPECT_EQ(ann.reasons[2], "not a valid topic filter, or one with too many levels");
}

TEST(ReasonStrings, DoNotComeWithASuccess) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.publishes("x", "y", QoS::at_least_once, {.id = 1});
    ann.subscribes(3, {{"a"}});
    ann.unsubscribes(4, {"a", "b"});
    ann.heard();
    EXPECT_EQ(ann.reasons, Lines{});
}

// [MQTT-3.1.2-29]
TEST(ReasonStrings, AreSparedWhoAsksForThat) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").without_problem_information());
    ann.publishes("$SYS/x", "y", QoS::at_least_once, {.id = 1});
    ann.publishes("$SYS/x", "y", QoS::exactly_once, {.id = 2});
    ann.subscribes(3, {{"a#"}});
    ann.unsubscribes(4, {"a#"});
    ann.heard();
    EXPECT_EQ(ann.reasons, Lines{});
    ann.says({0x80, 0x00});  // DISCONNECT and CONNACK may say it all the same
    EXPECT_EQ(ann.reasons.size(), 1U);
    Party& bob =
        bench.open_with(Hello(Version::v5, "bob").without_problem_information().method("KERBEROS"));
    bob.hears({"CONNACK 8c", "close"});
    EXPECT_EQ(bob.reasons.size(), 1U);
}

// [MQTT-3.2.2-19], [MQTT-3.4.2-2], [MQTT-3.9.2-1], [MQTT-3.14.2-3]
TEST(ReasonStrings, GiveWayToTheMaximumPacketSize) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").maximum_packet_size(20));
    ann.publishes("$SYS/x", "y", QoS::at_least_once, {.id = 1});
    ann.subscribes(3, {{"a#"}});
    ann.says({0x80, 0x00});
    ann.hears({"PUBACK 1 87", "SUBACK 3 8f", "DISCONNECT 81", "close"});
    Party& bob =
        bench.open_with(Hello(Version::v5, "bob").method("KERBEROS").maximum_packet_size(20));
    bob.hears({"CONNACK 8c", "close"});
    EXPECT_EQ(ann.reasons, Lines{});
    EXPECT_EQ(bob.reasons, Lines{});
}

// --- Wills that are not served ------------------------------------------------------------------

class WillsRefused : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(WillsRefused);

TEST_P(WillsRefused, SystemTopicsAndDeepOnes) {
    Options options;
    options.max_topic_levels = 2;
    Bench bench(options);
    Party& ann = bench.open_with(Hello(version(), "ann").will("$SYS/x", "y"));
    ann.hears({v5() ? "CONNACK 87" : "CONNACK 05", "close"});
    Party& bob = bench.open_with(Hello(version(), "bob").will("a/b/c", "y"));
    bob.hears({v5() ? "CONNACK 90" : "CONNACK 03", "close"});
}

TEST(WillsRefusedV5, TextThatIsNone) {
    Options options;
    options.check_payload_format = true;
    Bench bench(options);
    Hello hello(Version::v5, "ann");
    hello.will("w", "\xC3\x28");
    hello.packet.will.properties.payload_format_indicator = 1;
    hello.packet.will.properties.mark(wire::Property::payload_format_indicator);
    Party& ann = bench.open_with(hello);
    ann.hears({"CONNACK 99", "close"});
}

TEST(AssignedNames, FollowFromTheWorldsWord) {
    Bench bench;
    std::string first;
    for (const std::uint64_t nonce : {7U, 7U, 8U}) {
        Peer peer;
        peer.nonce = nonce;
        Party& ann = bench.open(Version::v5, peer);
        ann.says(connect(Hello(Version::v5, "")));
        const std::string line = ann.heard().at(0);
        const std::string name = line.substr(line.find("id="));
        EXPECT_NE(name, first);  // never one that is taken
        first = name;
    }
    Bench other;
    Peer peer;
    peer.nonce = 8;
    Party& ann = other.open(Version::v5, peer);
    ann.says(connect(Hello(Version::v5, "")));
    EXPECT_NE(ann.heard().at(0).find(first), std::string::npos);
}

}  // namespace
}  // namespace mqttwin::broker
