// Linux's estimator of the round-trip time: Van Jacobson's, with two turns of its own.
//
// The variance term has a floor (200 ms) and follows increases at once but decreases only once a
// round trip; and a sample below the mean widens the variance eight times more slowly.
#pragma once

#include <algorithm>
#include <cstdint>

#include "mqttwin/base/time.hpp"

namespace mqttwin::net::tcp {

/// All in microseconds; fixed point as in the kernel: 8 times the mean, 4 times the deviation.
struct RttEstimator {
    std::uint32_t mean8 = 0;  // 0: no sample yet
    std::uint32_t deviation4 = 0;
    std::uint32_t worst = 0;     // largest deviation of this round trip
    std::uint32_t variance = 0;  // what the time-out uses
    std::uint32_t minimum = kNone;

    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    /// `round_over`: a round trip has passed since this last returned true.
    /// True: a new round trip begins with this sample.
    bool sample(std::uint32_t rtt, std::uint32_t floor, bool round_over);
    void see_minimum(std::uint32_t rtt) {
        if (rtt < minimum) minimum = rtt > 0 ? rtt : 1;
    }

    [[nodiscard]] bool known() const { return mean8 != 0; }
    [[nodiscard]] std::uint32_t mean() const { return mean8 >> 3; }
    /// Before rounding to ticks and the upper bound.
    [[nodiscard]] std::uint32_t timeout() const { return mean() + variance; }
};

inline bool RttEstimator::sample(std::uint32_t rtt, std::uint32_t floor, bool round_over) {
    constexpr std::uint32_t kLongest = 1U << 28;  // 268 s: keeps 8 times the mean in 32 bits
    rtt = std::clamp(rtt, 1U, kLongest);
    if (!known()) {
        mean8 = rtt << 3;
        deviation4 = rtt << 1;  // half the sample
        variance = std::max(deviation4, floor);
        worst = variance;
        return true;
    }
    const auto error = static_cast<std::int32_t>(rtt) - static_cast<std::int32_t>(mean8 >> 3);
    mean8 = static_cast<std::uint32_t>(static_cast<std::int32_t>(mean8) + error);
    std::int32_t change = 0;
    const auto quarter = static_cast<std::int32_t>(deviation4 >> 2);
    if (error < 0) {
        // A path that became faster is no reason to wait longer.
        change = -error - quarter;
        if (change > 0) change >>= 3;
    } else {
        change = error - quarter;
    }
    deviation4 = static_cast<std::uint32_t>(static_cast<std::int32_t>(deviation4) + change);
    if (deviation4 > worst) {
        worst = deviation4;
        variance = std::max(variance, worst);
    }
    if (!round_over) return false;
    if (worst < variance) variance -= (variance - worst) >> 2;
    worst = floor;
    return true;
}

}  // namespace mqttwin::net::tcp
