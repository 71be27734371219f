#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/trace/text_list.hpp"

namespace mqttwin::trace {
namespace {

TEST(TextList, NumbersTextsInTheOrderInWhichTheyCame) {
    TextList list;
    EXPECT_EQ(list.size(), 0U);
    EXPECT_EQ(list.find("a"), TextList::kNone);
    EXPECT_EQ(list.add("site/a"), 0U);
    EXPECT_EQ(list.add(""), 1U);
    EXPECT_EQ(list.add("site/a"), 0U);
    EXPECT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0], "site/a");
    EXPECT_EQ(list[1], "");
    EXPECT_TRUE(list.is(0, "site/a"));
    EXPECT_FALSE(list.is(0, "site/b"));
    EXPECT_FALSE(list.is(2, "site/a"));
    EXPECT_FALSE(list.is(TextList::kNone, ""));
}

// Of every length around those at which it is compared in another way; each differs from the one
// before it in one byte, at every place.
TEST(TextList, TellsTextsApartByEveryByte) {
    TextList list;
    std::vector<std::string> texts;
    for (std::size_t length = 0; length <= 70; ++length) {
        std::string text(length, 'x');
        texts.push_back(text);
        for (std::size_t at = 0; at < length; ++at) {
            text[at] = 'y';
            texts.push_back(text);
        }
    }
    for (const std::string& text : texts) EXPECT_EQ(list.find(text), TextList::kNone) << text;
    for (std::uint32_t i = 0; i < texts.size(); ++i) EXPECT_EQ(list.add(texts[i]), i);
    for (std::uint32_t i = 0; i < texts.size(); ++i) {
        EXPECT_EQ(list.find(texts[i]), i);
        EXPECT_EQ(list.add(texts[i]), i);
        EXPECT_EQ(list[i], texts[i]);
    }
    EXPECT_EQ(list.size(), texts.size());
}

TEST(TextList, HoldsManyTexts) {
    TextList list;
    constexpr std::uint32_t many = 200'000;
    const auto name = [](std::uint32_t i) { return "plant/" + std::to_string(i) + "/t"; };
    for (std::uint32_t i = 0; i < many; ++i) ASSERT_EQ(list.add(name(i)), i);
    for (std::uint32_t i = 0; i < many; ++i) ASSERT_EQ(list.find(name(i)), i);
    EXPECT_EQ(list.find(name(many)), TextList::kNone);
    EXPECT_EQ(list.starts().size(), many + 1);
    EXPECT_EQ(static_cast<std::size_t>(list.starts().back()), list.heap().size());
}

}  // namespace
}  // namespace mqttwin::trace
