// The retained messages against a list of topics and wire::matches.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/wire/topic.hpp"

#include "retained_store.hpp"

namespace mqttwin::broker {
namespace {

using Messages = std::vector<std::pair<std::string, std::uint32_t>>;

Messages matches(const RetainedStore& store, std::string_view filter) {
    Messages found;
    store.for_each_match(filter, [&](std::string_view topic, std::uint32_t handle) {
        found.emplace_back(topic, handle);
    });
    return found;
}

std::string random_path(Stream& stream, bool is_filter) {
    static const std::vector<std::string> texts{"", "a", "b", "$c", "a-level-too-long-for-a-node"};
    std::string path;
    do {
        path = stream.below(6) == 0 ? "$SYS" : "";
        const std::uint64_t levels = 1 + stream.below(4);
        for (std::uint64_t i = path.empty() ? 0 : 1; i < levels; ++i) {
            if (i > 0) path += '/';
            const std::uint64_t kind = is_filter ? stream.below(8) : 9;
            if (kind == 0) {
                path += '#';
                break;
            }
            path += kind < 3 ? "+" : texts[stream.below(texts.size())];
        }
    } while (path.empty());
    return path;
}

TEST(RetainedStore, AgreesWithReadingEveryTopic) {
    const StreamKey key = StreamKey::of(1, "test", "retained");
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        SCOPED_TRACE(seed);
        Stream stream(key, seed);
        RetainedStore store(seed);
        Messages reference;  // in the order in which they were last set
        for (std::uint32_t step = 0; step < 1500; ++step) {
            const std::string topic = random_path(stream, false);
            const auto known = std::find_if(reference.begin(), reference.end(),
                                            [&](const auto& m) { return m.first == topic; });
            const std::uint32_t before =
                known == reference.end() ? RetainedStore::kNone : known->second;
            ASSERT_EQ(store.find(topic), before);
            const std::uint64_t action = stream.below(5);
            if (action < 3) {
                ASSERT_EQ(store.set(topic, step), before);
                if (known != reference.end()) reference.erase(known);
                reference.emplace_back(topic, step);
            } else if (action == 3) {
                ASSERT_EQ(store.erase(topic), before);
                if (known != reference.end()) reference.erase(known);
            } else {
                const std::string filter = random_path(stream, true);
                Messages expected = reference;
                std::erase_if(expected,
                              [&](const auto& m) { return !wire::matches(filter, m.first); });
                ASSERT_EQ(matches(store, filter), expected) << filter;
            }
            ASSERT_EQ(store.size(), reference.size());
        }
        const RetainedStore copy = store;
        for (const auto& message : reference) store.erase(message.first);
        EXPECT_EQ(store.size(), 0U);
        EXPECT_TRUE(matches(store, "#").empty());
        EXPECT_EQ(copy.size(), reference.size());
        EXPECT_EQ(matches(copy, "+/#").size() + matches(copy, "$SYS/#").size() +
                      matches(copy, "$c/#").size(),
                  reference.size());
        EXPECT_LT(store.footprint(), 100'000U);
    }
}

// [MQTT-4.7.2-1], and "a/#" includes "a".
TEST(RetainedStore, KnowsTheRulesOfWildcards) {
    RetainedStore store(1);
    const std::vector<std::string> topics{"a", "a/", "a/b", "a/b/c", "/", "$SYS/a", "$SYS"};
    for (std::uint32_t i = 0; i < topics.size(); ++i) store.set(topics[i], i);
    const auto handles = [&](std::string_view filter) {
        std::vector<std::uint32_t> found;
        store.for_each_match(
            filter, [&](std::string_view, std::uint32_t handle) { found.push_back(handle); });
        return found;
    };
    using Handles = std::vector<std::uint32_t>;
    EXPECT_EQ(handles("#"), (Handles{0, 1, 2, 3, 4}));
    EXPECT_EQ(handles("a/#"), (Handles{0, 1, 2, 3}));
    EXPECT_EQ(handles("+"), (Handles{0}));
    EXPECT_EQ(handles("+/+"), (Handles{1, 2, 4}));
    EXPECT_EQ(handles("+/#"), (Handles{0, 1, 2, 3, 4}));
    EXPECT_EQ(handles("$SYS/#"), (Handles{5, 6}));
    EXPECT_EQ(handles("$SYS/+"), (Handles{5}));
    EXPECT_EQ(handles("a/b/c"), (Handles{3}));
    EXPECT_EQ(handles("b"), (Handles{}));
    store.set("a", 9);  // set again: now the latest
    EXPECT_EQ(handles("a/#"), (Handles{1, 2, 3, 9}));
    store.clear();
    EXPECT_EQ(store.size(), 0U);
    EXPECT_EQ(handles("#"), (Handles{}));
}

// 100,000 stations, each asked for by name: only theirs is looked at, or this takes minutes.
TEST(RetainedStore, LooksOnlyWhereTheFilterPoints) {
    constexpr std::uint32_t kStations = 100'000;
    RetainedStore store(2);
    for (std::uint32_t i = 0; i < kStations; ++i) {
        store.set("station/" + std::to_string(i) + "/temperature", 2 * i);
        store.set("station/" + std::to_string(i) + "/wind", 2 * i + 1);
    }
    std::uint64_t found = 0;
    const auto count = [&](std::string_view, std::uint32_t) { ++found; };
    for (std::uint32_t i = 0; i < kStations; ++i) {
        store.for_each_match("station/" + std::to_string(i) + "/+", count);
        store.for_each_match("+/" + std::to_string(i) + "/wind", count);
    }
    EXPECT_EQ(found, 3ULL * kStations);
    found = 0;
    store.for_each_match("station/+/wind", count);
    store.for_each_match("#", count);
    EXPECT_EQ(found, 3ULL * kStations);
    for (std::uint32_t i = 0; i < kStations; ++i) {
        store.erase("station/" + std::to_string(i) + "/temperature");
        store.erase("station/" + std::to_string(i) + "/wind");
    }
    EXPECT_EQ(store.size(), 0U);
    EXPECT_LT(store.footprint(), 10'000'000U);
}

TEST(RetainedStore, VeryDeepTopics) {
    RetainedStore store(3);
    const std::string deep(65'535, '/');
    store.set(deep, 1);
    EXPECT_EQ(store.find(deep), 1U);
    EXPECT_EQ(matches(store, "#"), (Messages{{deep, 1}}));
    EXPECT_EQ(store.erase(deep), 1U);
}

}  // namespace
}  // namespace mqttwin::broker
