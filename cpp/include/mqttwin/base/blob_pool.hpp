// Shared immutable bytes as small handles: what engines keep, send and share.
//
// A handle is an index, not a pointer, so that state that holds one can be copied with its pool
// (a forked or restored world). Counts are plain integers: a pool belongs to one world, and a
// world is one thread.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/arena.hpp"
#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/prefetch.hpp"

namespace mqttwin {

/// Handle of a blob in a BlobPool; 0 is "none".
enum class BlobId : std::uint32_t { none = 0 };

/// Reference-counted byte blocks in size classes, without a heap allocation per block.
///
/// `make` and `reserve` return a blob with one reference; `retain` adds one, `release` drops one.
/// Every operation is O(1). Blocks beyond the largest class go to the heap one by one.
/// The view returned by `bytes` stays valid until the blob's last reference is released.
class BlobPool {
   public:
    BlobPool() = default;
    BlobPool(const BlobPool& other) { copy_from(other); }
    BlobPool(BlobPool&&) noexcept = default;
    BlobPool& operator=(BlobPool other) noexcept;
    ~BlobPool() { free_large(); }

    /// A blob of `size` bytes whose content the caller fills before anyone reads it.
    BlobId reserve(std::size_t size);

    BlobId make(ByteView content) {
        const BlobId id = reserve(content.size());
        if (!content.empty()) std::memcpy(writable(id).data(), content.data(), content.size());
        return id;
    }

    void retain(BlobId id) {
        if (id != BlobId::none) ++header(id).references;
    }
    void retain(BlobId id, std::uint32_t times) {
        if (id != BlobId::none) header(id).references += times;
    }
    void release(BlobId id) {
        if (id == BlobId::none) return;
        Header& h = header(id);
        assert(h.references > 0);
        if (--h.references == 0) recycle(id);
    }

    /// The blob's bytes; empty for BlobId::none.
    [[nodiscard]] ByteView bytes(BlobId id) const {
        if (id == BlobId::none) return {};
        const Header& h = header(id);
        return {reinterpret_cast<const std::uint8_t*>(&h + 1), h.size};
    }
    /// For the maker of a blob, before it is shared.
    [[nodiscard]] std::span<std::uint8_t> writable(BlobId id) {
        Header& h = header(id);
        return {reinterpret_cast<std::uint8_t*>(&h + 1), h.size};
    }
    /// Shortens a blob that was reserved too long (never lengthens it).
    void shrink(BlobId id, std::size_t size) {
        Header& h = header(id);
        assert(size <= h.size);
        h.size = static_cast<std::uint32_t>(size);
    }
    [[nodiscard]] std::uint32_t references(BlobId id) const { return header(id).references; }

    /// Blobs that are alive: 0 when everything was released.
    [[nodiscard]] std::size_t live() const { return live_; }
    /// Bytes of memory that the pool has taken from the system.
    [[nodiscard]] std::size_t footprint() const { return footprint_; }

    void prefetch(BlobId id) const {
        if (id == BlobId::none) return;
        const auto* block = reinterpret_cast<const char*>(&header(id));
        mqttwin::prefetch(block);
        mqttwin::prefetch(block + 64);
    }
    /// Handles stay what they are. Blobs are not moved, so views of them end when it is read.
    void archive(Archive& a);

   private:
    struct Header {
        std::uint32_t references;
        std::uint32_t size;
    };
    static_assert(sizeof(Header) == 8);

    // Block sizes, header included.
    static constexpr std::array<std::uint32_t, 21> kBlock = {
        32,   48,   64,   96,   128,  160,   192,   256,   384,   512,   768,
        1024, 1536, 2048, 4096, 8192, 16384, 32768, 65536, 98304, 131072};
    static constexpr std::uint32_t kClasses = kBlock.size();
    // Class of the small sizes by units of 16 bytes, which most requests are.
    static constexpr std::uint32_t kSmall = 1024;
    static constexpr auto kSmallClass = [] {
        std::array<std::uint8_t, kSmall / 16 + 1> classes{};
        std::uint8_t cls = 0;
        for (std::uint32_t unit = 0; unit < classes.size(); ++unit) {
            while (kBlock[cls] < unit * 16) ++cls;
            classes[unit] = cls;
        }
        return classes;
    }();
    // A handle is a place: the chunk above, in the low bits 16-byte units within it. So finding a
    // blob takes one load. A chunk holds blocks of one class, or one block beyond the classes.
    static constexpr std::uint32_t kUnit = 16;
    static constexpr unsigned kUnitBits = 14;
    static constexpr std::uint32_t kUnitMask = (1U << kUnitBits) - 1;
    static constexpr std::uint32_t kChunkBytes = kUnit << kUnitBits;
    static constexpr std::uint32_t kMaximumChunks = 1U << (32 - kUnitBits);

    struct Chunk {
        std::uint32_t cls = 0;  // kClasses: one large block
        std::size_t bytes = 0;
    };
    struct SizeClass {
        std::vector<std::uint32_t> free;  // handles, last in first out: the warmest block first
        std::uint32_t next = 0;           // the first never used in the newest chunk
        std::uint32_t left = 0;           // blocks from there on
        void archive(Archive& a) { a(free, next, left); }
    };

    [[nodiscard]] const Header& header(BlobId id) const {
        const auto raw = static_cast<std::uint32_t>(id);
        return *reinterpret_cast<const Header*>(memory_[raw >> kUnitBits] +
                                                std::size_t{raw & kUnitMask} * kUnit);
    }
    [[nodiscard]] Header& header(BlobId id) {
        return const_cast<Header&>(std::as_const(*this).header(id));
    }
    BlobId begin(std::uint32_t handle, std::size_t size) {
        const auto id = static_cast<BlobId>(handle);
        Header& h = header(id);
        h.references = 1;
        h.size = static_cast<std::uint32_t>(size);
        ++live_;
        return id;
    }
    std::uint32_t add_chunk(std::uint32_t cls, std::size_t bytes);
    std::uint32_t grow(std::uint32_t cls);
    void recycle(BlobId id);
    BlobId reserve_large(std::size_t size);
    void copy_from(const BlobPool& other);
    std::byte* take_memory(const Chunk& chunk);
    void free_large();

    Arena arena_;                     // of chunks of blocks
    std::vector<std::byte*> memory_;  // by chunk
    std::vector<Chunk> chunks_;
    std::vector<std::uint32_t> free_chunks_;  // whose large block is gone
    std::array<SizeClass, kClasses> classes_;
    std::size_t live_ = 0;
    std::size_t footprint_ = 0;
};

inline BlobId BlobPool::reserve(std::size_t size) {
    const std::size_t needed = size + sizeof(Header);
    std::uint32_t cls = 0;
    if (needed <= kSmall) {
        cls = kSmallClass[(needed + 15) / 16];
    } else {
        if (needed > kBlock[kClasses - 1]) return reserve_large(size);
        cls = kSmallClass[kSmall / 16];
        while (kBlock[cls] < needed) ++cls;
    }
    SizeClass& c = classes_[cls];
    if (c.free.empty()) return begin(grow(cls), size);
    const std::uint32_t handle = c.free.back();
    c.free.pop_back();
    return begin(handle, size);
}

}  // namespace mqttwin
