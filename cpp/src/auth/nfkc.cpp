#include "nfkc.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "unicode_tables.hpp"

namespace mqttwin::auth {
namespace {

// Hangul syllables: leading consonant, vowel, trailing consonant, in mixed radix.
constexpr char32_t kSyllables = 0xAC00;
constexpr char32_t kLeads = 0x1100;
constexpr char32_t kVowels = 0x1161;
constexpr char32_t kTrails = 0x11A7;  // one before the first: 0 is "no trailing consonant"
constexpr char32_t kLeadCount = 19;
constexpr char32_t kVowelCount = 21;
constexpr char32_t kTrailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTrailCount;

// The row of a table of ranges that holds the point, if there is one.
template <typename Row, std::size_t N>
const Row* find_row(const Row (&table)[N], char32_t point) {
    const Row* row =
        std::lower_bound(std::begin(table), std::end(table), point,
                         [](const Row& each, char32_t wanted) { return each.last < wanted; });
    return row != std::end(table) && row->first <= point ? row : nullptr;
}

std::uint8_t combining_class(char32_t point) {
    const unicode::CombiningClass* row = find_row(unicode::kCombiningClasses, point);
    return row == nullptr ? std::uint8_t{0} : row->value;
}

void decompose(char32_t point, std::u32string& out) {
    if (const char32_t syllable = point - kSyllables; syllable < kSyllableCount) {
        out.push_back(kLeads + syllable / (kVowelCount * kTrailCount));
        out.push_back(kVowels + syllable / kTrailCount % kVowelCount);
        if (syllable % kTrailCount != 0) out.push_back(kTrails + syllable % kTrailCount);
        return;
    }
    const unicode::Decompositions* row = find_row(unicode::kDecompositions, point);
    if (row == nullptr) {
        out.push_back(point);
        return;
    }
    const std::size_t at = row->offset + (point - row->first) * row->length;
    for (std::size_t i = 0; i < row->length; ++i) out.push_back(unicode::kDecomposed[at + i]);
}

// Marks on the same character stand in the order of their classes.
void order_marks(std::u32string& text) {
    const auto starts = [](char32_t point) { return combining_class(point) == 0; };
    auto at = text.begin();
    while (at != text.end()) {
        const auto marks = std::find_if_not(at, text.end(), starts);
        at = std::find_if(marks, text.end(), starts);
        std::stable_sort(marks, at, [](char32_t a, char32_t b) {
            return combining_class(a) < combining_class(b);
        });
    }
}

// The primary composite of a pair, or 0.
char32_t compose_pair(char32_t first, char32_t second) {
    if (first - kLeads < kLeadCount && second - kVowels < kVowelCount) {
        return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTrailCount;
    }
    const char32_t syllable = first - kSyllables;
    if (syllable < kSyllableCount && syllable % kTrailCount == 0 && second > kTrails &&
        second < kTrails + kTrailCount) {
        return first + (second - kTrails);
    }
    const std::pair<char32_t, char32_t> wanted{first, second};
    const auto* row = std::lower_bound(
        std::begin(unicode::kCompositions), std::end(unicode::kCompositions), wanted,
        [](const unicode::Composition& each, const std::pair<char32_t, char32_t>& pair) {
            return std::pair<char32_t, char32_t>{each.first, each.second} < pair;
        });
    if (row == std::end(unicode::kCompositions)) return 0;
    return row->first == first && row->second == second ? char32_t{row->composite} : 0;
}

void compose(std::u32string& text) {
    std::size_t length = 0;   // of what is done; the rest is written over
    std::size_t starter = 0;  // where the last character of class 0 stands in it
    bool has_starter = false;
    std::uint8_t last_class = 0;  // of the last mark that was kept after the starter
    for (const char32_t point : std::u32string(text)) {
        const std::uint8_t own_class = combining_class(point);
        const bool adjacent = has_starter && length == starter + 1;
        // Blocked by a kept mark of the same or a higher class, or by any when it is a starter.
        if (has_starter && (adjacent || last_class < own_class)) {
            if (const char32_t composite = compose_pair(text[starter], point); composite != 0) {
                text[starter] = composite;
                continue;
            }
        }
        if (own_class == 0) {
            starter = length;
            has_starter = true;
        }
        last_class = own_class;
        text[length++] = point;
    }
    text.resize(length);
}

}  // namespace

std::u32string nfkc(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size());
    for (const char32_t point : text) decompose(point, out);
    order_marks(out);
    compose(out);
    return out;
}

}  // namespace mqttwin::auth
