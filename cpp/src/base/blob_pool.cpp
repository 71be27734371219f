#include "mqttwin/base/blob_pool.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace mqttwin {

BlobId BlobPool::reserve(std::size_t size) {
    const std::size_t needed = size + sizeof(Header);
    if (needed > kBlock[kClasses - 1]) return reserve_large(size);
    std::uint32_t cls = kSmallClass[std::min<std::size_t>((needed + 15) / 16, kSmall / 16)];
    while (kBlock[cls] < needed) ++cls;
    SizeClass& c = classes_[cls];
    std::uint32_t index = 0;
    if (!c.free.empty()) {
        index = c.free.back();
        c.free.pop_back();
    } else {
        if (c.shift == 0) {
            const std::uint32_t blocks = std::max<std::uint32_t>(2, kChunkBytes / kBlock[cls]);
            c.shift = static_cast<std::uint32_t>(std::bit_width(blocks) - 1);
        }
        index = c.next;
        if (index > kIndexMask) throw std::length_error("blob pool: a size class is full");
        if ((index >> c.shift) >= c.chunks.size()) {
            const std::size_t bytes = (std::size_t{1} << c.shift) * kBlock[cls];
            c.chunks.emplace_back(new std::byte[bytes]);
            footprint_ += bytes;
        }
        ++c.next;
    }
    const auto id = static_cast<BlobId>((cls << kIndexBits) | index);
    Header& h = header(id);
    h.references = 1;
    h.size = static_cast<std::uint32_t>(size);
    ++live_;
    return id;
}

BlobId BlobPool::reserve_large(std::size_t size) {
    if (size > 0xFFFF'FFF0U) throw std::length_error("blob pool: blob over 4 GiB");
    if (large_.blocks.empty()) {
        large_.blocks.emplace_back();
        large_.capacity.push_back(0);
    }
    std::uint32_t index = 0;
    if (!large_.free.empty()) {
        index = large_.free.back();
        large_.free.pop_back();
    } else {
        index = static_cast<std::uint32_t>(large_.blocks.size());
        if (index > kIndexMask) throw std::length_error("blob pool: too many large blobs");
        large_.blocks.emplace_back();
        large_.capacity.push_back(0);
    }
    large_.blocks[index].reset(new std::byte[size + sizeof(Header)]);
    large_.capacity[index] = static_cast<std::uint32_t>(size);
    footprint_ += size + sizeof(Header);
    const auto id = static_cast<BlobId>((kLarge << kIndexBits) | index);
    *reinterpret_cast<Header*>(large_.blocks[index].get()) = {1, static_cast<std::uint32_t>(size)};
    ++live_;
    return id;
}

void BlobPool::recycle(BlobId id) {
    const auto raw = static_cast<std::uint32_t>(id);
    const std::uint32_t cls = raw >> kIndexBits;
    const std::uint32_t index = raw & kIndexMask;
    --live_;
    if (cls == kLarge) {
        footprint_ -= large_.capacity[index] + sizeof(Header);
        large_.blocks[index].reset();  // large memory goes back at once
        large_.free.push_back(index);
    } else {
        classes_[cls].free.push_back(index);
    }
}

void BlobPool::copy_from(const BlobPool& other) {
    for (std::uint32_t cls = 0; cls < kClasses; ++cls) {
        const SizeClass& from = other.classes_[cls];
        SizeClass& to = classes_[cls];
        to.free = from.free;
        to.next = from.next;
        to.shift = from.shift;
        const std::size_t bytes = (std::size_t{1} << from.shift) * kBlock[cls];
        for (const auto& chunk : from.chunks) {
            to.chunks.emplace_back(new std::byte[bytes]);
            std::memcpy(to.chunks.back().get(), chunk.get(), bytes);
        }
    }
    large_.capacity = other.large_.capacity;
    large_.free = other.large_.free;
    for (std::size_t i = 0; i < other.large_.blocks.size(); ++i) {
        auto& block = large_.blocks.emplace_back();
        if (!other.large_.blocks[i]) continue;
        const std::size_t bytes = large_.capacity[i] + sizeof(Header);
        block.reset(new std::byte[bytes]);
        std::memcpy(block.get(), other.large_.blocks[i].get(), bytes);
    }
    live_ = other.live_;
    footprint_ = other.footprint_;
}

}  // namespace mqttwin
