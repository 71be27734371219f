// The life of a session: found by client identifier, offline, expired, ended.
#pragma once

#include <cstdint>
#include <string_view>

#include "state.hpp"

namespace mqttwin::broker {

/// The session of a client, or kNone.
[[nodiscard]] std::uint32_t find_session(const State& s, std::string_view client_id,
                                         std::uint32_t hash);
/// Precondition: the client has none.
std::uint32_t make_session(State& s, std::string_view client_id, std::uint32_t hash);

/// Its connection is gone: nothing is sent to it any more.
void unplug_session(State& s, std::uint32_t session);
/// After that: it waits for the client, or ends if it expires at once; its will is due.
void begin_absence(State& s, Instant now, std::uint32_t session, bool keep_will);

/// Ends a session that is not connected: what waits in it is dropped, its will is due at once.
void end_session(State& s, Instant now, std::uint32_t session, DropReason reason);

/// Gives back all that a session holds, without any consequence.
void forget_session(State& s, std::uint32_t session);
/// After each change of whether a session is there, connected, congested or in groups: whether it
/// counts among those that do not read.
void note_readiness(State& s, Session& session);

/// The session's Traffic, made if it is idle. References end where slabs grow.
Traffic& traffic_of(State& s, std::uint32_t session);
/// Gives the Traffic back if nothing is under way.
void settle_traffic(State& s, std::uint32_t session);

/// Handles the earliest entry of session_deadlines, which is due.
void handle_session_deadline(State& s, Instant now);
/// The pace of real clients' time has changed by this factor.
void stretch_sessions(State& s, Instant now, double factor);

}  // namespace mqttwin::broker
