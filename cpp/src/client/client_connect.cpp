// The connection from open to close: CONNECT, DISCONNECT, back-off.
#include <algorithm>
#include <limits>

#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/encode.hpp"

namespace mqttwin::client {
namespace {

// The reason codes of a client's DISCONNECT (table 3-10) [MQTT-3.14.2-1].
constexpr bool clients_reason(std::uint8_t reason) {
    switch (reason) {
        case wire::reason::normal_disconnection:
        case wire::reason::disconnect_with_will:
        case wire::reason::unspecified_error:
        case wire::reason::malformed_packet:
        case wire::reason::protocol_error:
        case wire::reason::implementation_specific_error:
        case wire::reason::topic_name_invalid:
        case wire::reason::receive_maximum_exceeded:
        case wire::reason::topic_alias_invalid:
        case wire::reason::packet_too_large:
        case wire::reason::message_rate_too_high:
        case wire::reason::quota_exceeded:
        case wire::reason::administrative_action:
        case wire::reason::payload_format_invalid:
            return true;
        default:
            return false;
    }
}

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

bool Clients::asks_for_clean_start(const Client& c, std::string_view client_id,
                                   bool wanted) const {
    if (!v5()) {
        // 3.1.1 [MQTT-3.1.3-7]: without an identifier there is no session to come back to.
        // Otherwise it is as the application says, 3.1.1 [MQTT-3.1.2-4], [MQTT-3.1.2-6].
        return wanted || client_id.empty();
    }
    // Once it has been online, a client resumes what the server still keeps [MQTT-3.1.2-5],
    // [MQTT-3.1.2-23], and does not ask that it be forgotten [MQTT-3.1.2-4].
    const bool keeps_session = c.terms != kNone && granted(c).session_expiry > 0;
    return c.ever_online && keeps_session ? false : wanted;
}

void Clients::handle_open(Instant now, Slot client) {
    Client& c = clients_[client];
    if (c.phase != Phase::opening) return;  // given up while the network was at it
    move(c, PhaseInput::opened);

    wire::Connect packet;
    packet.version = options_.version;
    const ConnectTerms asked = terms(client);
    packet.keep_alive = asked.keep_alive;
    id_text_.clear();
    profile_->client_id(client, id_text_);
    packet.client_id = id_text_;  // whose session it is [MQTT-3.1.3-2]
    packet.clean_start = asks_for_clean_start(c, packet.client_id, asked.clean_start);
    if (packet.client_id.empty() && !packet.clean_start && c.terms != kNone) {
        packet.client_id = as_text(pool_->bytes(terms_[c.terms].assigned_id));
    }
    c.clean_sent = packet.clean_start;

    announce(packet.properties, asked.session_expiry);
    texts_.clear();
    profile_->complete(client, packet, texts_);
    if (v5() && packet.properties.has(wire::Property::authentication_method)) {
        start_authentication(client, packet.properties.authentication_method);
    }
    send(now, client, wire::encode(*pool_, packet));  // before anything else [MQTT-3.1.0-1]
}

ConnectTerms Clients::terms(Slot client) const {
    ConnectTerms terms{options_.keep_alive, options_.clean_start, options_.session_expiry};
    profile_->terms(client, terms);
    return terms;
}

// What differs from what is understood by its absence.
void Clients::announce(wire::Properties& properties, std::uint32_t session_expiry) const {
    if (session_expiry > 0) {
        properties.mark(wire::Property::session_expiry_interval);
        properties.session_expiry_interval = session_expiry;
    }
    if (options_.receive_maximum < 65535) {
        properties.mark(wire::Property::receive_maximum);
        properties.receive_maximum = options_.receive_maximum;
    }
    if (options_.maximum_packet_size < wire::kMaximumPacketSize) {
        properties.mark(wire::Property::maximum_packet_size);
        properties.maximum_packet_size = options_.maximum_packet_size;
    }
    if (options_.topic_alias_maximum > 0) {
        properties.mark(wire::Property::topic_alias_maximum);
        properties.topic_alias_maximum = options_.topic_alias_maximum;
    }
    if (!options_.request_problem_information) {
        properties.mark(wire::Property::request_problem_information);
        properties.request_problem_information = 0;
    }
    if (options_.request_response_information) {
        properties.mark(wire::Property::request_response_information);
        properties.request_response_information = 1;
    }
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
    wire::Disconnect packet;
    packet.reason = reason;
    disconnect(now, client, packet);
}

bool Clients::disconnect(Instant now, Slot client, const wire::Disconnect& packet) {
    const wire::Properties& properties = packet.properties;
    const bool has_expiry = v5() && properties.has(wire::Property::session_expiry_interval);
    const bool wants_session = has_expiry && properties.session_expiry_interval > 0;
    if (!clients_reason(packet.reason) || (wants_session && terms(client).session_expiry == 0)) {
        return false;
    }
    Client& c = clients_[client];
    switch (c.phase) {
        case Phase::idle:
            return true;
        case Phase::backing_off:
            move(c, PhaseInput::stop);
            schedule(client);
            return true;
        case Phase::opening:
        case Phase::awaiting_connack:
            end(now, client, DisconnectCause::by_command, packet.reason, Ending::abort, false);
            return true;
        case Phase::online:
            break;
    }
    BlobId blob = wire::encode(*pool_, options_.version, packet, granted(c).maximum_packet_size);
    if (blob == BlobId::none) {
        wire::Disconnect bare;
        bare.reason = packet.reason;
        blob = wire::encode(*pool_, options_.version, bare);
    } else if (has_expiry) {
        change_session_expiry(c, properties.session_expiry_interval);
    }
    send(now, client, blob);
    // [MQTT-3.14.4-1], [MQTT-3.14.4-2] (3.1.1: [MQTT-3.14.4-1], [MQTT-3.14.4-2]): nothing after
    // DISCONNECT, and the network closes.
    end(now, client, DisconnectCause::by_command, packet.reason, Ending::close, false);
    return true;
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
    release_link(c);
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

void Clients::fail(Instant now, Slot client, const Fault& fault) {
    listener_->on_fault(now, client, fault);
    if (!v5() || clients_[client].phase != Phase::online) {  // 3.1.1 [MQTT-4.8.0-1]
        lose(now, client, DisconnectCause::protocol_fault, fault.reason, Ending::abort);
        return;
    }
    // [MQTT-4.13.1-1], [MQTT-4.13.2-1]: say why, then close; so, too, when an authentication fails
    // [MQTT-4.12.1-2].
    wire::Disconnect packet;
    packet.reason = clients_reason(fault.reason) ? fault.reason : wire::reason::protocol_error;
    send(now, client,
         wire::encode(*pool_, options_.version, packet,
                      granted(clients_[client]).maximum_packet_size));
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

}  // namespace mqttwin::client
