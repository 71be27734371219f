// What is under way in a lane, as lists through slabs: what was written, and packets.
#pragma once

#include <cstdint>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/slab.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/network_records.hpp"

namespace mqttwin::net {

/// Units, in the order of the stream.
class Units : public ChunkedSlab<Unit> {
   public:
    Unit& append(Lane& l, Unit::Kind kind, BlobId head, BlobId body, std::uint32_t bytes) {
        l.written += bytes;
        const std::uint32_t index = take_used();
        Unit& unit = (*this)[index];
        unit.head = head;
        unit.body = body;
        unit.next = kNone;
        unit.end = l.written;
        unit.bytes = bytes;
        unit.kind = kind;
        if (l.units == kNone) {
            l.units = index;
        } else {
            (*this)[l.last_unit].next = index;
        }
        l.last_unit = index;
        return unit;
    }
};

/// Packets, in the order of arrival.
class Packets : public ChunkedSlab<Packet> {
   public:
    void link(Lane& l, std::uint32_t index) {
        Packet& packet = (*this)[index];
        packet.next = kNone;
        if (packet.tells) ++l.telling;
        if (l.packets == kNone) {
            l.packets = l.last_packet = index;
            l.first = packet.arrives;
        } else if ((*this)[l.last_packet].arrives <= packet.arrives) {
            (*this)[l.last_packet].next = index;
            l.last_packet = index;
        } else {
            overtake(l, index);
        }
    }
    /// The first one is not in the list any more.
    std::uint32_t pop(Lane& l) {
        const std::uint32_t index = l.packets;
        const Packet& packet = (*this)[index];
        l.packets = packet.next;
        if (packet.tells) --l.telling;
        if (l.packets == kNone) {
            l.last_packet = kNone;
            l.first = Instant::never();
        } else {
            l.first = (*this)[l.packets].arrives;
        }
        return index;
    }

   private:
    // Seldom, and apart.
    void overtake(Lane& l, std::uint32_t index);
};

}  // namespace mqttwin::net
