// What SCRAM takes from OpenSSL. All of it throws std::runtime_error when OpenSSL does not work
// (out of memory, or a configuration without SHA-256), which is nobody's input.
#pragma once

#include <cstdint>

#include "mqttwin/auth/record.hpp"
#include "mqttwin/base/bytes.hpp"

namespace mqttwin::auth {

Key sha256(ByteView message);
Key hmac_sha256(ByteView key, ByteView message);
/// RFC 8018, section 5.2, for a key of 32 bytes.
Key pbkdf2_sha256(ByteView password, ByteView salt, std::uint32_t iterations);

/// Takes as long for bytes that differ early as for equal ones.
bool equal_in_constant_time(const Key& a, const Key& b);

inline Key operator^(const Key& a, const Key& b) {
    Key out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(a[i] ^ b[i]);
    }
    return out;
}

}  // namespace mqttwin::auth
