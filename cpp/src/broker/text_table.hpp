// Finds a record by text that a peer chose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/prefetch.hpp"

namespace mqttwin::broker {

/// An open-addressing table from the (keyed) hash of a text to the index of its record. The text
/// itself stays with the record: a search asks `same(index)` where the hashes agree.
///
/// Never walked in the order of its cells: nothing that a peer sees depends on hashes.
class TextTable {
   public:
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    template <typename Same>
    [[nodiscard]] std::uint32_t find(std::uint32_t hash, Same&& same) const {
        if (cells_.empty()) return kNone;
        for (std::size_t at = home(hash);; at = next(at)) {
            const Cell& cell = cells_[at];
            if (cell.index == kNone) return kNone;
            if (cell.hash == hash && same(cell.index)) return cell.index;
        }
    }

    /// Starts loading what a search for this hash reads.
    void prefetch(std::uint32_t hash) const {
        if (!cells_.empty()) mqttwin::prefetch(&cells_[home(hash)]);
    }

    /// Precondition: the text is not in the table.
    void insert(std::uint32_t hash, std::uint32_t index) {
        if ((size_ + 1) * 4 > cells_.size() * 3) grow();
        place({hash, index});
        ++size_;
    }

    /// Precondition: (hash, index) is in the table.
    void erase(std::uint32_t hash, std::uint32_t index) {
        std::size_t hole = home(hash);
        while (cells_[hole].index != index) hole = next(hole);
        // Moves the followers up instead of leaving a tombstone: churn does not wear the table out.
        for (std::size_t at = next(hole); cells_[at].index != kNone; at = next(at)) {
            const std::size_t wanted = home(cells_[at].hash);
            if (((at - wanted) & mask()) >= ((at - hole) & mask())) {
                cells_[hole] = cells_[at];
                hole = at;
            }
        }
        cells_[hole] = Cell{};
        --size_;
    }

    [[nodiscard]] std::size_t size() const { return size_; }
    void archive(Archive& a) { a(cells_, size_); }
    [[nodiscard]] std::size_t footprint() const { return cells_.capacity() * sizeof(Cell); }

   private:
    struct Cell {
        std::uint32_t hash = 0;
        std::uint32_t index = kNone;
    };

    [[nodiscard]] std::size_t mask() const { return cells_.size() - 1; }
    [[nodiscard]] std::size_t home(std::uint32_t hash) const { return hash & mask(); }
    [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & mask(); }

    void place(Cell cell) {
        std::size_t at = home(cell.hash);
        while (cells_[at].index != kNone) at = next(at);
        cells_[at] = cell;
    }
    void grow() {
        std::vector<Cell> old(cells_.empty() ? 16 : cells_.size() * 2);
        std::swap(old, cells_);
        for (const Cell& cell : old) {
            if (cell.index != kNone) place(cell);
        }
    }

    std::vector<Cell> cells_;  // a power of two, at most three quarters full
    std::size_t size_ = 0;
};

}  // namespace mqttwin::broker
