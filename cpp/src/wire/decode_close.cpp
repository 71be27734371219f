// PINGREQ, PINGRESP, DISCONNECT, AUTH: packets with little or nothing in them.
#include "mqttwin/wire/decode.hpp"

#include "property_table.hpp"
#include "reader.hpp"

namespace mqttwin::wire {

namespace {

// Table 3-10 says who sends which DISCONNECT code: these are the server's alone.
bool only_from_server(std::uint8_t code) {
    switch (code) {
        case reason::not_authorized:
        case reason::server_busy:
        case reason::server_shutting_down:
        case reason::bad_authentication_method:
        case reason::keep_alive_timeout:
        case reason::session_taken_over:
        case reason::topic_filter_invalid:
        case reason::retain_not_supported:
        case reason::qos_not_supported:
        case reason::use_another_server:
        case reason::server_moved:
        case reason::shared_subscriptions_not_supported:
        case reason::connection_rate_exceeded:
        case reason::maximum_connect_time:
        case reason::subscription_identifiers_not_supported:
        case reason::wildcard_subscriptions_not_supported:
            return true;
        default:
            return false;
    }
}

bool may_send(Sender sender, std::uint8_t code) {
    if (!reason_allowed(PacketType::disconnect, code)) return false;
    return sender == Sender::client ? !only_from_server(code)
                                    : code != reason::disconnect_with_will;
}

bool read_disconnect(Reader& reader, const Frame& frame, Sender sender, Disconnect& out) {
    if (!read_flags(reader, frame)) return false;  // [MQTT-3.14.1-1], 3.1.1 [MQTT-3.14.1-1]
    out.reason = reason::normal_disconnection;
    if (reader.version() != Version::v5) {
        if (sender == Sender::server) {  // section 3.14: "from the client to the server"
            return reader.fail_first(reason::protocol_error, clause::kViolation,
                                     "DISCONNECT from a server before MQTT 5.0");
        }
        return reader.finish();
    }
    if (reader.at_end()) return true;  // 3.14.2.1: normal disconnection
    if (!reader.byte(out.reason)) return false;
    if (!may_send(sender, out.reason)) {  // [MQTT-3.14.2-1]
        return reader.fail_at(reader.position() - 1, reason::protocol_error,
                              {"MQTT-3.14.2-1", "MQTT-3.14.2-1"},
                              "reason code that this side does not send in DISCONNECT");
    }
    if (reader.at_end()) return true;  // 3.14.2.2.1: remaining length below 2, no properties
    if (!read_properties(reader, place_of(PacketType::disconnect), out.properties)) return false;
    if (sender == Sender::server && out.properties.has(Property::session_expiry_interval)) {
        return reader.fail(reason::protocol_error, {"MQTT-3.14.2-2", "MQTT-3.14.2-2"},
                           "Session Expiry Interval in a server's DISCONNECT");  // [MQTT-3.14.2-2]
    }
    return reader.finish();
}

bool read_auth(Reader& reader, const Frame& frame, Auth& out) {
    if (reader.version() != Version::v5) {
        return reader.fail_first(reason::protocol_error, clause::kViolation,
                                 "AUTH before MQTT 5.0");
    }
    if (!read_flags(reader, frame)) return false;  // [MQTT-3.15.1-1]
    out.reason = reason::success;
    if (reader.at_end()) return true;  // 3.15.2.1: success without properties
    if (!reader.byte(out.reason)) return false;
    if (!reason_allowed(PacketType::auth, out.reason)) {  // [MQTT-3.15.2-1]
        return reader.fail_at(reader.position() - 1, reason::protocol_error,
                              {"MQTT-3.15.2-1", "MQTT-3.15.2-1"},
                              "reason code that AUTH does not have");
    }
    if (!read_properties(reader, place_of(PacketType::auth), out.properties)) return false;
    if (!out.properties.has(Property::authentication_method)) {  // 3.15.2.2.2
        return reader.fail(reason::protocol_error, clause::kViolation,
                           "AUTH without Authentication Method");
    }
    return reader.finish();
}

}  // namespace

Fault decode(const Frame& frame, Version version, Sender sender, Disconnect& out) {
    clear(out.properties);
    Fault fault;
    Reader reader(frame, version, fault);
    read_disconnect(reader, frame, sender, out);
    return fault;
}

Fault decode(const Frame& frame, Version version, Auth& out) {
    clear(out.properties);
    Fault fault;
    Reader reader(frame, version, fault);
    read_auth(reader, frame, out);
    return fault;
}

Fault decode_empty(const Frame& frame) {
    Fault fault;
    Reader reader(frame, Version::v5, fault);
    static_cast<void>(read_flags(reader, frame) && reader.finish());
    return fault;
}

}  // namespace mqttwin::wire
