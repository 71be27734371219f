#include "mqttwin/auth/record.hpp"

#include <algorithm>
#include <stdexcept>

#include "mqttwin/auth/saslprep.hpp"

#include "base64.hpp"
#include "crypto.hpp"
#include "digits.hpp"
#include "scram_keys.hpp"

namespace mqttwin::auth {
namespace {

constexpr std::string_view kScheme = "SCRAM-SHA-256$";

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

void check_bounds(std::uint32_t iterations, std::size_t salt_size) {
    if (iterations < kMinIterations || iterations > kMaxIterations) {
        refuse("iterations must be from " + std::to_string(kMinIterations) + " to " +
               std::to_string(kMaxIterations));
    }
    if (salt_size < kMinSaltSize || salt_size > kMaxSaltSize) {
        refuse("the salt must have from " + std::to_string(kMinSaltSize) + " to " +
               std::to_string(kMaxSaltSize) + " bytes");
    }
}

// What stands before a character; that goes away with it.
std::string_view take_until(std::string_view& text, char end) {
    const std::size_t at = text.find(end);
    if (at == std::string_view::npos) {
        refuse("is not SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>");
    }
    const std::string_view out = text.substr(0, at);
    text.remove_prefix(at + 1);
    return out;
}

Key parse_key(std::string_view text, const char* name) {
    const std::optional<std::string> bytes = from_base64(text);
    Key out{};
    if (!bytes || bytes->size() != out.size()) {
        refuse(std::string(name) + " is not 32 bytes in base64");
    }
    std::copy(bytes->begin(), bytes->end(), out.begin());
    return out;
}

Record record_of(std::string_view prepared, std::string_view salt, std::uint32_t iterations) {
    const ScramKeys keys = derive_keys(prepared, salt, iterations);
    return {iterations, std::string(salt), sha256(keys.client), keys.server};
}

}  // namespace

Record make_record(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    check_bounds(iterations, salt.size());
    const Prepared prepared = saslprep(password, Strings::stored);
    if (!prepared) refuse("the password " + std::string(prepared.flaw));
    if (prepared.text.empty()) refuse("the password is empty");
    return record_of(prepared.text, salt, iterations);
}

bool verify_password(const Record& record, std::string_view password) {
    const Prepared prepared = saslprep(password, Strings::query);
    if (!prepared || prepared.text.empty()) return false;
    const Record claimed = record_of(prepared.text, record.salt, record.iterations);
    return equal_in_constant_time(claimed.stored_key, record.stored_key);
}

std::string to_text(const Record& record) {
    return std::string(kScheme) + std::to_string(record.iterations) + ":" +
           to_base64(as_bytes(record.salt)) + "$" + to_base64(record.stored_key) + ":" +
           to_base64(record.server_key);
}

Record parse_record(std::string_view text) {
    if (!text.starts_with(kScheme)) refuse("does not begin with " + std::string(kScheme));
    text.remove_prefix(kScheme.size());
    const std::optional<std::uint32_t> iterations = parse_number(take_until(text, ':'));
    if (!iterations) refuse("iterations are not a number");
    const std::optional<std::string> salt = from_base64(take_until(text, '$'));
    if (!salt) refuse("the salt is not base64");
    check_bounds(*iterations, salt->size());
    const Key stored_key = parse_key(take_until(text, ':'), "StoredKey");
    return {*iterations, *salt, stored_key, parse_key(text, "ServerKey")};
}

Record made_up_record(const Key& secret, std::string_view user_name, std::uint32_t iterations) {
    const auto draw = [&](std::string_view purpose) {
        return hmac_sha256(secret, as_bytes(std::string(purpose) + std::string(user_name)));
    };
    const Key salt = draw("salt:");
    return {iterations, std::string(salt.begin(), salt.begin() + kDefaultSaltSize),
            draw("StoredKey:"), draw("ServerKey:")};
}

}  // namespace mqttwin::auth
