// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK: what answers a packet identifier.
#include "mqttwin/wire/decode.hpp"

#include "property_table.hpp"
#include "reader.hpp"

namespace mqttwin::wire {

namespace {

Clause reason_clause(PacketType type) {
    switch (type) {
        case PacketType::puback:  // [MQTT-3.4.2-1]
            return {"MQTT-3.4.2-1", "MQTT-3.4.2-1"};
        case PacketType::pubrec:  // [MQTT-3.5.2-1]
            return {"MQTT-3.5.2-1", "MQTT-3.5.2-1"};
        case PacketType::pubrel:  // [MQTT-3.6.2-1]
            return {"MQTT-3.6.2-1", "MQTT-3.6.2-1"};
        case PacketType::pubcomp:  // [MQTT-3.7.2-1]
            return {"MQTT-3.7.2-1", "MQTT-3.7.2-1"};
        case PacketType::suback:  // [MQTT-3.9.3-2]
            return {"MQTT-3.9.3-2", "MQTT-3.9.3-2"};
        default:  // [MQTT-3.11.3-2]
            return {"MQTT-3.11.3-2", "MQTT-3.11.3-2"};
    }
}

bool unknown_reason(Reader& reader, const std::uint8_t* where, PacketType type) {
    return reader.fail_at(where, reason::protocol_error, reason_clause(type),
                          "reason code that this packet does not have");
}

bool read_ack(Reader& reader, const Frame& frame, Ack& out) {
    if (!read_flags(reader, frame)) return false;  // [MQTT-3.6.1-1] for PUBREL
    out.type = frame.type();
    out.reason = reason::success;
    if (!reader.packet_id(out.packet_id)) return false;
    // 3.4.2.1: success without properties may be left out, in 3.1.1 there is nothing else.
    if (reader.version() != Version::v5 || reader.at_end()) return reader.finish();
    if (!reader.byte(out.reason)) return false;
    if (!reason_allowed(out.type, out.reason)) {
        return unknown_reason(reader, reader.position() - 1, out.type);
    }
    if (reader.at_end()) return true;  // 3.4.2.2.1: remaining length below 4, no properties
    return read_properties(reader, place_of(out.type), out.properties) && reader.finish();
}

bool known_code(Version version, PacketType type, std::uint8_t code) {
    if (version == Version::v5) return reason_allowed(type, code);
    return code <= 2 || code == 0x80;
}

bool read_list_ack(Reader& reader, const Frame& frame, ListAck& out) {
    if (!read_flags(reader, frame)) return false;
    out.type = frame.type();
    out.reasons = {};
    if (!reader.packet_id(out.packet_id)) return false;
    if (reader.version() == Version::v5) {
        if (!read_properties(reader, place_of(out.type), out.properties)) return false;
    } else if (out.type == PacketType::unsuback) {
        return reader.finish();
    }
    if (reader.at_end()) {  // [MQTT-3.8.4-6], [MQTT-3.11.3-1]: one for each filter, of which
                            // there is at least one
        return out.type == PacketType::suback
                   ? reader.fail(reason::protocol_error, {"MQTT-3.8.4-6", "MQTT-3.8.4-5"},
                                 "SUBACK without a reason code")
                   : reader.fail(reason::protocol_error, {"MQTT-3.11.3-1", "MQTT-3.11.3-1"},
                                 "UNSUBACK without a reason code");
    }
    out.reasons = reader.rest();
    for (const std::uint8_t& code : out.reasons) {
        if (!known_code(reader.version(), out.type, code)) {
            return unknown_reason(reader, &code, out.type);
        }
    }
    return true;
}

}  // namespace

Fault decode(const Frame& frame, Version version, Ack& out) {
    clear(out.properties);
    Fault fault;
    Reader reader(frame, version, fault);
    read_ack(reader, frame, out);
    return fault;
}

Fault decode(const Frame& frame, Version version, ListAck& out) {
    clear(out.properties);
    Fault fault;
    Reader reader(frame, version, fault);
    read_list_ack(reader, frame, out);
    return fault;
}

}  // namespace mqttwin::wire
