// Memory for what comes in chunks and stays: from half a MiB on it lies on huge pages.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace mqttwin {

/// Gives pieces of memory and takes them back all at once, when it goes. Not thread-safe.
///
/// While there is little, each piece is a block of its own; then blocks hold many, and begin at a
/// huge page (huge_pages.hpp), of which no more is taken than has been touched.
class Arena {
   public:
    Arena() = default;
    ~Arena();
    Arena(Arena&& other) noexcept { swap(other); }
    Arena& operator=(Arena&& other) noexcept {
        swap(other);
        return *this;
    }

    /// Aligned for every type; what is in it is unspecified. Throws std::bad_alloc.
    std::byte* take(std::size_t bytes);
    /// Bytes of blocks, in all arenas of the process, of which no piece has been given: nothing has
    /// touched them. Thread-safe.
    [[nodiscard]] static std::size_t spare();

   private:
    struct Free {
        void operator()(std::byte* block) const;
    };
    using Block = std::unique_ptr<std::byte[], Free>;

    static Block make(std::size_t bytes);
    void swap(Arena& other) noexcept {
        std::swap(blocks_, other.blocks_);
        std::swap(next_, other.next_);
        std::swap(left_, other.left_);
        std::swap(taken_, other.taken_);
    }

    std::vector<Block> blocks_;
    std::byte* next_ = nullptr;  // in the newest
    std::size_t left_ = 0;
    std::size_t taken_ = 0;
};

}  // namespace mqttwin
