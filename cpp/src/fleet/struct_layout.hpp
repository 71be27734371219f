// Packed structures in the notation of Python's struct module.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mqttwin/fleet/encoder.hpp"

namespace mqttwin::fleet {

struct StructLayout {
    bool big_endian = false;
    std::vector<StructItem> items;  // "3h" is three of them, "8s" is one
    std::uint32_t pad_after = 0;
    std::size_t size = 0;  // of the whole
};

/// Throws std::invalid_argument that says what is wrong with the notation.
StructLayout parse_struct_layout(std::string_view layout);

/// Writes an item with the padding in front of it, and says whether the value fitted.
struct Packed {
    std::uint8_t* end;
    bool fitted;
};
Packed pack(const StructItem& item, bool big_endian, const Value& value, std::uint8_t* out);

}  // namespace mqttwin::fleet
