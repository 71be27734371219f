#include "mqttwin/session/deadlines.hpp"

#include <algorithm>
#include <cassert>

namespace mqttwin {

void DeadlineHeap::arm(Instant at, std::uint32_t order, std::uint32_t slot) {
    const Entry entry{at, order, slot};
    std::size_t hole = heap_.size();
    heap_.push_back(entry);
    while (hole > 0) {
        const std::size_t parent = (hole - 1) / 4;
        if (!(entry < heap_[parent])) break;
        heap_[hole] = heap_[parent];
        hole = parent;
    }
    heap_[hole] = entry;
}

DeadlineHeap::Entry DeadlineHeap::pop() {
    assert(!heap_.empty());
    const Entry top = heap_.front();
    const Entry last = heap_.back();
    heap_.pop_back();
    const std::size_t size = heap_.size();
    if (size == 0) return top;
    std::size_t hole = 0;
    for (;;) {
        const std::size_t first = hole * 4 + 1;
        if (first >= size) break;
        std::size_t best = first;
        const std::size_t end = std::min(first + 4, size);
        for (std::size_t child = first + 1; child < end; ++child) {
            if (heap_[child] < heap_[best]) best = child;
        }
        if (!(heap_[best] < last)) break;
        heap_[hole] = heap_[best];
        hole = best;
    }
    heap_[hole] = last;
    return top;
}

}  // namespace mqttwin
