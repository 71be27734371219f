// MessagePack, as much of it as the event log has: what msgpack-c's packer writes, byte for byte,
// without looking for room at every number.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace mqttwin::trace {

/// Writes to memory of which there must be enough: 9 bytes a number, 5 more than its length a text.
class LogEncoder {
   public:
    static constexpr std::size_t kNumber = 9;
    static constexpr std::size_t kTextHead = 5;

    explicit LogEncoder(char* to) : to_(to) {}
    [[nodiscard]] char* end() const { return to_; }

    /// Of at most 15 elements.
    void array(std::uint32_t size) { byte(0x90 | size); }
    void map(std::uint32_t size) {
        if (size < 16) {
            byte(0x80 | size);
        } else {
            byte(0xde);
            big(static_cast<std::uint16_t>(size));
        }
    }
    void nil() { byte(0xc0); }
    /// A number below 128, whose byte it is.
    void small(std::uint32_t value) { byte(value); }
    /// Forgets so many bytes.
    void take_back(std::size_t bytes) { to_ -= bytes; }
    void number(std::uint64_t value) {
        if (value < 0x80) {  // most of them: a "positive fixint" is its own byte
            byte(static_cast<std::uint32_t>(value));
        } else if (value <= 0xFF) {
            byte(0xcc);
            byte(static_cast<std::uint32_t>(value));
        } else if (value <= 0xFFFF) {
            byte(0xcd);
            big(static_cast<std::uint16_t>(value));
        } else if (value <= 0xFFFF'FFFF) {
            byte(0xce);
            big(static_cast<std::uint32_t>(value));
        } else {
            byte(0xcf);
            big(value);
        }
    }
    /// The same where sizes are mixed, such as of the numbers of entities: without a branch for a
    /// processor to guess wrong. 9 bytes may be written over, however few the number takes.
    void mixed_number(std::uint32_t value) {
        // Bytes behind the head: 0, 1, 2 or 4, by the bits of the value.
        static constexpr std::uint8_t kBytes[33] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2,
                                                    2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4,
                                                    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
        static constexpr std::uint8_t kHead[5] = {0, 0xcc, 0xcd, 0, 0xce};
        const unsigned bytes = kBytes[std::bit_width(value)];
        const std::uint64_t text = std::uint64_t{value} << 8 * (7 - bytes) << 8;
        *to_ = static_cast<char>(bytes == 0 ? value : kHead[bytes]);
        const std::uint64_t swapped = __builtin_bswap64(text);
        std::memcpy(to_ + 1, &swapped, 8);
        to_ += 1 + bytes;
    }
    void signed_number(std::int64_t value) {
        if (value >= 0) {
            number(static_cast<std::uint64_t>(value));
        } else if (value >= -32) {
            byte(static_cast<std::uint32_t>(value) & 0xFF);
        } else if (value >= INT8_MIN) {
            byte(0xd0);
            byte(static_cast<std::uint32_t>(value) & 0xFF);
        } else if (value >= INT16_MIN) {
            byte(0xd1);
            big(static_cast<std::uint16_t>(value));
        } else if (value >= INT32_MIN) {
            byte(0xd2);
            big(static_cast<std::uint32_t>(value));
        } else {
            byte(0xd3);
            big(static_cast<std::uint64_t>(value));
        }
    }
    void text(std::string_view value) {
        const auto size = static_cast<std::uint32_t>(value.size());
        if (size < 32) {
            byte(0xa0 | size);
        } else if (size <= 0xFF) {
            byte(0xd9);
            byte(size);
        } else if (size <= 0xFFFF) {
            byte(0xda);
            big(static_cast<std::uint16_t>(size));
        } else {
            byte(0xdb);
            big(size);
        }
        std::memcpy(to_, value.data(), value.size());
        to_ += value.size();
    }

   private:
    void byte(std::uint32_t value) { *to_++ = static_cast<char>(value); }
    template <typename T>
    void big(T value) {
        for (int shift = static_cast<int>(8 * sizeof(T)) - 8; shift >= 0; shift -= 8) {
            *to_++ = static_cast<char>(value >> shift);
        }
    }

    char* to_;
};

}  // namespace mqttwin::trace
