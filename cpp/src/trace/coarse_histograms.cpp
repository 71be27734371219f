#include "mqttwin/trace/coarse_histograms.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace mqttwin::trace {

// A place of so many octaves, all counts 0: one that somebody left, or a new one.
std::uint32_t CoarseHistograms::take(std::uint32_t octaves) {
    std::vector<std::uint32_t>& left = free_[octaves];
    const std::size_t size = std::size_t{octaves} * kSub;
    if (!left.empty()) {
        const std::uint32_t offset = left.back();
        left.pop_back();
        std::fill_n(pool_.begin() + offset, size, 0U);
        return offset;
    }
    const std::size_t offset = pool_.size();
    if (offset + size > std::numeric_limits<std::uint32_t>::max()) {
        throw std::length_error("the latencies of devices take more than 16 GiB");
    }
    pool_.resize(offset + size, 0);
    return static_cast<std::uint32_t>(offset);
}

void CoarseHistograms::grow(Place& place, std::uint32_t octave) {
    Place larger;
    const std::uint32_t end = place.first + std::uint32_t{place.octaves};
    const std::uint32_t first =
        place.octaves == 0 ? octave : std::min<std::uint32_t>(place.first, octave);
    const std::uint32_t last = place.octaves == 0 ? octave + 1 : std::max(end, octave + 1);
    larger.first = static_cast<std::uint16_t>(first);
    larger.octaves = static_cast<std::uint16_t>(last - first);
    larger.offset = take(larger.octaves);
    if (place.octaves != 0) {
        const std::size_t skipped = std::size_t{place.first - first} * kSub;
        std::copy_n(pool_.begin() + place.offset, std::size_t{place.octaves} * kSub,
                    pool_.begin() + larger.offset + static_cast<std::ptrdiff_t>(skipped));
        free_[place.octaves].push_back(place.offset);
    }
    place = larger;
}

std::int64_t CoarseHistograms::middle_of(std::uint32_t octave, std::uint32_t sub) {
    if (octave == 0) return sub;
    const unsigned shift = octave - 1;
    const std::int64_t low = std::int64_t{kSub + sub} << shift;
    return low + ((std::int64_t{1} << shift) - 1) / 2;
}

std::uint64_t CoarseHistograms::count(std::size_t histogram) const {
    const Place& place = places_[histogram];
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < place.octaves * kSub; ++i) total += pool_[place.offset + i];
    return total;
}

std::int64_t CoarseHistograms::quantile(std::size_t histogram, double q) const {
    const Place& place = places_[histogram];
    const std::uint64_t total = count(histogram);
    if (total == 0) return -1;
    const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
    const auto rank =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(wanted * (1 - 1e-12))));
    std::uint64_t seen = 0;
    std::uint32_t i = 0;
    for (; i < place.octaves * kSub; ++i) {
        seen += pool_[place.offset + i];
        if (seen >= rank) break;
    }
    return middle_of(place.first + i / kSub, i % kSub);
}

}  // namespace mqttwin::trace
