// Who may connect: what a world asks when a CONNECT or an AUTH packet comes.
//
// A decision is immediate, except about a plain password: hashing it takes milliseconds, so that is
// left to the caller, who may have threads for it. Whether a user exists cannot be told from
// answers: an unknown one gets a record that is made up, and fails where a wrong password would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mqttwin/auth/record.hpp"
#include "mqttwin/auth/scram.hpp"
#include "mqttwin/auth/users.hpp"
#include "mqttwin/base/archive.hpp"

namespace mqttwin::auth {

/// Bytes of a password that is looked at; a longer one is wrong.
inline constexpr std::size_t kMaxPassword = kMaxUnprepared;

/// MQTT 5.0 reason codes that a decision may have.
namespace reason {
inline constexpr std::uint8_t success = 0x00;
inline constexpr std::uint8_t continue_authentication = 0x18;
inline constexpr std::uint8_t protocol_error = 0x82;
inline constexpr std::uint8_t bad_user_name_or_password = 0x86;
inline constexpr std::uint8_t not_authorized = 0x87;
inline constexpr std::uint8_t server_busy = 0x89;
inline constexpr std::uint8_t bad_authentication_method = 0x8C;
}  // namespace reason

/// What a CONNECT or AUTH packet says about who sends it.
struct Request {
    std::string_view client_id;
    bool has_user_name = false;
    std::string_view user_name;
    bool has_password = false;
    std::string_view password;
    std::string_view method;  // the Authentication Method; empty: there is none
    std::string_view data;    // the Authentication Data
    /// CONNECT, or AUTH that re-authenticates (0x19); otherwise AUTH that continues (0x18).
    bool first = true;
};

struct Decision {
    enum class Kind : std::uint8_t {
        success,  // let in as `user_name`
        more,     // send AUTH (0x18) with `data`, then ask again with what comes back
        failure,  // refuse with `reason`
        verify,   // verify_password(record, password) says: success, or failure with `reason`
    };
    Kind kind = Kind::failure;
    std::uint8_t reason = reason::not_authorized;
    std::string data;       // Authentication Data of the answer
    std::string user_name;  // as prepared; empty for somebody anonymous
    Record record;          // verify
    std::string password;   // verify
    std::string_view what;  // for people and logs: why it fails; a literal
};

struct Policy {
    /// Clients that name no user are let in. Without any users, so are those that name one: nothing
    /// could check it, and they count as anonymous.
    bool allow_anonymous = false;
    /// SCRAM exchanges under way, of all connections.
    std::size_t max_exchanges = 10'000;
};

class Authenticator {
   public:
    /// Where nonces come from: a stream of the world's seed, or the system's random source.
    using NonceSource = std::function<Nonce(std::uint64_t slot, std::string_view client_id)>;

    /// `secret` makes up the unknown users' records. Users::secret() is one.
    Authenticator(Users users, Policy policy, NonceSource nonces, const Key& secret);

    /// `slot` is the connection's, which is remembered until forget(): its exchange, and as whom it
    /// authenticated, because it may re-authenticate as nobody else.
    Decision decide(std::uint64_t slot, const Request& request);
    /// The connection has closed.
    void forget(std::uint64_t slot);

    /// From now on; exchanges under way end with the records they began with.
    void replace_users(Users users) { users_ = std::move(users); }
    [[nodiscard]] const Users& users() const { return users_; }
    [[nodiscard]] const Policy& policy() const { return policy_; }
    [[nodiscard]] std::size_t exchanges() const { return exchanges_.size(); }
    /// Its users, too; not where nonces come from.
    void archive(Archive& a) { a(users_, policy_, secret_, exchanges_, user_names_); }

   private:
    struct Exchange {
        ScramServer scram;
        bool known = false;
        void archive(Archive& a) { a(scram, known); }
    };
    struct Subject {
        Record record;
        bool known = false;
    };

    Decision decide_password(const Request& request) const;
    Decision begin_scram(std::uint64_t slot, const Request& request);
    Decision finish_scram(std::uint64_t slot, const Request& request);
    [[nodiscard]] Subject subject(const std::string& name) const;

    Users users_;
    Policy policy_;
    NonceSource nonces_;
    Key secret_;
    // Looked up, never walked through.
    std::unordered_map<std::uint64_t, Exchange> exchanges_;
    std::unordered_map<std::uint64_t, std::string> user_names_;
};

}  // namespace mqttwin::auth
