// The engine's contract: what comes in is handed to the function that knows about it.
#include "mqttwin/broker/broker.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

#include "authenticating.hpp"
#include "connecting.hpp"
#include "connections.hpp"
#include "delivery.hpp"
#include "publishing.hpp"
#include "routing.hpp"
#include "sessions.hpp"
#include "subscribing.hpp"
#include "wills.hpp"

namespace mqttwin::broker {
namespace {

namespace reason = wire::reason;
using wire::PacketType;
using wire::Version;

void handle_pingreq(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    if (const Fault fault = wire::decode_empty(frame)) return fail(s, now, slot, fault);
    if (s.pingresp == BlobId::none) s.pingresp = wire::encode_pingresp(*s.pool);
    s.pool->retain(s.pingresp);
    send(s, slot, s.pingresp);  // [MQTT-3.12.4-1]
}

void handle_disconnect(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    const Connection& c = s.connections[slot];
    wire::Disconnect packet;
    if (const Fault fault = wire::decode(frame, c.version, wire::Sender::client, packet)) {
        return fail(s, now, slot, fault);
    }
    if (packet.properties.has(wire::Property::session_expiry_interval)) {
        Session& session = s.sessions[c.owner];
        const std::uint32_t expiry = packet.properties.session_expiry_interval;
        if (session.expiry == 0 && expiry != 0 && s.options.max_session_expiry != 0) {
            // 3.14.2.2.2: a session that was to end with the connection cannot be prolonged.
            return fail(s, now, slot,
                        {reason::protocol_error, "MQTT-4.13.1-1",
                         "DISCONNECT prolongs a session that expires at once", 0});
        }
        session.expiry = std::min(expiry, s.options.max_session_expiry);  // [MQTT-4.1.0-2]
    }
    // [MQTT-3.14.4-3], [MQTT-3.1.2-10]: without a will for the normal reason, and only for that.
    const bool keep_will = packet.reason != reason::normal_disconnection;
    end_connection(s, now, slot, Ending::close, CloseCause::client_disconnect, packet.reason,
                   keep_will);
}

// Before CONNACK. [MQTT-3.1.2-30]: during an authentication, AUTH and DISCONNECT are all there is.
void handle_early_frame(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    const Connection& c = s.connections[slot];
    // It is a CONNECT: take_bytes lets nothing else through as the first packet.
    if (c.phase == Phase::awaiting_connect) return handle_connect(s, now, slot, frame);
    if (frame.type() == PacketType::auth) return handle_auth(s, now, slot, frame);
    if (frame.type() != PacketType::disconnect) {
        return fail(s, now, slot,
                    {reason::protocol_error, "MQTT-3.1.2-30",
                     "neither AUTH nor DISCONNECT during an authentication", 0});
    }
    wire::Disconnect packet;
    if (const Fault fault = wire::decode(frame, c.version, wire::Sender::client, packet)) {
        return fail(s, now, slot, fault);
    }
    end_connection(s, now, slot, Ending::close, CloseCause::client_disconnect, packet.reason);
}

void handle_frame(State& s, Instant now, Slot slot, const wire::Frame& frame, const Stamp& stamp) {
    Connection& c = s.connections[slot];
    ++s.tally.messages_received;
    s.tally.bytes_received += frame.size();
    const PacketType type = frame.type();
    if (c.phase != Phase::connected) [[unlikely]]
        return handle_early_frame(s, now, slot, frame);
    c.heard = now;
    switch (type) {  // however much is under way to the client [MQTT-4.9.0-3]
        case PacketType::publish:
            return handle_publish(s, now, slot, frame, stamp);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubcomp:
            return handle_ack(s, now, slot, frame);
        case PacketType::pubrel:
            return handle_pubrel(s, now, slot, frame);
        case PacketType::subscribe:
            return handle_subscribe(s, now, slot, frame);
        case PacketType::unsubscribe:
            return handle_unsubscribe(s, now, slot, frame);
        case PacketType::pingreq:
            return handle_pingreq(s, now, slot, frame);
        case PacketType::disconnect:
            return handle_disconnect(s, now, slot, frame);
        case PacketType::connect:  // [MQTT-3.1.0-2]; no second CONNACK [MQTT-3.2.0-2]
            return fail(s, now, slot,
                        {reason::protocol_error, "MQTT-3.1.0-2", "second CONNECT", 0});
        case PacketType::auth:
            if (c.version == Version::v5) return handle_auth(s, now, slot, frame);
            [[fallthrough]];
        default:
            return fail(
                s, now, slot,
                {reason::protocol_error, "MQTT-4.13.1-1", "a packet that clients do not send", 0});
    }
}

void take_bytes(State& s, Instant now, Slot slot, ByteView bytes, const Stamp& stamp) {
    Connection& c = s.connections[slot];
    if (c.phase == Phase::asking) return keep_early_bytes(s, now, slot, bytes, stamp);
    if (c.phase == Phase::awaiting_connect && c.framer.partial == BlobId::none && !bytes.empty() &&
        bytes[0] >> 4U != static_cast<unsigned>(PacketType::connect)) {
        // [MQTT-3.1.0-1]: the first byte tells; the rest is not worth waiting for.
        return fail(s, now, slot,
                    {reason::protocol_error, "MQTT-3.1.0-1", "the first packet is not CONNECT", 0});
    }
    wire::FrameReader reader(*s.pool, c.framer, bytes, s.options.maximum_packet_size);
    wire::Frame frame;
    while (reader.next(frame)) {
        handle_frame(s, now, slot, frame, stamp);
        if (c.phase == Phase::free) {
            reader.abandon();  // [MQTT-3.1.4-6], [MQTT-4.13.1-1]: what came behind is not looked at
            return;
        }
        if (c.phase == Phase::asking) {
            return keep_early_bytes(s, now, slot, reader.take_rest(), stamp);
        }
    }
    if (reader.fault()) fail(s, now, slot, reader.fault());
}

// Slots of the connections in use, in an order that does not depend on slots.
std::vector<Slot> open_slots(const State& s) {
    std::vector<Slot> slots;
    for (Slot slot = 0; slot < s.connections.size(); ++slot) {
        if (s.connections[slot].phase != Phase::free) slots.push_back(slot);
    }
    const auto order = [&](Slot slot) {
        const Connection& c = s.connections[slot];
        return c.phase == Phase::connected ? s.sessions[c.owner].order : 0;
    };
    std::stable_sort(slots.begin(), slots.end(),
                     [&](Slot a, Slot b) { return order(a) < order(b); });
    return slots;
}

std::vector<std::uint32_t> all_sessions(const State& s) {
    std::vector<std::uint32_t> sessions;
    for (std::uint32_t i = 0; i < s.sessions.capacity(); ++i) {
        if (s.sessions[i].live) sessions.push_back(i);
    }
    return sessions;
}

void forget_everything(State& s) {
    for (const std::uint32_t session : all_sessions(s)) forget_session(s, session);
    s.retained.clear();
    s.messages.clear(*s.pool);
}

void forget_outbox(State& s) {
    for (const Output& out : s.outbox) {
        s.pool->release(out.head);
        s.pool->release(out.body);
    }
    s.outbox.clear();
}

}  // namespace

Broker::Broker(const Options& options, BlobPool& pool, Observer& observer, StreamKey key)
    : state_(std::make_unique<State>(options, pool, observer, key)) {
    // What is taken can be handed on: with a topic in place of an alias, and an empty property
    // section for 5.0, a packet may be this much longer than it came.
    constexpr std::uint32_t kRoom = 65'535 + 16;
    Options& o = state_->options;
    o.maximum_packet_size = std::min(o.maximum_packet_size, wire::kMaximumPacketSize - kRoom);
    o.receive_maximum = std::max<std::uint16_t>(o.receive_maximum, 1);
    restart_sys_topics(*state_, Instant{0});
}

Broker::Broker(const Broker& other, BlobPool& pool, Observer& observer)
    : state_(std::make_unique<State>(*other.state_)) {
    rebind(pool, observer);
}

Broker::Broker(Broker&&) noexcept = default;

Broker::~Broker() {
    if (!state_) return;
    State& s = *state_;
    forget_outbox(s);
    for (Slot slot = 0; slot < s.connections.size(); ++slot) {
        if (s.connections[slot].phase != Phase::free) forget_connection(s, slot);
    }
    forget_everything(s);
    s.pool->release(s.pingresp);
}

void Broker::archive(Archive& a) { state_->archive(a); }

void Broker::abandon() { state_.reset(); }

void Broker::rebind(BlobPool& pool, Observer& observer) {
    state_->pool = &pool;
    state_->observer = &observer;
}

void Broker::handle_open(Instant now, Slot connection, const Peer& peer) {
    open_connection(*state_, now, connection, peer);
}

void Broker::handle_bytes(Instant now, Slot connection, ByteView bytes, const Stamp& stamp,
                          BlobId whole) {
    State& s = *state_;
    if (connection >= s.connections.size()) return;
    if (s.connections[connection].phase == Phase::free) return;  // late: we closed it
    s.handled = whole;
    take_bytes(s, now, connection, bytes, stamp);
    s.handled = BlobId::none;
}

void Broker::handle_closed(Instant now, Slot connection) {
    State& s = *state_;
    if (connection >= s.connections.size()) return;
    if (s.connections[connection].phase == Phase::free) return;
    end_connection(s, now, connection, Ending::gone, CloseCause::network, 0);
}

void Broker::close(Instant now, Slot connection, CloseCause cause, std::uint8_t reason) {
    State& s = *state_;
    if (connection >= s.connections.size()) return;
    if (s.connections[connection].phase == Phase::free) return;
    disconnect(s, now, connection, cause, {reason, {}, {}});
}

void Broker::redirect(Instant now, Slot connection, std::string_view reference, bool permanent) {
    State& s = *state_;
    if (connection >= s.connections.size()) return;
    if (s.connections[connection].phase != Phase::connected) return;
    disconnect(s, now, connection, CloseCause::administrative,
               {permanent ? reason::server_moved : reason::use_another_server, {}, reference});
}

void Broker::handle_backlog(Instant now, Slot connection, bool congested) {
    State& s = *state_;
    if (connection >= s.connections.size()) return;
    const Connection& c = s.connections[connection];
    if (c.phase != Phase::connected || s.sessions[c.owner].congested == congested) return;
    s.sessions[c.owner].congested = congested;
    note_readiness(s, s.sessions[c.owner]);
    if (!congested) continue_delivery(s, now, c.owner);
}

Credentials Broker::credentials(Slot connection) const {
    return credentials_of(*state_, connection);
}

void Broker::handle_authenticated(Instant now, Slot connection, std::uint32_t token,
                                  const Verdict& verdict) {
    State& s = *state_;
    if (!is_asked(s, connection, token)) return;
    EarlyBytes early = handle_verdict(s, now, connection, verdict);
    std::size_t at = 0;
    for (const Exchange::Early& piece : early.pieces) {
        if (s.connections[connection].phase == Phase::free) return;
        take_bytes(s, now, connection, ByteView(early.bytes).subspan(at, piece.size), piece.stamp);
        at += piece.size;
    }
}

void Broker::set_pace(Instant now, double virtual_seconds_per_wall_second) {
    State& s = *state_;
    assert(virtual_seconds_per_wall_second > 0);
    const double factor = virtual_seconds_per_wall_second / s.pace;
    if (factor == 1) return;
    s.pace = virtual_seconds_per_wall_second;
    stretch_connections(s, now, factor);
    stretch_sessions(s, now, factor);
}

void Broker::set_server_reference(std::string_view reference, bool moved) {
    state_->options.server_reference = reference;
    state_->options.server_moved = moved;
}

void Broker::set_refusal(std::uint8_t reason) { state_->refusal = reason; }

bool Broker::is_connected(std::string_view client_id) const {
    const State& s = *state_;
    const std::uint32_t session = find_session(s, client_id, s.hash_of(client_id));
    return session != kNone && s.sessions[session].connected();
}

Instant Broker::next_deadline() const {
    const State& s = *state_;
    return min(min(s.connection_deadlines.next(), s.session_deadlines.next()), s.sys.next);
}

void Broker::handle_timeout(Instant now) {
    State& s = *state_;
    while (next_deadline() <= now) {
        const Instant next = next_deadline();
        if (s.connection_deadlines.next() == next) {
            handle_connection_deadline(s, now);
        } else if (s.sys.next == next) {
            update_sys_topics(s, now);
        } else {
            handle_session_deadline(s, now);
        }
    }
}

Outbox& Broker::outbox() { return state_->outbox; }

void Broker::restart(Instant now, bool keep_sessions, std::string_view reference) {
    State& s = *state_;
    const std::uint8_t why =
        reference.empty() ? reason::server_shutting_down : reason::use_another_server;
    if (!keep_sessions) {
        for (const std::uint32_t session : all_sessions(s)) {
            drop_everything(s, now, s.sessions[session], DropReason::restart);
            drop_traffic(s, s.sessions[session]);
            discard_will(s, s.sessions[session]);
        }
    }
    // First everybody is cut off, then absences begin: a dying broker delivers no wills.
    std::vector<std::uint32_t> absent;
    for (const Slot slot : open_slots(s)) {
        const bool told = say_goodbye(s, slot, {why, {}, reference});
        const std::uint32_t session = cut_connection(
            s, now, slot, told ? Ending::close : Ending::abort, CloseCause::administrative, why);
        if (session != kNone) absent.push_back(session);
    }
    for (const std::uint32_t session : absent) begin_absence(s, now, session, true);
    if (!keep_sessions) forget_everything(s);
    restart_sys_topics(s, now);
}

void Broker::publish(Instant now, const wire::Publish& message, const Stamp& stamp) {
    wire::Publish packet = message;
    route(*state_, now, kNone, packet, stamp);
}

void Broker::prefetch(Slot connection) const {
    const State& s = *state_;
    if (connection < s.connections.size()) mqttwin::prefetch(&s.connections[connection]);
}

namespace {

const Session* session_of(const State& s, Slot connection) {
    if (connection >= s.connections.size()) return nullptr;
    const Connection& c = s.connections[connection];
    return c.phase == Phase::connected ? &s.sessions[c.owner] : nullptr;
}

}  // namespace

void Broker::prefetch_session(Slot connection) const {
    if (const Session* const session = session_of(*state_, connection)) mqttwin::prefetch(session);
}

void Broker::prefetch_traffic(Slot connection) const {
    const Session* const session = session_of(*state_, connection);
    if (session == nullptr || session->traffic == kNone) return;
    prefetch_all(state_->traffic[session->traffic]);
}

void Broker::prefetch_window(Slot connection) const {
    const Session* const session = session_of(*state_, connection);
    if (session == nullptr || session->traffic == kNone) return;
    state_->traffic[session->traffic].window.prefetch(state_->pending);
}

Broker::Trail Broker::trail() const {
    const State& s = *state_;
    Trail trail;
    if (s.outbox.empty()) return trail;
    trail.filter = s.subscriptions.last_filter();
    trail.to = s.outbox[0].slot;
    return trail;
}

void Broker::prefetch_trail(const Trail& trail) const {
    state_->subscriptions.prefetch_filter(trail.filter);
    prefetch(trail.to);
}

const Options& Broker::options() const { return state_->options; }

Counts Broker::counts() const {
    const State& s = *state_;
    Counts counts;
    counts.connections = s.connected;
    counts.sessions = s.sessions.live();
    counts.subscriptions = s.subscriptions.size();
    counts.retained = s.retained.size();
    counts.queued = s.queued;
    counts.in_flight = s.in_flight;
    counts.stored_messages = s.messages.live();
    counts.stored_bytes = stored_bytes(s);
    return counts;
}

void Broker::for_each_pending(
    const std::function<void(std::uint32_t, const Stamp&, wire::QoS)>& visit) const {
    const State& s = *state_;
    for (const std::uint32_t index : all_sessions(s)) {
        const Session& session = s.sessions[index];
        for_each_owed(s, session,
                      [&](const Stamp& stamp, wire::QoS qos) { visit(session.tag, stamp, qos); });
    }
}

}  // namespace mqttwin::broker
