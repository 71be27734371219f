// Base64 as RFC 4648 has it, and only so: padded, and with one spelling for each value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mqttwin/base/bytes.hpp"

namespace mqttwin::auth {

std::string to_base64(ByteView bytes);

/// Nothing for other characters, missing padding, or bits that no byte takes up.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace mqttwin::auth
