// A TCP segment as the model needs it: numbers, no payload.
#pragma once

#include <array>
#include <cstdint>

namespace mqttwin::net::tcp {

/// Sequence numbers are modulo 2^32, as on the wire; these compare them within half of that.
constexpr bool before(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b) < 0;
}
constexpr bool after(std::uint32_t a, std::uint32_t b) { return before(b, a); }

struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
};

struct Segment {
    static constexpr std::size_t kMaxSacks = 3;  // beside a timestamp there is room for no more

    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::uint32_t length = 0;    // payload, bytes
    std::uint32_t window = 0;    // bytes, already scaled
    std::uint32_t ts_value = 0;  // ms
    std::uint32_t ts_echo = 0;
    std::array<Range, kMaxSacks> sack{};
    std::uint8_t sacks = 0;
    bool duplicate = false;  // the first block is a D-SACK
    bool timestamp = false;  // the option is there
    bool syn = false;
    bool has_ack = false;
    bool fin = false;
    bool reset = false;
    bool push = false;

    [[nodiscard]] constexpr std::uint32_t end() const {
        return seq + length + (syn ? 1U : 0U) + (fin ? 1U : 0U);
    }
    /// Bytes on the IP level (version 4).
    [[nodiscard]] constexpr std::uint32_t wire_bytes() const {
        if (syn) return 60;  // MSS, SACK permitted, timestamp, window scale
        std::uint32_t options = timestamp ? 12U : 0U;
        if (sacks > 0) options += 4U + 8U * sacks;
        return 40 + options + length;
    }
};

}  // namespace mqttwin::net::tcp
