#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "mqttwin/auth/scram.hpp"

#include "attributes.hpp"
#include "base64.hpp"
#include "crypto.hpp"
#include "digits.hpp"
#include "scram_keys.hpp"

namespace mqttwin::auth {
namespace {

constexpr std::string_view kHeader = "n,,";
constexpr std::string_view kHeaderInBase64 = "biws";

struct Challenge {
    ScramFault fault;
    std::string_view nonce;
    std::string salt;
    std::uint32_t iterations = 0;
};

Challenge malformed() { return {kMalformed, {}, {}, 0}; }

Challenge parse_challenge(std::string_view message) {
    if (!is_text(message)) return malformed();
    AttributeReader reader(message);
    if (reader.at('m')) return {kMandatoryExtension, {}, {}, 0};
    const std::optional<std::string_view> nonce = reader.take('r');
    if (!nonce || !is_nonce(*nonce, 2 * kMaxNonce)) return malformed();
    const std::optional<std::string_view> salt_text = reader.take('s');
    if (!salt_text) return malformed();
    std::optional<std::string> salt = from_base64(*salt_text);
    if (!salt || salt->empty()) return malformed();
    const std::optional<std::string_view> count = reader.take('i');
    if (!count) return malformed();
    const std::optional<std::uint32_t> iterations = parse_number(*count);
    if (!iterations) return malformed();
    while (!reader.done()) {
        if (!reader.skip_extension()) return malformed();
    }
    return {{}, *nonce, std::move(*salt), *iterations};
}

}  // namespace

ScramClient::ScramClient(std::string_view user_name, std::string_view password,
                         std::string_view nonce, ScramLimits limits)
    : limits_(limits), nonce_(nonce) {
    assert(is_nonce(nonce, kMaxNonce));
    const Prepared name = saslprep(user_name, Strings::query);
    if (!name || name.text.empty() || name.text.size() > kMaxUserName) {
        flaw_ = {"invalid-username-encoding", "the user name cannot be used"};
    }
    Prepared prepared = saslprep(password, Strings::query);
    if (!prepared || prepared.text.empty()) {
        flaw_ = {"other-error", "the password cannot be used"};
    }
    password_ = std::move(prepared.text);
    first_bare_ = "n=" + escape_name(name.text) + ",r=" + nonce_;
}

ScramStep ScramClient::first() {
    assert(stage_ == Stage::first);
    if (flaw_) {
        stage_ = Stage::over;
        return {flaw_, {}};
    }
    stage_ = Stage::next;
    return {{}, std::string(kHeader) + first_bare_};
}

ScramStep ScramClient::next(std::string_view server_first) {
    assert(stage_ == Stage::next);
    stage_ = Stage::over;
    const Challenge challenge = parse_challenge(server_first);
    if (challenge.fault) return {challenge.fault, {}};
    if (!challenge.nonce.starts_with(nonce_) || challenge.nonce.size() == nonce_.size()) {
        return {{"other-error", "the nonce is not this exchange's"}, {}};
    }
    if (challenge.iterations < limits_.min_iterations) {
        return {{"other-error", "the server asks for too few iterations to be safe"}, {}};
    }
    if (challenge.iterations > limits_.max_iterations) {
        return {{"other-error", "the server asks for too many iterations"}, {}};
    }

    const ScramKeys keys = derive_keys(password_, challenge.salt, challenge.iterations);
    const std::string unproven =
        "c=" + std::string(kHeaderInBase64) + ",r=" + std::string(challenge.nonce);
    const std::string signed_text = first_bare_ + "," + std::string(server_first) + "," + unproven;
    const Key signature = hmac_sha256(sha256(keys.client), as_bytes(signed_text));
    server_signature_ = hmac_sha256(keys.server, as_bytes(signed_text));
    stage_ = Stage::finish;
    return {{}, unproven + ",p=" + to_base64(keys.client ^ signature)};
}

ScramFault ScramClient::finish(std::string_view server_final) {
    assert(stage_ == Stage::finish);
    stage_ = Stage::over;
    if (!is_text(server_final)) return kMalformed;
    AttributeReader reader(server_final);
    if (reader.at('e')) return {"other-error", "the server refuses user name and password"};
    const std::optional<std::string_view> text = reader.take('v');
    if (!text) return kMalformed;
    const std::optional<std::string> bytes = from_base64(*text);
    Key signature{};
    if (!bytes || bytes->size() != signature.size()) return kMalformed;
    while (!reader.done()) {
        if (!reader.skip_extension()) return kMalformed;
    }
    std::copy(bytes->begin(), bytes->end(), signature.begin());
    if (!equal_in_constant_time(signature, server_signature_)) {
        return {"other-error", "the server does not know the password"};
    }
    return {};
}

}  // namespace mqttwin::auth
