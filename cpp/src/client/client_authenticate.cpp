// Enhanced authentication: AUTH in both directions, while connecting and later (section 4.12).
//
// An exchange starts with CONNECT or with our AUTH 0x19; then server and client take turns. While
// connecting, CONNACK ends it; later, the server's AUTH with success, or DISCONNECT.
#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

namespace mqttwin::client {

void Clients::start_authentication(Slot client, std::string_view method) {
    Link& l = link(clients_[client]);
    l.method = pool_->make(as_bytes(method));
    l.exchange = Exchange::servers_turn;
}

bool Clients::authenticate(Instant now, Slot client, ByteView data,
                           const wire::Properties& properties) {
    const Link* l = find_link(clients_[client]);
    if (l == nullptr || l->exchange != Exchange::our_turn) return false;
    // [MQTT-4.12.0-3]
    return send_auth(now, client, wire::reason::continue_authentication, data, properties);
}

bool Clients::reauthenticate(Instant now, Slot client, ByteView data,
                             const wire::Properties& properties) {
    const Client& c = clients_[client];
    const Link* l = find_link(c);
    // [MQTT-4.12.0-7]: never without a method in CONNECT.
    if (c.phase != Phase::online || l == nullptr || l->method == BlobId::none ||
        l->exchange != Exchange::none) {
        return false;
    }
    // [MQTT-4.12.1-1]
    return send_auth(now, client, wire::reason::reauthenticate, data, properties);
}

bool Clients::send_auth(Instant now, Slot client, std::uint8_t reason, ByteView data,
                        const wire::Properties& properties) {
    const Client& c = clients_[client];
    Link& l = *find_link(c);
    wire::Auth packet;
    packet.reason = reason;
    packet.properties = properties;
    // [MQTT-4.12.0-5]: the method of CONNECT.
    packet.properties.mark(wire::Property::authentication_method);
    packet.properties.authentication_method = as_text(pool_->bytes(l.method));
    if (!data.empty()) {
        packet.properties.mark(wire::Property::authentication_data);
        packet.properties.authentication_data = data;
    }
    // Before CONNACK nobody knows what the server takes.
    const std::uint32_t limit =
        c.phase == Phase::online ? granted(c).maximum_packet_size : wire::kMaximumPacketSize;
    const BlobId blob = wire::encode(*pool_, options_.version, packet, limit);
    if (blob == BlobId::none) return false;
    l.exchange = Exchange::servers_turn;
    send(now, client, blob);
    return true;
}

void Clients::receive_auth(Instant now, Slot client, const wire::Frame& frame) {
    wire::Auth packet;
    Fault fault;
    const Link* l = find_link(clients_[client]);
    if (l == nullptr || l->method == BlobId::none) {
        fault = {wire::reason::protocol_error, v5() ? "MQTT-4.12.0-6" : "MQTT-4.8.0-1",
                 "AUTH without an authentication method in CONNECT", 0};
    }
    if (!fault) fault = wire::decode(frame, options_.version, packet);
    if (!fault) fault = check_auth(client, packet);
    if (fault) {
        fail(now, client, fault);
        return;
    }
    const bool question = packet.reason == wire::reason::continue_authentication;
    find_link(clients_[client])->exchange = question ? Exchange::our_turn : Exchange::none;
    listener_->on_authenticate(now, client, packet);
}

// Precondition: CONNECT had a method.
Fault Clients::check_auth(Slot client, const wire::Auth& packet) {
    const Client& c = clients_[client];
    const Link& l = *find_link(c);
    if (l.exchange != Exchange::servers_turn) {
        return {wire::reason::protocol_error, "MQTT-4.13.1-1", "AUTH out of turn", 0};
    }
    // Success ends a re-authentication; the first authentication ends with CONNACK.
    const bool success = packet.reason == wire::reason::success && c.phase == Phase::online;
    if (!success && packet.reason != wire::reason::continue_authentication) {
        return {wire::reason::protocol_error, "MQTT-3.15.2-1",
                "AUTH with a reason code that a server does not give here", 2};
    }
    // A success may come as a bare packet (3.15.2.1); the decoder lets nothing else come so.
    const bool has_method = packet.properties.has(wire::Property::authentication_method);
    if (has_method && packet.properties.authentication_method != as_text(pool_->bytes(l.method))) {
        return {wire::reason::protocol_error, "MQTT-4.12.0-5",
                "AUTH with another authentication method", 0};
    }
    return check_problem(packet.properties);
}

}  // namespace mqttwin::client
