#include "mqttwin/auth/authenticator.hpp"

#include <utility>

#include "mqttwin/auth/saslprep.hpp"

namespace mqttwin::auth {
namespace {

Decision failure(std::uint8_t reason, std::string_view what) {
    Decision out;
    out.reason = reason;
    out.what = what;
    return out;
}

// 0x87, because DISCONNECT knows no 0x86 and has to say it when a re-authentication fails.
Decision scram_failure(const ScramFault& fault) {
    Decision out = failure(reason::not_authorized, fault.what);
    out.data = "e=" + std::string(fault.token);
    return out;
}

Decision success(std::string user_name) {
    Decision out;
    out.kind = Decision::Kind::success;
    out.reason = reason::success;
    out.user_name = std::move(user_name);
    return out;
}

}  // namespace

Authenticator::Authenticator(Users users, Policy policy, NonceSource nonces, const Key& secret)
    : users_(std::move(users)), policy_(policy), nonces_(std::move(nonces)), secret_(secret) {}

Decision Authenticator::decide(std::uint64_t slot, const Request& request) {
    if (!request.first) return finish_scram(slot, request);
    exchanges_.erase(slot);
    if (request.method.empty()) return decide_password(request);
    // [MQTT-4.12.0-1]
    if (request.method != kScramMethod) {
        return failure(reason::bad_authentication_method, "unknown authentication method");
    }
    return begin_scram(slot, request);
}

void Authenticator::forget(std::uint64_t slot) {
    exchanges_.erase(slot);
    user_names_.erase(slot);
}

Decision Authenticator::decide_password(const Request& request) const {
    const bool anonymous = !request.has_user_name && !request.has_password;
    if (policy_.allow_anonymous && (anonymous || users_.empty())) return success({});
    if (anonymous) return failure(reason::not_authorized, "anonymous clients are not let in");

    constexpr std::string_view wrong = "wrong user name or password";
    if (!request.has_user_name || !request.has_password || request.password.size() > kMaxPassword) {
        return failure(reason::bad_user_name_or_password, wrong);
    }
    Prepared name = saslprep(request.user_name, Strings::query);
    if (!name || name.text.empty() || name.text.size() > kMaxUserName) {
        return failure(reason::bad_user_name_or_password, wrong);
    }
    Decision out = failure(reason::bad_user_name_or_password, wrong);
    out.kind = Decision::Kind::verify;
    out.record = subject(name.text).record;
    out.user_name = std::move(name.text);
    out.password = request.password;
    return out;
}

Decision Authenticator::begin_scram(std::uint64_t slot, const Request& request) {
    if (exchanges_.size() >= policy_.max_exchanges) {
        return failure(reason::server_busy, "too many authentications are under way");
    }
    ScramServer scram;
    if (const ScramFault fault = scram.read_first(request.data)) return scram_failure(fault);
    const auto before = user_names_.find(slot);
    if (before != user_names_.end() && before->second != scram.user_name()) {
        return scram_failure({"other-error", "re-authentication as another user"});
    }
    if (request.has_user_name) {
        const Prepared name = saslprep(request.user_name, Strings::query);
        if (!name || name.text != scram.user_name()) {
            return scram_failure({"other-error", "CONNECT names another user"});
        }
    }

    const Subject who = subject(scram.user_name());
    Decision out;
    out.kind = Decision::Kind::more;
    out.reason = reason::continue_authentication;
    out.data = scram.challenge(who.record, nonce_text(nonces_(slot, request.client_id)));
    exchanges_.emplace(slot, Exchange{std::move(scram), who.known});
    return out;
}

Decision Authenticator::finish_scram(std::uint64_t slot, const Request& request) {
    auto found = exchanges_.extract(slot);
    if (found.empty()) return failure(reason::protocol_error, "no authentication is under way");
    if (request.method != kScramMethod) {
        // [MQTT-4.12.0-5]: every packet of the exchange has the CONNECT's method.
        return failure(reason::protocol_error, "the authentication method has changed");
    }
    auto& [scram, known] = found.mapped();
    ScramStep step = scram.read_final(request.data);
    if (!step.fault && !known) {
        step.fault = {"invalid-proof", "wrong user name or password"};
    }
    if (step.fault) return scram_failure(step.fault);
    user_names_.insert_or_assign(slot, scram.user_name());
    Decision out = success(scram.user_name());
    out.data = std::move(step.message);
    return out;
}

Authenticator::Subject Authenticator::subject(const std::string& name) const {
    // Both are looked for every time: how long it takes says nothing either.
    Record made_up = made_up_record(secret_, name, users_.usual_iterations());
    const Record* record = users_.find(name);
    if (record == nullptr) return {std::move(made_up), false};
    return {*record, true};
}

}  // namespace mqttwin::auth
