// Records in dense indices with a free list: no heap object each, copyable as a whole.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/arena.hpp"

namespace mqttwin {

/// `take` gives the index of a default-constructed record, `give_back` frees it. Indices are
/// stable, references are not (they end at the next `take`). T must be copyable plain data.
template <typename T>
class Slab {
   public:
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    std::uint32_t take() {
        ++live_;
        if (!free_.empty()) {
            const std::uint32_t index = free_.back();
            free_.pop_back();
            records_[index] = T{};
            return index;
        }
        records_.emplace_back();
        return static_cast<std::uint32_t>(records_.size() - 1);
    }
    void give_back(std::uint32_t index) {
        assert(live_ > 0);
        --live_;
        free_.push_back(index);
    }
    T& operator[](std::uint32_t index) {
        assert(index < records_.size());
        return records_[index];
    }
    const T& operator[](std::uint32_t index) const {
        assert(index < records_.size());
        return records_[index];
    }
    [[nodiscard]] std::size_t live() const { return live_; }
    [[nodiscard]] std::size_t capacity() const { return records_.size(); }
    void archive(Archive& a) { a(records_, free_, live_); }

   private:
    std::vector<T> records_;
    std::vector<std::uint32_t> free_;
    std::size_t live_ = 0;
};

/// The same in chunks: references are stable, too, until the record is given back, and growing
/// moves nothing.
template <typename T>
class ChunkedSlab {
   public:
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    ChunkedSlab() = default;
    ChunkedSlab(const ChunkedSlab& other) : free_(other.free_), size_(other.size_) {
        for (const T* from : other.chunks_) {
            T* const to = add_chunk();
            std::copy_n(from, kChunk, to);
        }
    }
    ChunkedSlab(ChunkedSlab&&) noexcept = default;
    ChunkedSlab& operator=(ChunkedSlab other) noexcept {
        arena_ = std::move(other.arena_);
        chunks_ = std::move(other.chunks_);
        free_ = std::move(other.free_);
        size_ = other.size_;
        return *this;
    }
    ~ChunkedSlab() = default;

    std::uint32_t take() {
        const std::uint32_t index = take_used();
        (*this)[index] = T{};
        return index;
    }
    /// Without a default-constructed content: what is there is of an earlier owner.
    std::uint32_t take_used() {
        if (!free_.empty()) {
            const std::uint32_t index = free_.back();
            free_.pop_back();
            return index;
        }
        if (size_ % kChunk == 0) add_chunk();
        return size_++;
    }
    void give_back(std::uint32_t index) { free_.push_back(index); }
    T& operator[](std::uint32_t index) {
        assert(index < size_);
        return chunks_[index / kChunk][index % kChunk];
    }
    const T& operator[](std::uint32_t index) const {
        assert(index < size_);
        return chunks_[index / kChunk][index % kChunk];
    }
    [[nodiscard]] std::size_t live() const { return size_ - free_.size(); }
    /// Records that there are, in use or not.
    [[nodiscard]] std::uint32_t size() const { return size_; }
    [[nodiscard]] std::size_t footprint() const {
        return chunks_.size() * (kChunk * sizeof(T) + sizeof(T*)) +
               free_.capacity() * sizeof(std::uint32_t);
    }
    void archive(Archive& a) {
        a(size_, free_);
        const std::size_t chunks = (std::size_t{size_} + kChunk - 1) / kChunk;
        if (a.reading()) {
            chunks_.clear();
            arena_ = Arena();
        }
        for (std::size_t i = 0; i < chunks; ++i) {
            // Memory comes with what fills it, not with the number that announces it.
            a.same_count(kChunk, "a chunk of another size");
            T* const chunk = a.reading() ? add_chunk() : chunks_[i];
            a.records(chunk, kChunk);
        }
    }

   private:
    static constexpr std::uint32_t kChunk = 128;
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

    T* add_chunk() {
        std::byte* const memory = arena_.take(kChunk * sizeof(T));
        T* const chunk = reinterpret_cast<T*>(memory);
        std::uninitialized_default_construct_n(chunk, kChunk);
        chunks_.push_back(chunk);
        return chunk;
    }

    Arena arena_;
    std::vector<T*> chunks_;
    std::vector<std::uint32_t> free_;
    std::uint32_t size_ = 0;
};

}  // namespace mqttwin
