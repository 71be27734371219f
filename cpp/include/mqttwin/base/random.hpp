// Randomness as named, counter-based streams: a draw is a function of (seed, entity, purpose, n).
//
// Nothing here keeps a shared state, so an entity's draws never depend on who else exists or on
// the order in which entities are created or served.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin {

/// Philox2x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
inline std::array<std::uint64_t, 2> philox2x64(std::array<std::uint64_t, 2> counter,
                                               std::uint64_t key) {
    __extension__ using Wide = unsigned __int128;
    for (int round = 0; round < 10; ++round) {
        const Wide product = Wide{0xD2B74407B1CE6E93U} * counter[0];
        counter = {static_cast<std::uint64_t>(product >> 64) ^ key ^ counter[1],
                   static_cast<std::uint64_t>(product)};
        key += 0x9E3779B97F4A7C15U;
    }
    return counter;
}

/// The key of a family of streams: one purpose ("uplink loss") within one population ("meter").
struct StreamKey {
    std::uint64_t value = 0;

    static StreamKey of(std::uint64_t seed, std::string_view population, std::string_view purpose) {
        return {mix64(hash_text(purpose, hash_text(population, mix64(seed))))};
    }
};

/// Two independent 64-bit words, the `n`-th draw of entity `index` in the family `key`.
inline std::array<std::uint64_t, 2> draw128(StreamKey key, std::uint64_t index, std::uint64_t n) {
    return philox2x64({n, index}, key.value);
}

inline std::uint64_t draw64(StreamKey key, std::uint64_t index, std::uint64_t n) {
    return draw128(key, index, n)[0];
}

/// 53 random bits as a double in [0, 1).
constexpr double unit_from(std::uint64_t word) {
    return static_cast<double>(word >> 11) * 0x1.0p-53;
}
/// 53 random bits as a double in (0, 1]: safe to take a logarithm of.
constexpr double positive_unit_from(std::uint64_t word) {
    return static_cast<double>((word >> 11) + 1) * 0x1.0p-53;
}
/// Exponential with mean 1, from one word.
double exponential_from(std::uint64_t word);
/// Standard normal, from one word, by the inverse of its distribution function
/// (Wichura 1988, algorithm AS 241, PPND16; relative error about 1e-16).
double normal_from(std::uint64_t word);

/// A stream with its own position, for the places that draw a varying number of times.
class Stream {
   public:
    Stream() = default;
    Stream(StreamKey key, std::uint64_t index, std::uint64_t position = 0)
        : key_(key), index_(index), position_(position) {}

    std::uint64_t next() { return draw64(key_, index_, position_++); }
    double unit() { return unit_from(next()); }
    double exponential() { return exponential_from(next()); }
    double normal() { return normal_from(next()); }
    /// Uniform in [0, bound), without bias worth measuring (64-bit multiply-shift); 0 for bound 0.
    std::uint64_t below(std::uint64_t bound);
    bool chance(double probability) { return unit() < probability; }
    [[nodiscard]] std::uint64_t position() const { return position_; }

   private:
    StreamKey key_{};
    std::uint64_t index_ = 0;
    std::uint64_t position_ = 0;
};

/// A share of a duration, cut to whole nanoseconds; `share` may be any number but NaN. What is
/// beyond the longest duration becomes that.
inline Duration scaled(Duration d, double share) {
    const double ns = static_cast<double>(d.ns) * share;
    if (ns >= 0x1.0p63) return {std::numeric_limits<std::int64_t>::max()};
    if (ns <= -0x1.0p63) return {std::numeric_limits<std::int64_t>::min()};
    return {static_cast<std::int64_t>(ns)};
}

}  // namespace mqttwin
