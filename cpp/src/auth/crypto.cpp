#include "crypto.hpp"

#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace mqttwin::auth {
namespace {

void require(bool worked) {
    if (!worked) throw std::runtime_error("OpenSSL cannot do SHA-256");
}

}  // namespace

Key sha256(ByteView message) {
    Key out{};
    require(EVP_Digest(message.data(), message.size(), out.data(), nullptr, EVP_sha256(),
                       nullptr) == 1);
    return out;
}

Key hmac_sha256(ByteView key, ByteView message) {
    Key out{};
    require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(),
                 message.size(), out.data(), nullptr) != nullptr);
    return out;
}

Key pbkdf2_sha256(ByteView password, ByteView salt, std::uint32_t iterations) {
    Key out{};
    require(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(password.data()),
                              static_cast<int>(password.size()), salt.data(),
                              static_cast<int>(salt.size()), static_cast<int>(iterations),
                              EVP_sha256(), static_cast<int>(out.size()), out.data()) == 1);
    return out;
}

bool equal_in_constant_time(const Key& a, const Key& b) {
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace mqttwin::auth
