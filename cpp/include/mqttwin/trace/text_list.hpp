// Distinct texts with numbers: topics of a log, entries of a dictionary column.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/hash.hpp"
#include "mqttwin/base/short_text.hpp"

namespace mqttwin::trace {

/// Texts in the order in which they came, each once: the number of a text is its place in it.
///
/// They lie one behind the other, as Arrow lays out utf8, and are found by an open hash table of
/// their numbers: looking one up touches a slot, where the text begins and ends, and the text.
class TextList {
   public:
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    [[nodiscard]] std::size_t size() const { return starts_.size() - 1; }
    /// Valid until the next text comes.
    [[nodiscard]] std::string_view operator[](std::uint32_t number) const {
        const auto begin = static_cast<std::size_t>(starts_[number]);
        return {heap_.data() + begin, static_cast<std::size_t>(starts_[number + 1]) - begin};
    }
    /// Whether that is the text of a number, which may be kNone.
    [[nodiscard]] bool is(std::uint32_t number, std::string_view text) const {
        return number < size() && same((*this)[number], text);
    }
    /// The number of a text; kNone if it is not here.
    [[nodiscard]] std::uint32_t find(std::string_view text) const {
        return slots_[slot_of(text, hash_of(text))].number;
    }
    /// The number of a text, which is here from now on. There must be less than kNone of them.
    std::uint32_t add(std::string_view text) {
        const std::uint32_t hash = hash_of(text);
        std::size_t slot = slot_of(text, hash);
        if (slots_[slot].number != kNone) return slots_[slot].number;
        if (4 * (size() + 1) > slots_.size()) {
            grow();
            slot = slot_of(text, hash);
        }
        const auto number = static_cast<std::uint32_t>(size());
        // Where there is no memory for one of these, what is here stays as it was.
        heap_.resize(static_cast<std::size_t>(starts_.back()));
        heap_.insert(heap_.end(), text.begin(), text.end());
        starts_.push_back(static_cast<std::int64_t>(heap_.size()));
        slots_[slot] = {hash, number};
        return number;
    }

    // As the offsets and the bytes of a utf8 array.
    [[nodiscard]] const std::vector<std::int64_t>& starts() const { return starts_; }
    [[nodiscard]] const std::vector<char>& heap() const { return heap_; }

    void archive(Archive& a) {
        const std::size_t count = a.count(size());
        if (a.reading()) *this = TextList();
        std::string text;
        for (std::size_t i = 0; i < count; ++i) {
            if (!a.reading()) text = (*this)[static_cast<std::uint32_t>(i)];
            a(text);
            if (a.reading() && add(text) != i) a.fail("a text that is there twice");
        }
    }

   private:
    struct Slot {
        std::uint32_t hash = 0;
        std::uint32_t number = kNone;  // an empty slot
    };
    static constexpr std::size_t kFirstSlots = 16;  // a power of 2, as is every later size

    static std::uint32_t hash_of(std::string_view text) {
        if (!in_words(text)) return static_cast<std::uint32_t>(hash_text(text));
        const auto [a, b, c, d] = words_of(text);
        const std::uint64_t front =
            fold_multiply(a ^ 0xA0761D6478BD642FULL ^ text.size(), b ^ 0xE7037ED1A0B428DBULL);
        const std::uint64_t back = fold_multiply(c ^ 0x8EBC6AF09C88C6E3ULL, d ^ kHashStart);
        return static_cast<std::uint32_t>((front ^ std::rotl(back, 32)) >> 16);
    }
    static bool same(std::string_view a, std::string_view b) {
        return a.size() == b.size() && same_text(a.data(), b.data(), a.size());
    }
    // Most topics have 8 to 32 bytes: each of them is in one of four words, which may overlap. So
    // no branch asks how many there are, which differs in the topics of a fleet.
    struct Words {
        std::uint64_t a, b, c, d;
    };
    static bool in_words(std::string_view text) { return text.size() - 8 <= 32 - 8; }
    static Words words_of(std::string_view text) {
        const std::size_t last = text.size() - 8;
        const std::size_t second = std::min<std::size_t>(last, 8);
        const std::uint8_t* const p = as_bytes(text).data();
        return {load64(p), load64(p + second), load64(p + last - second), load64(p + last)};
    }
    /// Where the text is, or where it would be: three of four slots at least are empty.
    [[nodiscard]] std::size_t slot_of(std::string_view text, std::uint32_t hash) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t slot = hash & mask;
        while (slots_[slot].number != kNone &&
               (slots_[slot].hash != hash || !same((*this)[slots_[slot].number], text))) {
            slot = (slot + 1) & mask;
        }
        return slot;
    }
    void grow() {
        std::vector<Slot> old(2 * slots_.size());
        old.swap(slots_);
        const std::size_t mask = slots_.size() - 1;
        for (const Slot& moved : old) {
            if (moved.number == kNone) continue;
            std::size_t slot = moved.hash & mask;
            while (slots_[slot].number != kNone) slot = (slot + 1) & mask;
            slots_[slot] = moved;
        }
    }

    std::vector<Slot> slots_ = std::vector<Slot>(kFirstSlots);
    std::vector<std::int64_t> starts_ = {0};
    std::vector<char> heap_;
};

}  // namespace mqttwin::trace
