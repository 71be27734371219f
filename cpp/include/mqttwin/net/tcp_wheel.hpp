// Kernel timers count ticks and are kept in a wheel whose outer rings are coarse: they fire late.
#pragma once

#include <cassert>
#include <cstdint>

#include "mqttwin/base/time.hpp"

namespace mqttwin::net::tcp {

/// Ticks that cover a duration (rounded up, at least one).
constexpr std::uint32_t ticks_of(Duration d, Duration jiffy) {
    const std::int64_t ticks = (d.ns + jiffy.ns - 1) / jiffy.ns;
    return ticks < 1 ? 1U : static_cast<std::uint32_t>(ticks);
}

/// The tick at which a timer fires that is set at tick `current` for so many. Linux keeps 8 rings
/// of 64 buckets; from ring to ring a bucket is 8 times as wide, and a timer goes into the bucket
/// after the one it falls into, so it is never early.
constexpr std::int64_t fires_at_tick(std::int64_t current, std::uint32_t ticks, bool wheel) {
    constexpr std::int64_t kInnermost = 63;
    constexpr int kWidening = 3;
    constexpr int kOutermost = 21;
    int shift = 0;
    while (wheel && shift < kOutermost && ticks >= kInnermost << shift) shift += kWidening;
    return (((current + ticks) >> shift) + 1) << shift;
}

/// When a timer set at `now` fires. `phase` is the age of the host's tick counter at instant 0.
constexpr Instant fires_at(Instant now, std::uint32_t ticks, Duration jiffy, Duration phase,
                           bool wheel) {
    const std::int64_t current = (now.ns + phase.ns) / jiffy.ns;
    return Instant{fires_at_tick(current, ticks, wheel) * jiffy.ns - phase.ns};
}

/// A tick as a divisor: dividing by it is a multiplication.
class Tick {
   public:
    /// Whole microseconds, at least two.
    explicit constexpr Tick(Duration jiffy)
        : us_(static_cast<std::uint64_t>(jiffy.ns / 1'000)), inverse_(~std::uint64_t{0} / us_ + 1) {
        assert(jiffy.ns % 1'000 == 0 && us_ >= 2);
    }
    /// How many have passed after so many microseconds.
    [[nodiscard]] constexpr std::uint64_t passed(std::uint64_t us) const {
        // With the inverse rounded up the product is exact as long as us * tick < 2^64.
        if (us >= kExact) return us / us_;
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>(Wide{us} * inverse_ >> 64U);
    }
    [[nodiscard]] constexpr std::int64_t microseconds(std::uint32_t ticks) const {
        return static_cast<std::int64_t>(us_ * ticks);
    }
    /// How many cover them, at least one.
    [[nodiscard]] constexpr std::uint32_t cover(std::int64_t microseconds) const {
        if (microseconds <= 0) return 1;
        return static_cast<std::uint32_t>(
            passed(static_cast<std::uint64_t>(microseconds) + us_ - 1));
    }

   private:
    static constexpr std::uint64_t kExact = std::uint64_t{1} << 44U;  // half a year

    std::uint64_t us_;  // below 2^20: a second
    std::uint64_t inverse_;
};

}  // namespace mqttwin::net::tcp
