// Views of bytes, and the conversions between bytes and text that the engines need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace mqttwin {

using ByteView = std::span<const std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace mqttwin
