// JSON scalars written to memory that is known to suffice.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "mqttwin/fleet/generator.hpp"

#include "digits.hpp"
#include "shortest.hpp"

namespace mqttwin::fleet {

/// The room that a number, truth value or null is written in (it may be shorter); every byte of
/// text becomes at most six.
inline constexpr std::size_t kMaximumJsonNumber = 48;
inline constexpr std::size_t kMaximumJsonEscape = 6;

inline std::uint8_t* put(std::uint8_t* out, std::string_view text) {
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

inline std::uint8_t* put_integer(std::uint8_t* out, std::int64_t x) {
    char* const begin = reinterpret_cast<char*>(out);
    char* const end = std::to_chars(begin, begin + kMaximumJsonNumber, x).ptr;
    return out + (end - begin);
}

/// units / 10^digits with all its decimals, 0 <= digits <= 21: (2140, 2) is 21.40. Writes
/// beyond its end, within that room: copies of a fixed size are faster than exact ones.
inline std::uint8_t* put_decimal(std::uint8_t* out, std::uint64_t units, int digits) {
    constexpr int kMost = 24;
    char padded[2 * kMost];
    const int zeros = write_24_digits(units, padded);
    const char* const text = padded + zeros;
    const int size = kMost - zeros;
    const int whole = size - digits;  // digits in front of the point
    if (whole > 0) {
        std::memcpy(out, text, kMost);
        if (digits == 0) return out + size;
        out[whole] = '.';
        std::memcpy(out + whole + 1, text + whole, kMost - 1);
        return out + size + 1;
    }
    std::memset(out, '0', kMost);
    out[1] = '.';
    std::memcpy(out + 2 - whole, text, static_cast<std::size_t>(size));
    return out + 2 + digits;
}

/// A rounded number has all its decimals; any other is the shortest text that reads back as it;
/// null for what JSON cannot say (RFC 8259, section 6).
inline std::uint8_t* put_real(std::uint8_t* out, const Value& value) {
    if (value.digits >= 0) {
        auto units = static_cast<std::uint64_t>(value.integer);
        if (value.integer < 0) {
            *out++ = '-';
            units = 0 - units;
        }
        return put_decimal(out, units, value.digits);
    }
    const Decimal decimal = shortest_decimal(value.real);
    if (decimal.decimals >= 0) {
        if (value.real < 0) *out++ = '-';
        return put_decimal(out, decimal.digits, decimal.decimals);
    }
    if (!std::isfinite(value.real)) return put(out, "null");
    char* const begin = reinterpret_cast<char*>(out);
    char* const end = std::to_chars(begin, begin + kMaximumJsonNumber, value.real).ptr;
    return out + (end - begin);
}

/// Text with its quotes, escaped as RFC 8259, section 7 demands and no more.
inline std::uint8_t* put_quoted(std::uint8_t* out, std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    *out++ = '"';
    for (const char c : text) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (byte >= 0x20 && c != '"' && c != '\\') {
            *out++ = byte;
            continue;
        }
        *out++ = '\\';
        switch (c) {
            case '"':
            case '\\':
                *out++ = byte;
                break;
            case '\n':
                *out++ = 'n';
                break;
            case '\r':
                *out++ = 'r';
                break;
            case '\t':
                *out++ = 't';
                break;
            default:
                out = put(out, "u00");
                *out++ = static_cast<std::uint8_t>(kHex[byte >> 4]);
                *out++ = static_cast<std::uint8_t>(kHex[byte & 15U]);
        }
    }
    *out++ = '"';
    return out;
}

inline std::uint8_t* put_json(std::uint8_t* out, const Value& value) {
    switch (value.kind) {
        case Value::Kind::missing:
            return put(out, "null");
        case Value::Kind::real:
            return put_real(out, value);
        case Value::Kind::integer:
            return put_integer(out, value.integer);
        case Value::Kind::boolean:
            return put(out, value.integer != 0 ? "true" : "false");
        case Value::Kind::text:
            break;
    }
    return put_quoted(out, value.text);
}

}  // namespace mqttwin::fleet
