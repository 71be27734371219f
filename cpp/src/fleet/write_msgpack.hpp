// MessagePack values (the specification's formats) written to memory that is known to suffice.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "mqttwin/fleet/generator.hpp"

#include "write_json.hpp"

namespace mqttwin::fleet {

/// Of a number, or of the head of a text or of bytes.
inline constexpr std::size_t kMaximumMsgpackHead = 9;

/// A format byte and `size` bytes of a number, the highest first.
inline std::uint8_t* put_tagged(std::uint8_t* out, unsigned tag, std::uint64_t x, int size) {
    *out++ = static_cast<std::uint8_t>(tag);
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
        *out++ = static_cast<std::uint8_t>(x >> shift);
    }
    return out;
}

inline std::uint8_t* put_msgpack_integer(std::uint8_t* out, std::int64_t x) {
    const auto bits = static_cast<std::uint64_t>(x);
    if (x >= 0) {
        if (bits < 0x80) return put_tagged(out, static_cast<unsigned>(bits), 0, 0);
        if (bits <= 0xFF) return put_tagged(out, 0xCC, bits, 1);
        if (bits <= 0xFFFF) return put_tagged(out, 0xCD, bits, 2);
        if (bits <= 0xFFFF'FFFF) return put_tagged(out, 0xCE, bits, 4);
        return put_tagged(out, 0xCF, bits, 8);
    }
    if (x >= -32) return put_tagged(out, static_cast<unsigned>(bits & 0xFF), 0, 0);
    if (x >= INT8_MIN) return put_tagged(out, 0xD0, bits, 1);
    if (x >= INT16_MIN) return put_tagged(out, 0xD1, bits, 2);
    if (x >= INT32_MIN) return put_tagged(out, 0xD2, bits, 4);
    return put_tagged(out, 0xD3, bits, 8);
}

inline std::uint8_t* put_msgpack_text(std::uint8_t* out, std::string_view text) {
    const std::size_t size = text.size();
    if (size < 32) {
        out = put_tagged(out, 0xA0 | static_cast<unsigned>(size), 0, 0);
    } else if (size <= 0xFF) {
        out = put_tagged(out, 0xD9, size, 1);
    } else if (size <= 0xFFFF) {
        out = put_tagged(out, 0xDA, size, 2);
    } else {
        out = put_tagged(out, 0xDB, size, 4);
    }
    return put(out, text);
}

inline std::uint8_t* put_msgpack_map(std::uint8_t* out, std::size_t entries) {
    if (entries < 16) return put_tagged(out, 0x80 | static_cast<unsigned>(entries), 0, 0);
    if (entries <= 0xFFFF) return put_tagged(out, 0xDE, entries, 2);
    return put_tagged(out, 0xDF, entries, 4);
}

inline std::uint8_t* put_msgpack(std::uint8_t* out, const Value& value) {
    switch (value.kind) {
        case Value::Kind::missing:
            break;
        case Value::Kind::real:
            if (!std::isfinite(value.real)) break;
            return put_tagged(out, 0xCB, std::bit_cast<std::uint64_t>(value.real), 8);
        case Value::Kind::integer:
            return put_msgpack_integer(out, value.integer);
        case Value::Kind::boolean:
            return put_tagged(out, value.integer != 0 ? 0xC3 : 0xC2, 0, 0);
        case Value::Kind::text:
            return put_msgpack_text(out, value.text);
    }
    return put_tagged(out, 0xC0, 0, 0);  // nil
}

/// The entry "pad" with as many zero bytes as make `size` bytes grow to `minimum`, or with none.
inline std::uint8_t* put_msgpack_pad(std::uint8_t* out, std::size_t size, std::size_t minimum) {
    out = put_msgpack_text(out, "pad");
    const std::size_t before = size + 4;
    std::size_t zeros = 0;
    if (before + 2 + 0xFF >= minimum) {
        zeros = before + 2 < minimum ? minimum - before - 2 : 0;
        out = put_tagged(out, 0xC4, zeros, 1);
    } else if (before + 3 + 0xFFFF >= minimum) {
        zeros = minimum - before - 3;
        out = put_tagged(out, 0xC5, zeros, 2);
    } else {
        zeros = minimum - before - 5;
        out = put_tagged(out, 0xC6, zeros, 4);
    }
    std::memset(out, 0, zeros);
    return out + zeros;
}

}  // namespace mqttwin::fleet
