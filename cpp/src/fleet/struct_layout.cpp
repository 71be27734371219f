#include "struct_layout.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "refuse.hpp"

namespace mqttwin::fleet {

namespace {

constexpr std::string_view kParameter = "struct layout";
constexpr std::uint32_t kMostItems = 65'536;

std::uint32_t size_of(char code) {
    switch (code) {
        case '?':
        case 'b':
        case 'B':
        case 'x':
        case 's':
            return 1;
        case 'h':
        case 'H':
            return 2;
        case 'i':
        case 'I':
        case 'l':
        case 'L':
        case 'f':
            return 4;
        case 'q':
        case 'Q':
        case 'd':
            return 8;
        default:
            return 0;
    }
}

struct Limits {
    std::int64_t low;
    std::uint64_t high;
};

Limits limits_of(const StructItem& item) {
    if (item.code == '?') return {0, 1};
    const bool is_signed = item.code >= 'a';
    const unsigned bits = item.size * 8;
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - bits);
    if (!is_signed) return {0, all};
    return {-static_cast<std::int64_t>(all >> 1) - 1, all >> 1};
}

std::uint8_t* put_bits(std::uint64_t bits, std::uint32_t size, bool big_endian, std::uint8_t* out) {
    for (std::uint32_t i = 0; i < size; ++i) {
        const std::uint32_t shift = 8 * (big_endian ? size - 1 - i : i);
        out[i] = static_cast<std::uint8_t>(bits >> shift);
    }
    return out + size;
}

struct Integer {
    std::uint64_t bits;
    bool fitted;
};

Integer clamped(std::int64_t x, const Limits& limits) {
    if (x < limits.low) return {static_cast<std::uint64_t>(limits.low), false};
    if (x > 0 && static_cast<std::uint64_t>(x) > limits.high) return {limits.high, false};
    return {static_cast<std::uint64_t>(x), true};
}

// To the nearest integer, halves away from zero; compared as doubles before it is converted.
Integer clamped(double x, const Limits& limits) {
    if (x != x) return {0, false};
    // From 2^52 on every double is an integer, and adding a half would round it.
    const bool may_have_fraction = x > -0x1p52 && x < 0x1p52;
    const double nearest = may_have_fraction ? std::trunc(x + (x < 0 ? -0.5 : 0.5)) : x;
    if (nearest < static_cast<double>(limits.low)) {
        return {static_cast<std::uint64_t>(limits.low), false};
    }
    // high is 2^k - 1: the first double that is too much is 2^k.
    const double beyond = static_cast<double>((limits.high >> 1) + 1) * 2.0;
    if (nearest >= beyond) return {limits.high, false};
    if (nearest < 0) return {static_cast<std::uint64_t>(static_cast<std::int64_t>(nearest)), true};
    return {static_cast<std::uint64_t>(nearest), true};
}

Packed pack_real(const StructItem& item, bool big_endian, const Value& value, std::uint8_t* out) {
    double x = std::numeric_limits<double>::quiet_NaN();
    if (value.kind == Value::Kind::real) x = value.real;
    if (value.kind == Value::Kind::integer || value.kind == Value::Kind::boolean) {
        x = static_cast<double>(value.integer);
    }
    if (item.code == 'd') {
        return {put_bits(std::bit_cast<std::uint64_t>(x), 8, big_endian, out), true};
    }
    constexpr double kMost = std::numeric_limits<float>::max();
    const bool fitted = !(std::isfinite(x) && (x > kMost || x < -kMost));
    const auto narrow = static_cast<float>(fitted ? x : std::clamp(x, -kMost, kMost));
    return {put_bits(std::bit_cast<std::uint32_t>(narrow), 4, big_endian, out), fitted};
}

Packed pack_text(const StructItem& item, std::string_view text, std::uint8_t* out) {
    const std::size_t used = std::min<std::size_t>(text.size(), item.size);
    if (used > 0) std::memcpy(out, text.data(), used);
    std::memset(out + used, 0, item.size - used);
    return {out + item.size, used == text.size()};
}

std::uint32_t read_count(std::string_view layout, std::size_t& i) {
    std::uint32_t count = 0;
    while (i < layout.size() && layout[i] >= '0' && layout[i] <= '9') {
        count = count * 10 + static_cast<std::uint32_t>(layout[i++] - '0');
        if (count > kMaximumText) {
            refuse(kParameter, {"a count in \"", layout, "\" is too large (at most ",
                                number_text(kMaximumText), ")"});
        }
    }
    return count;
}

bool read_byte_order(std::string_view layout) {
    const char order = layout.empty() ? '@' : layout[0];
    if (order != '<' && order != '>' && order != '!' && order != '=') {
        refuse(kParameter, {"\"", layout, "\" must begin with <, >, ! or = (a packed layout)"});
    }
    return order == '>' || order == '!';
}

}  // namespace

StructLayout parse_struct_layout(std::string_view layout) {
    StructLayout result;
    result.big_endian = read_byte_order(layout);
    std::uint32_t pad = 0;
    std::size_t i = 1;
    while (i < layout.size()) {
        if (layout[i] == ' ' || layout[i] == '\t' || layout[i] == '\n') {
            ++i;
            continue;
        }
        const bool has_count = layout[i] >= '0' && layout[i] <= '9';
        const std::uint32_t count = has_count ? read_count(layout, i) : 1;
        const char code = i < layout.size() ? layout[i] : '\0';
        const std::uint32_t size = size_of(code);
        if (size == 0) {
            const std::string_view wrong = layout.substr(std::min(i, layout.size()), 1);
            refuse(kParameter, {"\"", layout, "\" has \"", wrong, "\" at column ",
                                number_text(i + 1), " (there are x ? b B h H i I l L q Q f d s)"});
        }
        ++i;
        result.size += std::size_t{size} * count;
        if (code == 'x') {
            pad += count;
            continue;
        }
        const std::uint32_t items = code == 's' ? 1 : count;
        for (std::uint32_t k = 0; k < items; ++k) {
            result.items.push_back({code, code == 's' ? count : size, pad});
            pad = 0;
        }
        if (result.items.size() > kMostItems) {
            refuse(kParameter, {"has too many values (at most ", number_text(kMostItems), ")"});
        }
    }
    result.pad_after = pad;
    return result;
}

Packed pack(const StructItem& item, bool big_endian, const Value& value, std::uint8_t* out) {
    std::memset(out, 0, item.pad_before);
    out += item.pad_before;
    if (item.code == 's') return pack_text(item, value.text, out);
    if (item.code == 'f' || item.code == 'd') {
        Packed packed = pack_real(item, big_endian, value, out);
        packed.fitted = packed.fitted && value.kind != Value::Kind::missing;
        return packed;
    }
    Integer x{0, false};  // a missing value
    if (value.kind == Value::Kind::real) x = clamped(value.real, limits_of(item));
    if (value.kind == Value::Kind::integer || value.kind == Value::Kind::boolean) {
        x = clamped(value.integer, limits_of(item));
    }
    return {put_bits(x.bits, item.size, big_endian, out), x.fitted};
}

}  // namespace mqttwin::fleet
