// Shared subscriptions (4.8.2): strategies, and what happens when a member leaves.
#include <algorithm>
#include <map>
#include <set>

#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

// A group of members on `filter` and one who publishes.
struct Group {
    explicit Group(const Options& options, int count = 3, std::string_view filter = "$share/g/#",
                   QoS qos = QoS::at_least_once, Version version = Version::v5)
        : bench(options) {
        for (int i = 0; i < count; ++i) {
            members.push_back(&bench.return_as(names[static_cast<std::size_t>(i)], version, false));
            members.back()->subscribes(1, {{filter, qos}});
            members.back()->heard();
        }
        source = &bench.join("source", version);
    }
    // Publishes, and says which member got it (-1: none did at once).
    int goes_to(std::string_view topic, QoS qos = QoS::at_most_once) {
        source->publishes(topic, "x", qos, {.id = ++id});
        source->heard();
        int who = -1;
        for (std::size_t i = 0; i < members.size(); ++i) {
            const Lines lines = members[i]->heard();
            if (lines.empty()) continue;
            EXPECT_EQ(who, -1) << "more than one got it";
            EXPECT_EQ(lines.size(), 1U);
            who = static_cast<int>(i);
        }
        return who;
    }
    std::vector<int> go_to(int count, std::string_view topic = "t") {
        std::vector<int> who;
        for (int i = 0; i < count; ++i) who.push_back(goes_to(topic));
        return who;
    }

    const std::vector<std::string> names = {"ann", "bob", "cat", "dan", "eve"};
    Bench bench;
    std::vector<Party*> members;
    Party* source = nullptr;
    wire::PacketId id = 0;
};

Options by(SharedStrategy strategy) {
    Options options;
    options.shared_strategy = strategy;
    return options;
}

TEST(Strategies, RoundRobinTakesTurns) {
    Group group(by(SharedStrategy::round_robin));
    EXPECT_EQ(group.go_to(6), (std::vector<int>{0, 1, 2, 0, 1, 2}));
    group.members[1]->vanishes();
    std::vector<int> who = group.go_to(4);
    EXPECT_EQ(std::count(who.begin(), who.end(), 0), 2);
    EXPECT_EQ(std::count(who.begin(), who.end(), 2), 2);
}

TEST(Strategies, RandomIsFairAndTheSameEveryTime) {
    Group group(by(SharedStrategy::random));
    const std::vector<int> who = group.go_to(600);
    for (int member = 0; member < 3; ++member) {
        EXPECT_NEAR(static_cast<double>(std::count(who.begin(), who.end(), member)), 200, 50);
    }
    Group again(by(SharedStrategy::random));
    EXPECT_EQ(again.go_to(600), who);
    // Strangers change nothing.
    Group crowded(by(SharedStrategy::random));
    Party& stranger = crowded.bench.join("stranger");
    stranger.subscribes(1, {{"$share/other/#"}});
    EXPECT_EQ(crowded.go_to(600), who);
}

// Where everybody reads the member is chosen without a look at the others. One that is away, in
// whatever group, makes the broker look: it must come to the same.
TEST(Strategies, ChoosingAtOnceIsTheSame) {
    const auto run = [](SharedStrategy strategy, bool somebody_away) {
        Group group(by(strategy), 5, "$share/g/t");
        Party& other = group.bench.return_as("other", Version::v5, false);
        other.subscribes(1, {{"$share/other/elsewhere"}});
        if (somebody_away) other.vanishes();
        std::vector<int> who = group.go_to(33);
        const auto go_on = [&] {
            for (const int one : group.go_to(20)) who.push_back(one);
        };
        group.members[3]->unsubscribes(7, {"$share/g/t"});
        group.members[3]->heard();
        go_on();
        group.members[1]->vanishes();
        go_on();
        group.members[1] = &group.bench.return_as("bob", Version::v5, true);
        group.members[1]->heard();
        go_on();
        group.members[3]->subscribes(8, {{"$share/g/t"}});
        group.members[3]->heard();
        go_on();
        return who;
    };
    for (const SharedStrategy strategy : {SharedStrategy::round_robin, SharedStrategy::random}) {
        EXPECT_EQ(run(strategy, false), run(strategy, true));
    }
}

TEST(Strategies, StickyStaysUntilItsMemberLeaves) {
    Group group(by(SharedStrategy::sticky));
    const int first = group.goes_to("t");
    for (const int who : group.go_to(5)) EXPECT_EQ(who, first);
    group.members[static_cast<std::size_t>(first)]->vanishes();
    const int second = group.goes_to("t");
    EXPECT_NE(second, first);
    for (const int who : group.go_to(5)) EXPECT_EQ(who, second);
}

TEST(Strategies, ATopicHasItsMember) {
    Group group(by(SharedStrategy::hash_topic));
    std::map<std::string, int> members;
    std::set<int> used;
    for (int i = 0; i < 40; ++i) {
        const std::string topic = "t/" + std::to_string(i);
        members[topic] = group.goes_to(topic);
        used.insert(members[topic]);
    }
    EXPECT_EQ(used.size(), 3U);
    for (const auto& [topic, who] : members) EXPECT_EQ(group.goes_to(topic), who);
    // Only the topics of a member that is gone go to others.
    group.members[2]->vanishes();
    for (const auto& [topic, who] : members) {
        const int now = group.goes_to(topic);
        if (who == 2) {
            EXPECT_NE(now, 2);
        } else {
            EXPECT_EQ(now, who);
        }
    }
}

TEST(Strategies, APublisherHasItsMember) {
    Group group(by(SharedStrategy::hash_publisher));
    std::set<int> used;
    for (int i = 0; i < 20; ++i) {
        group.source = &group.bench.join("p" + std::to_string(i));
        const int who = group.goes_to("a");
        EXPECT_EQ(group.goes_to("b"), who);
        used.insert(who);
    }
    EXPECT_EQ(used.size(), 3U);
}

TEST(Strategies, WhoHasTheLeastUnderWay) {
    Group group(by(SharedStrategy::least_in_flight));
    EXPECT_EQ(group.goes_to("t", QoS::at_least_once), 0);
    EXPECT_EQ(group.goes_to("t", QoS::at_least_once), 2);  // the turn among two equals
    EXPECT_EQ(group.goes_to("t", QoS::at_least_once), 1);
    group.members[1]->pubacks(1);
    EXPECT_EQ(group.goes_to("t", QoS::at_least_once), 1);
}

TEST(Strategies, WhoReadsTooSlowlyComesLast) {
    for (const auto strategy : {SharedStrategy::round_robin, SharedStrategy::random,
                                SharedStrategy::sticky, SharedStrategy::hash_topic}) {
        Group group(by(strategy));
        group.members[0]->is_congested(true);
        group.members[1]->is_congested(true);
        for (const int who : group.go_to(5)) EXPECT_EQ(who, 2);
        group.members[2]->vanishes();
        EXPECT_EQ(group.goes_to("t", QoS::at_least_once), -1);  // it waits for one of the slow ones
        EXPECT_EQ(group.bench.broker.counts().queued, 1U);
        group.members[0]->is_congested(false);
        group.members[1]->is_congested(false);
        EXPECT_EQ(group.members[0]->heard().size() + group.members[1]->heard().size(), 1U);
    }
}

// --- When a member leaves -----------------------------------------------------------------------

class Leaving : public BothVersions {
   protected:
    Leaving() { options.max_in_flight = 1; }
    Options options;
};
MQTTWIN_BOTH_VERSIONS(Leaving);

TEST_P(Leaving, WhatWaitsGoesToAnotherMember) {
    Group group(options, 1, "$share/g/#", QoS::at_least_once, version());
    group.goes_to("a", QoS::at_least_once);  // in flight
    group.goes_to("b", QoS::at_least_once);  // queued
    Party& bob = group.bench.return_as("bob", version(), false);
    bob.subscribes(1, {{"$share/g/#", QoS::at_least_once}});
    bob.hears({"SUBACK 1 01"});
    group.members[0]->vanishes();
    bob.hears_nothing();  // it may come back
    group.bench.witness.take({});
    // A clean start ends the session.
    group.bench.enter(Hello(version(), "ann"));
    EXPECT_EQ(group.bench.witness.take({"rerouted", "drop", "expected"}),
              (Lines{"rerouted 0 to 2 q1 #1", "rerouted 0 to 2 q1"}));
    bob.hears({"PUBLISH q1 id=1 a=x"});
    bob.pubacks(1);
    bob.hears({"PUBLISH q1 id=2 b=x"});
    EXPECT_EQ(bob.stamps.at(0).sequence, 1U);  // its own numbers
    EXPECT_EQ(bob.stamps.at(1).sequence, 2U);
    EXPECT_EQ(group.bench.broker.counts().queued, 0U);
}

TEST_P(Leaving, NothingMovesWhereThatIsNotWanted) {
    options.redistribute_shared = false;
    Group group(options, 2, "$share/g/#", QoS::at_least_once, version());
    group.members[0]->is_congested(true);
    group.members[1]->is_congested(true);
    group.goes_to("a", QoS::at_least_once);
    group.members[0]->vanishes();
    group.bench.enter(Hello(version(), "ann"));
    EXPECT_EQ(group.bench.witness.take({"rerouted", "drop"}), (Lines{"drop 0 q1 session_ended"}));
}

TEST_P(Leaving, TheLastMemberTakesItAlong) {
    Group group(options, 1, "$share/g/#", QoS::at_least_once, version());
    group.goes_to("a", QoS::at_least_once);
    group.goes_to("b", QoS::at_least_once);
    group.members[0]->vanishes();
    group.bench.enter(Hello(version(), "ann"));
    EXPECT_EQ(group.bench.witness.take({"rerouted", "drop"}),
              (Lines{"drop 0 q1 session_ended #1", "drop 0 q1 session_ended"}));
}

// [MQTT-4.8.2-4], [MQTT-4.8.2-5]
TEST_P(Leaving, WhatIsUnderWayAtQos2GoesToNobodyElse) {
    Group group(options, 1, "$share/g/#", QoS::exactly_once, version());
    group.goes_to("a", QoS::exactly_once);
    group.goes_to("b", QoS::exactly_once);  // waits
    Party& bob = group.bench.return_as("bob", version(), false);
    bob.subscribes(1, {{"$share/g/#", QoS::exactly_once}});
    bob.heard();
    group.members[0]->vanishes();
    Party& back = group.bench.return_as("ann", version(), true);
    back.hears({"PUBLISH q2 id=1 dup a=x"});
    bob.hears_nothing();
    back.vanishes();
    group.bench.witness.take({});
    group.bench.enter(Hello(version(), "ann"));
    bob.hears({"PUBLISH q2 id=1 b=x"});
    EXPECT_EQ(group.bench.witness.take({"rerouted", "drop"}),
              (Lines{"rerouted 3 to 2 q2", "drop 3 q2 session_ended #1"}));
}

TEST_P(Leaving, UnsubscribingLeavesWhatWaits) {
    Group group(options, 2, "$share/g/a", QoS::at_least_once, version());
    group.members[0]->subscribes(2, {{"b", QoS::at_least_once}});
    group.members[0]->heard();
    group.members[1]->is_congested(true);
    group.goes_to("a", QoS::at_least_once);  // in flight to ann
    group.members[1]->is_congested(false);
    EXPECT_EQ(group.goes_to("b", QoS::at_least_once), -1);  // not shared: waits
    group.bench.witness.take({});
    for (int i = 0; i < 2; ++i) group.goes_to("a", QoS::at_least_once);
    // [MQTT-3.10.4-3]: what was sent is completed; what only waited goes to bob.
    group.members[0]->unsubscribes(3, {"$share/g/a"});
    const Lines rerouted = group.bench.witness.take({"rerouted"});
    EXPECT_EQ(rerouted, (Lines{"rerouted 0 to 1 q1"}));
    group.members[0]->hears({v5() ? "UNSUBACK 3 00" : "UNSUBACK 3"});
    group.members[0]->pubacks(1);
    group.members[0]->hears({"PUBLISH q1 id=2 b=x"});
}

// [MQTT-4.8.2-6]
TEST(LeavingV5, WhatAClientRefusesIsGone) {
    Group group(Options{}, 2);
    EXPECT_EQ(group.goes_to("a", QoS::at_least_once), 0);
    group.members[0]->acks(wire::PacketType::puback, 1, wire::reason::unspecified_error);
    group.members[1]->hears_nothing();
    EXPECT_EQ(group.bench.witness.take({"drop", "rerouted"}),
              (Lines{"drop 0 q1 refused_by_client #1"}));
}

TEST(LeavingV5, TheHeirsOwnOptionsHold) {
    Group group(Options{}, 1);
    group.members[0]->is_congested(true);
    group.source->publishes("a", "x", QoS::at_least_once, {.id = 1, .retain = true});
    Party& bob = group.bench.join("bob");
    bob.subscribes(1, {{"$share/g/#", QoS::at_most_once, false, true}}, 77);
    bob.heard();
    group.members[0]->leaves(0, 0);
    bob.hears({"PUBLISH q0 retain a=x sub=77"});
}

TEST(LeavingV5, WhatHasExpiredIsDropped) {
    Group group(Options{}, 2);
    group.members[0]->is_congested(true);
    group.members[1]->is_congested(true);
    group.source->publishes("a", "x", QoS::at_least_once, {.id = 1, .expiry = 5});
    group.bench.after(seconds(5));
    group.members[0]->leaves(0, 0);
    group.members[1]->leaves(0, 0);
    EXPECT_EQ(group.bench.witness.take({"drop", "rerouted"}), (Lines{"drop 0 q1 message_expired"}));
}

TEST(LeavingV5, AGroupThatWasLeftAndFoundedAnewIsNoStranger) {
    Group group(Options{}, 1);
    group.members[0]->is_congested(true);
    group.goes_to("a", QoS::at_least_once);
    group.members[0]->unsubscribes(2, {"$share/g/#"});  // nobody is left to take it
    Party& bob = group.bench.join("bob");
    bob.subscribes(1, {{"$share/g/#", QoS::at_least_once}});
    bob.hears({"SUBACK 1 01"});
    group.members[0]->leaves(0, 0);
    bob.hears({"PUBLISH q1 id=1 a=x"});
}

// Whatever happens, each message is owed to one member, or has been delivered, or was dropped.
TEST(LeavingV5, NothingIsLostOrMultiplied) {
    for (const auto strategy : {SharedStrategy::round_robin, SharedStrategy::least_in_flight}) {
        Options options = by(strategy);
        options.max_in_flight = 3;
        options.max_queued = 20;
        Group group(options, 5);
        std::map<std::string, int> got;
        std::uint32_t word = 12345;
        const auto dice = [&](std::uint32_t sides) {
            word = word * 1664525U + 1013904223U;
            return (word >> 16U) % sides;
        };
        int published = 0;
        std::uint64_t received = 0;
        for (int step = 0; step < 3000; ++step) {
            const std::size_t who = dice(5);
            Party*& member = group.members[who];
            switch (dice(6)) {
                case 0:
                    if (!member->closed()) member->leaves(0, 0);
                    break;
                case 1:
                    if (member->closed()) {
                        member = &group.bench.return_as(group.names[who], Version::v5, false);
                        member->subscribes(1, {{"$share/g/#", QoS::at_least_once}});
                    }
                    break;
                case 2:
                    if (!member->closed()) member->is_congested(dice(2) == 0);
                    break;
                default:
                    group.source->publishes("m/" + std::to_string(published++), "x",
                                            QoS::at_least_once, {.id = 1});
                    group.source->heard();
            }
            for (Party* reader : group.members) {
                for (const std::string& line : reader->heard()) {
                    if (!line.starts_with("PUBLISH")) continue;
                    ++received;
                    const std::size_t at = line.find("id=") + 3;
                    const auto id = static_cast<wire::PacketId>(std::stoi(line.substr(at)));
                    if (!reader->closed() && dice(3) != 0) reader->pubacks(id);
                }
            }
        }
        std::uint64_t owed = 0;
        std::uint64_t sent_and_owed = 0;
        group.bench.broker.for_each_pending([&](std::uint32_t, const Stamp& stamp, QoS) {
            ++owed;
            if (stamp.sequence != 0) ++sent_and_owed;
        });
        std::uint64_t dropped_sent = 0;
        std::uint64_t again = 0;
        for (const std::string& line : group.bench.witness.take({"drop", "rerouted"})) {
            if (line.find('#') == std::string::npos) continue;
            line.starts_with("drop") ? ++dropped_sent : ++again;
        }
        const std::uint64_t unsent_drops = group.bench.witness.dropped - dropped_sent;
        EXPECT_EQ(group.bench.witness.expected + again,
                  received + unsent_drops + owed - sent_and_owed);
        EXPECT_GT(again, 10U);
    }
}

}  // namespace
}  // namespace mqttwin::broker
