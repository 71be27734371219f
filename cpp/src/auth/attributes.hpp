// The texts that SCRAM messages are: `a=value,b=value` (RFC 5802, section 7).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mqttwin/auth/scram.hpp"

namespace mqttwin::auth {

inline constexpr ScramFault kMalformed{"other-error", "malformed message"};
inline constexpr ScramFault kMandatoryExtension{"extensions-not-supported",
                                                "asks for an extension (m=)"};

/// Reads attributes one after the other.
class AttributeReader {
   public:
    explicit AttributeReader(std::string_view text) : rest_(text) {}

    /// The value of the next attribute, if that is the next one.
    std::optional<std::string_view> take(char name);
    [[nodiscard]] bool at(char name) const;
    /// Extensions come without asking and are ignored, as RFC 5802 demands: attributes that it does
    /// not define. False when the next one is none.
    bool skip_extension();
    /// Nothing is left, not even a comma.
    [[nodiscard]] bool done() const { return !more_; }
    /// What has not been read.
    [[nodiscard]] std::string_view rest() const { return rest_; }

   private:
    std::string_view take_value();

    std::string_view rest_;
    bool more_ = true;
};

/// A message within bounds: not too long, UTF-8, without U+0000.
bool is_text(std::string_view message);

/// `=` and `,` as `=3D` and `=2C`.
std::string escape_name(std::string_view name);
/// Nothing when another `=` is in it.
std::optional<std::string> unescape_name(std::string_view text);

}  // namespace mqttwin::auth
