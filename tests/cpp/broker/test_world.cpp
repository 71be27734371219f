// What the world relies on: restart, forks, determinism, conservation, nothing left behind.
#include <map>
#include <memory>
#include <set>

#include "mqttwin/base/random.hpp"

#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Worlds : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Worlds);

// --- Restart -------------------------------------------------------------------------------------

TEST_P(Worlds, ARestartEndsConnectionsAndKeepsSessions) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    Party& bob = bench.join("bob", version());
    bob.publishes("a", "1", QoS::at_least_once, {.id = 1});
    bob.publishes("r", "kept", QoS::at_most_once, {.retain = true});
    Party& mute = bench.open(version());
    ann.heard();
    bob.heard();
    bench.witness.take({});
    bench.broker.restart(bench.now, true);
    bench.drain();
    const Lines farewell = v5() ? Lines{"DISCONNECT 8b", "close"} : Lines{"abort"};
    ann.hears(farewell);
    bob.hears(farewell);
    mute.hears({"abort"});
    EXPECT_EQ(bench.witness.take({"drop"}), Lines{});
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
    EXPECT_EQ(bench.broker.counts().retained, 1U);
    bench.return_as("ann", version(), true).hears({"PUBLISH q1 id=1 dup a=1"});
}

TEST_P(Worlds, ARestartMayForgetEverything) {
    Bench bench;
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a", QoS::at_least_once}, {"$share/g/a"}});
    Party& spy = bench.return_as("spy", version(), false);
    spy.subscribes(1, {{"#", QoS::at_least_once}});
    ann.vanishes();
    Hello hello(version(), "bob");
    Party& bob = bench.enter(hello.will("w", "gone", QoS::at_least_once));
    bob.publishes("a", "1", QoS::at_least_once, {.id = 1, .retain = true});
    wire::Publish own;
    own.topic = "$SYS/x";
    own.payload = as_bytes("1");
    own.retain = true;
    bench.broker.publish(bench.now, own, {});
    bench.drain();
    bench.witness.take({});
    bench.broker.restart(bench.now, false);
    bench.drain();
    EXPECT_EQ(bench.witness.take({"drop", "publish"}),
              (Lines{"drop 0 q1 restart", "drop 1 q1 restart #1"}));
    const Counts counts = bench.broker.counts();
    EXPECT_EQ(counts.connections + counts.sessions + counts.subscriptions + counts.retained +
                  counts.queued + counts.in_flight,
              0U);
    EXPECT_EQ(bench.pool.live(), 0U);
    bench.return_as("ann", version(), false);
}

TEST_P(Worlds, WillsOfARestartWaitForWhoComesBack) {
    Bench bench;
    Party& spy = bench.return_as("spy", version(), false);
    spy.subscribes(1, {{"w", QoS::at_least_once}});
    spy.heard();
    Hello hello(version(), "ann");
    bench.enter(hello.will("w", "gone", QoS::at_least_once));
    bench.broker.restart(bench.now, true);
    bench.drain();
    spy.hears(v5() ? Lines{"DISCONNECT 8b", "close"} : Lines{"abort"});
    bench.return_as("spy", version(), true).hears({"PUBLISH q1 id=1 w=gone"});
}

TEST_P(Worlds, TheWorldMayCloseAConnection) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    bench.broker.close(bench.now, ann.slot(), CloseCause::backlog, wire::reason::quota_exceeded);
    bench.broker.close(bench.now, ann.slot(), CloseCause::backlog, wire::reason::quota_exceeded);
    bench.drain();
    ann.hears(v5() ? Lines{"DISCONNECT 97", "close"} : Lines{"close"});
    EXPECT_EQ(bench.witness.take({"close"}), (Lines{"close 0 backlog 97"}));
}

TEST_P(Worlds, TheApplicationMayPublish) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.heard();
    wire::Publish message;
    message.topic = "a";
    message.payload = as_bytes("x");
    message.qos = QoS::exactly_once;
    message.retain = true;
    Stamp stamp;
    stamp.origin = 99;
    bench.broker.publish(bench.now, message, stamp);
    bench.drain();
    ann.hears({"PUBLISH q1 id=1 a=x"});
    EXPECT_EQ(bench.witness.take({"publish"}), (Lines{"publish 99 q2 retain a to 1"}));
    ann.subscribes(2, {{"a", QoS::at_most_once}});
    ann.hears({"SUBACK 2 00", "PUBLISH q0 retain a=x"});
}

// --- Forks ---------------------------------------------------------------------------------------

// Everything a broker wants done, as text without blob numbers; the blobs are given back.
std::string performed(Broker& broker, BlobPool& pool) {
    std::string text;
    for (const Output& out : broker.outbox()) {
        text += std::to_string(static_cast<int>(out.kind)) + " " + std::to_string(out.slot) + " ";
        text += as_text(pool.bytes(out.head));
        text += as_text(pool.bytes(out.body));
        text += "\n";
        pool.release(out.head);
        pool.release(out.body);
    }
    broker.outbox().clear();
    return text;
}

TEST_P(Worlds, AForkGoesItsOwnWayToTheSameEnd) {
    Options options;
    options.max_in_flight = 2;
    Bench bench(options);
    Party& ann = bench.return_as("ann", version(), false);
    ann.subscribes(1, {{"a/#", QoS::exactly_once}, {"$share/g/a/b", QoS::at_least_once}});
    Hello hello(version(), "bob");
    Party& bob = bench.enter(hello.will("a/w", "gone", QoS::at_least_once).keep_alive(10));
    for (const char* text : {"1", "2", "3"}) {
        bob.publishes("a/b", text + std::string(500, 'x'), QoS::exactly_once,
                      {.id = static_cast<wire::PacketId>(text[0]), .retain = true});
    }
    ann.says({0x30});  // and a packet under way

    BlobPool pool(bench.pool);
    Witness witness;
    auto fork = std::make_unique<Broker>(bench.broker, pool, witness);
    const auto proceed = [&](Broker& broker, BlobPool& blobs) {
        std::string text;
        Instant now = bench.now;
        broker.handle_bytes(now, ann.slot(), Bytes{0x05, 0, 1, 'z', 0, 'q'}, {});
        text += performed(broker, blobs);
        broker.handle_bytes(now, ann.slot(), ack(version(), wire::PacketType::pubrec, 1), {});
        text += performed(broker, blobs);
        now = now + seconds(15);
        broker.handle_timeout(now);
        text += performed(broker, blobs);
        broker.handle_closed(now, ann.slot());
        broker.handle_open(now, 9, {});
        broker.handle_bytes(now, 9, connect(Hello(version(), "ann").resume().expires(9)), {});
        text += performed(broker, blobs);
        return text;
    };
    const std::string forked = proceed(*fork, pool);
    EXPECT_FALSE(forked.empty());
    EXPECT_EQ(proceed(bench.broker, bench.pool), forked);
    fork.reset();
    EXPECT_EQ(pool.live(), 0U);
}

TEST_P(Worlds, WhatWasNotDrainedIsGivenBack) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a"}});
    bench.broker.handle_bytes(bench.now, ann.slot(),
                              publish(version(), "a", std::string(1000, 'x'), QoS::at_most_once),
                              {});
    EXPECT_FALSE(bench.broker.outbox().empty());
    // ~Bench checks the pool.
}

// --- Determinism ---------------------------------------------------------------------------------

// What everybody but the stranger hears, in the order in which it happens.
std::string story(Version version, bool with_stranger) {
    Options options;
    options.max_in_flight = 2;
    Bench bench(options);
    std::string text;
    std::vector<std::pair<std::string, Party*>> cast;
    Party* stranger = nullptr;
    const auto listen = [&] {
        for (const auto& [name, party] : cast) {
            for (const std::string& line : party->heard()) text += name + ": " + line + "\n";
        }
        if (stranger != nullptr) stranger->heard();
    };
    const auto join = [&](const char* name, std::uint32_t tag, Hello hello) -> Party& {
        Party& party = bench.open(version, tag);
        party.says(connect(hello));
        cast.emplace_back(name, &party);
        listen();
        return party;
    };
    const auto meddle = [&] {
        if (!with_stranger) return;
        Hello hello(version, "stranger");
        hello.resume().expires(7).keep_alive(10).will("own/will", "x", QoS::at_least_once, true);
        if (stranger == nullptr || stranger->closed()) {
            stranger = &bench.open_with(hello);
        } else {
            stranger->vanishes();
            stranger = &bench.open_with(hello);
        }
        stranger->subscribes(1, {{"own/#", QoS::exactly_once}, {"own/+", QoS::at_least_once}});
        stranger->publishes("own/x", "hello", QoS::exactly_once, {.id = 9, .retain = true});
    };
    meddle();
    Party& ann = join("ann", 1, Hello(version, "ann").keep_alive(30));
    meddle();
    Party& bob = join("bob", 2, Hello(version, "bob").keep_alive(30).will("a/bob", "gone"));
    Party& cat = join("cat", 3, Hello(version, "").keep_alive(30));  // its name is the broker's
    ann.subscribes(1, {{"a/#", QoS::exactly_once}});
    meddle();
    bob.subscribes(1, {{"a/+", QoS::at_least_once}, {"$share/g/a/b"}});
    cat.subscribes(1, {{"+/b", QoS::at_least_once}, {"$share/g/a/b"}});
    listen();
    for (wire::PacketId id = 1; id < 6; ++id) {
        cat.publishes("a/b", "m", QoS::exactly_once, {.id = id, .retain = true});
        listen();
        meddle();
        bench.after(seconds(1));
    }
    ann.subscribes(2, {{"a/+"}});  // retained messages
    listen();
    // All three fall silent at once: who is closed first, and whose will comes when?
    bench.after(seconds(100));
    listen();
    return text;
}

TEST_P(Worlds, AStrangerChangesNothingForTheOthers) {
    const std::string alone = story(version(), false);
    EXPECT_NE(alone.find("ann: PUBLISH q0 a/bob=gone"), std::string::npos) << alone;
    EXPECT_EQ(story(version(), true), alone);
}

// Silent clients whose time is up at one instant are closed in an order of their own.
TEST_P(Worlds, TiesFollowFromNamesNotFromSlots) {
    const auto order = [&](bool backwards) {
        Bench bench;
        std::map<Slot, std::string> names;
        for (int i = 0; i < 20; ++i) {
            const std::string name = "c" + std::to_string(backwards ? 19 - i : i);
            Party& party = bench.open(version(), 1000 + static_cast<std::uint32_t>(i));
            party.says(connect(Hello(version(), name).keep_alive(10)));
            names[party.slot()] = name;
        }
        bench.now = bench.now + seconds(15);
        bench.broker.handle_timeout(bench.now);
        Lines closed;
        for (const Output& out : bench.broker.outbox()) {
            if (out.kind == Output::Kind::close) closed.push_back(names[out.slot]);
        }
        bench.drain();
        return closed;
    };
    const Lines forwards = order(false);
    EXPECT_EQ(forwards.size(), 20U);
    EXPECT_EQ(order(true), forwards);
}

// --- Conservation --------------------------------------------------------------------------------

// Random lives of some clients: expected = delivered at first + dropped + still owed, always.
TEST_P(Worlds, EveryExpectedMessageIsAccountedFor) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        Stream random(StreamKey::of(seed, "broker", "conservation"), 0);
        Options options;
        options.max_in_flight = static_cast<std::uint32_t>(1 + random.below(4));
        options.max_queued = static_cast<std::uint32_t>(random.below(6));
        options.queue_qos0_offline = random.chance(0.3);
        Bench bench(options);
        constexpr std::uint32_t kClients = 5;
        const std::vector<std::string> names{"c0", "c1", "c2", "c3", "c4"};
        std::vector<Party*> parties(kClients, nullptr);
        std::uint64_t delivered = 0;
        // First deliveries are those whose number is new in their session; a session is known by
        // the message of its fresh CONNACK.
        std::vector<std::set<std::uint32_t>> seen(kClients);
        const auto collect = [&](std::uint32_t who) {
            Party& party = *parties[who];
            for (const std::string& line : party.heard()) {
                if (line.starts_with("CONNACK fresh")) seen[who].clear();
            }
            for (const Stamp& stamp : party.stamps) {
                if (stamp.origin == Stamp::kReplay) {
                    seen[who].insert(stamp.sequence);
                } else if (stamp.sequence == 0 || seen[who].insert(stamp.sequence).second) {
                    ++delivered;
                }
            }
            party.stamps.clear();
        };
        const auto drops_of_delivered = [&](const Lines& drops) {
            std::uint64_t count = 0;
            for (const std::string& line : drops) {
                if (line.find('#') != std::string::npos && !line.ends_with("replay")) ++count;
            }
            return count;
        };
        std::uint64_t twice = 0;
        for (int step = 0; step < 300; ++step) {
            const auto who = static_cast<std::uint32_t>(random.below(kClients));
            Party*& party = parties[who];
            if (party == nullptr || party->closed()) {
                Hello hello(version(), names[who]);
                if (random.chance(0.7)) hello.resume().expires(100);
                party = &bench.open(version(), who);
                party->says(connect(hello));
            } else {
                const auto action = random.below(10);
                const auto qos = static_cast<QoS>(random.below(3));
                const auto id = static_cast<wire::PacketId>(1 + random.below(6));
                const char* topics[] = {"a", "a/b", "c"};
                if (action < 1) {
                    party->vanishes();
                } else if (action < 2) {
                    party->subscribes(1, {{"a/#", qos}, {topics[random.below(3)], qos}});
                } else if (action < 3) {
                    party->acks(wire::PacketType::pubrel, id);
                } else if (action < 6) {
                    party->publishes(topics[random.below(3)], "x", qos,
                                     {.id = qos == QoS::at_most_once ? wire::PacketId{0} : id,
                                      .retain = random.chance(0.1)});
                } else if (action < 8) {
                    party->pubacks(id);
                } else if (action < 9) {
                    party->pubrecs(id);
                } else {
                    party->pubcomps(id);
                }
            }
            for (std::uint32_t i = 0; i < kClients; ++i) {
                if (parties[i] != nullptr) collect(i);
            }
            twice += drops_of_delivered(bench.witness.take({"drop"}));
            if (random.chance(0.05)) bench.after(seconds(20));
        }
        twice += drops_of_delivered(bench.witness.take({"drop"}));
        std::uint64_t owed = 0;
        bench.broker.for_each_pending([&](std::uint32_t, const Stamp& stamp, QoS) {
            if (stamp.origin != Stamp::kReplay && stamp.sequence == 0) ++owed;
        });
        // What was sent once counts as delivered here, whatever became of it later.
        EXPECT_EQ(bench.witness.expected, delivered + bench.witness.dropped - twice + owed)
            << "seed " << seed;
    }
}

}  // namespace
}  // namespace mqttwin::broker
