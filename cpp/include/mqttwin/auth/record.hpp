// What a server keeps of a password: enough to check one, too little to be one.
//
// As text it is the layout that PostgreSQL made known:
//     SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
// with base64 for the last three.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/bytes.hpp"

namespace mqttwin::auth {

/// The least that RFC 7677 allows.
inline constexpr std::uint32_t kMinIterations = 4096;
/// A client computes as much at a login: no server may ask for more, so no record has more.
inline constexpr std::uint32_t kMaxIterations = 600'000;
inline constexpr std::uint32_t kDefaultIterations = 15'000;

inline constexpr std::size_t kMinSaltSize = 8;
inline constexpr std::size_t kMaxSaltSize = 64;
inline constexpr std::size_t kDefaultSaltSize = 16;

/// Bytes of a user name, prepared.
inline constexpr std::size_t kMaxUserName = 255;

/// A SHA-256 value.
using Key = std::array<std::uint8_t, 32>;

struct Record {
    std::uint32_t iterations = kDefaultIterations;
    std::string salt;
    Key stored_key{};
    Key server_key{};
    void archive(Archive& a) { a(iterations, salt, stored_key, server_key); }

    friend bool operator==(const Record&, const Record&) = default;
};

/// Takes as long as it is meant to: about 5 ms for the default number of iterations.
///
/// Throws std::invalid_argument: the password is empty or fails saslprep(), the salt has a size, or
/// the iterations a number, that the constants above do not allow.
Record make_record(std::string_view password, std::string_view salt,
                   std::uint32_t iterations = kDefaultIterations);

/// As slow, and pure: may run in any thread. A password that cannot have a record is a wrong one.
bool verify_password(const Record& record, std::string_view password);

std::string to_text(const Record& record);

/// Throws std::invalid_argument, which says what is wrong.
Record parse_record(std::string_view text);

/// A record for a user that does not exist: always the same for the same name and secret, and made
/// up so that nobody without the secret can tell it from a real one. No password verifies.
Record made_up_record(const Key& secret, std::string_view user_name, std::uint32_t iterations);

}  // namespace mqttwin::auth
