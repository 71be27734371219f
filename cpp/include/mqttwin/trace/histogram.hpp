// Log-linear histograms of durations: exact counts, exact merging, percentiles within 0.4 %.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin::trace {

/// Counts of nanoseconds from 0 to 2^63 - 1 in buckets no wider than 1/128 of their lower edge.
///
/// Every octave has 128 buckets of one width; values below 256 have a bucket of their own.
/// Memory follows the octaves between the smallest and the largest value seen: 1 KiB each, none
/// when empty. Count, sum, minimum and maximum are exact. Merging adds counts, so that it does not
/// matter in which order, or in how many parts, values were recorded.
class Histogram {
   public:
    /// A negative value counts as 0: in a live world the two ends of a latency may be read from
    /// clocks that differ by more than the latency, and losing the value would lose the message.
    void record(std::int64_t value) { record(value, 1); }
    void record(Duration value) { record(value.ns, 1); }
    void record(std::int64_t value, std::uint64_t times) {
        if (times == 0) return;
        const std::int64_t clamped = std::max<std::int64_t>(value, 0);
        const std::size_t index = index_of(static_cast<std::uint64_t>(clamped));
        std::size_t slot = index - first_;
        if (slot >= counts_.size()) [[unlikely]]
            slot = grow(index);
        counts_[slot] += times;
        count_ += times;
        sum_ += static_cast<Wide>(clamped) * times;
        min_ = std::min(min_, clamped);
        max_ = std::max(max_, clamped);
    }

    void merge(const Histogram& other);
    void clear() { *this = Histogram(); }

    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    /// Exact; 0 when empty.
    [[nodiscard]] std::int64_t min() const { return empty() ? 0 : min_; }
    [[nodiscard]] std::int64_t max() const { return empty() ? 0 : max_; }
    [[nodiscard]] double sum() const { return static_cast<double>(sum_); }
    [[nodiscard]] double mean() const {
        return empty() ? 0.0 : sum() / static_cast<double>(count_);
    }

    /// The smallest recorded value that at least a fraction `q` (0 to 1) of all values does not
    /// exceed ("nearest rank"), as the middle of its bucket; q <= 0 is the exact minimum, q >= 1
    /// the exact maximum. 0 when empty.
    [[nodiscard]] std::int64_t quantile(double q) const;
    /// quantile(percent / 100).
    [[nodiscard]] std::int64_t percentile(double percent) const { return quantile(percent / 100); }

    /// The fraction of values <= x, and > x; the bucket that x falls into counts in proportion.
    /// 0 when empty.
    [[nodiscard]] double fraction_at_most(std::int64_t x) const;
    [[nodiscard]] double fraction_above(std::int64_t x) const {
        return empty() ? 0.0 : 1.0 - fraction_at_most(x);
    }

    /// Calls visit(low, high, count) for every bucket that is not empty, in ascending order;
    /// the bucket holds the values low <= value <= high.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
            if (counts_[slot] == 0) continue;
            const std::size_t index = first_ + slot;
            visit(low_of(index), high_of(index), counts_[slot]);
        }
    }

    /// A compact form that reads the same on every machine: version, totals, then (gap, count) of
    /// every bucket in use, as variable-length integers.
    [[nodiscard]] std::vector<std::uint8_t> serialise() const;
    /// Nothing when the bytes are not a whole, consistent histogram.
    [[nodiscard]] static std::optional<Histogram> deserialise(ByteView bytes);

    /// Bytes of memory beyond the object itself.
    [[nodiscard]] std::size_t footprint() const { return counts_.capacity() * 8; }

    /// Same values in the same buckets, same totals; spare room does not matter.
    friend bool operator==(const Histogram& a, const Histogram& b);
    void archive(Archive& a) { a(counts_, first_, count_, sum_, min_, max_); }

   private:
    __extension__ using Wide = unsigned __int128;

    static constexpr unsigned kSubBits = 7;  // 128 buckets an octave
    static constexpr std::size_t kBlock = std::size_t{1} << kSubBits;
    static constexpr std::size_t kBuckets = (63 - kSubBits + 1) * kBlock;

    // The top eight bits of a value (its leading one first) name its bucket within the octave.
    static constexpr std::size_t index_of(std::uint64_t value) {
        const auto shift = static_cast<unsigned>(std::bit_width(value | 0xFF)) - (kSubBits + 1);
        return (std::size_t{shift} << kSubBits) + static_cast<std::size_t>(value >> shift);
    }
    static constexpr unsigned shift_of(std::size_t index) {
        return index < 2 * kBlock ? 0 : static_cast<unsigned>(index >> kSubBits) - 1;
    }
    static constexpr std::int64_t low_of(std::size_t index) {
        const unsigned shift = shift_of(index);
        return static_cast<std::int64_t>((index - (std::size_t{shift} << kSubBits)) << shift);
    }
    static constexpr std::int64_t high_of(std::size_t index) {
        return low_of(index) + ((std::int64_t{1} << shift_of(index)) - 1);
    }

    std::size_t grow(std::size_t index);

    std::vector<std::uint64_t> counts_;  // buckets first_, first_ + 1, ...: whole octaves
    std::size_t first_ = 0;
    std::uint64_t count_ = 0;
    Wide sum_ = 0;
    std::int64_t min_ = std::numeric_limits<std::int64_t>::max();
    std::int64_t max_ = -1;
};

}  // namespace mqttwin::trace
