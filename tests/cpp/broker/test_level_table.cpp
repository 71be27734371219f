// The tree of levels, under poor hashes and long texts.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"

#include "level_table.hpp"

namespace mqttwin::broker {
namespace {

struct Value {
    std::uint32_t value = 0;
    [[nodiscard]] bool empty() const { return value == 0; }
};

/// Distinguishes hardly anything.
std::uint64_t poor_hash(std::string_view text, std::uint64_t) { return text.size() % 2; }

TEST(LevelTable, StaysExactWhereHashesCollide) {
    const StreamKey key = StreamKey::of(3, "test", "collisions");
    Stream stream(key, 0);
    LevelTable<Value, poor_hash> table(6);
    std::map<std::string, std::uint32_t> reference;
    for (std::uint32_t step = 1; step < 20'000; ++step) {
        std::string path = std::to_string(stream.below(10));
        for (std::uint64_t i = stream.below(3); i > 0; --i) {
            path += "/" + std::to_string(stream.below(12));
        }
        if (stream.below(2) == 0) {
            table.add_path(path, [](auto&) {}).payload.value = step;
            reference[path] = step;
        } else if (const auto* node = table.find_path(path)) {
            table.at(node->id()).payload.value = 0;
            table.prune(node->id(), [](auto&) {});
            reference.erase(path);
        }
        const auto* node = table.find_path(path);
        const auto known = reference.find(path);
        ASSERT_EQ(node == nullptr ? 0 : node->payload.value,
                  known == reference.end() ? 0 : known->second);
    }
    for (const auto& [path, value] : reference) {
        const auto* node = table.find_path(path);
        ASSERT_NE(node, nullptr);
        ASSERT_EQ(node->payload.value, value);
        std::string text;
        table.append_path(node->id(), text);
        ASSERT_EQ(text, path);
    }
}

TEST(LevelTable, CollectsLongTexts) {
    LevelTable<Value> table(7);
    const auto path = [](int i) { return std::string(1000, 'x') + std::to_string(i) + "/y"; };
    for (int i = 0; i < 1000; ++i) table.add_path(path(i), [](auto&) {}).payload.value = 1;
    for (int i = 0; i < 990; ++i) {
        auto& node = table.at(table.find_path(path(i))->id());
        node.payload.value = 0;
        table.prune(node.id(), [](auto&) {});
    }
    EXPECT_EQ(table.size(), 20U);
    EXPECT_LT(table.footprint(), 100'000U);
    for (int i = 990; i < 1000; ++i) EXPECT_NE(table.find_path(path(i)), nullptr);
}

}  // namespace
}  // namespace mqttwin::broker
