// Who a broker's clients are: its questions, and the doorman who answers them.
#include <string>
#include <utility>

#include <sys/random.h>

#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

namespace {

std::string_view text_of(ByteView bytes) { return as_text(bytes); }

auth::Request request_from(const broker::Credentials& credentials) {
    auth::Request request;
    request.client_id = credentials.client_id;
    request.has_user_name = credentials.has_user_name;
    request.user_name = credentials.user_name;
    request.has_password = credentials.has_password;
    request.password = text_of(credentials.password);
    request.method = credentials.method;
    request.data = text_of(credentials.data);
    request.first = credentials.first;
    return request;
}

// Live: from the system. A part that it does not give (it always does) would stay 0.
auth::Nonce system_nonce() {
    auth::Nonce nonce{};
    std::size_t filled = 0;
    while (filled < nonce.size()) {
        const ssize_t got = ::getrandom(nonce.data() + filled, nonce.size() - filled, 0);
        if (got > 0) filled += static_cast<std::size_t>(got);
    }
    return nonce;
}

}  // namespace

void VirtualWorld::set_doorman(std::uint32_t broker, bool real, auth::Users users,
                               const auth::Policy& policy) {
    BrokerHost& host = broker_at(broker);
    const auth::Key secret = users.secret();
    auth::Authenticator::NonceSource nonces;
    if (real) {
        nonces = [](std::uint64_t, std::string_view) { return system_nonce(); };
    } else {
        // Of the client and the instant, so that strangers do not change it.
        const StreamKey key = StreamKey::of(options_.seed, host.name, "nonces");
        nonces = [this, key](std::uint64_t, std::string_view client_id) {
            auth::Nonce nonce{};
            const std::uint64_t who = hash_text(client_id);
            for (std::size_t i = 0; i < nonce.size(); i += 8) {
                std::uint64_t word =
                    draw64({mix64(key.value ^ who ^ i)}, 0, static_cast<std::uint64_t>(now_.ns));
                for (std::size_t j = 0; j < 8; ++j, word >>= 8) {
                    nonce[i + j] = static_cast<std::uint8_t>(word);
                }
            }
            return nonce;
        };
    }
    auto& doorman = real ? host.real_doorman : host.doorman;
    doorman =
        std::make_unique<auth::Authenticator>(std::move(users), policy, std::move(nonces), secret);
}

bool VirtualWorld::has_doorman(const BrokerHost& host, bool real) {
    return real ? host.real_doorman != nullptr : host.doorman != nullptr;
}

void VirtualWorld::authenticate(BrokerHost& broker, const Output& question) {
    const bool real = is_real(broker.flow[question.slot]);
    const auto& doorman = real ? broker.real_doorman : broker.doorman;
    if (!doorman) {  // nobody knows: Options::authenticate without users
        auth::Decision nobody;
        nobody.what = "nobody vouches for this client";
        return answer(broker, question.slot, question.stamp.sequence, nobody);
    }
    const auto credentials = broker.engine.credentials(question.slot);
    auth::Decision decision = doorman->decide(question.slot, request_from(credentials));
    if (decision.kind != auth::Decision::Kind::verify) {
        return answer(broker, question.slot, question.stamp.sequence, decision);
    }
    Verification check{&broker, question.slot, question.stamp.sequence, std::move(decision)};
    if (real && gate_ != nullptr) {
        // Hashing takes milliseconds: not in the loop that serves everybody else.
        if (gate_->verify(check)) return;
        check.decision.reason = auth::reason::server_busy;
        check.decision.what = "too many are knocking";
        return settle(check, false);
    }
    settle(check, broker.passwords.check(check.decision.record, check.decision.password));
}

void VirtualWorld::verified(Verification& check, bool right) {
    settle(check, right);
    drain(*static_cast<BrokerHost*>(check.broker));
}

void VirtualWorld::settle(Verification& check, bool right) {
    check.decision.kind = right ? auth::Decision::Kind::success : auth::Decision::Kind::failure;
    answer(*static_cast<BrokerHost*>(check.broker), check.slot, check.token, check.decision);
}

void VirtualWorld::answer(BrokerHost& broker, Slot slot, std::uint32_t token,
                          const auth::Decision& decision) {
    broker::Verdict verdict;
    switch (decision.kind) {
        case auth::Decision::Kind::success:
            verdict.kind = broker::Verdict::Kind::success;
            break;
        case auth::Decision::Kind::more:
            verdict.kind = broker::Verdict::Kind::more;
            break;
        default:
            verdict.kind = broker::Verdict::Kind::failure;
            verdict.reason = decision.reason;
            verdict.explanation = decision.what;
            break;
    }
    verdict.data = as_bytes(decision.data);
    broker.engine.handle_authenticated(now_, slot, token, verdict);
}

// The passwords of a virtual fleet are the same at every reconnect, and hashing one takes longer
// than a device's whole day.
bool PasswordCache::check(const auth::Record& record, const std::string& password) {
    std::string key = auth::to_text(record) + '\n' + password;
    const auto known = results_.find(key);
    if (known != results_.end()) return known->second;
    const bool right = auth::verify_password(record, password);
    if (results_.size() >= kMaximum) results_.clear();
    results_.emplace(std::move(key), right);
    return right;
}

}  // namespace mqttwin::world
