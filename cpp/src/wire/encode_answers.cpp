// CONNACK, PUBACK and its kin, SUBACK, UNSUBACK, DISCONNECT, AUTH, PINGREQ, PINGRESP.
//
// All of these are a fixed header, some bytes, properties (5.0), and a list of reason codes. Their
// user properties and reason strings give way where the receiver's limit is small.
#include <array>
#include <optional>

#include "mqttwin/wire/encode.hpp"

#include "property_table.hpp"
#include "writer.hpp"

namespace mqttwin::wire {

namespace {

// [MQTT-2.1.3-1] (3.1.1: [MQTT-2.2.2-1]): reserved flags are 0 but for PUBREL and the requests.
std::uint8_t first_byte(PacketType type, unsigned flags = 0) {
    return static_cast<std::uint8_t>((static_cast<unsigned>(type) << 4) | flags);
}

struct Answer {
    std::uint8_t first;
    ByteView start;                // before the properties
    const Properties* properties;  // nullptr: this packet or version has none
    ByteView end;                  // behind the properties
    // The packet without a property length, where its type knows such a short form.
    std::optional<ByteView> bare = std::nullopt;
};

// [MQTT-3.2.2-19], [MQTT-3.2.2-20] for CONNACK, [MQTT-3.9.2-1], [MQTT-3.9.2-2] for SUBACK,
// [MQTT-3.11.2-1], [MQTT-3.11.2-2] for UNSUBACK, [MQTT-3.4.2-2], [MQTT-3.4.2-3], [MQTT-3.5.2-2],
// [MQTT-3.5.2-3], [MQTT-3.6.2-2], [MQTT-3.6.2-3], [MQTT-3.7.2-2], [MQTT-3.7.2-3] for PUBACK and its
// kin, [MQTT-3.14.2-3], [MQTT-3.14.2-4] for DISCONNECT, [MQTT-3.15.2-2], [MQTT-3.15.2-3] for AUTH:
// neither user properties nor the reason string may make a packet too large for its receiver.
BlobId write_answer(BlobPool& pool, const Answer& answer, std::uint32_t limit) {
    const PropertyPlaces place = place_of(static_cast<PacketType>(answer.first >> 4));
    PropertyPlan plan;
    if (answer.properties != nullptr) plan = plan_properties(*answer.properties, place);
    ByteView start;
    bool with_properties = false;
    std::size_t remaining = 0;
    std::size_t size = 0;
    while (true) {
        const bool bare = answer.bare.has_value() && plan.length == 0;
        start = bare ? *answer.bare : answer.start;
        with_properties = answer.properties != nullptr && !bare;
        remaining = start.size() + (with_properties ? plan.size() : 0) + answer.end.size();
        size = 1 + variable_size(static_cast<std::uint32_t>(remaining)) + remaining;
        if (remaining <= kMaximumRemainingLength && size <= limit) break;
        if (answer.properties == nullptr || !leave_something_out(plan, *answer.properties)) {
            return BlobId::none;
        }
    }
    const BlobId blob = pool.reserve(size);
    Writer writer(pool.writable(blob));
    writer.byte(answer.first);
    writer.variable(static_cast<std::uint32_t>(remaining));
    writer.raw(start);
    if (with_properties) write_properties(writer, plan, *answer.properties, place);
    writer.raw(answer.end);
    return blob;
}

std::array<std::uint8_t, 2> big_endian(PacketId id) {
    return {static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id)};
}

}  // namespace

BlobId encode(BlobPool& pool, Version version, const Connack& packet, std::uint32_t limit) {
    // [MQTT-3.2.2-1]: the one flag there is.
    const bool present = packet.session_present && version != Version::v3;
    const std::array<std::uint8_t, 2> start = {static_cast<std::uint8_t>(present ? 1 : 0),
                                               packet.reason};
    const Properties* properties = version == Version::v5 ? &packet.properties : nullptr;
    return write_answer(pool, {first_byte(PacketType::connack), start, properties, {}}, limit);
}

BlobId encode(BlobPool& pool, Version version, const Ack& packet, std::uint32_t limit) {
    const auto id = big_endian(packet.packet_id);
    const unsigned flags = packet.type == PacketType::pubrel ? 0x02U : 0U;  // [MQTT-3.6.1-1]
    const std::uint8_t first = first_byte(packet.type, flags);
    if (version == Version::v5 && (packet.reason != 0 || !packet.properties.empty())) [[unlikely]] {
        const std::array<std::uint8_t, 3> with_reason = {id[0], id[1], packet.reason};
        // 3.4.2.1, 3.4.2.2.1: no properties, no property length; success is not said either.
        const ByteView bare = packet.reason == reason::success ? ByteView(id) : with_reason;
        return write_answer(pool, {first, with_reason, &packet.properties, {}, bare}, limit);
    }
    if (limit < 4) return BlobId::none;
    const BlobId blob = pool.reserve(4);
    Writer writer(pool.writable(blob));
    writer.byte(first);
    writer.byte(2);
    writer.raw(id);
    return blob;
}

BlobId encode(BlobPool& pool, Version version, const ListAck& packet, std::uint32_t limit) {
    const auto id = big_endian(packet.packet_id);
    Answer answer{first_byte(packet.type), id, nullptr, packet.reasons};
    if (version == Version::v5) {
        answer.properties = &packet.properties;
        return write_answer(pool, answer, limit);
    }
    if (packet.type == PacketType::unsuback) answer.end = {};  // 3.11.3: no payload in 3.1.1
    const BlobId blob = write_answer(pool, answer, limit);
    if (blob == BlobId::none) return blob;
    for (std::uint8_t& code : pool.writable(blob).last(answer.end.size())) {
        if (code > 0x80) code = 0x80;  // the only failure there is: 3.1.1 [MQTT-3.9.3-2]
    }
    return blob;
}

BlobId encode(BlobPool& pool, Version version, const Disconnect& packet, std::uint32_t limit) {
    const std::uint8_t first = first_byte(PacketType::disconnect);
    if (version != Version::v5) return write_answer(pool, {first, {}, nullptr, {}}, limit);
    const std::array<std::uint8_t, 1> start = {packet.reason};
    // 3.14.2.1, 3.14.2.2.1: as above.
    const ByteView bare = packet.reason == reason::normal_disconnection ? ByteView() : start;
    return write_answer(pool, {first, start, &packet.properties, {}, bare}, limit);
}

BlobId encode(BlobPool& pool, Version version, const Auth& packet, std::uint32_t limit) {
    if (version != Version::v5) {
        assert(false && "AUTH exists in MQTT 5.0 only");
        return BlobId::none;
    }
    const std::array<std::uint8_t, 1> start = {packet.reason};
    Answer answer{first_byte(PacketType::auth), start, &packet.properties, {}};
    if (packet.reason == reason::success) answer.bare = ByteView();  // 3.15.2.1
    return write_answer(pool, answer, limit);
}

BlobId encode_pingreq(BlobPool& pool) {
    return pool.make(std::array<std::uint8_t, 2>{first_byte(PacketType::pingreq), 0});
}

BlobId encode_pingresp(BlobPool& pool) {
    return pool.make(std::array<std::uint8_t, 2>{first_byte(PacketType::pingresp), 0});
}

}  // namespace mqttwin::wire
