#include "mqttwin/base/blob_pool.hpp"

#include <stdexcept>

namespace mqttwin {

/// Chunks of blocks stay as long as the pool, large blocks come and go.
std::byte* BlobPool::take_memory(const Chunk& chunk) {
    if (chunk.bytes == 0) return nullptr;
    return chunk.cls == kClasses ? new std::byte[chunk.bytes] : arena_.take(chunk.bytes);
}

void BlobPool::free_large() {
    for (std::size_t i = 0; i < memory_.size(); ++i) {
        if (chunks_[i].cls == kClasses) delete[] memory_[i];
    }
}

BlobPool& BlobPool::operator=(BlobPool other) noexcept {
    std::swap(arena_, other.arena_);
    std::swap(memory_, other.memory_);
    std::swap(chunks_, other.chunks_);
    std::swap(free_chunks_, other.free_chunks_);
    std::swap(classes_, other.classes_);
    std::swap(live_, other.live_);
    std::swap(footprint_, other.footprint_);
    return *this;
}

/// The number of a new chunk.
std::uint32_t BlobPool::add_chunk(std::uint32_t cls, std::size_t bytes) {
    std::uint32_t chunk = 0;
    if (!free_chunks_.empty()) {
        chunk = free_chunks_.back();
        free_chunks_.pop_back();
    } else {
        if (memory_.size() >= kMaximumChunks) throw std::length_error("blob pool: full");
        chunk = static_cast<std::uint32_t>(memory_.size());
        memory_.emplace_back();
        chunks_.emplace_back();
    }
    memory_[chunk] = take_memory({cls, bytes});
    chunks_[chunk] = {cls, bytes};
    // Blocks hold what was written to them and nothing else: an archive has them as they are.
    if (cls != kClasses) std::memset(memory_[chunk], 0, bytes);
    footprint_ += bytes;
    return chunk;
}

/// A block that has never been used.
std::uint32_t BlobPool::grow(std::uint32_t cls) {
    SizeClass& c = classes_[cls];
    if (c.left == 0) {
        const std::uint32_t chunk = add_chunk(cls, kChunkBytes);
        c.next = chunk << kUnitBits;
        c.left = kChunkBytes / kBlock[cls];
        if (chunk == 0) {  // the very first place is BlobId::none
            c.next += kBlock[cls] / kUnit;
            --c.left;
        }
    }
    const std::uint32_t handle = c.next;
    c.next += kBlock[cls] / kUnit;
    --c.left;
    return handle;
}

BlobId BlobPool::reserve_large(std::size_t size) {
    if (size > 0xFFFF'FFF0U) throw std::length_error("blob pool: blob over 4 GiB");
    std::uint32_t chunk = add_chunk(kClasses, size + sizeof(Header));
    if (chunk == 0) {  // whose first place is BlobId::none: it stays empty
        delete[] std::exchange(memory_[0], nullptr);
        footprint_ -= chunks_[0].bytes;
        chunks_[0] = {};
        chunk = add_chunk(kClasses, size + sizeof(Header));
    }
    return begin(chunk << kUnitBits, size);
}

void BlobPool::recycle(BlobId id) {
    const auto raw = static_cast<std::uint32_t>(id);
    const std::uint32_t chunk = raw >> kUnitBits;
    --live_;
    if (chunks_[chunk].cls < kClasses) {
        classes_[chunks_[chunk].cls].free.push_back(raw);
        return;
    }
    footprint_ -= chunks_[chunk].bytes;
    delete[] std::exchange(memory_[chunk], nullptr);  // large memory goes back at once
    chunks_[chunk] = {};
    free_chunks_.push_back(chunk);
}

void BlobPool::copy_from(const BlobPool& other) {
    chunks_ = other.chunks_;
    free_chunks_ = other.free_chunks_;
    classes_ = other.classes_;
    live_ = other.live_;
    footprint_ = other.footprint_;
    for (std::size_t i = 0; i < other.memory_.size(); ++i) {
        std::byte* const memory = memory_.emplace_back(take_memory(chunks_[i]));
        if (memory != nullptr) std::memcpy(memory, other.memory_[i], chunks_[i].bytes);
    }
}

void BlobPool::archive(Archive& a) {
    if (a.reading()) *this = BlobPool();
    a(chunks_, free_chunks_, classes_, live_, footprint_);
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        a.same_count(chunks_[i].bytes, "a chunk of another size");
        if (a.reading()) memory_.push_back(take_memory(chunks_[i]));
        a.block(memory_[i], chunks_[i].bytes);
    }
}

}  // namespace mqttwin
