#include "mqttwin/net/tcp_rtt.hpp"

#include <algorithm>

namespace mqttwin::net::tcp {

bool RttEstimator::sample(std::uint32_t rtt, std::uint32_t floor, bool round_over) {
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
