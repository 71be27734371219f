// One of several, in proportion to weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "mqttwin/base/random.hpp"

#include "refuse.hpp"

namespace mqttwin::fleet {

inline void check_weights(const std::vector<double>& weights, std::size_t count,
                          std::string_view parameter) {
    if (weights.empty()) return;
    if (weights.size() != count) {
        refuse(parameter, {number_text(weights.size()), " weights for ", number_text(count),
                           " values (must be one each)"});
    }
    double sum = 0.0;
    for (const double weight : weights) {
        if (!(weight >= 0.0 && weight <= std::numeric_limits<double>::max())) {
            refuse(parameter,
                   {"weight ", number_text(weight), " is not allowed (must be finite and >= 0)"});
        }
        sum += weight;
    }
    if (!(sum > 0.0 && sum <= std::numeric_limits<double>::max())) {
        refuse(parameter, {"the weights' sum must be > 0 and finite"});
    }
}

/// Running sums; empty for no weights (equal chances).
inline std::vector<double> cumulated(const std::vector<double>& weights) {
    std::vector<double> sums;
    double sum = 0.0;
    for (const double weight : weights) {
        sum += weight;
        sums.push_back(sum);
    }
    return sums;
}

/// The position that a random word chooses among `count`.
inline std::size_t chosen_position(std::uint64_t word, std::size_t count,
                                   const std::vector<double>& cumulative) {
    if (cumulative.empty()) {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::size_t>((static_cast<Wide>(word) * count) >> 64);
    }
    const double x = unit_from(word) * cumulative.back();
    auto found = std::upper_bound(cumulative.begin(), cumulative.end(), x);
    // x may round up to the sum: then the last one that has a weight.
    if (found == cumulative.end()) {
        found = std::lower_bound(cumulative.begin(), cumulative.end(), cumulative.back());
    }
    return static_cast<std::size_t>(found - cumulative.begin());
}

}  // namespace mqttwin::fleet
