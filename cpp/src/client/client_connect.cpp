// The connection from open to close: CONNECT, CONNACK, what the server grants, back-off.
#include <algorithm>
#include <limits>

#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

namespace mqttwin::client {
namespace {

// PUBREL and PUBCOMP with a reason code: nobody can talk to a server that takes less.
constexpr std::uint32_t kSmallestPacketMaximum = 5;

}  // namespace

void Clients::connect(Instant now, Slot client) {
    Client& c = clients_[client];
    if (c.phase != Phase::idle && c.phase != Phase::backing_off) return;
    if (c.closing) {
        // The world would take the end of the old connection for that of the new one: a turn later.
        move(c, PhaseInput::defer);
        c.due = now;
        schedule(client);
        return;
    }
    move(c, PhaseInput::connect);
    open(now, client);
}

void Clients::open(Instant now, Slot client) {
    Client& c = clients_[client];
    c.closing = false;  // the old connection, if the world still has it, will not be heard of again
    c.due = now + options_.connect_timeout;
    schedule(client);
    ask(Output::Kind::open, client);
}

bool Clients::asks_for_clean_start(const Client& c, std::string_view client_id) const {
    if (!v5()) {
        // [MQTT-3.1.3-7] of 3.1.1: without an identifier there is no session to come back to.
        return options_.clean_start || client_id.empty();
    }
    // Once it has been online, a client resumes what the server still keeps [MQTT-3.1.2-5].
    const bool keeps_session = c.terms != kNone && terms_[c.terms].session_expiry > 0;
    return c.ever_online && keeps_session ? false : options_.clean_start;
}

void Clients::handle_open(Instant now, Slot client) {
    Client& c = clients_[client];
    if (c.phase != Phase::opening) return;  // given up while the network was at it
    move(c, PhaseInput::opened);

    wire::Connect packet;
    packet.version = options_.version;
    packet.keep_alive = options_.keep_alive;
    id_text_.clear();
    profile_->client_id(client, id_text_);
    packet.client_id = id_text_;
    packet.clean_start = asks_for_clean_start(c, packet.client_id);
    if (packet.client_id.empty() && !packet.clean_start && c.terms != kNone) {
        packet.client_id = as_text(pool_->bytes(terms_[c.terms].assigned_id));
    }
    c.clean_sent = packet.clean_start;

    wire::Properties& properties = packet.properties;
    if (options_.session_expiry > 0) {
        properties.mark(wire::Property::session_expiry_interval);
        properties.session_expiry_interval = options_.session_expiry;
    }
    if (options_.receive_maximum < 65535) {
        properties.mark(wire::Property::receive_maximum);
        properties.receive_maximum = options_.receive_maximum;
    }
    if (options_.maximum_packet_size < wire::kMaximumPacketSize) {
        properties.mark(wire::Property::maximum_packet_size);
        properties.maximum_packet_size = options_.maximum_packet_size;
    }
    texts_.clear();
    profile_->complete(client, packet, texts_);
    send(now, client, wire::encode(*pool_, packet));
}

void Clients::handle_closed(Instant now, Slot client) {
    Client& c = clients_[client];
    c.closing = false;
    if (c.phase == Phase::opening) {
        lose(now, client, DisconnectCause::connect_failed, wire::reason::success, Ending::gone);
    } else if (connected(c)) {
        lose(now, client, DisconnectCause::transport, wire::reason::success, Ending::gone);
    }
}

void Clients::disconnect(Instant now, Slot client, std::uint8_t reason) {
    Client& c = clients_[client];
    switch (c.phase) {
        case Phase::idle:
            return;
        case Phase::backing_off:
            move(c, PhaseInput::stop);
            schedule(client);
            return;
        case Phase::opening:
        case Phase::awaiting_connack:
            end(now, client, DisconnectCause::by_command, reason, Ending::abort, false);
            return;
        case Phase::online:
            break;
    }
    wire::Disconnect packet;
    packet.reason = reason;
    send(now, client, wire::encode(*pool_, options_.version, packet));
    // [MQTT-3.14.4-1], [MQTT-3.14.4-2]: nothing after DISCONNECT, and the network closes.
    end(now, client, DisconnectCause::by_command, reason, Ending::close, false);
}

void Clients::reset(Instant now, Slot client) {
    Client& c = clients_[client];
    if (c.phase == Phase::backing_off) {
        move(c, PhaseInput::stop);
        schedule(client);
    } else if (c.phase != Phase::idle) {
        end(now, client, DisconnectCause::by_command, wire::reason::success, Ending::abort, false);
    }
    if (c.flow != kNone) {
        const auto lost = [&](std::uint32_t index) {
            drop(now, client, pending_[index], PublishOutcome::dropped_offline);
        };
        flows_[c.flow].window.clear(pending_, lost);
        flows_[c.flow].queue.clear(pending_, lost);
        flows_[c.flow].received.clear(*pool_);
        settle(c);
    }
    release_terms(c);
    c.ever_online = false;
    c.subscribed = false;
    c.failures = 0;
    c.last_id = 0;
}

// --- the end of a connection ---------------------------------------------------------------------

void Clients::lose(Instant now, Slot client, DisconnectCause cause, std::uint8_t reason,
                   Ending ending) {
    end(now, client, cause, reason, ending, options_.reconnect);
}

void Clients::end(Instant now, Slot client, DisconnectCause cause, std::uint8_t reason,
                  Ending ending, bool again) {
    Client& c = clients_[client];
    wire::release_framer(*pool_, c.framer);
    c.awaiting_pingresp = false;
    if (c.flow != kNone) {
        flows_[c.flow].window.drop_lists(pending_, [](std::uint32_t) {});
        settle(c);
    }
    if (ending != Ending::gone) {
        ask(ending == Ending::close ? Output::Kind::close : Output::Kind::abort, client);
        c.closing = true;
    }
    if (again) {
        move(c, PhaseInput::lost);
        c.due = now + next_backoff(client);
    } else {
        move(c, PhaseInput::stop);
    }
    schedule(client);
    listener_->on_disconnected(now, client, cause, reason);
}

namespace {

// What a client says in DISCONNECT about a server's fault: not all codes are for clients.
std::uint8_t reason_to_tell(std::uint8_t reason) {
    switch (reason) {
        case wire::reason::malformed_packet:
        case wire::reason::topic_name_invalid:
        case wire::reason::receive_maximum_exceeded:
        case wire::reason::topic_alias_invalid:
        case wire::reason::packet_too_large:
        case wire::reason::payload_format_invalid:
            return reason;
        default:
            return wire::reason::protocol_error;
    }
}

}  // namespace

void Clients::fail(Instant now, Slot client, const Fault& fault) {
    listener_->on_fault(now, client, fault);
    if (!v5() || clients_[client].phase != Phase::online) {  // [MQTT-4.8.0-1] of 3.1.1
        lose(now, client, DisconnectCause::protocol_fault, fault.reason, Ending::abort);
        return;
    }
    // [MQTT-4.13.1-1], [MQTT-4.13.2-1]: say why, then close.
    wire::Disconnect packet;
    packet.reason = reason_to_tell(fault.reason);
    send(now, client,
         wire::encode(*pool_, options_.version, packet,
                      terms_[clients_[client].terms].maximum_packet_size));
    lose(now, client, DisconnectCause::protocol_fault, fault.reason, Ending::close);
}

Duration Clients::next_backoff(Slot client) {
    Client& c = clients_[client];
    const Backoff& backoff = options_.backoff;
    const auto longest = static_cast<double>(backoff.maximum.ns);
    auto wait = static_cast<double>(backoff.initial.ns);
    // Repeated multiplication, not pow: the same on every machine. At most 255 steps.
    for (unsigned n = 0; n < c.failures && wait < longest; ++n) wait *= backoff.factor;
    wait = std::min(wait, longest);
    // A draw belongs to (client, n-th back-off of its life): nobody else's luck changes it.
    const double drawn = unit_from(draw64(backoff_stream_, client, c.backoffs));
    const double share = 1.0 - backoff.jitter * drawn;
    wait *= share;
    ++c.backoffs;
    if (c.failures < std::numeric_limits<std::uint8_t>::max()) ++c.failures;
    // Never nothing: a world drains "close" and the next "open" one after the other.
    return max({static_cast<std::int64_t>(wait)}, nanoseconds(1));
}

// --- CONNACK -------------------------------------------------------------------------------------

void Clients::receive_connack(Instant now, Slot client, const wire::Frame& frame) {
    wire::Connack packet;
    if (const Fault fault = wire::decode(frame, options_.version, packet)) {
        fail(now, client, fault);
        return;
    }
    if (packet.reason != wire::reason::success) {
        lose(now, client, DisconnectCause::refused, packet.reason, Ending::close);
        return;
    }
    Client& c = clients_[client];
    if (packet.session_present && c.clean_sent) {
        // [MQTT-3.2.2-2], [MQTT-3.2.2-4]: a session that we neither have nor asked for. A client
        // that first connects without clean start says that it has one, be it an empty one.
        fail(now, client,
             {wire::reason::protocol_error, v5() ? "MQTT-3.2.2-4" : "MQTT-3.2.2-1",
              "session present after a clean start", 2});
        return;
    }
    const wire::Properties& properties = packet.properties;
    if (properties.has(wire::Property::maximum_packet_size) &&
        properties.maximum_packet_size < kSmallestPacketMaximum) {
        fail(now, client,
             {wire::reason::packet_too_large, "MQTT-3.2.2-15",
              "a maximum packet size too small for acknowledgements", 0});
        return;
    }
    set_terms(c, terms_of(c, packet));
    move(c, PhaseInput::accepted);
    // MQTT 3.1 has no such flag: if there can be a session, act as if there were, and subscribe
    // as if there were none.
    const bool silent = options_.version == wire::Version::v3;
    const bool session_present = silent ? c.ever_online && !c.clean_sent : packet.session_present;
    if (!session_present || silent) c.subscribed = false;
    c.ever_online = true;
    c.failures = 0;
    schedule(client);

    if (!session_present) renew_session(now, client);
    if (!c.subscribed) subscribe_all(now, client);
    if (c.phase == Phase::online && session_present) resume_session(now, client);
    if (c.phase == Phase::online) pump(now, client);
    if (c.phase == Phase::online) listener_->on_connected(now, client, session_present);
}

Clients::Terms Clients::terms_of(const Client& c, const wire::Connack& packet) {
    Terms terms;
    terms.keep_alive = options_.keep_alive;
    terms.session_expiry = options_.session_expiry;
    if (!v5()) return terms;

    const wire::Properties& properties = packet.properties;
    if (properties.has(wire::Property::maximum_packet_size)) {
        terms.maximum_packet_size =
            std::min(properties.maximum_packet_size, wire::kMaximumPacketSize);
    }
    terms.receive_maximum = properties.receive_maximum;
    terms.maximum_qos = properties.maximum_qos;
    terms.retain_available = properties.retain_available != 0;
    if (properties.has(wire::Property::session_expiry_interval)) {
        terms.session_expiry = properties.session_expiry_interval;
    }
    if (properties.has(wire::Property::server_keep_alive)) {  // [MQTT-3.1.2-21]
        terms.keep_alive = properties.server_keep_alive;
    }
    if (terms.session_expiry > 0) {
        // An assigned identifier is worth keeping for as long as a session hangs on it.
        if (!properties.assigned_client_identifier.empty()) {
            terms.assigned_id = pool_->make(as_bytes(properties.assigned_client_identifier));
        } else if (!c.clean_sent && c.terms != kNone) {
            terms.assigned_id = terms_[c.terms].assigned_id;
            pool_->retain(terms.assigned_id);
        }
    }
    return terms;
}

bool Clients::same_as_recent(const Terms& terms) const {
    if (recent_terms_ == kNone || terms.assigned_id != BlobId::none) return false;
    const Terms& recent = terms_[recent_terms_];
    return recent.assigned_id == BlobId::none &&
           recent.maximum_packet_size == terms.maximum_packet_size &&
           recent.session_expiry == terms.session_expiry &&
           recent.receive_maximum == terms.receive_maximum &&
           recent.keep_alive == terms.keep_alive && recent.maximum_qos == terms.maximum_qos &&
           recent.retain_available == terms.retain_available;
}

// A server grants everybody the same, so looking at the record used last finds it.
void Clients::set_terms(Client& c, const Terms& terms) {
    const bool same = same_as_recent(terms);
    const std::uint32_t index = same ? recent_terms_ : terms_.take();
    if (!same) {
        terms_[index] = terms;
        if (terms.assigned_id == BlobId::none) recent_terms_ = index;
    }
    ++terms_[index].references;
    release_terms(c);
    c.terms = index;
}

void Clients::release_terms(Client& c) {
    if (c.terms == kNone) return;
    Terms& terms = terms_[c.terms];
    if (--terms.references == 0) {
        pool_->release(terms.assigned_id);
        terms_.give_back(c.terms);
        if (recent_terms_ == c.terms) recent_terms_ = kNone;
    }
    c.terms = kNone;
}

}  // namespace mqttwin::client
