#include "connections.hpp"

#include <cassert>
#include <cstring>

#include "mqttwin/wire/encode.hpp"

#include "sessions.hpp"

namespace mqttwin::broker {
namespace {

std::uint32_t order_of(const State& s, const Connection& c) {
    if (c.phase == Phase::connected) return s.sessions[c.owner].order;
    return static_cast<std::uint32_t>(mix64(c.owner));
}

Instant deadline_of(const State& s, const Connection& c) {
    if (c.phase == Phase::awaiting_connect) return c.heard + s.options.connect_timeout;
    if (c.phase == Phase::free || c.keep_alive == 0) return Instant::never();
    return c.heard + milliseconds(1500) * c.keep_alive;  // [MQTT-3.1.2-22]
}

void release_limits(State& s, Connection& c) {
    if (c.limits == kNone) return;
    const BlobId aliases = s.limits[c.limits].aliases;
    const ByteView table = s.pool->bytes(aliases);
    for (std::size_t at = 0; at < table.size(); at += sizeof(BlobId)) {
        BlobId topic = BlobId::none;
        std::memcpy(&topic, table.data() + at, sizeof topic);
        s.pool->release(topic);
    }
    s.pool->release(aliases);
    s.limits.give_back(c.limits);
    c.limits = kNone;
}

}  // namespace

void open_connection(State& s, Instant now, Slot slot, const Peer& peer) {
    if (slot >= s.connections.size()) s.connections.resize(slot + 1);
    Connection& c = s.connections[slot];
    assert(c.phase == Phase::free);
    c = Connection{};
    c.heard = now;
    c.owner = peer.tag;
    c.phase = Phase::awaiting_connect;
    arm_connection(s, slot);
}

void send(State& s, Slot slot, BlobId packet) {
    if (packet == BlobId::none) return;
    Output& out = s.outbox.emplace_back();
    out.kind = Output::Kind::send;
    out.slot = slot;
    out.head = packet;
}

std::uint32_t tag_of(const State& s, const Connection& connection) {
    return connection.phase == Phase::connected ? s.sessions[connection.owner].tag
                                                : connection.owner;
}

std::uint32_t packet_limit(const State& s, const Session& session) {
    if (!session.limited || !session.connected()) return 0xFFFF'FFFFU;
    return s.limits[s.connections[session.connection].limits].maximum_packet_size;
}

std::uint32_t cut_connection(State& s, Instant now, Slot slot, Ending ending, CloseCause cause,
                             std::uint8_t reason) {
    Connection& c = s.connections[slot];
    assert(c.phase != Phase::free);
    if (ending != Ending::gone) {
        Output& out = s.outbox.emplace_back();
        out.kind = ending == Ending::close ? Output::Kind::close : Output::Kind::abort;
        out.slot = slot;
    }
    s.observer->on_close(now, slot, tag_of(s, c), cause, reason);
    const std::uint32_t session = c.phase == Phase::connected ? c.owner : kNone;
    forget_connection(s, slot);
    if (session != kNone) unplug_session(s, session);
    return session;
}

void end_connection(State& s, Instant now, Slot slot, Ending ending, CloseCause cause,
                    std::uint8_t reason, bool keep_will) {
    const std::uint32_t session = cut_connection(s, now, slot, ending, cause, reason);
    if (session != kNone) begin_absence(s, now, session, keep_will);
}

bool say_goodbye(State& s, Slot slot, std::uint8_t reason, std::string_view explanation) {
    const Connection& c = s.connections[slot];
    if (c.phase != Phase::connected || c.version != wire::Version::v5) return false;
    wire::Disconnect packet;
    packet.reason = wire::reason_allowed(wire::PacketType::disconnect, reason)
                        ? reason
                        : wire::reason::unspecified_error;
    if (!explanation.empty()) {
        packet.properties.reason_string = explanation;
        packet.properties.mark(wire::Property::reason_string);
    }
    const std::uint32_t limit = packet_limit(s, s.sessions[c.owner]);
    send(s, slot, wire::encode(*s.pool, c.version, packet, limit));
    return true;
}

void disconnect(State& s, Instant now, Slot slot, CloseCause cause, std::uint8_t reason,
                std::string_view explanation) {
    say_goodbye(s, slot, reason, explanation);
    end_connection(s, now, slot, Ending::close, cause, reason);
}

void fail(State& s, Instant now, Slot slot, const Fault& fault) {
    s.observer->on_fault(now, slot, tag_of(s, s.connections[slot]), fault);
    // [MQTT-4.13.1-1]: whoever sends a malformed packet or breaks the protocol is closed.
    disconnect(s, now, slot, CloseCause::protocol_fault, fault.reason, fault.what);
}

void forget_connection(State& s, Slot slot) {
    Connection& c = s.connections[slot];
    wire::release_framer(*s.pool, c.framer);
    release_limits(s, c);
    c.phase = Phase::free;
}

void arm_connection(State& s, Slot slot) {
    Connection& c = s.connections[slot];
    const Instant at = deadline_of(s, c);
    if (at == Instant::never() || !c.armed.later_than(at)) return;
    s.connection_deadlines.arm(at, order_of(s, c), slot);
    c.armed.set(at);
}

void handle_connection_deadline(State& s, Instant now) {
    const DeadlineHeap::Entry entry = s.connection_deadlines.pop();
    Connection& c = s.connections[entry.slot];
    // Of a connection that is no more, or overtaken by an earlier entry.
    if (c.phase == Phase::free || !c.armed.is(entry.at)) return;
    c.armed.clear();
    const Instant due = deadline_of(s, c);
    if (due > now || entry.order != order_of(s, c)) {
        // Pushed back since, or armed under another name: ties go by the name it has now.
        arm_connection(s, entry.slot);
        return;
    }
    if (c.phase == Phase::awaiting_connect) {
        end_connection(s, now, entry.slot, Ending::close, CloseCause::connect_timeout, 0);
        return;
    }
    // [MQTT-3.1.2-22]: silent for one and a half times its keep-alive.
    disconnect(s, now, entry.slot, CloseCause::keep_alive, wire::reason::keep_alive_timeout);
}

}  // namespace mqttwin::broker
