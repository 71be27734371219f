#include "connecting.hpp"

#include <algorithm>
#include <array>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

#include "authenticating.hpp"
#include "connections.hpp"
#include "delivery.hpp"
#include "publishing.hpp"
#include "sessions.hpp"
#include "wills.hpp"

namespace mqttwin::broker {
namespace {

namespace reason = wire::reason;
using wire::Property;
using wire::Version;

constexpr std::string_view kAssignedPrefix = "auto-";
using AssignedId = std::array<char, kAssignedPrefix.size() + 16>;

// What the answer depends on, whatever it will be.
void note_client(State& s, Connection& c, const wire::Connect& packet) {
    c.version = packet.version;
    const wire::Properties& p = packet.properties;
    if (!p.has(Property::maximum_packet_size)) return;
    if (p.maximum_packet_size == 0) return;                         // refused, and told so
    if (p.maximum_packet_size >= wire::kMaximumPacketSize) return;  // no limit at all
    extras_of(s, c).maximum_packet_size = p.maximum_packet_size;
}

void refuse_malformed(State& s, Instant now, Slot slot, const Fault& fault) {
    // [MQTT-3.1.4-1], [MQTT-3.1.2-2]. 3.1.1 has a code for an unknown protocol level, and none for
    // anything else that can be wrong with a packet: 3.1.1 [MQTT-3.2.2-6].
    const Connection& c = s.connections[slot];
    const bool tell =
        c.version == Version::v5 || fault.reason == reason::unsupported_protocol_version;
    if (!tell) return fail(s, now, slot, fault);
    s.observer->on_fault(now, slot, c.owner, fault);
    refuse(s, now, slot, fault.reason, CloseCause::protocol_fault, fault.what);
}

struct Refusal {
    std::uint8_t reason = 0;
    std::string_view what;
    std::string_view reference = {};
    explicit operator bool() const { return reason != 0; }
};

Refusal judge_will(const State& s, const wire::Will& will) {
    if (will.qos > s.options.maximum_qos) {  // [MQTT-3.2.2-12]
        return {reason::qos_not_supported, "will QoS over the server's maximum"};
    }
    if (will.retain && !s.options.retain_available) {  // [MQTT-3.2.2-13]
        return {reason::retain_not_supported, "retain is not available"};
    }
    if (will.topic.starts_with(kSystemTopics)) {
        return {reason::not_authorized, "$SYS topics are the server's"};
    }
    if (too_deep(s, will.topic)) {
        return {reason::topic_name_invalid, "will topic has too many levels"};
    }
    if (!payload_format_holds(s, will.properties, will.payload)) {
        return {reason::payload_format_invalid, "the will is not the UTF-8 that it says it is"};
    }
    return {};
}

// Whether the broker wants to serve this client at all.
Refusal judge(const State& s, const wire::Connect& packet, bool asks) {
    if (packet.client_id.empty() && packet.version != Version::v5 &&
        (!packet.clean_start || packet.version == Version::v3)) {
        // 3.1.1 [MQTT-3.1.3-7], [MQTT-3.1.3-8], [MQTT-3.1.3-9]; 3.1 always wants one.
        return {reason::client_identifier_not_valid, "no client identifier"};
    }
    if (s.refusal != 0) return {s.refusal, "the server takes nobody at present"};
    if (!s.options.server_reference.empty()) {  // 4.11
        return {s.options.server_moved ? reason::server_moved : reason::use_another_server,
                "another server is there for you", s.options.server_reference};
    }
    if (!asks) {
        if (packet.properties.has(Property::authentication_method)) {  // [MQTT-4.12.0-1]
            return {reason::bad_authentication_method, "no such authentication method"};
        }
        if (!s.options.allow_anonymous) {
            if (!packet.has_user_name) return {reason::not_authorized, "anonymous"};
            return {reason::bad_user_name_or_password, "nobody vouches for this user"};
        }
    }
    return packet.has_will ? judge_will(s, packet.will) : Refusal{};
}

// [MQTT-3.1.3-6], [MQTT-3.1.3-7]: a name for a client that has none. It follows from who asks and
// when (or from a word of the world's), so that strangers do not change it.
std::string_view assign_client_id(const State& s, Instant now, const Connection& c,
                                  AssignedId& text) {
    const std::uint64_t nonce = c.extras == kNone ? 0 : s.extras[c.extras].nonce;
    std::copy(kAssignedPrefix.begin(), kAssignedPrefix.end(), text.begin());
    const std::string_view name(text.data(), text.size());
    for (std::uint64_t attempt = 0;; ++attempt) {
        std::uint64_t word = nonce != 0 ? draw64({nonce}, attempt, 0)
                                        : draw64({mix64(s.key.value ^ attempt)}, c.owner,
                                                 static_cast<std::uint64_t>(now.ns));
        for (std::size_t i = kAssignedPrefix.size(); i < text.size(); ++i) {
            text[i] = "0123456789abcdef"[word & 15U];
            word >>= 4;
        }
        if (find_session(s, name, s.hash_of(name)) == kNone) return name;
    }
}

// [MQTT-3.1.4-3]: the same client on another connection. That one is told, and closed.
void take_over(State& s, Instant now, std::uint32_t session) {
    disconnect(s, now, s.sessions[session].connection, CloseCause::taken_over,
               {reason::session_taken_over, "the same client on another connection", {}});
}

std::uint32_t expiry_of(const State& s, const wire::Connect& packet) {
    if (packet.version != Version::v5) {
        return packet.clean_start ? 0 : s.options.max_session_expiry;
    }
    return std::min(packet.properties.session_expiry_interval, s.options.max_session_expiry);
}

void set_limits(State& s, Slot slot, Session& session, const wire::Connect& packet) {
    const wire::Properties& p = packet.properties;
    const std::uint32_t receive_maximum = p.receive_maximum;  // 65535 unless said
    session.window = static_cast<std::uint16_t>(
        std::clamp<std::uint32_t>(s.options.max_in_flight, 1, receive_maximum));
    session.quiet = p.request_problem_information == 0;  // [MQTT-3.1.2-29]
    Connection& c = s.connections[slot];
    // [MQTT-3.1.2-26], [MQTT-3.1.2-27]
    const std::uint16_t aliases = std::min(p.topic_alias_maximum, s.options.outbound_topic_aliases);
    session.aliased = aliases > 0;
    if (session.aliased) extras_of(s, c).given_maximum = aliases;
    session.limited = packet_limit(s, c) < wire::kMaximumPacketSize;
}

// What the client needs to know, as far as it differs from what it would assume.
wire::Connack welcome(const State& s, const wire::Connect& packet, const Session& session,
                      bool present, const Admission& admission) {
    wire::Connack answer;
    // [MQTT-3.2.2-2] [MQTT-3.2.2-3] 3.1.1 [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3]
    answer.session_present = present;
    if (packet.version != Version::v5) return answer;
    wire::Properties& p = answer.properties;
    if (session.expiry != packet.properties.session_expiry_interval) {
        p.session_expiry_interval = session.expiry;
        p.mark(Property::session_expiry_interval);
    }
    if (s.options.receive_maximum < 65535) {
        p.receive_maximum = s.options.receive_maximum;
        p.mark(Property::receive_maximum);
    }
    if (s.options.maximum_qos < wire::QoS::exactly_once) {  // [MQTT-3.2.2-9]
        p.maximum_qos = static_cast<std::uint8_t>(s.options.maximum_qos);
        p.mark(Property::maximum_qos);
    }
    if (!s.options.retain_available) {
        p.retain_available = 0;
        p.mark(Property::retain_available);
    }
    if (!s.options.wildcard_subscriptions_available) {
        p.wildcard_subscription_available = 0;
        p.mark(Property::wildcard_subscription_available);
    }
    if (!s.options.subscription_identifiers_available) {
        p.subscription_identifier_available = 0;
        p.mark(Property::subscription_identifier_available);
    }
    if (!s.options.shared_subscriptions_available) {
        p.shared_subscription_available = 0;
        p.mark(Property::shared_subscription_available);
    }
    p.maximum_packet_size = s.options.maximum_packet_size;
    p.mark(Property::maximum_packet_size);
    if (packet.client_id.empty()) {  // [MQTT-3.2.2-16]
        p.assigned_client_identifier = as_text(s.pool->bytes(session.client_id));
        p.mark(Property::assigned_client_identifier);
    }
    if (s.options.topic_alias_maximum > 0) {
        p.topic_alias_maximum = s.options.topic_alias_maximum;
        p.mark(Property::topic_alias_maximum);
    }
    if (s.options.server_keep_alive > 0) {  // [MQTT-3.2.2-21]
        p.server_keep_alive = s.options.server_keep_alive;
        p.mark(Property::server_keep_alive);
    }
    if (packet.properties.request_response_information != 0 &&  // [MQTT-3.1.2-28]
        !s.options.response_information.empty()) {
        p.response_information = s.options.response_information;
        p.mark(Property::response_information);
    }
    if (!admission.method.empty()) {  // [MQTT-4.12.0-5], [MQTT-4.12.0-6]
        p.authentication_method = admission.method;
        p.mark(Property::authentication_method);
        if (!admission.data.empty()) {
            p.authentication_data = admission.data;
            p.mark(Property::authentication_data);
        }
    }
    return answer;
}

}  // namespace

// Whatever is wrong, a client identifier among it [MQTT-3.1.3-8]: no session is present
// [MQTT-3.2.2-6], and the connection ends [MQTT-3.2.2-7], [MQTT-4.13.2-1].
void refuse(State& s, Instant now, Slot slot, std::uint8_t code, CloseCause cause,
            std::string_view explanation, std::string_view reference) {
    const Connection& c = s.connections[slot];
    wire::Connack answer;
    if (c.version == Version::v5) {  // [MQTT-3.2.2-8]
        answer.reason = wire::reason_allowed(wire::PacketType::connack, code)
                            ? code
                            : reason::unspecified_error;
        if (!explanation.empty()) {
            answer.properties.reason_string = explanation;
            answer.properties.mark(Property::reason_string);
        }
        if (!reference.empty()) {
            answer.properties.server_reference = reference;
            answer.properties.mark(Property::server_reference);
        }
    } else {
        answer.reason = wire::connack_return_code_v311(code);
    }
    send(s, slot, wire::encode(*s.pool, c.version, answer, packet_limit(s, c)));
    end_connection(s, now, slot, Ending::close, cause, code);
}

void handle_connect(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    ++s.tally.connections;
    wire::Connect packet;
    const Fault fault = wire::decode(frame, packet);
    note_client(s, s.connections[slot], packet);
    if (fault) return refuse_malformed(s, now, slot, fault);
    const bool asks = s.options.authenticate || s.connections[slot].ask;
    if (const Refusal refusal = judge(s, packet, asks)) {
        return refuse(s, now, slot, refusal.reason, CloseCause::refused, refusal.what,
                      refusal.reference);
    }
    if (asks) return ask_about_connect(s, slot, frame, packet);
    admit(s, now, slot, packet, {});
}

void admit(State& s, Instant now, Slot slot, const wire::Connect& packet,
           const Admission& admission) {
    const std::uint32_t tag = s.connections[slot].owner;
    AssignedId assigned{};  // otherwise any identifier will do [MQTT-3.1.3-5]
    const std::string_view client_id = packet.client_id.empty()
                                           ? assign_client_id(s, now, s.connections[slot], assigned)
                                           : packet.client_id;
    const std::uint32_t hash = s.hash_of(client_id);
    std::uint32_t index = find_session(s, client_id, hash);
    if (index == kNone && s.sessions.live() >= s.options.max_sessions) {
        return refuse(s, now, slot, reason::quota_exceeded, CloseCause::refused,
                      "too many sessions");
    }
    if (index != kNone && s.sessions[index].connected()) {
        take_over(s, now, index);
        index = find_session(s, client_id, hash);  // it may have ended with its connection
    }
    // [MQTT-3.1.2-4] [MQTT-3.1.4-4] 3.1.1 [MQTT-3.1.2-6]
    if (index != kNone && packet.clean_start) {
        end_session(s, now, index, DropReason::session_ended);
        index = kNone;
    }
    const bool present = index != kNone;  // [MQTT-3.1.2-5] [MQTT-3.1.2-6] 3.1.1 [MQTT-3.1.2-4]
    if (!present) index = make_session(s, client_id, hash);

    Connection& c = s.connections[slot];
    Session& session = s.sessions[index];
    c.phase = Phase::connected;
    c.owner = index;
    c.heard = now;
    // [MQTT-3.2.2-22]: the client's, unless the server has one.
    c.keep_alive = packet.version == Version::v5 && s.options.server_keep_alive > 0
                       ? s.options.server_keep_alive
                       : packet.keep_alive;
    session.connection = slot;
    note_readiness(s, session);
    session.tag = tag;
    session.real = c.real;
    session.version = packet.version;
    session.expiry = expiry_of(s, packet);
    session.ends_at = Instant::never();
    discard_will(s, session);  // [MQTT-3.1.3-9]: it is back before its will was due
    if (packet.has_will) keep_will(s, now, index, packet.will);  // 3.1.1 [MQTT-3.1.2-12]
    set_limits(s, slot, session, packet);
    ++s.connected;
    s.tally.clients_maximum = std::max(s.tally.clients_maximum, s.connected);
    arm_connection(s, slot);

    s.observer->on_connect(now, slot, tag, client_id, present);
    const wire::Connack answer = welcome(s, packet, session, present, admission);
    const BlobId bytes = wire::encode(*s.pool, packet.version, answer, packet_limit(s, c));
    if (bytes == BlobId::none) {
        // Nothing may go before CONNACK, which is too large [MQTT-3.1.2-24]: then nothing goes.
        return end_connection(s, now, slot, Ending::close, CloseCause::refused,
                              reason::packet_too_large);
    }
    send(s, slot, bytes);  // [MQTT-3.1.4-5]; before anything else [MQTT-3.2.0-1]
    if (present) resume_delivery(s, now, index);
}

}  // namespace mqttwin::broker
