// Who is this? The world is asked about a CONNECT, and about each AUTH of an exchange (4.12).
#pragma once

#include <cstdint>
#include <vector>

#include "state.hpp"

namespace mqttwin::broker {

/// Asks about a CONNECT that may come in otherwise; the connection waits.
void ask_about_connect(State& s, Slot slot, const wire::Frame& frame, const wire::Connect& packet);

/// AUTH, before CONNACK or while connected.
void handle_auth(State& s, Instant now, Slot slot, const wire::Frame& frame);

/// Keeps bytes that come while the world is asked about a CONNECT; too many are refused.
void keep_early_bytes(State& s, Instant now, Slot slot, ByteView bytes, const Stamp& stamp);

/// What the client showed last.
[[nodiscard]] Credentials credentials_of(const State& s, Slot slot);

/// Whether this is the question that the world was asked.
[[nodiscard]] bool is_asked(const State& s, Slot slot, std::uint32_t token);

/// What came while the world was asked, and is to be handled now.
struct EarlyBytes {
    std::vector<Exchange::Early> pieces;
    std::vector<std::uint8_t> bytes;
};
/// The world's answer. Precondition: it was asked.
EarlyBytes handle_verdict(State& s, Instant now, Slot slot, const Verdict& verdict);

/// Forgets the exchange of a connection, if it has one.
void end_exchange(State& s, Connection& connection);

}  // namespace mqttwin::broker
