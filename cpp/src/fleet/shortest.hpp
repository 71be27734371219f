// The shortest decimal that reads back as a given double, for everyday magnitudes.
//
// std::to_chars does this for every double; here the exact value still fits into 128 bits after
// scaling, so no table of powers is needed and it takes a third of the time. Measured values are
// written a million times a second, hence this shortcut.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace mqttwin::fleet {

/// digits * 10^-decimals; decimals is -1 when the number is left to std::to_chars.
struct Decimal {
    std::uint64_t digits = 0;
    int decimals = -1;
};

__extension__ using Wide = unsigned __int128;

/// 10^n for n up to 21.
constexpr std::array<Wide, 22> kTens = [] {
    std::array<Wide, 22> tens{};
    Wide ten = 1;
    for (Wide& entry : tens) {
        entry = ten;
        ten *= 10;
    }
    return tens;
}();

/// For x of about 1e-5 to 1e15 that are no powers of two; no decimals otherwise.
///
/// x = c 2^-m lies in an interval of half a unit in the last place to either side, all of which
/// reads back as x (its ends do when c is even). With 10^n > 2^m > 10^(n-1), multiples of 10^-n
/// are finer than that interval and multiples of 10^-(n-1) coarser: so at most one of the latter
/// is in it and, if any, is the shortest; otherwise it is the nearest of the former (as in Steele
/// and White, "How to print floating-point numbers accurately", 1990, and Giulietti, "The Schubfach
/// way to render doubles", 2020).
inline Decimal shortest_decimal(double x) {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
    const int m = 1075 - static_cast<int>((bits >> 52) & 0x7FF);
    // The gap below a power of two is half as wide; they are rare enough to leave out.
    if (m < 3 || m > 69 || fraction == 0) return {};
    const std::uint64_t c = fraction | (std::uint64_t{1} << 52);

    const int n = (m * 1233 >> 12) + 1;  // 1 + floor(m log10 2): exact in this range
    const Wide unit = Wide{1} << m;      // one step of 10^-n, in the scale of c * 10^n
    const Wide width = kTens[static_cast<std::size_t>(n)];  // of the interval, in the same scale
    const Wide scaled = c * width;
    const auto below = static_cast<std::uint64_t>(scaled >> m);
    const Wide rest = scaled & (unit - 1);
    // Twice a distance is inside when it is less than the width, or equal and c is even.
    const Wide inside = width - (c & 1);

    const std::uint64_t tens = below / 10;
    const std::uint64_t ones = below % 10;
    Decimal result{tens, n - 1};
    const Wide down = rest + ones * unit;
    if (2 * down > inside) {
        const Wide up = 10 * unit - down;
        if (2 * up <= inside) {
            result.digits = tens + 1;
        } else {
            const bool is_half = 2 * rest == unit;
            const bool round_up = is_half ? (below & 1) != 0 : 2 * rest > unit;
            return {below + (round_up ? 1 : 0), n};
        }
    }
    if (result.decimals >= 8 && result.digits % 100'000'000 == 0) {
        result.digits /= 100'000'000;
        result.decimals -= 8;
    }
    while (result.decimals > 0 && result.digits % 10 == 0) {
        result.digits /= 10;
        --result.decimals;
    }
    return result;
}

}  // namespace mqttwin::fleet
