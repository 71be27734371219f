#include "connections.hpp"

#include <cassert>
#include <cstring>

#include "mqttwin/wire/encode.hpp"

#include "authenticating.hpp"
#include "connecting.hpp"
#include "sessions.hpp"

namespace mqttwin::broker {
namespace {

std::uint32_t order_of(const State& s, const Connection& c) {
    if (c.phase == Phase::connected) return s.sessions[c.owner].order;
    return static_cast<std::uint32_t>(mix64(c.owner));
}

Instant deadline_of(const State& s, const Connection& c) {
    if (c.phase == Phase::free) return Instant::never();
    if (c.phase != Phase::connected) {
        return later(c.heard, paced(s, c.real, s.options.connect_timeout));
    }
    if (c.keep_alive == 0) return Instant::never();
    // [MQTT-3.1.2-22] 3.1.1 [MQTT-3.1.2-24]
    return later(c.heard, paced(s, c.real, milliseconds(1500) * c.keep_alive));
}

// Topic aliases are those of one connection [MQTT-3.3.2-7].
void release_extras(State& s, Connection& c) {
    if (c.extras == kNone) return;
    end_exchange(s, c);
    const Extras& extras = s.extras[c.extras];
    const ByteView table = s.pool->bytes(extras.aliases);
    for (std::size_t at = 0; at < table.size(); at += sizeof(BlobId)) {
        BlobId topic = BlobId::none;
        std::memcpy(&topic, table.data() + at, sizeof topic);
        s.pool->release(topic);
    }
    s.pool->release(extras.aliases);
    const ByteView given = s.pool->bytes(extras.given);
    for (std::size_t i = 0; i < extras.given_count; ++i) {
        AliasGiven alias;
        std::memcpy(&alias, given.data() + i * sizeof alias, sizeof alias);
        s.pool->release(alias.topic);
    }
    s.pool->release(extras.given);
    s.extras.give_back(c.extras);
    c.extras = kNone;
}

}  // namespace

Extras& extras_of(State& s, Connection& c) {
    if (c.extras == kNone) c.extras = s.extras.take();
    return s.extras[c.extras];
}

Duration paced(const State& s, bool real, Duration duration) {
    return real && s.pace != 1 ? scaled(duration, s.pace) : duration;
}

Instant later(Instant now, Duration duration) {
    // The far end of time is no deadline at all.
    if (now.ns > 0 && duration >= Instant::never() - now) return Instant::never();
    return now + duration;
}

void open_connection(State& s, Instant now, Slot slot, const Peer& peer) {
    if (slot >= s.connections.size()) s.connections.resize(slot + 1);
    Connection& c = s.connections[slot];
    assert(c.phase == Phase::free);
    c = Connection{};
    c.heard = now;
    c.owner = peer.tag;
    c.phase = Phase::awaiting_connect;
    c.real = peer.real;
    c.to_ask = peer.authenticate || s.options.authenticate;
    c.ask = peer.authenticate;
    if (peer.nonce != 0) extras_of(s, c).nonce = peer.nonce;
    ++s.tally.sockets;
    arm_connection(s, slot);
}

void send(State& s, Slot slot, BlobId packet) {
    if (packet == BlobId::none) return;
    Output& out = s.outbox.emplace_back();
    out.kind = Output::Kind::send;
    out.slot = slot;
    out.head = packet;
    count_sent(s, packet, BlobId::none);
}

std::uint32_t tag_of(const State& s, const Connection& connection) {
    return connection.phase == Phase::connected ? s.sessions[connection.owner].tag
                                                : connection.owner;
}

std::uint32_t packet_limit(const State& s, const Session& session) {
    if (!session.limited || !session.connected()) return 0xFFFF'FFFFU;
    return packet_limit(s, s.connections[session.connection]);
}

std::uint32_t packet_limit(const State& s, const Connection& c) {
    return c.extras == kNone ? 0xFFFF'FFFFU : s.extras[c.extras].maximum_packet_size;
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

bool say_goodbye(State& s, Slot slot, const Farewell& farewell) {
    const Connection& c = s.connections[slot];
    // [MQTT-3.14.0-1]: not before CONNACK has let the client in.
    if (c.phase != Phase::connected || c.version != wire::Version::v5) return false;
    wire::Disconnect packet;  // without a session expiry interval [MQTT-3.14.2-2]
    // [MQTT-3.14.2-1]
    packet.reason = wire::reason_allowed(wire::PacketType::disconnect, farewell.reason)
                        ? farewell.reason
                        : wire::reason::unspecified_error;
    if (!farewell.explanation.empty()) {
        packet.properties.reason_string = farewell.explanation;
        packet.properties.mark(wire::Property::reason_string);
    }
    if (!farewell.reference.empty()) {
        packet.properties.server_reference = farewell.reference;
        packet.properties.mark(wire::Property::server_reference);
    }
    const std::uint32_t limit = packet_limit(s, c);
    BlobId bytes = wire::encode(*s.pool, c.version, packet, limit);
    if (bytes == BlobId::none && !farewell.reference.empty()) {
        // Where to go is more than the client takes: it learns at least that it must.
        packet.properties = {};
        bytes = wire::encode(*s.pool, c.version, packet, limit);
    }
    send(s, slot, bytes);
    return true;
}

// [MQTT-3.14.4-1], [MQTT-3.14.4-2], [MQTT-4.13.2-1]: after DISCONNECT, nothing but the end.
void disconnect(State& s, Instant now, Slot slot, CloseCause cause, const Farewell& farewell) {
    say_goodbye(s, slot, farewell);
    end_connection(s, now, slot, Ending::close, cause, farewell.reason);
}

void fail(State& s, Instant now, Slot slot, const Fault& fault) {
    const Connection& c = s.connections[slot];
    s.observer->on_fault(now, slot, tag_of(s, c), fault);
    if (c.phase == Phase::asking || c.phase == Phase::challenged) {
        return refuse(s, now, slot, fault.reason, CloseCause::protocol_fault, fault.what);
    }
    // [MQTT-4.13.1-1], 3.1.1 [MQTT-4.8.0-1]: whoever sends a malformed packet or breaks the
    // protocol is closed.
    disconnect(s, now, slot, CloseCause::protocol_fault, {fault.reason, fault.what, {}});
}

void forget_connection(State& s, Slot slot) {
    Connection& c = s.connections[slot];
    wire::release_framer(*s.pool, c.framer);
    release_extras(s, c);
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
    if (c.phase != Phase::connected) {
        end_connection(s, now, entry.slot, Ending::close, CloseCause::connect_timeout, 0);
        return;
    }
    // [MQTT-3.1.2-22]: silent for one and a half times its keep-alive.
    disconnect(s, now, entry.slot, CloseCause::keep_alive,
               {wire::reason::keep_alive_timeout, {}, {}});
}

void stretch_connections(State& s, Instant now, double factor) {
    for (Slot slot = 0; slot < s.connections.size(); ++slot) {
        Connection& c = s.connections[slot];
        if (c.phase == Phase::free || !c.real) continue;
        c.heard = now - scaled(now - c.heard, factor);
        arm_connection(s, slot);
    }
}

}  // namespace mqttwin::broker
