// What the tests of this room share.
#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mqttwin/fleet/population.hpp"

namespace mqttwin::fleet {

inline Population fleet_of(std::uint32_t count, std::uint64_t seed = 42,
                           std::string name = "meter") {
    PopulationSpec spec;
    spec.seed = seed;
    spec.name = std::move(name);
    spec.count = count;
    return Population(std::move(spec));
}

/// What a refusal says; empty when nothing was refused.
template <typename Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return {};
}

struct Moments {
    double mean = 0;
    double variance = 0;
    double skewness = 0;
};

inline Moments moments_of(const std::vector<double>& x) {
    const auto n = static_cast<double>(x.size());
    Moments m;
    for (const double v : x) m.mean += v / n;
    double third = 0;
    for (const double v : x) {
        const double d = v - m.mean;
        m.variance += d * d / n;
        third += d * d * d / n;
    }
    m.skewness = third / std::pow(m.variance, 1.5);
    return m;
}

inline double correlation(const std::vector<double>& x, const std::vector<double>& y) {
    const Moments mx = moments_of(x);
    const Moments my = moments_of(y);
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - mx.mean) * (y[i] - my.mean);
    return sum / static_cast<double>(x.size()) / std::sqrt(mx.variance * my.variance);
}

/// Statistical tests allow this many standard errors: a right generator fails with one seed in
/// 150,000, and the seeds are fixed.
inline constexpr double kErrors = 4.5;

}  // namespace mqttwin::fleet
