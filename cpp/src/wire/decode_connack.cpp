#include "mqttwin/wire/decode.hpp"

#include "property_table.hpp"
#include "reader.hpp"

namespace mqttwin::wire {

namespace {

constexpr std::uint8_t kSessionPresent = 0x01;
constexpr std::uint8_t kHighestReturnCode = 5;

bool read_reason(Reader& reader, Connack& out) {
    if (!reader.byte(out.reason)) return false;
    const bool known = reader.version() == Version::v5
                           ? reason_allowed(PacketType::connack, out.reason)
                           : out.reason <= kHighestReturnCode;
    return known ||  // [MQTT-3.2.2-8]
           reader.fail_at(reader.position() - 1, reason::protocol_error,
                          {"MQTT-3.2.2-8", "MQTT-3.2.2-6"}, "reserved code in CONNACK");
}

bool read_connack(Reader& reader, const Frame& frame, Connack& out) {
    if (!read_flags(reader, frame)) return false;
    std::uint8_t flags = 0;
    if (!reader.byte(flags)) return false;
    if (reader.version() == Version::v3) flags = 0;  // the byte is not used in MQTT 3.1
    if (flags & ~kSessionPresent) {                  // [MQTT-3.2.2-1]
        return reader.fail_at(reader.position() - 1, reason::malformed_packet,
                              {"MQTT-3.2.2-1", "MQTT-4.8.0-1"}, "reserved acknowledge flags");
    }
    out.session_present = flags != 0;
    if (!read_reason(reader, out)) return false;
    if (out.session_present && out.reason != 0) {  // [MQTT-3.2.2-6]
        return reader.fail_at(reader.position() - 1, reason::protocol_error,
                              {"MQTT-3.2.2-6", "MQTT-3.2.2-4"},
                              "session present in a refused CONNACK");
    }
    if (reader.version() == Version::v5 &&
        !read_properties(reader, place_of(PacketType::connack), out.properties)) {
        return false;
    }
    return reader.finish();
}

}  // namespace

Fault decode(const Frame& frame, Version version, Connack& out) {
    clear(out.properties);
    Fault fault;
    Reader reader(frame, version, fault);
    read_connack(reader, frame, out);
    return fault;
}

}  // namespace mqttwin::wire
