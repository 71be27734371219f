// What waits to be written to a connection: blobs in a chain, gathered for one system call.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <sys/uio.h>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/slab.hpp"

namespace mqttwin::transport {

/// One packet that waits; `head` then `body`.
struct Waiting {
    BlobId head = BlobId::none;
    BlobId body = BlobId::none;
    std::uint32_t next = Slab<int>::kNone;
};

/// A chain of them. Plain data; its packets live in a Slab<Waiting> that all chains share.
struct Chain {
    static constexpr std::uint32_t kNone = Slab<int>::kNone;
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
    std::uint32_t written = 0;  // bytes of the first packet that are gone already
    std::size_t bytes = 0;      // that wait

    [[nodiscard]] bool empty() const { return first == kNone; }
};

/// Packets of many connections, and the workspace of their writing.
class Outgoing {
   public:
    explicit Outgoing(BlobPool& pool) : pool_(&pool) {}

    void push(Chain& chain, BlobId head, BlobId body);
    /// What nobody will read.
    void discard(BlobId head, BlobId body);
    /// The beginning of what waits, as one scatter list. Small packets are copied side by side:
    /// a piece costs the kernel more than a hundred copied bytes do.
    std::span<iovec> gather(const Chain& chain, std::size_t& bytes);
    /// So many bytes have been written.
    void pop(Chain& chain, std::size_t bytes);
    void clear(Chain& chain);

    /// Bytes that wait in all chains.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

   private:
    static constexpr std::size_t kPieces = 64;
    static constexpr std::size_t kCopied = 1024;  // a blob up to this size is copied
    static constexpr std::size_t kBuffer = std::size_t{64} << 10;

    bool add(ByteView view, std::size_t skip, std::size_t& pieces, std::size_t& used);

    BlobPool* pool_;
    Slab<Waiting> waiting_;
    std::size_t bytes_ = 0;
    std::array<iovec, kPieces> pieces_{};
    std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(kBuffer);
};

}  // namespace mqttwin::transport
