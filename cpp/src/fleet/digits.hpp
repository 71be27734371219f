// Integers to decimal digits, eight at a time.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace mqttwin::fleet {

/// The digits of x < 10^8, the first one in the lowest byte: halves, quarters and eighths are
/// divided side by side, by multiplication with reciprocals that are exact for their ranges.
inline std::uint64_t eight_digits(std::uint32_t x) {
    const std::uint64_t fours = x / 10'000 | std::uint64_t{x % 10'000} << 32;
    const std::uint64_t hundreds = (fours * 10'486 >> 20) & 0x0000'007F'0000'007F;
    const std::uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    const std::uint64_t tens = (twos * 103 >> 10) & 0x000F'000F'000F'000F;
    return tens | (twos - tens * 10) << 8;
}

/// Writes eight digits; returns how many zeros lead.
inline int write_8_digits(std::uint64_t x, char* out) {
    const std::uint64_t digits = eight_digits(static_cast<std::uint32_t>(x));
    const std::uint64_t text = digits | 0x3030'3030'3030'3030;
    std::memcpy(out, &text, 8);
    return std::countr_zero(digits) / 8;
}

/// Writes x in 24 digits, zeros in front; returns how many zeros lead (23 at most: 0 is "0").
inline int write_24_digits(std::uint64_t x, char* out) {
    constexpr std::uint64_t kBlock = 100'000'000;
    const int last_zeros = write_8_digits(x % kBlock, out + 16);
    const std::uint64_t rest = x / kBlock;
    if (rest == 0) {
        std::memset(out, '0', 16);
        return 16 + (last_zeros < 8 ? last_zeros : 7);
    }
    const int middle_zeros = write_8_digits(rest % kBlock, out + 8);
    const int first_zeros = write_8_digits(rest / kBlock, out);
    return first_zeros < 8 ? first_zeros : 8 + middle_zeros;
}

}  // namespace mqttwin::fleet
