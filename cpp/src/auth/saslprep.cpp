#include "mqttwin/auth/saslprep.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>

#include "code_points.hpp"
#include "nfkc.hpp"
#include "unicode_tables.hpp"

namespace mqttwin::auth {
namespace {

template <std::size_t N>
bool is_in(const unicode::Range (&table)[N], char32_t point) {
    const auto* range = std::lower_bound(
        std::begin(table), std::end(table), point,
        [](const unicode::Range& each, char32_t wanted) { return each.last < wanted; });
    return range != std::end(table) && range->first <= point;
}

bool is_printable_ascii(char c) { return c >= 0x20 && c <= 0x7E; }

std::u32string map(std::u32string_view points) {
    std::u32string out;
    out.reserve(points.size());
    for (const char32_t point : points) {
        if (is_in(unicode::kMappedToSpace, point)) {
            out += U' ';
        } else if (!is_in(unicode::kMappedToNothing, point)) {
            out += point;
        }
    }
    return out;
}

// RFC 3454, section 6: a text has one direction, and shows it at both ends.
bool mixes_directions(std::u32string_view points) {
    const auto right = [](char32_t point) { return is_in(unicode::kRightToLeft, point); };
    const auto left = [](char32_t point) { return is_in(unicode::kLeftToRight, point); };
    if (std::none_of(points.begin(), points.end(), right)) return false;
    return std::any_of(points.begin(), points.end(), left) || !right(points.front()) ||
           !right(points.back());
}

std::string_view find_flaw(std::u32string_view points, Strings strings) {
    for (const char32_t point : points) {
        if (is_in(unicode::kProhibited, point)) return "has a prohibited character";
        if (strings == Strings::stored && is_in(unicode::kUnassigned, point)) {
            return "has a character that Unicode 3.2 does not know";
        }
    }
    if (mixes_directions(points)) return "mixes right-to-left and left-to-right characters";
    return {};
}

}  // namespace

Prepared saslprep(std::string_view text, Strings strings) {
    if (text.size() > kMaxUnprepared) return {{}, "is too long"};
    if (std::all_of(text.begin(), text.end(), is_printable_ascii)) return {std::string(text), {}};
    const std::optional<std::u32string> points = decode_utf8(text);
    if (!points) return {{}, "is not UTF-8"};
    const std::u32string normal = nfkc(map(*points));
    const std::string_view flaw = find_flaw(normal, strings);
    if (!flaw.empty()) return {{}, flaw};
    return {encode_utf8(normal), {}};
}

}  // namespace mqttwin::auth
