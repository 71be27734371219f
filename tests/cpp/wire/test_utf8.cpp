#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/wire/topic.hpp"

#include "utf8.hpp"

namespace mqttwin::wire {
namespace {

// A decoder written another way: code points by arithmetic, then the rules one by one.
bool valid_by_code_points(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        std::size_t extra = 0;
        std::uint32_t point = 0;
        if (lead < 0x80) {
            point = lead;
        } else if (lead >> 5 == 6) {
            extra = 1;
            point = lead & 0x1FU;
        } else if (lead >> 4 == 14) {
            extra = 2;
            point = lead & 0x0FU;
        } else if (lead >> 3 == 30) {
            extra = 3;
            point = lead & 0x07U;
        } else {
            return false;
        }
        if (i + extra >= text.size()) return false;
        for (std::size_t k = 1; k <= extra; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            if (next >> 6 != 2) return false;
            point = (point << 6) | (next & 0x3FU);
        }
        constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (point == 0 || point < least[extra] || point > 0x10FFFF) return false;
        if (point >= 0xD800 && point <= 0xDFFF) return false;
        i += extra + 1;
    }
    return true;
}

TEST(Utf8, AcceptsEveryCodePointButZeroAndSurrogates) {
    for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
        std::string text;
        if (point < 0x80) {
            text = {static_cast<char>(point)};
        } else if (point < 0x800) {
            text = {static_cast<char>(0xC0 | (point >> 6)), static_cast<char>(0x80 | (point & 63))};
        } else if (point < 0x10000) {
            text = {static_cast<char>(0xE0 | (point >> 12)),
                    static_cast<char>(0x80 | ((point >> 6) & 63)),
                    static_cast<char>(0x80 | (point & 63))};
        } else {
            text = {static_cast<char>(0xF0 | (point >> 18)),
                    static_cast<char>(0x80 | ((point >> 12) & 63)),
                    static_cast<char>(0x80 | ((point >> 6) & 63)),
                    static_cast<char>(0x80 | (point & 63))};
        }
        const bool good = point != 0 && (point < 0xD800 || point > 0xDFFF);
        ASSERT_EQ(valid_utf8(text), good) << std::hex << point;
    }
}

TEST(Utf8, AgreesWithASlowDecoderOnEveryThreeBytes) {
    std::string text(3, '\0');
    const unsigned char interesting[] = {0x00, 0x01, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                         0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
                                         0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF};
    for (unsigned lead = 0; lead < 256; ++lead) {
        for (unsigned second = 0; second < 256; ++second) {
            for (const unsigned char third : interesting) {
                text = {static_cast<char>(lead), static_cast<char>(second),
                        static_cast<char>(third)};
                for (std::size_t size = 1; size <= 3; ++size) {
                    const std::string_view part = std::string_view(text).substr(0, size);
                    ASSERT_EQ(valid_utf8(part), valid_by_code_points(part));
                }
            }
        }
    }
}

TEST(Utf8, AgreesWithASlowDecoderOnFourBytes) {
    for (unsigned lead = 0xEF; lead < 0xF8; ++lead) {
        for (unsigned second = 0; second < 256; ++second) {
            for (const int third : {0x7F, 0x80, 0xBF, 0xC0}) {
                for (const int fourth : {0x7F, 0x80, 0xBF, 0xC0}) {
                    const std::string text = {static_cast<char>(lead), static_cast<char>(second),
                                              static_cast<char>(third), static_cast<char>(fourth)};
                    ASSERT_EQ(valid_utf8(text), valid_by_code_points(text));
                    ASSERT_EQ(valid_utf8("long ascii " + text), valid_by_code_points(text));
                    ASSERT_EQ(valid_utf8(text + " long ascii"), valid_by_code_points(text));
                }
            }
        }
    }
}

struct Case {
    std::string text;
    TextFlaw flaw;
    std::size_t offset;
};

TEST(Utf8, TellsWhatIsWrongAndWhere) {
    const Case cases[] = {
        {"", TextFlaw::none, 0},
        {"plain", TextFlaw::none, 0},
        {std::string("a\0b", 3), TextFlaw::null, 1},
        {std::string("0123456789\0", 11), TextFlaw::null, 10},
        {"\xC0\x80", TextFlaw::malformed, 0},          // over-long U+0000
        {"abc\xC1\xBF", TextFlaw::malformed, 3},       // over-long '\x7F'
        {"\xE0\x9F\xBF", TextFlaw::malformed, 0},      // over-long U+07FF
        {"\xF0\x8F\xBF\xBF", TextFlaw::malformed, 0},  // over-long U+FFFF
        {"ok\xED\xA0\x80", TextFlaw::malformed, 2},    // U+D800
        {"ok\xED\xBF\xBF", TextFlaw::malformed, 2},    // U+DFFF
        {"\xED\x9F\xBF", TextFlaw::none, 0},           // U+D7FF
        {"\xEE\x80\x80", TextFlaw::none, 0},           // U+E000
        {"\xF4\x8F\xBF\xBF", TextFlaw::none, 0},       // U+10FFFF
        {"\xF4\x90\x80\x80", TextFlaw::malformed, 0},  // U+110000
        {"\xF5\x80\x80\x80", TextFlaw::malformed, 0},  // no such lead
        {"cut\xE2\x82", TextFlaw::malformed, 3},       // truncated
        {"cut\xC3", TextFlaw::malformed, 3},           //
        {"\x80", TextFlaw::malformed, 0},              // a continuation alone
        {"\xC3(", TextFlaw::malformed, 0},             // no continuation
        {"\xE2\x82(", TextFlaw::malformed, 0},         //
        {"\xFE\xFF", TextFlaw::malformed, 0},          // never in UTF-8
        {"\xEF\xBB\xBF", TextFlaw::none, 0},           // [MQTT-1.5.4-3]
        {"A\xF0\xAA\x9B\x94", TextFlaw::none, 0},      // the example of 1.5.4
        {"0123456789ab\xC3\xA9 and more\xFF", TextFlaw::malformed, 23},
    };
    for (const Case& c : cases) {
        const TextProblem problem = find_text_problem(c.text);
        EXPECT_EQ(problem.flaw, c.flaw) << c.text;
        EXPECT_EQ(problem.offset, c.offset) << c.text;
        EXPECT_EQ(valid_utf8(c.text), c.flaw == TextFlaw::none) << c.text;
    }
}

TEST(PlainText, IsAsciiWithoutZeroAtEveryLengthAndPlace) {
    for (std::size_t size = 0; size <= 33; ++size) {
        std::string text(size, 'a');
        EXPECT_TRUE(plain_text(text));
        EXPECT_TRUE(plain_name(text));
        for (std::size_t at = 0; at < size; ++at) {
            for (unsigned value = 0; value < 256; ++value) {
                text[at] = static_cast<char>(value);
                const bool plain = value > 0 && value < 128;
                ASSERT_EQ(plain_text(text), plain) << size << " " << at << " " << value;
                ASSERT_EQ(plain_name(text), plain && value != '+' && value != '#')
                    << size << " " << at << " " << value;
            }
            text[at] = 'a';
        }
    }
}

}  // namespace
}  // namespace mqttwin::wire
