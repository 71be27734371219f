// UTF-8 to code points and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mqttwin::auth {

/// Nothing when the text is not well-formed UTF-8 (RFC 3629).
std::optional<std::u32string> decode_utf8(std::string_view text);

std::string encode_utf8(std::u32string_view points);

}  // namespace mqttwin::auth
