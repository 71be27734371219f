// How parameters of links are refused: by name, with the range.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "mqttwin/base/time.hpp"

namespace mqttwin::net {

inline constexpr Duration kLongestDelay = hours(1);

[[noreturn]] inline void refuse(std::string_view where, std::string_view name,
                                std::string_view range) {
    std::string text(where);
    text.append(name).append(" must be ").append(range);
    throw std::invalid_argument(text);
}

/// False for NaN.
constexpr bool is_probability(double p) { return p >= 0.0 && p <= 1.0; }

}  // namespace mqttwin::net
