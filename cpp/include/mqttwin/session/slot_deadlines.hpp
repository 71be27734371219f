// One deadline for each slot, in memory that does not depend on how often it changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/session/engine.hpp"

namespace mqttwin {

/// A heap with one entry a slot at most, which can be moved; ties go to the smaller slot.
///
/// DeadlineHeap's entries cannot be moved, which is cheapest where deadlines only move later. Here
/// they also come forward (a connection refused at once starts a back-off long before its connect
/// timeout), and a million clients doing so must not pile up entries. 4 bytes a slot, 16 more
/// while it has a deadline. A deadline that moves later can be left alone until it comes up.
class SlotDeadlines {
   public:
    explicit SlotDeadlines(Slot count) : places_(count, kNowhere) {}

    /// Instant::never() takes the slot's deadline away.
    void set(Slot slot, Instant at);
    [[nodiscard]] Instant at(Slot slot) const {
        return places_[slot] == kNowhere ? Instant::never() : heap_[places_[slot]].at;
    }
    /// The earliest, or never.
    [[nodiscard]] Instant next() const {
        return heap_.empty() ? Instant::never() : heap_.front().at;
    }
    /// Whose it is. Precondition: there is one.
    [[nodiscard]] Slot first() const { return heap_.front().slot; }
    [[nodiscard]] std::size_t size() const { return heap_.size(); }
    void archive(Archive& a) { a(heap_, places_); }

   private:
    static constexpr std::uint32_t kNowhere = 0xFFFF'FFFFU;
    struct Entry {
        Instant at;
        Slot slot = 0;
        friend bool operator<(const Entry& a, const Entry& b) {
            return a.at != b.at ? a.at < b.at : a.slot < b.slot;
        }
    };

    void put(std::size_t place, const Entry& entry) {
        heap_[place] = entry;
        places_[entry.slot] = static_cast<std::uint32_t>(place);
    }
    void rise(std::size_t hole, const Entry& entry);
    void sink(std::size_t hole, const Entry& entry);

    std::vector<Entry> heap_;  // 4-ary: half the cache misses of a binary one
    std::vector<std::uint32_t> places_;
};

}  // namespace mqttwin
