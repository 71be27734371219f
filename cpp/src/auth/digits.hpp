// Decimal numbers as SCRAM writes them.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace mqttwin::auth {

/// A positive number without sign and leading zeros; nothing otherwise, or beyond 32 bits.
inline std::optional<std::uint32_t> parse_number(std::string_view text) {
    if (text.empty() || text[0] < '1' || text[0] > '9') return std::nullopt;
    std::uint32_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stopped != end) return std::nullopt;
    return value;
}

}  // namespace mqttwin::auth
