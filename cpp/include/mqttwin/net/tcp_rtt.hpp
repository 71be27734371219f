// Linux's estimator of the round-trip time: Van Jacobson's, with two turns of its own.
//
// The variance term has a floor (200 ms) and follows increases at once but decreases only once a
// round trip; and a sample below the mean widens the variance eight times more slowly.
#pragma once

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

}  // namespace mqttwin::net::tcp
