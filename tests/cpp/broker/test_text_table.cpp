// The table of texts against a map.
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"

#include "text_table.hpp"

namespace mqttwin::broker {
namespace {

// Hashes are cut short, so that many collide.
std::uint32_t poor_hash(const std::string& text) {
    return static_cast<std::uint32_t>(hash_text(text)) & 0x3FU;
}

TEST(TextTable, FindsWhatIsInItAndNothingElse) {
    Stream random(StreamKey::of(1, "table", "test"), 0);
    TextTable table;
    std::vector<std::string> texts;
    std::map<std::string, std::uint32_t> known;
    for (int step = 0; step < 20'000; ++step) {
        const std::string text = "t" + std::to_string(random.below(300));
        const auto same = [&](std::uint32_t index) { return texts[index] == text; };
        const std::uint32_t found = table.find(poor_hash(text), same);
        const auto expected = known.find(text);
        ASSERT_EQ(found, expected == known.end() ? TextTable::kNone : expected->second);
        if (expected == known.end()) {
            texts.push_back(text);
            const auto index = static_cast<std::uint32_t>(texts.size() - 1);
            table.insert(poor_hash(text), index);
            known[text] = index;
        } else if (random.chance(0.5)) {
            table.erase(poor_hash(text), expected->second);
            known.erase(expected);
        }
        ASSERT_EQ(table.size(), known.size());
    }
}

}  // namespace
}  // namespace mqttwin::broker
