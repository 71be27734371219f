#include "scram_keys.hpp"

#include <openssl/crypto.h>

#include "crypto.hpp"

namespace mqttwin::auth {

ScramKeys derive_keys(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    Key salted = pbkdf2_sha256(as_bytes(password), as_bytes(salt), iterations);
    const ScramKeys keys{hmac_sha256(salted, as_bytes("Client Key")),
                         hmac_sha256(salted, as_bytes("Server Key"))};
    OPENSSL_cleanse(salted.data(), salted.size());
    return keys;
}

}  // namespace mqttwin::auth
