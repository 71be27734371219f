// The bytes behind sequence numbers: what one end of a connection has written and the other has
// not acknowledged.
//
// A model of TCP moves ranges; a capture needs what is in them. A segment may begin in the middle
// of one write and end in another, and a retransmission may be cut differently from what it
// repeats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/bytes.hpp"

namespace mqttwin::trace {

/// One direction of one connection. Blobs are retained until they are acknowledged; index-based, so
/// that a world that is copied with its pool copies it. Sequence numbers are modulo 2^32; less than
/// half of that is kept at a time.
class StreamBytes {
   public:
    /// A write: the bytes of `head`, then those of `body` (either may be none), of which the first
    /// has number `seq`. Writes follow each other without a gap.
    void add(BlobPool& pool, std::uint32_t seq, BlobId head, BlobId body = BlobId::none);

    /// Appends the bytes from `begin` to before `end` to `out`, as views that live as long as they
    /// are kept here. What is not kept (written before one began to listen, or acknowledged) is
    /// zeros, so that the lengths agree; how many bytes of those there were.
    std::uint32_t append_bytes(const BlobPool& pool, std::uint32_t begin, std::uint32_t end,
                               std::vector<ByteView>& out) const;

    /// The sender will not send what is before `ack` again.
    void release_up_to(BlobPool& pool, std::uint32_t ack);
    /// At the end of the connection.
    void clear(BlobPool& pool);

    /// Writes of which something is kept.
    [[nodiscard]] std::size_t size() const { return writes_.size() - first_; }
    /// Bytes that are kept.
    [[nodiscard]] std::uint32_t bytes() const {
        return size() == 0 ? 0 : writes_.back().end - writes_[first_].begin;
    }

   private:
    struct Write {
        std::uint32_t begin = 0;
        std::uint32_t end = 0;
        BlobId head = BlobId::none;
        BlobId body = BlobId::none;
    };

    std::vector<Write> writes_;  // from first_ on; before it is what was released
    std::size_t first_ = 0;
};

}  // namespace mqttwin::trace
