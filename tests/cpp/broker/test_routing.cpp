// Who gets a message: subscriptions and their options, overlaps, shared subscriptions, fan-out.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Routing : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Routing);

// [MQTT-3.8.4-5], [MQTT-3.8.4-6], [MQTT-3.8.4-7], [MQTT-3.9.3-1]
TEST_P(Routing, EachFilterIsAnswered) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(7, {{"a", QoS::at_most_once},
                       {"b/+", QoS::at_least_once},
                       {"c/#", QoS::exactly_once},
                       {"d#"},
                       {"e/+f"}});
    ann.hears({v5() ? "SUBACK 7 00 01 02 8f 8f" : "SUBACK 7 00 01 02 80 80"});
    EXPECT_EQ(bench.broker.counts().subscriptions, 3U);
}

TEST_P(Routing, TheServersMaximumQosIsGranted) {
    Options options;
    options.maximum_qos = QoS::at_least_once;
    Bench bench(options);
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    ann.hears({"SUBACK 1 01"});
}

// [MQTT-3.8.4-8]
TEST_P(Routing, ASubscriberGetsTheLowerQos) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.heard();
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "0");
    bob.publishes("a", "1", QoS::at_least_once, {.id = 1});
    bob.publishes("a", "2", QoS::exactly_once, {.id = 2});
    ann.hears({"PUBLISH q0 a=0", "PUBLISH q1 id=1 a=1", "PUBLISH q1 id=2 a=2"});
}

TEST_P(Routing, ClientsHearThemselves) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a"}});
    ann.publishes("a", "x");
    ann.hears({"SUBACK 1 00", "PUBLISH q0 a=x"});
}

TEST_P(Routing, UnsubscribingEnds) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}, {"b"}});
    ann.publishes("a", "1", QoS::at_least_once, {.id = 1});
    ann.unsubscribes(2, {"a", "c", "b#"});
    ann.publishes("a", "2");
    ann.publishes("b", "3");
    ann.hears({"SUBACK 1 01 00", "PUBLISH q1 id=1 a=1", "PUBACK 1",
               v5() ? "UNSUBACK 2 00 11 8f" : "UNSUBACK 2", "PUBLISH q0 b=3"});
    ann.pubacks(1);  // [MQTT-3.10.4-2]: what was under way is finished
    EXPECT_EQ(bench.broker.counts().in_flight, 0U);
    EXPECT_EQ(bench.broker.counts().subscriptions, 1U);
}

// [MQTT-3.8.4-3]
TEST_P(Routing, TheSameFilterReplacesItself) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::exactly_once}});
    ann.subscribes(2, {{"a", QoS::at_most_once}});
    ann.publishes("a", "x", QoS::at_least_once, {.id = 1});
    ann.hears({"SUBACK 1 02", "SUBACK 2 00", "PUBLISH q0 a=x", "PUBACK 1"});
    EXPECT_EQ(bench.broker.counts().subscriptions, 1U);
}

// [MQTT-3.3.4-2]
TEST_P(Routing, OverlappingSubscriptionsMakeOneCopy) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a/b"}, {"a/+", QoS::exactly_once}, {"#", QoS::at_least_once}});
    ann.heard();
    bench.witness.take({});
    ann.publishes("a/b", "x", QoS::exactly_once, {.id = 9});
    ann.hears({"PUBLISH q2 id=1 a/b=x", "PUBREC 9"});
    EXPECT_EQ(bench.witness.take({"publish", "expected"}),
              (Lines{"publish 0 q2 a/b to 1", "expected 0 q2"}));
}

TEST_P(Routing, ManyOverlapsAmongManySessions) {
    Bench bench;
    std::vector<Party*> parties;
    const std::vector<std::string> names{"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"};
    for (const std::string& name : names) {
        parties.push_back(&bench.join(name, version()));
        parties.back()->subscribes(1, {{"#"}, {"a/#"}, {"a/b"}, {"+/b"}, {"a/b/#"}, {"b"}});
        parties.back()->heard();
    }
    for (int i = 0; i < 3; ++i) {
        parties[3]->publishes("a/b", "x");
        parties[4]->publishes("b", "y");
        for (Party* party : parties) party->hears({"PUBLISH q0 a/b=x", "PUBLISH q0 b=y"});
    }
}

// [MQTT-4.7.2-1]
TEST_P(Routing, DollarTopicsAreKeptFromWildcardsAtTheRoot) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"#"}, {"+/x"}});
    ann.heard();
    ann.publishes("$own/x", "1");
    ann.hears_nothing();
    ann.subscribes(2, {{"$own/#"}});
    ann.publishes("$own/x", "2");
    ann.hears({"SUBACK 2 00", "PUBLISH q0 $own/x=2"});
}

TEST_P(Routing, SubscriptionsAreBounded) {
    Options options;
    options.max_subscriptions_per_session = 2;
    Bench bench(options);
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a"}, {"b"}, {"c"}});
    ann.subscribes(2, {{"b", QoS::at_least_once}});
    ann.hears({v5() ? "SUBACK 1 00 00 97" : "SUBACK 1 00 00 80", "SUBACK 2 01"});
    ann.unsubscribes(3, {"a"});
    ann.subscribes(4, {{"c"}});
    ann.publishes("c", "x");
    ann.hears({v5() ? "UNSUBACK 3 00" : "UNSUBACK 3", "SUBACK 4 00", "PUBLISH q0 c=x"});
}

// --- 5.0 -----------------------------------------------------------------------------------------

// [MQTT-3.8.3-3]
TEST(RoutingV5, NoLocalKeepsOnesOwnAway) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"a", QoS::at_most_once, true}});
    Party& bob = bench.join("bob");
    ann.heard();
    ann.publishes("a", "mine");
    bob.publishes("a", "his");
    ann.hears({"PUBLISH q0 a=his"});
    // Another subscription without it lets the message in.
    ann.subscribes(2, {{"+", QoS::at_most_once}});
    ann.publishes("a", "mine");
    ann.hears({"SUBACK 2 00", "PUBLISH q0 a=mine"});
}

// [MQTT-3.3.1-12], [MQTT-3.3.1-13]
TEST(RoutingV5, RetainAsPublished) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"a"}});
    Party& bob = bench.join("bob");
    bob.subscribes(1, {{"a", QoS::at_most_once, false, true}});
    ann.heard();
    bob.heard();
    ann.publishes("a", "x", QoS::at_most_once, {.retain = true});
    ann.hears({"PUBLISH q0 a=x"});
    bob.hears({"PUBLISH q0 retain a=x"});
    ann.publishes("a", "y");
    ann.hears({"PUBLISH q0 a=y"});
    bob.hears({"PUBLISH q0 a=y"});
}

// [MQTT-3.3.4-3], [MQTT-3.3.4-4]
TEST(RoutingV5, SubscriptionIdentifiersAreAllThere) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"a/b"}}, 5);
    ann.subscribes(2, {{"a/+", QoS::at_least_once}}, 268'435'455);
    ann.subscribes(3, {{"c"}});
    ann.heard();
    ann.publishes("a/b", "x", QoS::at_least_once, {.id = 1});
    const Lines lines = ann.heard();
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_NE(lines[0].find(" sub=5"), std::string::npos) << lines[0];
    EXPECT_NE(lines[0].find(" sub=268435455"), std::string::npos) << lines[0];
    ann.publishes("a/z", "x");
    ann.publishes("c", "x");
    ann.hears({"PUBLISH q0 a/z=x sub=268435455", "PUBLISH q0 c=x"});
}

TEST(RoutingV5, IdentifiersOfQueuedMessagesAreKept) {
    Bench bench;
    bench.return_as("ann", Version::v5, false).subscribes(1, {{"a", QoS::at_least_once}}, 5);
    bench.return_as("ann", Version::v5, true).vanishes();
    Party& bob = bench.join("bob");
    bob.publishes("a", "x", QoS::at_least_once, {.id = 1});
    Party& ann = bench.return_as("ann", Version::v5, true);
    ann.hears({"PUBLISH q1 id=1 a=x sub=5"});
    ann.vanishes();
    bench.return_as("ann", Version::v5, true).hears({"PUBLISH q1 id=1 dup a=x sub=5"});
}

// [MQTT-3.3.2-4], -15, -16, -17, -20: what a publisher says about its message arrives as it is.
TEST(RoutingV5, PropertiesAreHandedOn) {
    for (const std::size_t size : {std::size_t{3}, 2 * std::size_t{256}}) {
        Bench bench;
        const std::string text(size, 'x');
        Party& ann = bench.join("ann");
        ann.subscribes(1, {{"a", QoS::at_least_once}});
        ann.heard();
        Party& old = bench.join("old", Version::v311);
        old.subscribes(1, {{"a", QoS::at_least_once}});
        old.heard();
        Extra extra;
        extra.id = 1;
        extra.expiry = 60;
        extra.format = 1;
        extra.content_type = "text/plain";
        extra.response_topic = "r";
        extra.correlation = "42";
        extra.user_name = "k";
        extra.user_value = "v";
        const std::string told =
            " format=1 expiry=60 type=text/plain response=r correlation=42 k:v";
        Party& bob = bench.join("bob");
        bob.publishes("a", text, QoS::at_least_once, extra);
        extra.id = 0;
        bob.publishes("a", text, QoS::at_most_once, extra);
        ann.hears({"PUBLISH q1 id=1 a=" + text + told, "PUBLISH q0 a=" + text + told});
        old.hears({"PUBLISH q1 id=1 a=" + text, "PUBLISH q0 a=" + text});
    }
}

// --- Shared subscriptions ------------------------------------------------------------------------

// 4.8.2
TEST_P(Routing, AGroupSharesItsMessages) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    Party& bob = bench.join("bob", version());
    ann.subscribes(1, {{"$share/g/a/+"}});
    bob.subscribes(1, {{"$share/g/a/+"}});
    ann.hears({"SUBACK 1 00"});
    bob.hears({"SUBACK 1 00"});
    Party& cat = bench.join("cat", version());
    for (const char* text : {"1", "2", "3", "4"}) cat.publishes("a/b", text);
    ann.hears({"PUBLISH q0 a/b=1", "PUBLISH q0 a/b=3"});
    bob.hears({"PUBLISH q0 a/b=2", "PUBLISH q0 a/b=4"});
    bob.unsubscribes(2, {"$share/g/a/+", "$share/g/other"});
    bob.hears({v5() ? "UNSUBACK 2 00 11" : "UNSUBACK 2"});
    cat.publishes("a/b", "5");
    ann.hears({"PUBLISH q0 a/b=5"});
}

TEST_P(Routing, GroupsAndOthersDoNotMindEachOther) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"$share/g/a"}, {"$share/h/a"}, {"a"}, {"$share/g/+"}});
    Party& bob = bench.join("bob", version());
    bob.subscribes(1, {{"$share/h/a"}});
    ann.heard();
    bob.heard();
    bench.witness.take({});
    bob.publishes("a", "x");
    // Its own, one for each group that chose it.
    EXPECT_EQ(ann.heard().size() + bob.heard().size(), 4U);
    EXPECT_EQ(bench.witness.take({"publish"}), (Lines{"publish 1 q0 a to 4"}));
}

TEST_P(Routing, AGroupPrefersWhoIsThere) {
    Bench bench;
    bench.return_as("ann", version(), false).subscribes(1, {{"$share/g/a", QoS::at_least_once}});
    bench.return_as("ann", version(), true).vanishes();
    Party& bob = bench.return_as("bob", version(), false);
    bob.subscribes(1, {{"$share/g/a", QoS::at_least_once}});
    bob.heard();
    Party& cat = bench.join("cat", version());
    cat.publishes("a", "1", QoS::at_least_once, {.id = 1});
    cat.publishes("a", "2", QoS::at_least_once, {.id = 1});
    bob.hears({"PUBLISH q1 id=1 a=1", "PUBLISH q1 id=2 a=2"});
    bob.vanishes();
    cat.publishes("a", "3", QoS::at_least_once, {.id = 1});
    cat.publishes("a", "4", QoS::at_least_once, {.id = 1});
    EXPECT_EQ(bench.broker.counts().queued, 2U);  // one for each
    EXPECT_EQ(bench.return_as("ann", version(), true).heard().size(), 1U);
}

TEST_P(Routing, AGroupEndsWithItsMembers) {
    Bench bench;
    for (int round = 0; round < 3; ++round) {
        Party& ann = bench.join("ann", version());
        ann.subscribes(1, {{"$share/g/a"}});
        ann.subscribes(2, {{"$share/g/a", QoS::at_least_once}});
        Party& bob = bench.join("bob", version());
        bob.subscribes(1, {{"$share/g/a"}});
        ann.vanishes();
        bob.heard();
        bob.publishes("a", "x");
        bob.hears({"PUBLISH q0 a=x"});
        bob.vanishes();
    }
}

// [MQTT-3.8.3-4]
TEST(RoutingV5, NoLocalAndSharedDoNotGoTogether) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"$share/g/a", QoS::at_most_once, true}});
    ann.hears({"DISCONNECT 82", "close"});
}

// --- Fan-out -------------------------------------------------------------------------------------

TEST_P(Routing, SubscribersAreServedInTheOrderInWhichTheySubscribed) {
    Bench bench;
    Lines order;
    std::vector<Party*> parties;
    const std::vector<std::string> names{"z", "a", "m", "b", "y"};
    for (const std::string& name : names) {
        parties.push_back(&bench.join(name, version()));
        parties.back()->subscribes(1, {{"t"}});
    }
    bench.broker.handle_bytes(bench.now, parties[2]->slot(),
                              publish(version(), "t", "x", QoS::at_most_once), {});
    std::vector<Slot> slots;
    for (const Output& out : bench.broker.outbox()) slots.push_back(out.slot);
    EXPECT_EQ(slots, (std::vector<Slot>{0, 1, 2, 3, 4}));
    bench.drain();
}

TEST(FanOut, TheSamePacketIsMadeOnce) {
    Bench bench;
    std::vector<Party*> parties;
    const std::vector<std::string> names{"a", "b", "c", "d", "e", "f"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Version version = i % 2 == 0 ? Version::v5 : Version::v311;
        parties.push_back(&bench.join(names[i], version));
        parties.back()->subscribes(1, {{"t", QoS::at_least_once}});
    }
    parties[0]->publishes("t", "x");
    for (std::size_t i = 2; i < names.size(); ++i) {
        EXPECT_EQ(parties[i]->heads.at(0), parties[i - 2]->heads.at(0));
        EXPECT_EQ(parties[i]->bodies.at(0), BlobId::none);
    }
    EXPECT_NE(parties[0]->heads.at(0), parties[1]->heads.at(0));
}

TEST(FanOut, ALargePayloadIsSharedWhateverStandsBeforeIt) {
    Bench bench;
    const std::string large(10'000, 'x');
    std::vector<Party*> parties;
    const std::vector<std::string> names{"a", "b", "c", "d", "e", "f"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Version version = i % 2 == 0 ? Version::v5 : Version::v311;
        parties.push_back(&bench.return_as(names[i], version, false));
        parties.back()->subscribes(1, {{"t", QoS::at_least_once}}, version == Version::v5 ? 3 : 0);
    }
    parties[5]->vanishes();
    parties[0]->publishes("t", large, QoS::at_least_once, {.id = 1});
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_NE(parties[i]->bodies.at(0), BlobId::none);
        EXPECT_EQ(parties[i]->bodies.at(0), parties[0]->bodies.at(0));
    }
    // From the queue it is the same blob still.
    Party& again = bench.return_as("f", Version::v311, true);
    EXPECT_EQ(again.bodies.at(0), parties[0]->bodies.at(0));
    again.hears({"PUBLISH q1 id=1 t=" + large});
}

}  // namespace
}  // namespace mqttwin::broker
