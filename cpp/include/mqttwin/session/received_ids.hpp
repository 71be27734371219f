// Packet identifiers of QoS 2 messages that were received and not yet released.
#pragma once

#include <cstdint>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin {

/// A set of packet identifiers: 8 bytes and no memory while it is empty, an array while it is
/// small, never more than one bit for each identifier that MQTT has (8 KiB).
///
/// Plain data: the members live in the engine's BlobPool. `clear` before letting go of one.
class ReceivedIds {
   public:
    [[nodiscard]] bool contains(const BlobPool& pool, wire::PacketId id) const;
    /// False when it was in the set already.
    bool insert(BlobPool& pool, wire::PacketId id);
    /// False when it was not in the set.
    bool erase(BlobPool& pool, wire::PacketId id);
    void clear(BlobPool& pool);

    [[nodiscard]] std::uint32_t count() const { return count_; }
    [[nodiscard]] bool empty() const { return count_ == 0; }

   private:
    void grow(BlobPool& pool);
    [[nodiscard]] bool is_bitmap(const BlobPool& pool) const;

    BlobId members_ = BlobId::none;
    std::uint32_t count_ = 0;
};
static_assert(sizeof(ReceivedIds) == 8);

}  // namespace mqttwin
