// Changing encoded packets: what messages kept for redelivery, topic aliases and lists need.
#pragma once

#include <string_view>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::client {

bool retain_flag(ByteView publish);
std::string_view topic_of(ByteView publish);

// Both take over the caller's reference and return one: to the same blob where nothing had to
// change or nobody else holds it, otherwise to a copy (its bytes may be on their way).

/// With DUP set. Precondition: QoS > 0, as in the next.
BlobId with_dup_flag(BlobPool& pool, BlobId publish);
/// With this packet identifier, and as if never sent before: without DUP.
BlobId with_packet_id(BlobPool& pool, BlobId publish, wire::PacketId id);

/// A copy of a PUBLISH of MQTT 5.0 without an alias: under one, and with or without its topic. Or
/// BlobId::none where that takes more than `limit` bytes.
BlobId with_topic_alias(BlobPool& pool, BlobId publish, std::uint16_t alias, bool keep_topic,
                        std::uint32_t limit);

/// Writes the packet identifier of a SUBSCRIBE or UNSUBSCRIBE that nobody else holds.
void set_list_id(BlobPool& pool, BlobId list, wire::PacketId id);

}  // namespace mqttwin::client
