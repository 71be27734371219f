#include "code_points.hpp"

#include <cstddef>
#include <cstdint>

namespace mqttwin::auth {
namespace {

struct Lead {
    std::size_t length;
    char32_t bits;
    char32_t least;  // smaller code points have a shorter form, which is the only one allowed
};

std::optional<Lead> read_lead(unsigned char byte) {
    if (byte < 0x80) return Lead{1, byte, 0};
    if (byte >> 5 == 0x06) return Lead{2, byte & 0x1FU, 0x80};
    if (byte >> 4 == 0x0E) return Lead{3, byte & 0x0FU, 0x800};
    if (byte >> 3 == 0x1E) return Lead{4, byte & 0x07U, 0x10000};
    return std::nullopt;
}

}  // namespace

std::optional<std::u32string> decode_utf8(std::string_view text) {
    std::u32string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::optional<Lead> lead = read_lead(static_cast<unsigned char>(text[0]));
        if (!lead || text.size() < lead->length) return std::nullopt;
        char32_t point = lead->bits;
        for (std::size_t i = 1; i < lead->length; ++i) {
            const auto byte = static_cast<unsigned char>(text[i]);
            if (byte >> 6 != 2) return std::nullopt;
            point = (point << 6) | (byte & 0x3FU);
        }
        const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        if (point < lead->least || point > 0x10FFFF || surrogate) return std::nullopt;
        out += point;
        text.remove_prefix(lead->length);
    }
    return out;
}

std::string encode_utf8(std::u32string_view points) {
    std::string out;
    out.reserve(points.size());
    const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
    for (const char32_t point : points) {
        if (point < 0x80) {
            put(point);
            continue;
        }
        if (point < 0x800) {
            put(0xC0 | (point >> 6));
        } else {
            if (point < 0x10000) {
                put(0xE0 | (point >> 12));
            } else {
                put(0xF0 | (point >> 18));
                put(0x80 | ((point >> 12) & 0x3F));
            }
            put(0x80 | ((point >> 6) & 0x3F));
        }
        put(0x80 | (point & 0x3F));
    }
    return out;
}

}  // namespace mqttwin::auth
