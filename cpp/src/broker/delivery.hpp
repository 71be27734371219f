// From the broker to one session: sent at once, in flight, or waiting.
#pragma once

#include <cstdint>

#include "state.hpp"

namespace mqttwin::broker {

/// What one session gets of a message.
struct Copy {
    wire::QoS qos = wire::QoS::at_most_once;
    bool retain = false;
    ByteView identifiers;  // encoded subscription identifiers
};

/// A message on its way to any number of sessions: all that their copies can share, made when it
/// is first needed. Call `finish` when all have been served.
class Fanout {
   public:
    /// `packet` outlives the fan-out; what differs by copy is overwritten in it.
    Fanout(wire::Publish& packet, const Stamp& stamp)
        : packet_(packet), stamp_(stamp), qos_(packet.qos), retain_(packet.retain) {}
    /// The same for a message of the store, with the store's blobs.
    Fanout(State& s, wire::Publish& packet, std::uint32_t message, const Stamp& stamp);
    Fanout(const Fanout&) = delete;
    Fanout& operator=(const Fanout&) = delete;

    void finish(State& s);

    [[nodiscard]] wire::Publish& packet() { return packet_; }
    [[nodiscard]] const Stamp& stamp() const { return stamp_; }

    /// The message in the store; the reference belongs to the fan-out.
    std::uint32_t message(State& s, Instant now);
    /// The whole packet at QoS 0 without identifiers, the same for everybody of this version.
    BlobId plain_frame(State& s, bool v5, bool retain);
    /// The payload as a blob of its own.
    BlobId payload(State& s);

   private:
    wire::Publish& packet_;
    Stamp stamp_;
    wire::QoS qos_;
    bool retain_;
    std::uint32_t message_ = kNone;
    BlobId payload_ = BlobId::none;
    BlobId frames_[2][2] = {};
};

/// Gives a session its copy: sends it, or queues it, or drops it and says why.
void deliver(State& s, Instant now, std::uint32_t session, Fanout& fanout, const Copy& copy);

/// The client is back: what it has not acknowledged is sent again, then what waited
/// [MQTT-4.4.0-1].
void resume_delivery(State& s, Instant now, std::uint32_t session);

/// PUBACK, PUBREC or PUBCOMP from the client.
void handle_ack(State& s, Instant now, Slot slot, const wire::Frame& frame);

/// Sends a PUBACK, PUBREC, PUBREL or PUBCOMP.
void send_ack(State& s, Slot slot, wire::PacketType type, wire::PacketId id, std::uint8_t reason);

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
