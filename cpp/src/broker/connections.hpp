// The life of a transport connection: opening, time limits, every way in which it ends.
#pragma once

#include <cstdint>

#include "mqttwin/base/fault.hpp"

#include "state.hpp"

namespace mqttwin::broker {

/// How a connection ends for the transport.
enum class Ending : std::uint8_t {
    gone,   // it is gone already
    close,  // after what was sent
    abort,  // at once
};

void open_connection(State& s, Instant now, Slot slot, const Peer& peer);

/// What only some connections have, made if this one has none. References end where slabs grow.
Extras& extras_of(State& s, Connection& connection);

/// A time limit as it counts for this peer: see Broker::set_pace.
[[nodiscard]] Duration paced(const State& s, bool real, Duration duration);
/// `now` and so much later; never, if that is beyond what can be expressed.
[[nodiscard]] Instant later(Instant now, Duration duration);

/// Hands a packet to the transport; BlobId::none is nothing.
void send(State& s, Slot slot, BlobId packet);
/// For $SYS; what that needs to look at is looked at only if there are such topics.
inline void count_sent(State& s, BlobId head, BlobId body) {
    ++s.tally.messages_sent;
    if (s.options.sys_interval.ns == 0) [[likely]]
        return;
    s.tally.bytes_sent += s.pool->bytes(head).size() + s.pool->bytes(body).size();
}

/// Tag of the peer, whether it has sent its CONNECT yet or not.
[[nodiscard]] std::uint32_t tag_of(const State& s, const Connection& connection);

/// The largest packet that the client takes [MQTT-3.1.2-24].
[[nodiscard]] std::uint32_t packet_limit(const State& s, const Session& session);
[[nodiscard]] std::uint32_t packet_limit(const State& s, const Connection& connection);

/// Ends a connection that is in use for the transport and for its session, which is returned (or
/// kNone): the caller sees to its absence.
std::uint32_t cut_connection(State& s, Instant now, Slot slot, Ending ending, CloseCause cause,
                             std::uint8_t reason);

/// Ends a connection that is in use. Its session goes on, offline, or ends with it; its will is
/// due unless `keep_will` is false.
void end_connection(State& s, Instant now, Slot slot, Ending ending, CloseCause cause,
                    std::uint8_t reason, bool keep_will = true);

/// What a server's DISCONNECT says.
struct Farewell {
    std::uint8_t reason = 0;
    std::string_view explanation = {};
    std::string_view reference = {};  // to another server
};
/// Says DISCONNECT to those who know such a thing (5.0) and are in; whether it did.
bool say_goodbye(State& s, Slot slot, const Farewell& farewell);
/// Says goodbye and closes.
void disconnect(State& s, Instant now, Slot slot, CloseCause cause, const Farewell& farewell);

/// The peer broke the protocol: it is told why, if it can be, and closed. Nobody else is touched.
void fail(State& s, Instant now, Slot slot, const Fault& fault);

/// Gives back what a connection holds, without any consequence.
void forget_connection(State& s, Slot slot);

/// Arms the deadline of a connection unless an earlier one is armed.
void arm_connection(State& s, Slot slot);
/// Handles the earliest entry of connection_deadlines, which is due.
void handle_connection_deadline(State& s, Instant now);
/// The pace of real clients' time has changed by this factor.
void stretch_connections(State& s, Instant now, double factor);

}  // namespace mqttwin::broker
