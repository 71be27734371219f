#include "mqttwin/session/slot_deadlines.hpp"

#include <algorithm>

namespace mqttwin {

void SlotDeadlines::set(Slot slot, Instant at) {
    const std::uint32_t place = places_[slot];
    const Entry entry{at, slot};
    if (place == kNowhere) {
        if (at == Instant::never()) return;
        heap_.push_back(entry);
        rise(heap_.size() - 1, entry);
        return;
    }
    if (at != Instant::never()) {
        if (entry < heap_[place]) {
            rise(place, entry);
        } else {
            sink(place, entry);
        }
        return;
    }
    places_[slot] = kNowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size()) return;
    // The last entry fills the gap; it may belong above or below it.
    if (last < heap_[place]) {
        rise(place, last);
    } else {
        sink(place, last);
    }
}

void SlotDeadlines::rise(std::size_t hole, const Entry& entry) {
    while (hole > 0) {
        const std::size_t parent = (hole - 1) / 4;
        if (!(entry < heap_[parent])) break;
        put(hole, heap_[parent]);
        hole = parent;
    }
    put(hole, entry);
}

void SlotDeadlines::sink(std::size_t hole, const Entry& entry) {
    const std::size_t size = heap_.size();
    for (;;) {
        const std::size_t first = hole * 4 + 1;
        if (first >= size) break;
        std::size_t best = first;
        const std::size_t end = std::min(first + 4, size);
        for (std::size_t child = first + 1; child < end; ++child) {
            if (heap_[child] < heap_[best]) best = child;
        }
        if (!(heap_[best] < entry)) break;
        put(hole, heap_[best]);
        hole = best;
    }
    put(hole, entry);
}

}  // namespace mqttwin
