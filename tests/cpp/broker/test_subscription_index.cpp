// The subscription index against a list of filters and wire::matches.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"

#include "subscription_reference.hpp"

namespace mqttwin::broker {
namespace {

TEST(SubscriptionIndex, AgreesWithReadingEveryFilter) {
    const StreamKey key = StreamKey::of(1, "test", "subscription index");
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        SCOPED_TRACE(seed);
        Stream stream(key, seed);
        Subject subject;
        Reference reference;
        const std::uint64_t sessions = 1 + stream.below(40);
        for (int step = 0; step < 600; ++step) {
            const auto session = static_cast<std::uint32_t>(stream.below(sessions));
            const std::string filter = random_filter(stream);
            const auto group = static_cast<std::uint32_t>(stream.below(6) == 0 ? 0xFFFFFF : 0);
            const std::uint64_t action = stream.below(10);
            if (action < 5) {
                SubscriptionData data = data_with(subject.number_of(filter), group);
                data.qos = static_cast<wire::QoS>(stream.below(3));
                data.no_local = stream.below(2) == 0;
                data.retain_as_published = stream.below(2) == 0;
                data.retain_handling = static_cast<wire::RetainHandling>(stream.below(3));
                const auto outcome =
                    subject.index.subscribe(filter, session, data, subject.head(session));
                ASSERT_EQ(outcome == SubscriptionIndex::Outcome::added,
                          reference.subscribe(filter, session, data));
            } else if (action < 7) {
                ASSERT_EQ(subject.index.unsubscribe(filter, session, subject.head(session), group),
                          reference.unsubscribe(filter, session, group));
            } else if (action < 8 && step % 4 == 0) {
                ASSERT_EQ(subject.index.remove_session(subject.head(session)),
                          reference.remove_session(session));
            } else {
                const std::string topic = random_topic(stream);
                subject.index.prefetch(topic);
                Reference::List found = subject.matches(topic);
                Reference::sort_by_filter(found);
                ASSERT_EQ(found, reference.matches(topic)) << topic;
            }
            ASSERT_EQ(subject.index.size(), reference.size());
            const auto expected = reference.of_session(session);
            ASSERT_EQ(subject.index.count(subject.head(session)), expected.size());
            Reference::List found;
            subject.index.for_each_of_session(
                subject.head(session), [&](std::string_view text, const SubscriptionData& data) {
                    found.insert(found.begin(), {std::string(text), session, data});
                });
            Reference::sort_by_filter(found);
            ASSERT_EQ(found, expected);
        }
        // Everything is given back.
        for (auto& [session, head] : subject.heads) subject.index.remove_session(head);
        ASSERT_EQ(subject.index.size(), 0U);
        ASSERT_TRUE(subject.matches("a/b").empty());
        ASSERT_LT(subject.index.footprint(), 200'000U);
    }
}

TEST(SubscriptionIndex, KnowsTheRulesOfWildcards) {
    const std::vector<std::tuple<std::string, std::string, bool>> cases{
        {"a/#", "a", true},    {"a/#", "a/", true},        {"a/#", "ab", false},
        {"#", "a/b/c", true},  {"#", "$SYS/x", false},     {"+/x", "$SYS/x", false},
        {"+", "$SYS", false},  {"$SYS/#", "$SYS/x", true}, {"$SYS/+", "$SYS/x", true},
        {"a/+", "a/$b", true}, {"a/#", "a/$b/c", true},    {"+", "/", false},
        {"+/+", "/", true},    {"/+", "/", true},          {"/", "/", true},
        {"+", "a/", false},    {"a/+/c", "a//c", true},    {"#", "/", true},
        {"+/#", "a", true},    {"a/b/#", "a", false},      {"a", "a/b", false},
        {"a/b", "a", false},   {"+/+/#", "a", false},      {"//", "//", true},
    };
    for (const auto& [filter, topic, expected] : cases) {
        SubscriptionIndex index(7);
        std::uint32_t head = kNone;
        index.subscribe(filter, 1, SubscriptionData{}, head);
        int visits = 0;
        index.for_each_match(topic, [&](std::uint32_t, const SubscriptionData&) { ++visits; });
        EXPECT_EQ(visits, expected ? 1 : 0) << filter << " and " << topic;
        EXPECT_EQ(wire::matches(filter, topic), expected) << filter << " and " << topic;
    }
}

// [MQTT-3.8.4-3] A replaced subscription: the new options, the old place.
TEST(SubscriptionIndex, ReplacesInPlace) {
    Subject subject;
    subject.number_of("a");
    for (std::uint32_t session = 0; session < 3; ++session) {
        subject.index.subscribe("a", session, data_with(0), subject.head(session));
    }
    SubscriptionData changed = data_with(0);
    changed.qos = wire::QoS::exactly_once;
    EXPECT_EQ(subject.index.subscribe("a", 1, changed, subject.head(1)),
              SubscriptionIndex::Outcome::replaced);
    const Reference::List expected{
        {"a", 0, data_with(0)}, {"a", 1, changed}, {"a", 2, data_with(0)}};
    EXPECT_EQ(subject.matches("a"), expected);
}

TEST(SubscriptionIndex, OrderDoesNotDependOnOthersOrOnTheKey) {
    const StreamKey key = StreamKey::of(2, "test", "order");
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Stream stream(key, seed);
        SubscriptionIndex alone(1);
        SubscriptionIndex together(2);
        std::vector<std::uint32_t> heads_alone(10, kNone);
        std::vector<std::uint32_t> heads_together(20, kNone);
        for (std::uint32_t i = 0; i < 200; ++i) {
            const auto session = static_cast<std::uint32_t>(stream.below(10));
            const std::string filter = random_filter(stream);
            alone.subscribe(filter, session, data_with(i), heads_alone[session]);
            together.subscribe(filter, session, data_with(i), heads_together[session]);
            const auto other = static_cast<std::uint32_t>(10 + stream.below(10));
            together.subscribe(random_filter(stream), other, data_with(i), heads_together[other]);
            if (i % 16 == 0) together.remove_session(heads_together[other]);
        }
        for (int i = 0; i < 100; ++i) {
            const std::string topic = random_topic(stream);
            std::vector<std::pair<std::uint32_t, std::uint32_t>> first;
            std::vector<std::pair<std::uint32_t, std::uint32_t>> second;
            alone.for_each_match(topic, [&](std::uint32_t session, const SubscriptionData& data) {
                first.emplace_back(session, data.identifier);
            });
            together.for_each_match(topic,
                                    [&](std::uint32_t session, const SubscriptionData& data) {
                                        if (session < 10)
                                            second.emplace_back(session, data.identifier);
                                    });
            ASSERT_EQ(first, second) << topic;
        }
    }
}

TEST(SubscriptionIndex, CopiesShareNothing) {
    Subject original;
    original.number_of("a/+");
    for (std::uint32_t session = 0; session < 100; ++session) {
        original.index.subscribe("a/+", session, data_with(0), original.head(session));
    }
    original.matches("a/b");
    Subject copy = original;
    for (std::uint32_t session = 0; session < 100; session += 2) {
        copy.index.remove_session(copy.head(session));
    }
    EXPECT_EQ(original.matches("a/b").size(), 100U);
    EXPECT_EQ(copy.matches("a/b").size(), 50U);
    EXPECT_EQ(original.index.count(original.head(0)), 1U);
}

// 200,000 on one filter: were leaving linear in those who stay, this would take minutes.
TEST(SubscriptionIndex, MassOnOneFilterComesAndGoes) {
    constexpr std::uint32_t kSessions = 200'000;
    SubscriptionIndex index(3);
    std::vector<std::uint32_t> heads(kSessions, kNone);
    for (std::uint32_t i = 0; i < kSessions; ++i) {
        index.subscribe("all/#", i, data_with(1), heads[i]);
        index.subscribe("all/" + std::to_string(i), i, data_with(2), heads[i]);
    }
    const std::size_t full = index.footprint();
    EXPECT_LT(full / index.size(), 256U);
    const auto visited = [&] {
        std::vector<std::uint32_t> sessions;
        index.for_each_match("all/devices", [&](std::uint32_t session, const SubscriptionData&) {
            sessions.push_back(session);
        });
        return sessions;
    };
    ASSERT_EQ(visited().size(), kSessions);
    // From the front, from the back, and from all over the middle.
    std::uint32_t left = kSessions;
    for (std::uint32_t i = 0; i < 50'000; ++i, --left) index.remove_session(heads[i]);
    for (std::uint32_t i = 150'000; i < kSessions; ++i, --left) {
        ASSERT_TRUE(index.unsubscribe("all/#", i, heads[i]));
        index.remove_session(heads[i]);
    }
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        const std::uint32_t session = 50'000 + static_cast<std::uint32_t>(i * 7919ULL % 100'000);
        if (session % 1000 == 0) continue;
        ASSERT_EQ(index.remove_session(heads[session]), 2U);
        --left;
    }
    const std::vector<std::uint32_t> rest = visited();
    ASSERT_EQ(rest.size(), left);
    EXPECT_TRUE(std::is_sorted(rest.begin(), rest.end()));
    EXPECT_EQ(index.size(), left * std::size_t{2});
    EXPECT_EQ(rest.front(), 50'000U);
    std::uint32_t& again = heads[0];
    index.subscribe("all/#", 0, data_with(1), again);
    EXPECT_EQ(visited().back(), 0U);
}

TEST(SubscriptionIndex, ManyPlusesAreBoundedByWhatExists) {
    // All filters of 12 levels of "+" or "a": 4,096 of them match one topic.
    SubscriptionIndex index(4);
    std::uint32_t head = kNone;
    for (std::uint32_t mask = 0; mask < 4096; ++mask) {
        std::string filter;
        for (unsigned level = 0; level < 12; ++level) {
            filter += level == 0 ? "" : "/";
            filter += (mask >> level & 1U) != 0 ? "+" : "a";
        }
        index.subscribe(filter, 1, data_with(mask), head);
    }
    const auto visits = [&](std::string_view topic) {
        int count = 0;
        index.for_each_match(topic, [&](std::uint32_t, const SubscriptionData&) { ++count; });
        return count;
    };
    EXPECT_EQ(visits("a/a/a/a/a/a/a/a/a/a/a/a"), 4096);
    EXPECT_EQ(visits("b/a/a/a/a/a/a/a/a/a/a/a"), 2048);
    EXPECT_EQ(visits("b/b/b/b/b/b/b/b/b/b/b/b"), 1);
    EXPECT_EQ(visits("a/a/a/a/a/a/a/a/a/a/a"), 0);
    EXPECT_EQ(index.remove_session(head), 4096U);
    EXPECT_EQ(visits("a/a/a/a/a/a/a/a/a/a/a/a"), 0);
}

TEST(SubscriptionIndex, VeryDeepTopicsAndFilters) {
    SubscriptionIndex index(5);
    std::uint32_t head = kNone;
    const std::string deep(65'535, '/');
    int visits = 0;
    const auto count = [&](std::uint32_t, const SubscriptionData&) { ++visits; };
    index.subscribe("+/+/#", 1, SubscriptionData{}, head);
    index.for_each_match(deep, count);
    EXPECT_EQ(visits, 1);
    index.subscribe(deep, 1, SubscriptionData{}, head);
    index.for_each_match(deep, count);
    EXPECT_EQ(visits, 3);
    std::string text;
    index.for_each_of_session(head, [&](std::string_view filter, const SubscriptionData&) {
        text = text.empty() ? std::string(filter) : text;
    });
    EXPECT_EQ(text, deep);
    EXPECT_TRUE(index.unsubscribe(deep, 1, head));
    EXPECT_FALSE(index.unsubscribe(deep, 1, head));
    EXPECT_EQ(index.count(head), 1U);
}

// Eighty thousand million pairs of filters, and 32 bits of hash: some pairs share theirs.
TEST(SubscriptionIndex, StaysExactWhereHashesCollide) {
    constexpr std::uint32_t kFilters = 400'000;
    SubscriptionIndex index(6);
    std::vector<std::uint32_t> heads(kFilters, kNone);
    for (std::uint32_t i = 0; i < kFilters; ++i) {
        index.subscribe("d/" + std::to_string(i), i, data_with(1), heads[i]);
    }
    for (std::uint32_t i = 0; i < kFilters; i += 2) {
        ASSERT_TRUE(index.unsubscribe("d/" + std::to_string(i), i, heads[i]));
    }
    for (std::uint32_t i = 0; i < kFilters; ++i) {
        std::vector<std::uint32_t> visited;
        index.for_each_match(
            "d/" + std::to_string(i),
            [&](std::uint32_t session, const SubscriptionData&) { visited.push_back(session); });
        ASSERT_EQ(visited, std::vector<std::uint32_t>(i % 2, i));
    }
}

// A filter `a/#` comes by its levels before the `#`, others come by all of theirs and before the
// former; literal before `+`.
TEST(SubscriptionIndex, MatchesComeInTheOrderOfTheirShapes) {
    const std::vector<std::string> expected{"#",   "a/#",   "+/#",   "a/b",   "a/+",  "+/b",
                                            "+/+", "a/b/#", "a/+/#", "+/b/#", "+/+/#"};
    Subject subject;
    for (std::size_t i = expected.size(); i > 0; --i) {
        const std::string& filter = expected[i - 1];
        subject.index.subscribe(filter, 1, data_with(subject.number_of(filter)), subject.head(1));
    }
    std::vector<std::string> found;
    for (const auto& match : subject.matches("a/b")) found.push_back(std::get<0>(match));
    EXPECT_EQ(found, expected);
}

// Levels are compared by words: at any size a difference of one character counts.
TEST(SubscriptionIndex, EveryCharacterOfALevelCounts) {
    for (std::size_t size = 1; size < 50; ++size) {
        for (const std::string rest : {"", "/+", "/#", "/z"}) {
            SubscriptionIndex index(10);
            std::uint32_t head = kNone;
            const std::string level(size, 'x');
            const auto visits = [&](const std::string& topic) {
                int count = 0;
                index.for_each_match(topic,
                                     [&](std::uint32_t, const SubscriptionData&) { ++count; });
                return count;
            };
            const std::string tail = rest.empty() ? "" : "/z";
            index.subscribe("+/" + level + rest, 1, data_with(1), head);
            ASSERT_EQ(visits("name/" + level + tail), 1);
            ASSERT_EQ(visits("name/" + level + "x" + tail), 0);
            ASSERT_EQ(visits("name/" + level.substr(1) + tail), 0);
            for (std::size_t i = 0; i < size; ++i) {
                std::string other = level;
                other[i] = 'y';
                ASSERT_EQ(visits("name/" + other + tail), 0);
            }
        }
    }
}

// Shapes that end leave nothing behind, and those that go on are still found.
TEST(SubscriptionIndex, ShapesComeAndGo) {
    SubscriptionIndex index(8);
    std::uint32_t stays = kNone;
    index.subscribe("a/+/c", 1, data_with(1), stays);
    const std::size_t before = index.footprint();
    for (int round = 0; round < 1000; ++round) {
        std::uint32_t head = kNone;
        index.subscribe("a/+", 2, data_with(2), head);
        index.subscribe("a/+/c/+/" + std::to_string(round), 2, data_with(2), head);
        index.subscribe("+/" + std::to_string(round) + "/#", 2, data_with(2), head);
        index.remove_session(head);
    }
    EXPECT_LT(index.footprint(), before + 4096);
    int visits = 0;
    index.for_each_match("a/b/c", [&](std::uint32_t session, const SubscriptionData&) {
        EXPECT_EQ(session, 1U);
        ++visits;
    });
    EXPECT_EQ(visits, 1);
}

TEST(SubscriptionIndex, LongFiltersAreGivenBack) {
    SubscriptionIndex index(9);
    const auto filter = [](int i) { return std::string(1000, 'x') + std::to_string(i) + "/+"; };
    std::uint32_t head = kNone;
    for (int i = 0; i < 1000; ++i) index.subscribe(filter(i), 1, data_with(1), head);
    EXPECT_GT(index.footprint(), 1'000'000U);
    for (int i = 0; i < 990; ++i) ASSERT_TRUE(index.unsubscribe(filter(i), 1, head));
    EXPECT_LT(index.footprint(), 300'000U);
    for (int i = 0; i < 1000; ++i) {
        int visits = 0;
        index.for_each_match(std::string(1000, 'x') + std::to_string(i) + "/y",
                             [&](std::uint32_t, const SubscriptionData&) { ++visits; });
        ASSERT_EQ(visits, i < 990 ? 0 : 1);
    }
}

}  // namespace
}  // namespace mqttwin::broker
