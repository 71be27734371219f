// User names as a users file spells them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mqttwin::auth {

/// `%` and `:` everywhere, `#` in front and blanks at both ends as %XX.
std::string quote_name(std::string_view name);
/// Any byte may be written as %XX; nothing when a '%' is not followed by two hexadecimal digits.
std::optional<std::string> unquote_name(std::string_view text);

}  // namespace mqttwin::auth
