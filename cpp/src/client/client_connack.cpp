// CONNACK: what the server said to CONNECT, and what it grants.
#include <algorithm>

#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/decode.hpp"

namespace mqttwin::client {
namespace {

// PUBREL and PUBCOMP with a reason code: nobody can talk to a server that takes less.
constexpr std::uint32_t kSmallestPacketMaximum = 5;

}  // namespace

void Clients::receive_connack(Instant now, Slot client, const wire::Frame& frame) {
    wire::Connack packet;
    Fault fault = wire::decode(frame, options_.version, packet);
    if (!fault) fault = check_connack(client, packet);
    if (fault) {
        fail(now, client, fault);
        return;
    }
    listener_->on_connack(now, client, packet);
    if (clients_[client].phase != Phase::awaiting_connack) return;  // the listener has left
    if (packet.reason != wire::reason::success) {
        lose(now, client, DisconnectCause::refused, packet.reason, Ending::close);
        return;
    }
    go_online(now, client, packet);
}

Fault Clients::check_connack(Slot client, const wire::Connack& packet) {
    if (packet.reason != wire::reason::success) return {};
    const Client& c = clients_[client];
    if (packet.session_present && c.clean_sent) {
        // [MQTT-3.2.2-2], [MQTT-3.2.2-4]: a session that we neither have nor asked for. A client
        // that first connects without clean start says that it has one, be it an empty one.
        return {wire::reason::protocol_error, v5() ? "MQTT-3.2.2-4" : "MQTT-3.2.2-1",
                "session present after a clean start", 2};
    }
    if (!v5()) return {};
    const wire::Properties& properties = packet.properties;
    if (properties.has(wire::Property::maximum_packet_size) &&
        properties.maximum_packet_size < kSmallestPacketMaximum) {
        return {wire::reason::packet_too_large, "MQTT-3.2.2-15",
                "a maximum packet size too small for acknowledgements", 0};
    }
    if (properties.has(wire::Property::response_information) &&
        !options_.request_response_information) {
        return {wire::reason::protocol_error, "MQTT-3.1.2-28",
                "response information that was not asked for", 0};
    }
    const Link* l = find_link(c);
    const BlobId method = l == nullptr ? BlobId::none : l->method;
    const bool has_method = properties.has(wire::Property::authentication_method);
    if (method == BlobId::none && has_method) {  // [MQTT-4.12.0-6]
        return {wire::reason::protocol_error, "MQTT-4.12.0-6",
                "an authentication method where CONNECT had none", 0};
    }
    if (method != BlobId::none &&  // [MQTT-4.12.0-5]
        (!has_method || properties.authentication_method != as_text(pool_->bytes(method)))) {
        return {wire::reason::protocol_error, "MQTT-4.12.0-5",
                "CONNACK without the authentication method of CONNECT", 0};
    }
    return {};
}

void Clients::go_online(Instant now, Slot client, const wire::Connack& packet) {
    Client& c = clients_[client];
    set_terms(c, terms_of(client, packet));
    if (Link* l = find_link(c)) l->exchange = Exchange::none;
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
    if (c.flow != kNone) {
        Flow& f = flows_[c.flow];
        f.received_before = f.received.count();
    }
    if (c.phase == Phase::online && !c.subscribed) subscribe_all(now, client);
    if (c.phase == Phase::online && session_present) resume_session(now, client);
    if (c.phase == Phase::online) pump(now, client);
    if (c.phase == Phase::online) listener_->on_connected(now, client, session_present);
}

// --- what the server grants ----------------------------------------------------------------------

Clients::Grants Clients::grants_of(Slot client, const wire::Connack& packet) const {
    Grants grants;
    const ConnectTerms asked = terms(client);
    grants.keep_alive = asked.keep_alive;
    grants.session_expiry = asked.session_expiry;
    if (!v5()) return grants;

    const wire::Properties& properties = packet.properties;
    if (properties.has(wire::Property::maximum_packet_size)) {
        grants.maximum_packet_size =
            std::min(properties.maximum_packet_size, wire::kMaximumPacketSize);
    }
    grants.receive_maximum = properties.receive_maximum;  // [MQTT-4.9.0-1]
    // [MQTT-3.2.2-17], [MQTT-3.2.2-18], [MQTT-3.3.2-9]
    grants.topic_aliases =
        std::min(options_.outbound_topic_aliases, properties.topic_alias_maximum);
    grants.maximum_qos = properties.maximum_qos;
    grants.retain = properties.retain_available != 0;
    grants.wildcards = properties.wildcard_subscription_available != 0;
    grants.identifiers = properties.subscription_identifier_available != 0;
    grants.sharing = properties.shared_subscription_available != 0;
    if (properties.has(wire::Property::session_expiry_interval)) {
        grants.session_expiry = properties.session_expiry_interval;
    }
    if (properties.has(wire::Property::server_keep_alive)) {  // [MQTT-3.1.2-21], [MQTT-3.2.2-21]
        grants.keep_alive = properties.server_keep_alive;
    }
    return grants;
}

Clients::Terms Clients::terms_of(Slot client, const wire::Connack& packet) {
    const Client& c = clients_[client];
    Terms terms;
    terms.granted = grants_of(client, packet);
    if (!v5() || terms.granted.session_expiry == 0) return terms;
    // An assigned identifier is worth keeping for as long as a session hangs on it.
    const std::string_view assigned = packet.properties.assigned_client_identifier;
    if (!assigned.empty()) {
        terms.assigned_id = pool_->make(as_bytes(assigned));
    } else if (!c.clean_sent && c.terms != kNone) {
        terms.assigned_id = terms_[c.terms].assigned_id;
        pool_->retain(terms.assigned_id);
    }
    return terms;
}

bool Clients::same_as_recent(const Terms& terms) const {
    return recent_terms_ != kNone && terms.assigned_id == BlobId::none &&
           terms_[recent_terms_].granted == terms.granted;
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

// What a DISCONNECT says about the session holds from then on (3.14.2.2.2).
void Clients::change_session_expiry(Client& c, std::uint32_t expiry) {
    Terms terms = terms_[c.terms];
    if (terms.granted.session_expiry == expiry) return;
    terms.granted.session_expiry = expiry;
    terms.references = 0;
    if (expiry == 0) terms.assigned_id = BlobId::none;
    pool_->retain(terms.assigned_id);
    set_terms(c, terms);
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
