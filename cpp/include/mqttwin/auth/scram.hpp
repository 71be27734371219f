// SCRAM-SHA-256 (RFC 5802, RFC 7677), both sides, without channel binding.
//
//     client                                   server
//     first()  ── n,,n=user,r=…  ────────────▶ read_first(), whose record?
//     next()   ◀─ r=…,s=salt,i=4096 ────────── challenge()
//              ── c=biws,r=…,p=proof ────────▶ read_final()
//     finish() ◀─ v=signature ────────────────
//
// Each side is a state machine that is fed messages and gives the next. What a peer sends wrong is
// a value; calling in another order is a mistake of the caller's, and asserted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mqttwin/auth/record.hpp"
#include "mqttwin/auth/saslprep.hpp"
#include "mqttwin/base/archive.hpp"

namespace mqttwin::auth {

inline constexpr std::string_view kScramMethod = "SCRAM-SHA-256";

/// Bytes of a message, of either side.
inline constexpr std::size_t kMaxScramMessage = 2048;
/// Characters of a nonce, of one side.
inline constexpr std::size_t kMaxNonce = 256;

/// What makes an exchange unlike any other: 24 bytes that nobody can foresee.
using Nonce = std::array<std::uint8_t, 24>;

/// As it stands in messages.
std::string nonce_text(const Nonce& nonce);
/// What may stand there: printable ASCII without blanks and commas, but not nothing.
bool is_nonce(std::string_view text, std::size_t max_size = kMaxNonce);

/// Why an exchange has failed; both point at literals.
struct ScramFault {
    std::string_view token;  // the server-error-value of RFC 5802, such as "invalid-proof"
    std::string_view what;   // for people

    [[nodiscard]] explicit operator bool() const { return !token.empty(); }
};

/// What to send next, even after a fault: then it is empty, or the server's "e=…".
struct ScramStep {
    ScramFault fault;
    std::string message;
};

class ScramServer {
   public:
    /// On success user_name() says who it is, or says to be.
    ScramFault read_first(std::string_view message);
    /// Prepared with saslprep(), at most kMaxUserName bytes.
    [[nodiscard]] const std::string& user_name() const { return user_name_; }
    /// server-first. For an unknown user: made_up_record(), so that the client learns nothing.
    std::string challenge(const Record& record, std::string_view nonce);
    /// server-final, for a client that knows the password or does not.
    ScramStep read_final(std::string_view message);
    void archive(Archive& a) {
        a(stage_, user_name_, gs2_header_, first_bare_, server_first_, nonce_, stored_key_);
        a(server_key_, server_signature_);
    }

   private:
    enum class Stage : std::uint8_t { first, challenge, final, over };

    ScramFault check_final(std::string_view message);

    Stage stage_ = Stage::first;
    std::string user_name_;
    std::string gs2_header_;  // "n,," or "y,,": the client has to repeat it under its signature
    std::string first_bare_;
    std::string server_first_;
    std::string nonce_;
    Key stored_key_{};
    Key server_key_{};
    Key server_signature_{};
};

/// What a client puts up with: iterations are its own work, ordered by a stranger.
struct ScramLimits {
    std::uint32_t min_iterations = kMinIterations;
    std::uint32_t max_iterations = kMaxIterations;
};

class ScramClient {
   public:
    ScramClient(std::string_view user_name, std::string_view password, std::string_view nonce,
                ScramLimits limits = {});

    /// client-first; a fault when user name or password cannot be used.
    ScramStep first();
    /// client-final. Slow: this is where the password is hashed.
    ScramStep next(std::string_view server_first);
    /// No fault: the server knows the password too, or what was made of it.
    ScramFault finish(std::string_view server_final);

   private:
    enum class Stage : std::uint8_t { first, next, finish, over };

    Stage stage_ = Stage::first;
    ScramLimits limits_;
    ScramFault flaw_;
    std::string password_;
    std::string nonce_;
    std::string first_bare_;
    Key server_signature_{};
};

}  // namespace mqttwin::auth
