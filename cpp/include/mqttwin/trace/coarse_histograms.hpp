// Coarse histograms of durations, one for each of many devices.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"

namespace mqttwin::trace {

/// Counts of nanoseconds in buckets no wider than 1/8 of their lower edge: percentiles are right
/// to 6 %, which is enough to tell devices apart.
///
/// Each histogram has the octaves between its smallest and its largest value, 8 buckets of 4 bytes
/// each, in one pool that all share; a histogram that grows moves, and leaves its place to others.
class CoarseHistograms {
   public:
    explicit CoarseHistograms(std::size_t count) : places_(count) {}

    void record(std::size_t histogram, std::int64_t value) {
        const std::uint32_t octave = octave_of(value);
        Place& place = places_[histogram];
        std::uint32_t slot = octave - place.first;
        if (slot >= place.octaves) [[unlikely]] {
            grow(place, octave);
            slot = octave - place.first;
        }
        ++pool_[place.offset + std::size_t{slot} * kSub + sub_of(value, octave)];
    }

    [[nodiscard]] std::uint64_t count(std::size_t histogram) const;
    /// The smallest value that at least a fraction `q` (0 to 1) of all does not exceed, as the
    /// middle of its bucket; -1 when empty.
    [[nodiscard]] std::int64_t quantile(std::size_t histogram, double q) const;

    /// Bytes of memory.
    [[nodiscard]] std::size_t footprint() const {
        return places_.capacity() * sizeof(Place) + pool_.capacity() * sizeof(std::uint32_t);
    }
    void archive(Archive& a) { a(places_, pool_, free_); }

   private:
    static constexpr unsigned kSubBits = 3;  // 8 buckets an octave
    static constexpr std::uint32_t kSub = 1U << kSubBits;
    static constexpr std::uint32_t kOctaves = 64 - kSubBits;

    struct Place {
        std::uint32_t offset = 0;  // of its first bucket in the pool
        std::uint16_t first = 0;   // octave
        std::uint16_t octaves = 0;
    };

    // Octave 0 is 0 to 7 ns, one bucket each; octave n > 0 begins at 2^(n + 2).
    static constexpr std::uint32_t octave_of(std::int64_t value) {
        const auto bits = static_cast<unsigned>(
            std::bit_width(value < 0 ? 0U : static_cast<std::uint64_t>(value)));
        return bits <= kSubBits ? 0 : bits - kSubBits;
    }
    static constexpr std::uint32_t sub_of(std::int64_t value, std::uint32_t octave) {
        const std::uint64_t v = value < 0 ? 0U : static_cast<std::uint64_t>(value);
        return static_cast<std::uint32_t>(v >> (octave == 0 ? 0 : octave - 1)) & (kSub - 1);
    }
    static std::int64_t middle_of(std::uint32_t octave, std::uint32_t sub);

    void grow(Place& place, std::uint32_t octave);
    std::uint32_t take(std::uint32_t octaves);

    std::vector<Place> places_;
    std::vector<std::uint32_t> pool_;
    std::array<std::vector<std::uint32_t>, kOctaves + 1> free_;  // offsets, by octaves
};

}  // namespace mqttwin::trace
