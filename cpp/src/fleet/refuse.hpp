// How this room says that a description is wrong.
#pragma once

#include <charconv>
#include <concepts>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mqttwin::fleet {

inline std::string join(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const std::string_view part : parts) text += part;
    return text;
}

/// "every: -5 is not allowed (must be > 0)"
[[noreturn]] inline void refuse(std::string_view parameter,
                                std::initializer_list<std::string_view> what) {
    throw std::invalid_argument(join({parameter, ": ", join(what)}));
}

template <typename Number>
    requires std::integral<Number> || std::floating_point<Number>
std::string number_text(Number x) {
    char buffer[32];
    const auto result = std::to_chars(buffer, buffer + sizeof buffer, x);
    return std::string(buffer, result.ptr);
}

}  // namespace mqttwin::fleet
