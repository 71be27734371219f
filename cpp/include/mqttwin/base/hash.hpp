// Portable 64- and 128-bit hashing: the same value on every machine, for names and digests.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "mqttwin/base/bytes.hpp"

namespace mqttwin {

static_assert(std::endian::native == std::endian::little, "digests are defined on little endian");

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection that mixes every bit.
constexpr std::uint64_t mix64(std::uint64_t x) {
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9ULL;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBULL;
    x ^= x >> 31;
    return x;
}

/// The 128-bit product of two words, folded to 64 bits (both halves kept by exclusive or).
inline std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t load64(const std::uint8_t* p) {
    std::uint64_t value = 0;
    std::memcpy(&value, p, 8);
    return value;
}

/// The first `n` < 8 bytes as a word, the others zero. Read in wholes: what is put together from
/// bytes in memory waits for them.
inline std::uint64_t load_part(const std::uint8_t* p, std::size_t n) {
    if (n >= 4) {
        std::uint32_t low = 0;
        std::uint32_t high = 0;
        std::memcpy(&low, p, 4);
        std::memcpy(&high, p + n - 4, 4);
        return low | std::uint64_t{high} << 8 * (n - 4);
    }
    if (n == 0) return 0;
    return p[0] | std::uint64_t{p[n / 2]} << 8 * (n / 2) | std::uint64_t{p[n - 1]} << 8 * (n - 1);
}

/// The end of every hash: up to 16 bytes that are left.
inline std::uint64_t finish_hash(std::uint64_t h, std::uint64_t a, std::uint64_t b,
                                 std::size_t size) {
    h = fold_multiply(a ^ 0x8EBC6AF09C88C6E3ULL ^ h, b ^ 0x589965CC75374CC3ULL ^ h);
    return mix64(h ^ size);
}

inline constexpr std::uint64_t kHashStart = 0x9E3779B97F4A7C15ULL;

/// The hash of what came before and of 16 bytes more. Both factors depend on what came before:
/// whoever chooses the bytes cannot make one of them zero, which would forget it.
inline std::uint64_t hash_step(std::uint64_t h, const std::uint8_t* p) {
    return fold_multiply(load64(p) ^ 0xA0761D6478BD642FULL ^ h,
                         load64(p + 8) ^ 0xE7037ED1A0B428DBULL ^ std::rotl(h, 32));
}

/// A 64-bit hash of bytes under a key; keyed secretly where a peer chooses the bytes.
inline std::uint64_t hash_bytes(ByteView bytes, std::uint64_t key = 0) {
    std::uint64_t h = key ^ kHashStart;
    const std::uint8_t* p = bytes.data();
    std::size_t n = bytes.size();
    for (; n >= 16; p += 16, n -= 16) h = hash_step(h, p);
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    if (n >= 8) {
        a = load64(p);
        b = load64(p + n - 8);
    } else {
        a = load_part(p, n);
    }
    return finish_hash(h, a, b, bytes.size());
}

inline std::uint64_t hash_text(std::string_view text, std::uint64_t key = 0) {
    return hash_bytes(as_bytes(text), key);
}

}  // namespace mqttwin
