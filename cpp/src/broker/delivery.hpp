// From the broker to one session: sent at once, in flight, or waiting.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "fanout.hpp"
#include "state.hpp"

namespace mqttwin::broker {

/// Gives a session its copy: sends it, or queues it, or drops it and says why.
void deliver_somehow(State& s, Instant now, std::uint32_t session, Fanout& fanout,
                     const Copy& copy);
/// The same. At QoS 0 to a client that is there and has nothing under way, which is most of a large
/// fan-out, it is sent at once.
[[gnu::always_inline]] inline void deliver(State& s, Instant now, std::uint32_t session,
                                           Fanout& fanout, const Copy& copy) {
    const Session& to = s.sessions[session];
    const bool idle = to.connected() && !to.congested && to.traffic == kNone;
    if (idle && copy.qos == wire::QoS::at_most_once && fits(s, to, fanout, copy)) {
        return transmit(s, to, fanout, copy, 0, false, fanout.stamp());
    }
    deliver_somehow(s, now, session, fanout, copy);
}

/// The client is back: what it has not acknowledged is sent again, then what waited
/// [MQTT-4.4.0-1].
void resume_delivery(State& s, Instant now, std::uint32_t session);
/// What was sent has left the transport: what waited meanwhile goes, as far as the window allows.
void continue_delivery(State& s, Instant now, std::uint32_t session);

/// PUBACK, PUBREC or PUBCOMP from the client.
void handle_ack(State& s, Instant now, Slot slot, const wire::Frame& frame);

/// Sends a PUBACK, PUBREC, PUBREL or PUBCOMP.
void send_ack(State& s, Slot slot, wire::PacketType type, wire::PacketId id, std::uint8_t reason,
              std::string_view explanation = {});

/// What a session was owed as a member of a shared subscription, and is no more.
struct Moved {
    std::uint32_t message = kNone;           // with a reference
    std::uint32_t group = Groups::kNoGroup;  // held
    Stamp stamp;
    wire::QoS qos = wire::QoS::at_most_once;
};
/// Takes what another member may get instead out of a session: what waits, and with
/// `unacknowledged` also what was sent at QoS 1 (never at QoS 2 [MQTT-4.8.2-5]). `group` is one, or
/// kNoGroup for all.
void take_shared(State& s, std::uint32_t session, std::uint32_t group, bool unacknowledged,
                 std::vector<Moved>& moved);
/// Tells of a message that a session will not get.
void report_drop(State& s, Instant now, const Session& to, const Stamp& stamp, wire::QoS qos,
                 DropReason reason);

/// Drops all that is owed to the session.
void drop_everything(State& s, Instant now, Session& session, DropReason reason);
/// Gives the session's Traffic back as it is.
void drop_traffic(State& s, Session& session);

/// `visit(stamp, qos)` for each message that is owed to the session.
template <typename Visit>
void for_each_owed(const State& s, const Session& session, Visit visit) {
    if (session.traffic == kNone) return;
    const Traffic& traffic = s.traffic[session.traffic];
    traffic.window.for_each(s.pending, [&](std::uint32_t index) {
        const Pending& p = s.pending[index];
        // What awaits PUBCOMP has arrived: PUBREC said so.
        if (p.state != SendState::awaiting_pubcomp) visit(p.stamp, p.qos);
    });
    traffic.queue.for_each(s.pending, [&](std::uint32_t index) {
        visit(s.pending[index].stamp, s.pending[index].qos);
    });
}

}  // namespace mqttwin::broker
