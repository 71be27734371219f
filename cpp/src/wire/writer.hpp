// A cursor over a blob whose size was computed before: it writes, and checks nothing in release.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/wire/packets.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::wire {

inline constexpr std::uint32_t kMaximumRemainingLength = 268'435'455;

constexpr std::uint32_t variable_size(std::uint32_t value) {
    return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

/// Copies strings of the usual length without a call.
inline void copy_bytes(std::uint8_t* to, const std::uint8_t* from, std::size_t n) {
    const auto ends = [&]<std::size_t size>(std::integral_constant<std::size_t, size>) {
        std::array<std::uint8_t, size> head;
        std::array<std::uint8_t, size> tail;
        std::memcpy(head.data(), from, size);
        std::memcpy(tail.data(), from + n - size, size);
        std::memcpy(to, head.data(), size);
        std::memcpy(to + n - size, tail.data(), size);
    };
    if (n > 32) {
        std::memcpy(to, from, n);
    } else if (n >= 16) {
        ends(std::integral_constant<std::size_t, 16>{});
    } else if (n >= 8) {
        ends(std::integral_constant<std::size_t, 8>{});
    } else {
        for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
    }
}

class Writer {
   public:
    explicit Writer(std::span<std::uint8_t> out) : at_(out.data()), end_(at_ + out.size()) {}
    ~Writer() { assert(at_ == end_); }  // sized exactly
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    void byte(std::uint8_t value) { *at_++ = value; }
    void two(std::uint16_t value) {
        at_[0] = static_cast<std::uint8_t>(value >> 8);
        at_[1] = static_cast<std::uint8_t>(value);
        at_ += 2;
    }
    void four(std::uint32_t value) {
        two(static_cast<std::uint16_t>(value >> 16));
        two(static_cast<std::uint16_t>(value));
    }
    void variable(std::uint32_t value) {  // [MQTT-1.5.5-1]: the shortest form
        while (value >= 0x80) {
            byte(static_cast<std::uint8_t>(value | 0x80));
            value >>= 7;
        }
        byte(static_cast<std::uint8_t>(value));
    }
    void raw(ByteView bytes) {
        copy_bytes(at_, bytes.data(), bytes.size());
        at_ += bytes.size();
    }
    void binary(ByteView bytes) {
        assert(bytes.size() <= 65'535);
        two(static_cast<std::uint16_t>(bytes.size()));
        raw(bytes);
    }
    void text(std::string_view value) { binary(as_bytes(value)); }

    /// Hands the cursor to somebody else, and takes it back where they stopped.
    [[nodiscard]] std::span<std::uint8_t> rest() const { return {at_, end_}; }
    void skip_to(std::uint8_t* position) { at_ = position; }

   private:
    std::uint8_t* at_;
    std::uint8_t* end_;
};

/// What of a packet's properties is written: all that its type allows, or less under a limit.
struct PropertyPlan {
    std::uint64_t present = 0;  // single properties to write
    bool user_properties = true;
    std::uint32_t length = 0;  // of the properties, without their length field

    /// Bytes with the length field; 5.0 always has one [MQTT-2.2.2-1].
    [[nodiscard]] std::uint32_t size() const { return variable_size(length) + length; }
};

/// Plans everything that `place` allows.
PropertyPlan plan_properties(const Properties& properties, PropertyPlaces place);
/// Leaves the user properties out, then the reason string; false when neither is left.
bool leave_something_out(PropertyPlan& plan, const Properties& properties);
/// Writes length field and properties, single ones by identifier, then the repeatable ones.
void write_properties(Writer& writer, const PropertyPlan& plan, const Properties& properties,
                      PropertyPlaces place);

}  // namespace mqttwin::wire
