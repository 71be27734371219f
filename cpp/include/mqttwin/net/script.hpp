// What is said on a connection before its application may speak: who writes how much, and when.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin::net {

enum class Side : std::uint8_t { client, server };

constexpr Side other(Side side) { return side == Side::client ? Side::server : Side::client; }
constexpr std::size_t index_of(Side side) { return static_cast<std::size_t>(side); }

/// A piece of a script's bytes: what a capture shows there.
struct Piece {
    enum class Kind : std::uint8_t {
        client_hello,  // from here on to `alert`: one TLS record
        server_hello,
        certificate,
        server_key_exchange,
        certificate_request,
        server_hello_done,
        client_key_exchange,
        certificate_verify,
        new_session_ticket,
        change_cipher_spec,
        finished,   // encrypted, but of a type that is seen (TLS 1.2)
        encrypted,  // what a reader without the keys cannot tell from data
        alert,
        upgrade,  // from here on without TLS: HTTP
        upgrade_reply,
        close_frame,  // WebSocket
    };
    Side sender = Side::client;
    Kind kind = Kind::encrypted;
    std::uint32_t bytes = 0;  // on TCP
};

/// One write to TCP.
struct Step {
    Side sender = Side::client;
    /// It is written when its sender has written or read this many steps from the front.
    std::uint8_t after = 0;
    std::uint32_t bytes = 0;  // on TCP
    Duration compute{0};      // of the sender, before it writes
};

/// An exchange in the order in which its steps are written. A side's bytes are those of its steps
/// one after the other, and of its pieces: steps may cut pieces.
struct Script {
    std::vector<Step> steps;
    std::vector<Piece> pieces;
    /// The application of a side may speak when that side has written or read this many steps from
    /// the front. What the script still has for it (session tickets) comes beside application data.
    std::array<std::uint8_t, 2> opens{};
    bool resumed = false;  // a TLS session

    [[nodiscard]] std::uint32_t bytes(Side sender) const;
    void archive(Archive& a) { a(steps, pieces, opens, resumed); }
};

/// How far one connection is in a script. Told of what was read and written; moves nothing itself.
class Progress {
   public:
    /// The step that `side` is to write now (after its `compute`), or null. A side's steps keep
    /// their order.
    [[nodiscard]] const Step* due(const Script& script, Side side) const;
    /// `side` has written the step that was due.
    void written(const Script& script, Side side);
    /// `side` has read `bytes` from TCP. Returns how many are beyond the script: the application's.
    std::uint32_t read(const Script& script, Side side, std::uint32_t bytes);

    [[nodiscard]] bool open(const Script& script, Side side) const;
    /// Both sides have written and read everything: the script may be forgotten.
    [[nodiscard]] bool over(const Script& script) const;

   private:
    [[nodiscard]] bool reached(const Script& script, Side side, std::size_t steps) const;

    std::array<std::uint32_t, 2> read_{};    // bytes of the script, by reader
    std::array<std::uint8_t, 2> written_{};  // steps from the front that are behind the writer
};

}  // namespace mqttwin::net
