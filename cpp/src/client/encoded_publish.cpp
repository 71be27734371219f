#include "encoded_publish.hpp"

#include <algorithm>
#include <cassert>

namespace mqttwin::client {
namespace {

constexpr std::uint8_t kDup = 0x08;
constexpr std::uint8_t kRetain = 0x01;

// Behind the fixed header and the topic.
std::size_t packet_id_offset(ByteView publish) {
    std::size_t at = 1;
    while ((publish[at] & 0x80U) != 0) ++at;  // remaining length
    ++at;
    const std::size_t topic = (std::size_t{publish[at]} << 8) | publish[at + 1];
    return at + 2 + topic;
}

BlobId writable_copy(BlobPool& pool, BlobId publish) {
    if (pool.references(publish) == 1) return publish;
    const BlobId copy = pool.make(pool.bytes(publish));
    pool.release(publish);
    return copy;
}

}  // namespace

bool retain_flag(ByteView publish) { return (publish[0] & kRetain) != 0; }

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
    bytes[at] = static_cast<std::uint8_t>(id >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(id & 0xFF);
    return blob;
}

}  // namespace mqttwin::client
