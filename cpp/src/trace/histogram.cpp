#include "mqttwin/trace/histogram.hpp"

#include <cmath>

#include "varint.hpp"

namespace mqttwin::trace {
namespace {

constexpr std::uint8_t kFormat = 1;

}  // namespace

// Makes room for bucket `index`, in whole octaves, and says where it is.
std::size_t Histogram::grow(std::size_t index) {
    const std::size_t begin = index - index % kBlock;
    if (counts_.empty()) {
        counts_.assign(kBlock, 0);
        first_ = begin;
    } else if (index < first_) {
        counts_.insert(counts_.begin(), first_ - begin, 0);
        first_ = begin;
    } else {
        // Not resize: a vector that doubles would hold up to twice what is needed.
        std::vector<std::uint64_t> larger;
        larger.reserve(begin + kBlock - first_);
        larger.assign(counts_.begin(), counts_.end());
        larger.resize(begin + kBlock - first_, 0);
        counts_ = std::move(larger);
    }
    return index - first_;
}

void Histogram::merge(const Histogram& other) {
    if (other.empty()) return;
    // Both ends first, so that the loop never grows; `other` may be this very histogram.
    const std::size_t other_first = other.first_;
    const std::size_t other_size = other.counts_.size();
    const auto cover = [this](std::size_t index) {
        if (index - first_ >= counts_.size()) grow(index);
    };
    cover(other_first);
    cover(other_first + other_size - 1);
    for (std::size_t i = 0; i < other_size; ++i) {
        counts_[other_first - first_ + i] += other.counts_[i];
    }
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
}

std::int64_t Histogram::quantile(double q) const {
    if (empty()) return 0;
    if (!(q > 0)) return min_;
    if (q >= 1) return max_;
    // The rank of q * count rounded up; a product that misses a whole number by its rounding error
    // must not count as the next one (0.999 * 1000).
    const double wanted = q * static_cast<double>(count_);
    const double slack = wanted * 4 * std::numeric_limits<double>::epsilon();
    const auto rank =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(wanted - slack)));
    std::uint64_t seen = 0;
    for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
        seen += counts_[slot];
        if (seen < rank) continue;
        const std::int64_t low = low_of(first_ + slot);
        const std::int64_t middle = low + (high_of(first_ + slot) - low) / 2;
        return std::clamp(middle, min_, max_);
    }
    return max_;
}

double Histogram::fraction_at_most(std::int64_t x) const {
    if (empty() || x < min_) return 0.0;
    if (x >= max_) return 1.0;
    const std::size_t index = index_of(static_cast<std::uint64_t>(x));
    std::uint64_t below = 0;
    for (std::size_t slot = 0; first_ + slot < index; ++slot) below += counts_[slot];
    const std::int64_t low = low_of(index);
    const double width = static_cast<double>(high_of(index) - low) + 1;
    const double share = (static_cast<double>(x - low) + 1) / width;
    const double within = static_cast<double>(counts_[index - first_]) * share;
    return (static_cast<double>(below) + within) / static_cast<double>(count_);
}

std::vector<std::uint8_t> Histogram::serialise() const {
    std::vector<std::uint8_t> out;
    out.push_back(kFormat);
    put_varint(out, count_);
    if (empty()) return out;
    put_varint(out, static_cast<std::uint64_t>(min_));
    put_varint(out, static_cast<std::uint64_t>(max_ - min_));
    put_varint(out, static_cast<std::uint64_t>(sum_));
    put_varint(out, static_cast<std::uint64_t>(sum_ >> 64));
    std::size_t next = 0;
    for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
        if (counts_[slot] == 0) continue;
        put_varint(out, first_ + slot - next);
        put_varint(out, counts_[slot]);
        next = first_ + slot + 1;
    }
    return out;
}

std::optional<Histogram> Histogram::deserialise(ByteView bytes) {
    if (bytes.empty() || bytes.front() != kFormat) return std::nullopt;
    bytes = bytes.subspan(1);

    Histogram made;
    std::uint64_t count = 0;
    if (!get_varint(bytes, count)) return std::nullopt;
    if (count == 0) {
        if (!bytes.empty()) return std::nullopt;
        return made;
    }
    std::uint64_t min = 0;
    std::uint64_t range = 0;
    std::uint64_t sum_low = 0;
    std::uint64_t sum_high = 0;
    if (!get_varint(bytes, min) || !get_varint(bytes, range) || !get_varint(bytes, sum_low) ||
        !get_varint(bytes, sum_high)) {
        return std::nullopt;
    }
    constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (min > limit || range > limit - min) return std::nullopt;

    std::size_t next = 0;
    std::size_t lowest = kBuckets;
    while (!bytes.empty()) {
        std::uint64_t gap = 0;
        std::uint64_t times = 0;
        if (!get_varint(bytes, gap) || !get_varint(bytes, times)) return std::nullopt;
        if (gap >= kBuckets - next || times == 0 || times > count - made.count_) {
            return std::nullopt;
        }
        const std::size_t index = next + static_cast<std::size_t>(gap);
        lowest = std::min(lowest, index);
        std::size_t slot = index - made.first_;
        if (slot >= made.counts_.size()) slot = made.grow(index);
        made.counts_[slot] += times;
        made.count_ += times;
        next = index + 1;
    }
    // The extremes lie in the outermost buckets, or the bytes contradict themselves.
    if (made.count_ != count || index_of(min) != lowest || index_of(min + range) != next - 1) {
        return std::nullopt;
    }
    made.min_ = static_cast<std::int64_t>(min);
    made.max_ = static_cast<std::int64_t>(min + range);
    made.sum_ = (static_cast<Wide>(sum_high) << 64) | sum_low;
    return made;
}

bool operator==(const Histogram& a, const Histogram& b) {
    if (a.count_ != b.count_ || a.sum_ != b.sum_ || a.min_ != b.min_ || a.max_ != b.max_) {
        return false;
    }
    // Whole octaves from the one of the minimum to the one of the maximum: the same range always.
    return a.first_ == b.first_ && a.counts_ == b.counts_;
}

}  // namespace mqttwin::trace
