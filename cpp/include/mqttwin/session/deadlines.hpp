// Deadlines of many slots, checked lazily.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin {

/// A heap of (instant, order, slot). Entries are never cancelled or moved: when one comes up, its
/// owner looks at what the slot's deadline is by now, and arms it again if that is later. So a
/// keep-alive that is pushed back by every packet costs one heap operation an interval.
///
/// `order` breaks ties between slots at one instant. It must be a property of the entity (a hash
/// of its name), never of when its slot was handed out, so that strangers cannot reorder it.
class DeadlineHeap {
   public:
    struct Entry {
        Instant at;
        std::uint32_t order = 0;
        std::uint32_t slot = 0;
        friend bool operator<(const Entry& a, const Entry& b) {
            if (a.at != b.at) return a.at < b.at;
            if (a.order != b.order) return a.order < b.order;
            return a.slot < b.slot;
        }
    };

    void arm(Instant at, std::uint32_t order, std::uint32_t slot);
    [[nodiscard]] Instant next() const {
        return heap_.empty() ? Instant::never() : heap_.front().at;
    }
    [[nodiscard]] bool due(Instant now) const { return next() <= now; }
    /// Takes the earliest entry. Precondition: not empty.
    Entry pop();
    [[nodiscard]] std::size_t size() const { return heap_.size(); }
    void clear() { heap_.clear(); }
    void archive(Archive& a) { a(heap_); }

   private:
    std::vector<Entry> heap_;  // 4-ary: half the cache misses of a binary one
};

}  // namespace mqttwin
