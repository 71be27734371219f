// Unsigned integers in as many bytes as they need (LEB128), for compact portable forms.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/base/bytes.hpp"

namespace mqttwin::trace {

inline void put_varint(std::vector<std::uint8_t>& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<std::uint8_t>(value | 0x80));
        value >>= 7;
    }
    out.push_back(static_cast<std::uint8_t>(value));
}

/// Takes one integer off the front; false when there is none, or it exceeds 64 bits.
inline bool get_varint(ByteView& in, std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
        const std::uint8_t byte = in.front();
        in = in.subspan(1);
        const std::uint64_t bits = byte & 0x7FU;
        if (shift == 63 && bits > 1) return false;
        value |= bits << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

}  // namespace mqttwin::trace
