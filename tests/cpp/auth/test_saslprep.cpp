#include <string>

#include <gtest/gtest.h>

#include "mqttwin/auth/saslprep.hpp"

#include "code_points.hpp"
#include "nfkc.hpp"

namespace mqttwin::auth {
namespace {

std::string prepared(std::string_view text, Strings strings = Strings::stored) {
    const Prepared out = saslprep(text, strings);
    EXPECT_TRUE(out) << out.flaw;
    return out.text;
}

std::string_view flaw(std::string_view text, Strings strings = Strings::stored) {
    const Prepared out = saslprep(text, strings);
    EXPECT_EQ(out.text, "");
    return out.flaw;
}

// RFC 4013, section 3.
TEST(Saslprep, DoesTheExamplesOfItsSpecification) {
    EXPECT_EQ(prepared("I\u00ADX"), "IX");
    EXPECT_EQ(prepared("user"), "user");
    EXPECT_EQ(prepared("USER"), "USER");
    EXPECT_EQ(prepared("\u00AA"), "a");
    EXPECT_EQ(prepared("\u2168"), "IX");
    EXPECT_EQ(flaw("\x07"), "has a prohibited character");
    EXPECT_EQ(flaw("\u0627\u0031"), "mixes right-to-left and left-to-right characters");
}

TEST(Saslprep, MapsSpacesToSpacesAndTheInvisibleToNothing) {
    EXPECT_EQ(prepared("a\u00A0b\u3000c"), "a b c");
    EXPECT_EQ(prepared("a\u200Db\uFE00"), "ab");
    EXPECT_EQ(prepared("\u00AD"), "");
    EXPECT_EQ(prepared("a\u200Bb"), "a b");
    EXPECT_EQ(prepared(""), "");
}

TEST(Saslprep, ProhibitsWhatCannotBeTyped) {
    for (const std::string_view text :
         {std::string_view("\x7F"), std::string_view("a\0b", 3), std::string_view("\u0085"),
          std::string_view("\uE000"), std::string_view("\U000FFFFF"), std::string_view("\uFFFD"),
          std::string_view("\u2FF0"), std::string_view("\u202E"), std::string_view("\U000E0041")}) {
        EXPECT_EQ(flaw(text), "has a prohibited character") << text;
        EXPECT_EQ(flaw(text, Strings::query), "has a prohibited character") << text;
    }
}

TEST(Saslprep, KeepsNoCharacterThatUnicode32DoesNotKnowButComparesIt) {
    const std::string emoji = "\U0001F600";
    EXPECT_EQ(flaw(emoji), "has a character that Unicode 3.2 does not know");
    EXPECT_EQ(prepared(emoji, Strings::query), emoji);
}

TEST(Saslprep, TakesOneDirectionAtATime) {
    EXPECT_EQ(prepared("\u0627\u0031\u0628"), "\u0627\u0031\u0628");
    EXPECT_EQ(prepared("\u05D0"), "\u05D0");
    for (const std::string_view text : {"\u0627a\u0628", "1\u0627", "\u0627 "}) {
        EXPECT_EQ(flaw(text), "mixes right-to-left and left-to-right characters");
    }
}

TEST(Saslprep, RefusesWhatIsNoUtf8) {
    for (const std::string_view text :
         {"\x80", "\xC3", "\xC0\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
          "\xF8\x88\x80\x80\x80", "\xE2\x82", "a\xC3(", "\xFF"}) {
        EXPECT_EQ(flaw(text), "is not UTF-8");
    }
}

TEST(Saslprep, IsBounded) {
    EXPECT_EQ(prepared(std::string(kMaxUnprepared, 'x')).size(), kMaxUnprepared);
    EXPECT_EQ(flaw(std::string(kMaxUnprepared + 1, 'x')), "is too long");
    std::string longest;  // the character with the longest decomposition
    while (longest.size() + 3 <= kMaxUnprepared) longest += "\uFDFA";
    EXPECT_LE(prepared(longest).size(), 11 * kMaxUnprepared);
}

TEST(Nfkc, OrdersAndComposesMarks) {
    EXPECT_EQ(nfkc(U"e\u0301"), U"\u00E9");
    EXPECT_EQ(nfkc(U"a\u0302\u0323"), U"\u1EAD");
    EXPECT_EQ(nfkc(U"\u1E9B\u0323"), U"\u1E69");
    EXPECT_EQ(nfkc(U"\uFB03"), U"ffi");
    // Taken apart, and excluded from being put together.
    EXPECT_EQ(nfkc(U"\u0958"), U"\u0915\u093C");
    // Corrigendum 5: a starter between them blocks.
    EXPECT_EQ(nfkc(U"\u0B47\u0300\u0B3E"), U"\u0B47\u0300\u0B3E");
    EXPECT_EQ(nfkc(U"\u0301e"), U"\u0301e");
}

TEST(Nfkc, ComposesHangulByArithmetic) {
    EXPECT_EQ(nfkc(U"\u1112\u1161\u11AB"), U"\uD55C");
    EXPECT_EQ(nfkc(U"\u1112\u1161"), U"\uD558");
    EXPECT_EQ(nfkc(U"\uD558\u11AB"), U"\uD55C");
    EXPECT_EQ(nfkc(U"\uD55C\u11AB"), U"\uD55C\u11AB");
    EXPECT_EQ(nfkc(U"\uD55C"), U"\uD55C");
    // The filler that is no trailing consonant.
    EXPECT_EQ(nfkc(U"\uD558\u11A7"), U"\uD558\u11A7");
}

TEST(CodePoints, GoThereAndBack) {
    for (char32_t point = 0; point <= 0x10FFFF; point += point < 0x3000 ? 1 : 97) {
        if (point >= 0xD800 && point <= 0xDFFF) continue;
        const std::u32string text(1, point);
        ASSERT_EQ(decode_utf8(encode_utf8(text)), text) << std::hex << std::uint32_t{point};
    }
}

}  // namespace
}  // namespace mqttwin::auth
