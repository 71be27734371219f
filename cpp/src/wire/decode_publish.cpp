#include "mqttwin/wire/decode.hpp"

#include "property_table.hpp"
#include "reader.hpp"

namespace mqttwin::wire {

namespace {

// [MQTT-3.3.1-4], [MQTT-3.3.1-2]: two QoS bits are never both set, and QoS 0 is never a duplicate.
bool bad_flags(Reader& reader, QoS qos) {
    if (static_cast<unsigned>(qos) == 3) {
        return reader.fail_first(reason::malformed_packet, {"MQTT-3.3.1-4", "MQTT-3.3.1-4"},
                                 "QoS 3");
    }
    return reader.fail_first(reason::malformed_packet, {"MQTT-3.3.1-2", "MQTT-3.3.1-2"},
                             "DUP with QoS 0");
}

// A topic that is not plain ASCII without wildcards: perhaps good all the same.
bool uncommon_topic(Reader& reader, std::string_view topic) {
    if (!reader.uncommon_text(topic, "malformed UTF-8 in topic name")) return false;
    const std::size_t wildcard = topic.find_first_of("+#");
    return wildcard == std::string_view::npos ||  // [MQTT-3.3.2-2]
           reader.fail_at(reinterpret_cast<const std::uint8_t*>(topic.data()) + wildcard,
                          reason::topic_name_invalid, clause::kWildcardInName,
                          "wildcard in topic name");
}

bool empty_topic(Reader& reader, const Publish& out) {
    if (reader.version() == Version::v5) {
        if (out.properties.has(Property::topic_alias)) return true;
        // [MQTT-4.7.3-1]; 3.3.2.1 calls it a protocol error.
        return reader.fail_at(reinterpret_cast<const std::uint8_t*>(out.topic.data()),
                              reason::protocol_error, clause::kTopicLength,
                              "empty topic name without a topic alias");
    }
    return reader.fail_at(reinterpret_cast<const std::uint8_t*>(out.topic.data()),
                          reason::topic_name_invalid, clause::kTopicLength, "empty topic name");
}

bool read_publish(Reader& reader, std::uint8_t flags, Sender sender, Publish& out) {
    out.qos = static_cast<QoS>((flags >> 1) & 0x03);
    out.retain = (flags & 0x01) != 0;
    out.dup = (flags & 0x08) != 0;
    const bool acknowledged = out.qos != QoS::at_most_once;
    if (static_cast<unsigned>(out.qos) == 3 || (out.dup && !acknowledged)) [[unlikely]] {
        return bad_flags(reader, out.qos);
    }
    // [MQTT-3.3.2-1]: the topic name comes first.
    if (!reader.raw_text(out.topic)) return false;
    if (!plain_name(out.topic) && !uncommon_topic(reader, out.topic)) return false;
    // [MQTT-2.2.1-2]: no packet identifier in QoS 0.
    out.packet_id = 0;
    if (acknowledged && !reader.packet_id(out.packet_id)) return false;
    if (reader.version() == Version::v5) {
        if (!read_properties(reader, place_of(PacketType::publish), out.properties)) return false;
        if (sender == Sender::client && out.properties.subscription_identifier_count > 0) {
            // [MQTT-3.3.4-6]
            return reader.fail(reason::protocol_error, {"MQTT-3.3.4-6", "MQTT-3.3.4-6"},
                               "Subscription Identifier in a client's PUBLISH");
        }
    }
    if (out.topic.empty() && !empty_topic(reader, out)) return false;
    out.payload = reader.rest();
    return true;
}

}  // namespace

Fault decode(const Frame& frame, Version version, Sender sender, Publish& out) {
    clear(out.properties);
    Fault fault;
    Reader reader(frame, version, fault);
    read_publish(reader, frame.flags(), sender, out);
    return fault;
}

}  // namespace mqttwin::wire
