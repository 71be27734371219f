// Changing an encoded PUBLISH of QoS > 0 in place: what a message kept for redelivery needs.
#pragma once

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::client {

bool retain_flag(ByteView publish);

// Both take over the caller's reference and return one: to the same blob where nothing had to
// change or nobody else holds it, otherwise to a copy (its bytes may be on their way).

/// With DUP set.
BlobId with_dup_flag(BlobPool& pool, BlobId publish);
/// With this packet identifier, and as if never sent before: without DUP.
BlobId with_packet_id(BlobPool& pool, BlobId publish, wire::PacketId id);

}  // namespace mqttwin::client
