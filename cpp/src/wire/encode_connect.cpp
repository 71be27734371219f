#include "mqttwin/wire/encode.hpp"

#include "property_table.hpp"
#include "writer.hpp"

namespace mqttwin::wire {

namespace {

constexpr PropertyPlaces kPlace = place_of(PacketType::connect);

std::size_t prefixed(std::size_t size) { return 2 + size; }

// A flag is set where its fields are there, and only there: [MQTT-3.1.2-9], [MQTT-3.1.2-16],
// [MQTT-3.1.2-17], [MQTT-3.1.2-18], [MQTT-3.1.2-19].
std::uint8_t connect_flags(const Connect& packet) {
    unsigned flags = 0;
    if (packet.clean_start) flags |= 0x02U;
    // Without a will its flags are 0 [MQTT-3.1.2-11], [MQTT-3.1.2-13] (3.1.1: [MQTT-3.1.2-11]);
    // its QoS is one of three [MQTT-3.1.2-12].
    if (packet.has_will) {
        flags |= 0x04U | (static_cast<unsigned>(packet.will.qos) << 3);
        if (packet.will.retain) flags |= 0x20U;
    }
    if (packet.has_password) flags |= 0x40U;
    if (packet.has_user_name) flags |= 0x80U;
    return static_cast<std::uint8_t>(flags);
}

}  // namespace

BlobId encode(BlobPool& pool, const Connect& packet, std::uint32_t limit) {
    const bool v5 = packet.version == Version::v5;
    // [MQTT-3.1.2-1]
    const std::string_view name = packet.version == Version::v3 ? "MQIsdp" : "MQTT";
    PropertyPlan properties;
    PropertyPlan will_properties;
    // Name, level, flags, keep-alive.
    std::size_t remaining = prefixed(name.size()) + 1 + 1 + 2;
    if (v5) {
        properties = plan_properties(packet.properties, kPlace);
        remaining += properties.size();
    }
    remaining += prefixed(packet.client_id.size());
    if (packet.has_will) {
        if (v5) {
            will_properties = plan_properties(packet.will.properties, kWillPlace);
            remaining += will_properties.size();
        }
        remaining += prefixed(packet.will.topic.size()) + prefixed(packet.will.payload.size());
    }
    if (packet.has_user_name) remaining += prefixed(packet.user_name.size());
    if (packet.has_password) remaining += prefixed(packet.password.size());

    const auto length = static_cast<std::uint32_t>(remaining);
    const std::size_t size = 1 + variable_size(length) + remaining;
    if (remaining > kMaximumRemainingLength || size > limit) return BlobId::none;
    const BlobId blob = pool.reserve(size);
    Writer writer(pool.writable(blob));
    writer.byte(0x10);
    writer.variable(length);
    writer.text(name);
    writer.byte(static_cast<std::uint8_t>(packet.version));
    writer.byte(connect_flags(packet));
    writer.two(packet.keep_alive);
    if (v5) write_properties(writer, properties, packet.properties, kPlace);
    writer.text(packet.client_id);  // [MQTT-3.1.3-3]; and this order [MQTT-3.1.3-1]
    if (packet.has_will) {
        if (v5) write_properties(writer, will_properties, packet.will.properties, kWillPlace);
        writer.text(packet.will.topic);
        writer.binary(packet.will.payload);
    }
    if (packet.has_user_name) writer.text(packet.user_name);
    if (packet.has_password) writer.binary(packet.password);
    return blob;
}

}  // namespace mqttwin::wire
