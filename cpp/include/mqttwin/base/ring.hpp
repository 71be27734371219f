// First in, first out, in one block that is overwritten again and again.
#pragma once

#include <cassert>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "mqttwin/base/archive.hpp"

namespace mqttwin {

/// What a deque does for small records that come and go all the time, without its blocks. It grows
/// to the largest crowd.
template <typename T>
class Ring {
    static_assert(std::is_trivially_copyable_v<T>);

   public:
    [[nodiscard]] bool empty() const { return first_ == end_; }
    [[nodiscard]] std::size_t size() const { return end_ - first_; }
    [[nodiscard]] const T& front() const { return (*this)[0]; }
    [[nodiscard]] const T& operator[](std::size_t index) const {
        assert(index < size());
        return block_[(first_ + index) & mask_];
    }
    /// The next one makes it grow.
    [[nodiscard]] bool full() const { return size() > mask_ || block_.empty(); }
    void push_back(const T& value) {
        if (full()) [[unlikely]] {
            grow();
        }
        block_[end_++ & mask_] = value;
    }
    void pop_front() {
        assert(!empty());
        ++first_;
    }
    /// Bytes held.
    [[nodiscard]] std::size_t footprint() const { return block_.size() * sizeof(T); }
    void archive(Archive& a) {
        std::vector<T> content;
        for (std::size_t i = 0; i < size(); ++i) content.push_back((*this)[i]);
        a(content);
        if (!a.reading()) return;
        *this = {};
        for (const T& value : content) push_back(value);
    }

   private:
    static constexpr std::size_t kFewest = 16;

    [[gnu::noinline]] void grow() {
        std::vector<T> larger(block_.empty() ? kFewest : 2 * block_.size());
        const std::size_t count = size();
        for (std::size_t i = 0; i < count; ++i) larger[i] = (*this)[i];
        block_ = std::move(larger);
        mask_ = block_.size() - 1;
        first_ = 0;
        end_ = count;
    }

    std::vector<T> block_;  // a power of two, or none
    std::size_t mask_ = 0;  // one less
    std::size_t first_ = 0;
    std::size_t end_ = 0;
};

}  // namespace mqttwin
