// Packets to bytes. One blob a packet, sized exactly before it is written.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::wire {

// Each returns a new blob with one reference, or BlobId::none when the packet would exceed `limit`
// bytes (the receiver's Maximum Packet Size) or what MQTT can express. Answers (all but CONNECT,
// PUBLISH, SUBSCRIBE and UNSUBSCRIBE) first leave out their user properties, then their reason
// string [MQTT-3.2.2-19], [MQTT-3.4.2-2], ...; a PUBLISH keeps what its sender gave it
// [MQTT-3.3.2-17] and is not sent at all [MQTT-3.1.2-25].
//
// Only properties that the packet's type may carry are written, so what came with a message or a
// will can be handed on as it is. Versions before 5.0 have none. Precondition: strings and binary
// fields within 65,535 bytes, valid UTF-8, and values that `decode` would accept.
BlobId encode(BlobPool& pool, const Connect& packet, std::uint32_t limit = UINT32_MAX);
BlobId encode(BlobPool& pool, Version version, const Connack& packet,
              std::uint32_t limit = UINT32_MAX);
BlobId encode(BlobPool& pool, Version version, const Publish& packet,
              std::uint32_t limit = UINT32_MAX);
BlobId encode(BlobPool& pool, Version version, const Ack& packet, std::uint32_t limit = UINT32_MAX);
/// Before 5.0 every failure becomes 0x80, the only one there is, and UNSUBACK has no list.
BlobId encode(BlobPool& pool, Version version, const ListAck& packet,
              std::uint32_t limit = UINT32_MAX);
BlobId encode(BlobPool& pool, Version version, const Disconnect& packet,
              std::uint32_t limit = UINT32_MAX);
/// 5.0 only.
BlobId encode(BlobPool& pool, Version version, const Auth& packet,
              std::uint32_t limit = UINT32_MAX);
BlobId encode_pingreq(BlobPool& pool);
BlobId encode_pingresp(BlobPool& pool);

/// SUBSCRIBE / UNSUBSCRIBE from a list.
BlobId encode_subscribe(BlobPool& pool, Version version, PacketId packet_id,
                        std::span<const SubscriptionRequest> requests,
                        const Properties& properties = {});
BlobId encode_unsubscribe(BlobPool& pool, Version version, PacketId packet_id,
                          std::span<const std::string_view> filters,
                          const Properties& properties = {});

/// The bytes of a PUBLISH before its payload (fixed header with the full remaining length, topic,
/// packet identifier, properties): what fan-out sends before a shared payload.
BlobId encode_publish_header(BlobPool& pool, Version version, const Publish& packet,
                             std::uint32_t limit = UINT32_MAX);

/// Encoded size of a PUBLISH in bytes.
std::size_t encoded_size(Version version, const Publish& packet);

/// A copy of an encoded PUBLISH with its DUP flag set [MQTT-3.3.1-1].
BlobId with_dup(BlobPool& pool, BlobId publish);

/// Appends one encoded user property / subscription identifier, for Properties' lists.
void append_user_property(std::vector<std::uint8_t>& out, std::string_view name,
                          std::string_view value);
void append_subscription_identifier(std::vector<std::uint8_t>& out, std::uint32_t identifier);

}  // namespace mqttwin::wire
