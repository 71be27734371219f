#include "encoded_packet.hpp"

#include <algorithm>
#include <array>
#include <cassert>

#include "mqttwin/wire/framer.hpp"
#include "mqttwin/wire/properties.hpp"

namespace mqttwin::client {
namespace {

constexpr std::uint8_t kDup = 0x08;
constexpr std::uint8_t kQos = 0x06;
constexpr std::uint8_t kRetain = 0x01;

struct Variable {
    std::uint32_t value = 0;
    std::size_t size = 0;  // bytes
};

Variable read_variable(ByteView bytes) {
    Variable out;
    for (;;) {
        const std::uint8_t byte = bytes[out.size];
        out.value |= static_cast<std::uint32_t>(byte & 0x7FU) << (7 * out.size);
        ++out.size;
        if ((byte & 0x80U) == 0) return out;
    }
}

/// A variable byte integer, ready to be written.
struct EncodedVariable {
    explicit EncodedVariable(std::uint32_t value) {
        do {
            bytes[size] = static_cast<std::uint8_t>((value & 0x7FU) | (value > 0x7F ? 0x80U : 0U));
            ++size;
            value >>= 7;
        } while (value > 0);
    }
    [[nodiscard]] ByteView view() const { return ByteView(bytes).first(size); }

    std::array<std::uint8_t, 4> bytes{};
    std::size_t size = 0;
};

// Where the variable header starts: behind the remaining length.
std::size_t fixed_header_size(ByteView packet) { return 1 + read_variable(packet.subspan(1)).size; }

std::size_t two_bytes(ByteView bytes, std::size_t at) {
    return (std::size_t{bytes[at]} << 8) | bytes[at + 1];
}

void write_two(std::span<std::uint8_t> bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value & 0xFF);
}

// Behind the fixed header and the topic.
std::size_t packet_id_offset(ByteView publish) {
    const std::size_t at = fixed_header_size(publish);
    return at + 2 + two_bytes(publish, at);
}

BlobId writable_copy(BlobPool& pool, BlobId publish) {
    if (pool.references(publish) == 1) return publish;
    const BlobId copy = pool.make(pool.bytes(publish));
    pool.release(publish);
    return copy;
}

}  // namespace

bool retain_flag(ByteView publish) { return (publish[0] & kRetain) != 0; }

std::string_view topic_of(ByteView publish) {
    const std::size_t at = fixed_header_size(publish);
    return as_text(publish.subspan(at + 2, two_bytes(publish, at)));
}

BlobId with_dup_flag(BlobPool& pool, BlobId publish) {
    if ((pool.bytes(publish)[0] & kDup) != 0) return publish;
    const BlobId blob = writable_copy(pool, publish);
    std::uint8_t& first = pool.writable(blob)[0];
    first = static_cast<std::uint8_t>(first | kDup);
    return blob;
}

BlobId with_packet_id(BlobPool& pool, BlobId publish, wire::PacketId id) {
    const BlobId blob = writable_copy(pool, publish);
    const auto bytes = pool.writable(blob);
    bytes[0] = static_cast<std::uint8_t>(bytes[0] & ~kDup);
    const std::size_t at = packet_id_offset(bytes);
    assert(at + 2 <= bytes.size());
    write_two(bytes, at, id);
    return blob;
}

BlobId with_topic_alias(BlobPool& pool, BlobId publish, std::uint16_t alias, bool keep_topic,
                        std::uint32_t limit) {
    const ByteView old = pool.bytes(publish);
    const std::size_t id_at = packet_id_offset(old);
    const std::size_t properties_at = id_at + ((old[0] & kQos) != 0 ? 2 : 0);
    const Variable properties = read_variable(old.subspan(properties_at));
    const ByteView id = old.subspan(id_at, properties_at - id_at);
    const ByteView rest = old.subspan(properties_at + properties.size);  // and the payload
    const std::string_view topic = keep_topic ? topic_of(old) : std::string_view();

    const std::array<std::uint8_t, 3> property = {
        static_cast<std::uint8_t>(wire::Property::topic_alias),
        static_cast<std::uint8_t>(alias >> 8), static_cast<std::uint8_t>(alias & 0xFF)};
    const EncodedVariable properties_length(properties.value +
                                            static_cast<std::uint32_t>(property.size()));
    const std::size_t remaining =
        2 + topic.size() + id.size() + properties_length.size + property.size() + rest.size();
    // A limit is never above MQTT's own, so that its length has at most four bytes.
    if (remaining > std::min(limit, wire::kMaximumPacketSize) - 5) return BlobId::none;
    const EncodedVariable length(static_cast<std::uint32_t>(remaining));

    const BlobId blob = pool.reserve(1 + length.size + remaining);
    const auto out = pool.writable(blob);
    std::size_t at = 0;
    const auto put = [&](ByteView bytes) {
        std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
        at += bytes.size();
    };
    put(old.first(1));
    put(length.view());
    write_two(out, at, static_cast<std::uint16_t>(topic.size()));
    at += 2;
    put(as_bytes(topic));
    put(id);
    put(properties_length.view());
    put(property);
    put(rest);
    assert(at == out.size());
    return blob;
}

void set_list_id(BlobPool& pool, BlobId list, wire::PacketId id) {
    const auto bytes = pool.writable(list);
    write_two(bytes, fixed_header_size(bytes), id);
}

}  // namespace mqttwin::client
