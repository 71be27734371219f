#include "mqttwin/wire/encode.hpp"

#include "property_table.hpp"
#include "writer.hpp"

namespace mqttwin::wire {

namespace {

std::uint8_t options_byte(Version version, const SubscriptionOptions& options) {
    unsigned bits = static_cast<unsigned>(options.qos);
    if (version == Version::v5) {
        if (options.no_local) bits |= 0x04U;
        if (options.retain_as_published) bits |= 0x08U;
        bits |= static_cast<unsigned>(options.retain_handling) << 4;
    }
    return static_cast<std::uint8_t>(bits);
}

// Fixed header, packet identifier and properties; `entries` writes the list of `list_size` bytes.
template <class Entries>
BlobId write_request(BlobPool& pool, PacketType type, Version version, PacketId packet_id,
                     const Properties& properties, std::size_t list_size, Entries&& entries) {
    const PropertyPlaces place = place_of(type);
    PropertyPlan plan;
    std::size_t remaining = 2 + list_size;
    if (version == Version::v5) {
        plan = plan_properties(properties, place);
        remaining += plan.size();
    }
    if (remaining > kMaximumRemainingLength) return BlobId::none;
    const auto length = static_cast<std::uint32_t>(remaining);
    const BlobId blob = pool.reserve(1 + variable_size(length) + remaining);
    Writer writer(pool.writable(blob));
    // [MQTT-3.8.1-1], [MQTT-3.10.1-1]: these flags are 0010.
    writer.byte(static_cast<std::uint8_t>((static_cast<unsigned>(type) << 4) | 0x02U));
    writer.variable(length);
    writer.two(packet_id);
    if (version == Version::v5) write_properties(writer, plan, properties, place);
    entries(writer);
    return blob;
}

}  // namespace

BlobId encode_subscribe(BlobPool& pool, Version version, PacketId packet_id,
                        std::span<const SubscriptionRequest> requests,
                        const Properties& properties) {
    std::size_t size = 0;
    for (const SubscriptionRequest& request : requests) size += 2 + request.filter.size() + 1;
    return write_request(pool, PacketType::subscribe, version, packet_id, properties, size,
                         [&](Writer& writer) {
                             for (const SubscriptionRequest& request : requests) {
                                 writer.text(request.filter);
                                 writer.byte(options_byte(version, request.options));
                             }
                         });
}

BlobId encode_unsubscribe(BlobPool& pool, Version version, PacketId packet_id,
                          std::span<const std::string_view> filters, const Properties& properties) {
    std::size_t size = 0;
    for (const std::string_view filter : filters) size += 2 + filter.size();
    return write_request(pool, PacketType::unsubscribe, version, packet_id, properties, size,
                         [&](Writer& writer) {
                             for (const std::string_view filter : filters) writer.text(filter);
                         });
}

}  // namespace mqttwin::wire
