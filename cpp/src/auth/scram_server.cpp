#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "mqttwin/auth/scram.hpp"

#include "attributes.hpp"
#include "base64.hpp"
#include "crypto.hpp"

namespace mqttwin::auth {
namespace {

constexpr ScramFault kBadName{"invalid-username-encoding", "unusable user name"};
constexpr ScramFault kBadProof{"invalid-proof", "wrong user name or password"};

// gs2-cbind-flag "," [authzid] ",": nothing but "n,," and "y,," is for us.
ScramFault check_gs2(std::string_view message) {
    if (message.starts_with("p=")) {
        return {"channel-binding-not-supported", "asks for channel binding"};
    }
    if (!message.starts_with("n,") && !message.starts_with("y,")) return kMalformed;
    if (message.substr(2).starts_with("a=")) {
        return {"other-error", "wants to act for another user"};
    }
    return message.substr(2).starts_with(",") ? ScramFault{} : kMalformed;
}

}  // namespace

ScramFault ScramServer::read_first(std::string_view message) {
    assert(stage_ == Stage::first);
    stage_ = Stage::over;
    if (!is_text(message)) return {"invalid-encoding", "malformed message"};
    if (const ScramFault fault = check_gs2(message)) return fault;

    const std::string_view bare = message.substr(3);
    AttributeReader reader(bare);
    if (reader.at('m')) return kMandatoryExtension;
    const std::optional<std::string_view> name = reader.take('n');
    if (!name) return kMalformed;
    const std::optional<std::string_view> nonce = reader.take('r');
    if (!nonce || !is_nonce(*nonce, kMaxNonce)) return kMalformed;
    while (!reader.done()) {
        if (!reader.skip_extension()) return kMalformed;
    }

    const std::optional<std::string> unescaped = unescape_name(*name);
    if (!unescaped) return kBadName;
    Prepared prepared = saslprep(*unescaped, Strings::query);
    if (!prepared || prepared.text.empty() || prepared.text.size() > kMaxUserName) return kBadName;

    user_name_ = std::move(prepared.text);
    gs2_header_ = message.substr(0, 3);
    first_bare_ = bare;
    nonce_ = *nonce;
    stage_ = Stage::challenge;
    return {};
}

std::string ScramServer::challenge(const Record& record, std::string_view nonce) {
    assert(stage_ == Stage::challenge && is_nonce(nonce, kMaxNonce));
    stage_ = Stage::final;
    stored_key_ = record.stored_key;
    server_key_ = record.server_key;
    nonce_ += nonce;
    server_first_ = "r=" + nonce_ + ",s=" + to_base64(as_bytes(record.salt)) +
                    ",i=" + std::to_string(record.iterations);
    return server_first_;
}

ScramStep ScramServer::read_final(std::string_view message) {
    assert(stage_ == Stage::final);
    stage_ = Stage::over;
    if (const ScramFault fault = check_final(message)) {
        return {fault, "e=" + std::string(fault.token)};
    }
    return {{}, "v=" + to_base64(server_signature_)};
}

ScramFault ScramServer::check_final(std::string_view message) {
    if (!is_text(message)) return {"invalid-encoding", "malformed message"};
    AttributeReader reader(message);
    const std::optional<std::string_view> binding = reader.take('c');
    if (!binding) return kMalformed;
    // The header again, now signed: nobody on the way has changed it.
    if (*binding != to_base64(as_bytes(gs2_header_))) {
        return {"channel-bindings-dont-match", "the header is not the first message's"};
    }
    const std::optional<std::string_view> nonce = reader.take('r');
    if (!nonce) return kMalformed;
    if (*nonce != nonce_) return {"other-error", "the nonce is not this exchange's"};
    while (!reader.done() && !reader.at('p')) {
        if (!reader.skip_extension()) return kMalformed;
    }
    const std::string_view unproven = message.substr(0, message.size() - reader.rest().size());
    const std::optional<std::string_view> proof_text = reader.take('p');
    if (!proof_text || !reader.done()) return kMalformed;
    const std::optional<std::string> proof = from_base64(*proof_text);
    Key client_key{};
    if (!proof || proof->size() != client_key.size()) return kMalformed;

    // `unproven` still has its comma.
    const std::string signed_text = first_bare_ + "," + server_first_ + "," +
                                    std::string(unproven.substr(0, unproven.size() - 1));
    std::copy(proof->begin(), proof->end(), client_key.begin());
    client_key = client_key ^ hmac_sha256(stored_key_, as_bytes(signed_text));
    if (!equal_in_constant_time(sha256(client_key), stored_key_)) return kBadProof;
    server_signature_ = hmac_sha256(server_key_, as_bytes(signed_text));
    return {};
}

}  // namespace mqttwin::auth
