// Kernel timers count ticks and are kept in a wheel whose outer rings are coarse: they fire late.
#pragma once

#include <cstdint>

#include "mqttwin/base/time.hpp"

namespace mqttwin::net::tcp {

/// Ticks that cover a duration (rounded up, at least one).
constexpr std::uint32_t ticks_of(Duration d, Duration jiffy) {
    const std::int64_t ticks = (d.ns + jiffy.ns - 1) / jiffy.ns;
    return ticks < 1 ? 1U : static_cast<std::uint32_t>(ticks);
}

/// When a timer set at `now` for so many ticks fires. `phase` is the age of the host's tick counter
/// at instant 0. Linux keeps 8 rings of 64 buckets; from ring to ring a bucket is 8 times as wide,
/// and a timer goes into the bucket after the one it falls into, so it is never early.
constexpr Instant fires_at(Instant now, std::uint32_t ticks, Duration jiffy, Duration phase,
                           bool wheel) {
    constexpr std::int64_t kInnermost = 63;
    constexpr int kWidening = 3;
    constexpr int kOutermost = 21;
    const std::int64_t current = (now.ns + phase.ns) / jiffy.ns;
    const std::int64_t expiry = current + ticks;
    int shift = 0;
    while (wheel && shift < kOutermost && ticks >= kInnermost << shift) shift += kWidening;
    const std::int64_t bucket = ((expiry >> shift) + 1) << shift;
    return Instant{bucket * jiffy.ns - phase.ns};
}

}  // namespace mqttwin::net::tcp
