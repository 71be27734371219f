#include "authenticating.hpp"

#include <cassert>
#include <utility>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

#include "connecting.hpp"
#include "connections.hpp"

namespace mqttwin::broker {
namespace {

namespace reason = wire::reason;
using wire::Property;

Exchange* exchange_of(State& s, const Connection& c) {
    if (c.extras == kNone || s.extras[c.extras].exchange == kNone) return nullptr;
    return &s.exchanges[s.extras[c.extras].exchange];
}
const Exchange* exchange_of(const State& s, const Connection& c) {
    return exchange_of(const_cast<State&>(s), c);
}

void ask(State& s, Slot slot, Exchange& exchange) {
    exchange.asked = true;
    exchange.token = ++s.last_token;
    Output& out = s.outbox.emplace_back();
    out.kind = Output::Kind::authenticate;
    out.slot = slot;
    out.stamp.sequence = exchange.token;
}

// The CONNECT that is kept until it is answered.
wire::Connect connect_of(const State& s, const Exchange& exchange) {
    wire::Frame frame;
    frame.first = static_cast<std::uint8_t>(static_cast<unsigned>(wire::PacketType::connect) << 4U);
    frame.body = s.pool->bytes(exchange.connect);
    wire::Connect packet;
    const Fault fault = wire::decode(frame, packet);
    assert(!fault);
    static_cast<void>(fault);
    return packet;
}

void forget(State& s, BlobId& blob) { s.pool->release(std::exchange(blob, BlobId::none)); }

std::string_view method_of(const State& s, const Exchange& exchange) {
    return exchange.method == BlobId::none ? std::string_view()
                                           : as_text(s.pool->bytes(exchange.method));
}

bool wants_reasons(const State& s, const Connection& c, const Exchange& exchange) {
    if (c.phase == Phase::connected) return !s.sessions[c.owner].quiet;
    return connect_of(s, exchange).properties.request_problem_information != 0;
}

// [MQTT-4.12.0-2], [MQTT-4.12.0-5]: the reason, and the method of the CONNECT. False when the
// client does not take so large a packet.
bool send_auth(State& s, Slot slot, const Exchange& exchange, std::uint8_t code,
               const Verdict& verdict) {
    const Connection& c = s.connections[slot];
    wire::Auth packet;
    packet.reason = code;
    wire::Properties& p = packet.properties;
    p.authentication_method = method_of(s, exchange);
    p.mark(Property::authentication_method);
    if (!verdict.data.empty()) {
        p.authentication_data = verdict.data;
        p.mark(Property::authentication_data);
    }
    if (!verdict.explanation.empty() && wants_reasons(s, c, exchange)) {  // [MQTT-3.1.2-29]
        p.reason_string = verdict.explanation;
        p.mark(Property::reason_string);
    }
    const BlobId bytes = wire::encode(*s.pool, c.version, packet, packet_limit(s, c));
    send(s, slot, bytes);
    return bytes != BlobId::none;
}

// The client is told, and closed: [MQTT-4.12.0-4] before CONNACK, [MQTT-4.12.1-2] after it.
void reject(State& s, Instant now, Slot slot, std::uint8_t code, std::string_view explanation) {
    if (s.connections[slot].phase != Phase::connected) {
        return refuse(s, now, slot, code, CloseCause::refused, explanation);
    }
    disconnect(s, now, slot, CloseCause::refused, {code, explanation, {}});
}

void challenge(State& s, Instant now, Slot slot, Exchange& exchange, const Verdict& verdict) {
    if (exchange.method == BlobId::none) {  // [MQTT-4.12.0-6]
        return reject(s, now, slot, reason::implementation_specific_error,
                      "more was asked of a client without an authentication method");
    }
    if (!send_auth(s, slot, exchange, reason::continue_authentication, verdict)) {
        return reject(s, now, slot, reason::packet_too_large,
                      "the challenge is over the client's maximum packet size");
    }
    exchange.first = false;
    Connection& c = s.connections[slot];
    if (c.phase == Phase::asking) c.phase = Phase::challenged;
}

void let_in(State& s, Instant now, Slot slot, const Exchange& exchange, const Verdict& verdict) {
    // Held for as long as the packet is looked at: being refused ends the exchange.
    const BlobId connect = exchange.connect;
    const BlobId method = exchange.method;
    s.pool->retain(connect);
    s.pool->retain(method);
    const wire::Connect packet = connect_of(s, exchange);
    admit(s, now, slot, packet, {method_of(s, exchange), verdict.data});
    Connection& c = s.connections[slot];
    if (c.phase == Phase::connected) {
        // What is left is what a re-authentication needs.
        if (method == BlobId::none) {
            end_exchange(s, c);
        } else {
            forget(s, exchange_of(s, c)->connect);
            forget(s, exchange_of(s, c)->data);
        }
    }
    s.pool->release(connect);
    s.pool->release(method);
}

// A re-authentication has succeeded (4.12.1).
void confirm(State& s, Instant now, Slot slot, Exchange& exchange, const Verdict& verdict) {
    exchange.again = false;
    forget(s, exchange.data);
    if (send_auth(s, slot, exchange, reason::success, verdict)) return;
    reject(s, now, slot, reason::packet_too_large,
           "the answer is over the client's maximum packet size");
}

Fault check_auth(const State& s, const Connection& c, const Exchange* exchange,
                 const wire::Auth& packet) {
    if (exchange == nullptr || exchange->method == BlobId::none) {
        return {reason::protocol_error, "MQTT-4.12.0-7",
                "AUTH without an authentication method in CONNECT", 0};
    }
    if (!packet.properties.has(Property::authentication_method) ||
        packet.properties.authentication_method != method_of(s, *exchange)) {
        return {reason::protocol_error, "MQTT-4.12.0-5",
                "the authentication method is not that of CONNECT", 0};
    }
    if (exchange->asked) {
        return {reason::protocol_error, "MQTT-4.13.1-1", "AUTH before the last one was answered",
                0};
    }
    const bool under_way = c.phase != Phase::connected || exchange->again;
    const std::uint8_t wanted = under_way ? reason::continue_authentication  // [MQTT-4.12.0-3]
                                          : reason::reauthenticate;          // [MQTT-4.12.1-1]
    if (packet.reason != wanted) {
        return {reason::protocol_error, under_way ? "MQTT-4.12.0-3" : "MQTT-4.12.1-1",
                "AUTH with a reason code that is not its turn", 0};
    }
    return {};
}

}  // namespace

void ask_about_connect(State& s, Slot slot, const wire::Frame& frame, const wire::Connect& packet) {
    Connection& c = s.connections[slot];
    Extras& extras = extras_of(s, c);
    extras.exchange = s.exchanges.take();
    Exchange& exchange = s.exchanges[extras.exchange];
    exchange.connect = s.pool->make(frame.body);
    if (packet.properties.has(Property::authentication_method)) {
        exchange.method = s.pool->make(as_bytes(packet.properties.authentication_method));
    }
    c.phase = Phase::asking;
    ask(s, slot, exchange);
}

void handle_auth(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    Connection& c = s.connections[slot];
    wire::Auth packet;
    if (const Fault fault = wire::decode(frame, c.version, packet)) {
        return fail(s, now, slot, fault);
    }
    Exchange* exchange = exchange_of(s, c);
    if (const Fault fault = check_auth(s, c, exchange, packet)) return fail(s, now, slot, fault);
    if (packet.reason == reason::reauthenticate) exchange->first = exchange->again = true;
    forget(s, exchange->data);
    if (!packet.properties.authentication_data.empty()) {
        exchange->data = s.pool->make(packet.properties.authentication_data);
    }
    if (c.phase == Phase::challenged) c.phase = Phase::asking;
    ask(s, slot, *exchange);
}

void keep_early_bytes(State& s, Instant now, Slot slot, ByteView bytes, const Stamp& stamp) {
    if (bytes.empty()) return;
    Exchange& exchange = *exchange_of(s, s.connections[slot]);
    const auto same = [&](const Stamp& other) {
        return other.published == stamp.published && other.origin == stamp.origin &&
               other.sequence == stamp.sequence;
    };
    if (exchange.early.empty() || !same(exchange.early.back().stamp)) {
        exchange.early.push_back({stamp, 0});
    }
    const std::size_t held = exchange.early_bytes.size() + bytes.size() +
                             (exchange.early.size() - 1) * sizeof(Exchange::Early);
    if (held > s.options.max_early_bytes) {
        return refuse(s, now, slot, reason::quota_exceeded, CloseCause::refused,
                      "too much was sent before CONNACK");
    }
    exchange.early.back().size += static_cast<std::uint32_t>(bytes.size());
    exchange.early_bytes.insert(exchange.early_bytes.end(), bytes.begin(), bytes.end());
}

Credentials credentials_of(const State& s, Slot slot) {
    Credentials shown;
    if (slot >= s.connections.size() || s.connections[slot].phase == Phase::free) return shown;
    const Connection& c = s.connections[slot];
    if (exchange_of(s, c) == nullptr) return shown;
    const Exchange& exchange = *exchange_of(s, c);
    shown.method = method_of(s, exchange);
    shown.first = exchange.first;
    shown.again = exchange.again;
    if (exchange.data != BlobId::none) shown.data = s.pool->bytes(exchange.data);
    if (c.phase == Phase::connected) {
        shown.client_id = as_text(s.pool->bytes(s.sessions[c.owner].client_id));
        return shown;
    }
    const wire::Connect packet = connect_of(s, exchange);
    shown.client_id = packet.client_id;
    shown.has_user_name = packet.has_user_name;
    shown.user_name = packet.user_name;
    shown.has_password = packet.has_password;
    shown.password = packet.password;
    if (exchange.first) shown.data = packet.properties.authentication_data;
    return shown;
}

bool is_asked(const State& s, Slot slot, std::uint32_t token) {
    if (slot >= s.connections.size() || s.connections[slot].phase == Phase::free) return false;
    const Exchange* exchange = exchange_of(s, s.connections[slot]);
    return exchange != nullptr && exchange->asked && exchange->token == token;
}

EarlyBytes handle_verdict(State& s, Instant now, Slot slot, const Verdict& verdict) {
    assert(verdict.data.size() <= 65'535 && verdict.explanation.size() <= 65'535);
    Exchange& exchange = *exchange_of(s, s.connections[slot]);
    exchange.asked = false;
    EarlyBytes early{std::exchange(exchange.early, {}), std::exchange(exchange.early_bytes, {})};
    switch (verdict.kind) {
        case Verdict::Kind::more:
            challenge(s, now, slot, exchange, verdict);
            break;
        case Verdict::Kind::success:
            if (s.connections[slot].phase == Phase::connected) {
                confirm(s, now, slot, exchange, verdict);
            } else {
                let_in(s, now, slot, exchange, verdict);
            }
            break;
        case Verdict::Kind::failure:
            reject(s, now, slot,
                   verdict.reason >= reason::unspecified_error ? verdict.reason
                                                               : reason::not_authorized,
                   verdict.explanation);
            break;
    }
    return early;
}

void end_exchange(State& s, Connection& c) {
    Exchange* exchange = exchange_of(s, c);
    if (exchange == nullptr) return;
    forget(s, exchange->method);
    forget(s, exchange->data);
    forget(s, exchange->connect);
    *exchange = Exchange{};  // a slab keeps what it was given back
    s.exchanges.give_back(std::exchange(s.extras[c.extras].exchange, kNone));
}

}  // namespace mqttwin::broker
