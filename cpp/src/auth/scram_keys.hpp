// The keys of RFC 5802, section 3, and what they sign.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqttwin/auth/record.hpp"

namespace mqttwin::auth {

/// What only somebody who knows the password has: ClientKey, and ServerKey beside it.
struct ScramKeys {
    Key client{};
    Key server{};
};

/// Slow. The password has been prepared.
ScramKeys derive_keys(std::string_view password, std::string_view salt, std::uint32_t iterations);

}  // namespace mqttwin::auth
