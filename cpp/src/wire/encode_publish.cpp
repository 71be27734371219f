#include "mqttwin/wire/encode.hpp"

#include "property_table.hpp"
#include "writer.hpp"

namespace mqttwin::wire {

namespace {

constexpr PropertyPlaces kPlace = place_of(PacketType::publish);

struct PublishPlan {
    PropertyPlan properties;
    std::size_t header = 0;     // bytes behind the fixed header, before the payload
    std::size_t remaining = 0;  // remaining length

    [[nodiscard]] std::size_t size() const {
        return 1 + variable_size(static_cast<std::uint32_t>(remaining)) + remaining;
    }
};

PublishPlan plan_publish(Version version, const Publish& packet) {
    PublishPlan plan;
    plan.header = 2 + packet.topic.size() + (packet.qos == QoS::at_most_once ? 0 : 2);
    if (version == Version::v5) {
        if (packet.properties.empty()) [[likely]] {
            plan.header += 1;
        } else {
            plan.properties = plan_properties(packet.properties, kPlace);
            plan.header += plan.properties.size();
        }
    }
    plan.remaining = plan.header + packet.payload.size();
    return plan;
}

// Out of line, and not through the caller's cursor, which so stays in a register.
[[gnu::noinline]] std::uint8_t* write_some_properties(std::span<std::uint8_t> rest,
                                                      const PublishPlan& plan,
                                                      const Publish& packet) {
    Writer writer(rest.first(plan.properties.size()));
    write_properties(writer, plan.properties, packet.properties, kPlace);
    return rest.data() + plan.properties.size();
}

[[gnu::always_inline]] inline void write_header(Writer& writer, Version version,
                                                const Publish& packet, const PublishPlan& plan) {
    writer.byte(static_cast<std::uint8_t>(0x30U | (packet.dup ? 0x08U : 0U) |
                                          (static_cast<unsigned>(packet.qos) << 1) |
                                          (packet.retain ? 0x01U : 0U)));
    writer.variable(static_cast<std::uint32_t>(plan.remaining));
    writer.text(packet.topic);  // [MQTT-3.3.2-1]
    // [MQTT-2.2.1-2] (3.1.1: [MQTT-2.3.1-5]): no packet identifier in QoS 0.
    if (packet.qos != QoS::at_most_once) writer.two(packet.packet_id);
    if (version != Version::v5) return;
    if (plan.properties.length == 0) [[likely]] {
        writer.byte(0);
    } else {
        writer.skip_to(write_some_properties(writer.rest(), plan, packet));
    }
}

// User properties of a message are never left out [MQTT-3.3.2-17]: what is too large is not sent
// at all [MQTT-3.1.2-25].
bool fits(const PublishPlan& plan, std::uint32_t limit) {
    return plan.remaining <= kMaximumRemainingLength && plan.size() <= limit;
}

}  // namespace

std::size_t encoded_size(Version version, const Publish& packet) {
    return plan_publish(version, packet).size();
}

BlobId encode(BlobPool& pool, Version version, const Publish& packet, std::uint32_t limit) {
    const PublishPlan plan = plan_publish(version, packet);
    if (!fits(plan, limit)) return BlobId::none;
    const BlobId blob = pool.reserve(plan.size());
    Writer writer(pool.writable(blob));
    write_header(writer, version, packet, plan);
    writer.raw(packet.payload);
    return blob;
}

BlobId encode_publish_header(BlobPool& pool, Version version, const Publish& packet,
                             std::uint32_t limit) {
    const PublishPlan plan = plan_publish(version, packet);
    if (!fits(plan, limit)) return BlobId::none;
    const BlobId blob = pool.reserve(plan.size() - packet.payload.size());
    Writer writer(pool.writable(blob));
    write_header(writer, version, packet, plan);
    return blob;
}

BlobId with_dup(BlobPool& pool, BlobId publish) {
    const BlobId copy = pool.reserve(pool.bytes(publish).size());
    const auto out = pool.writable(copy);
    std::memcpy(out.data(), pool.bytes(publish).data(), out.size());
    out[0] |= 0x08;  // [MQTT-3.3.1-1]
    return copy;
}

}  // namespace mqttwin::wire
