#include <map>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/session/deadlines.hpp"
#include "mqttwin/session/slot_deadlines.hpp"

namespace mqttwin {
namespace {

TEST(DeadlineHeap, GivesEntriesByInstantThenOrderThenSlot) {
    DeadlineHeap heap;
    EXPECT_EQ(heap.next(), Instant::never());
    Stream stream(StreamKey::of(3, "test", "deadline heap"), 0);
    for (std::uint32_t n = 0; n < 5000; ++n) {
        const auto at = static_cast<std::int64_t>(stream.below(100));
        const auto order = static_cast<std::uint32_t>(stream.below(10));
        heap.arm(Instant{at}, order, n);
    }
    std::tuple<std::int64_t, std::uint32_t, std::uint32_t> last{-1, 0, 0};
    while (heap.size() > 0) {
        EXPECT_TRUE(heap.due(heap.next()));
        EXPECT_FALSE(heap.due(heap.next() - nanoseconds(1)));
        const auto entry = heap.pop();
        const std::tuple<std::int64_t, std::uint32_t, std::uint32_t> key{entry.at.ns, entry.order,
                                                                         entry.slot};
        ASSERT_LT(last, key);
        last = key;
    }
}

TEST(SlotDeadlines, MovesBothWaysAndGoesAway) {
    SlotDeadlines deadlines(3);
    EXPECT_EQ(deadlines.next(), Instant::never());
    deadlines.set(1, Instant{50});
    deadlines.set(2, Instant{40});
    EXPECT_EQ(deadlines.first(), 2U);
    deadlines.set(1, Instant{30});
    EXPECT_EQ(deadlines.first(), 1U);
    deadlines.set(1, Instant{60});
    EXPECT_EQ(deadlines.next(), Instant{40});
    deadlines.set(2, Instant::never());
    deadlines.set(0, Instant::never());
    EXPECT_EQ(deadlines.at(2), Instant::never());
    EXPECT_EQ(deadlines.next(), Instant{60});
    deadlines.set(1, Instant::never());
    EXPECT_EQ(deadlines.size(), 0U);
}

TEST(SlotDeadlines, BreaksTiesBySlot) {
    SlotDeadlines deadlines(5);
    for (const Slot slot : {3U, 0U, 4U, 1U, 2U}) deadlines.set(slot, Instant{7});
    for (Slot slot = 0; slot < 5; ++slot) {
        EXPECT_EQ(deadlines.first(), slot);
        deadlines.set(slot, Instant::never());
    }
}

TEST(SlotDeadlines, AgreesWithAMapWhateverComes) {
    constexpr Slot kSlots = 200;
    SlotDeadlines deadlines(kSlots);
    std::map<Slot, std::int64_t> model;
    Stream stream(StreamKey::of(4, "test", "slot deadlines"), 0);
    for (int step = 0; step < 100'000; ++step) {
        const auto slot = static_cast<Slot>(stream.below(kSlots));
        const auto at = static_cast<std::int64_t>(stream.below(1000));
        if (stream.below(4) == 0) {
            deadlines.set(slot, Instant::never());
            model.erase(slot);
        } else {
            deadlines.set(slot, Instant{at});
            model[slot] = at;
        }
        ASSERT_EQ(deadlines.size(), model.size());
        ASSERT_EQ(deadlines.at(slot),
                  model.count(slot) == 1 ? Instant{model[slot]} : Instant::never());
        if (model.empty()) continue;
        Slot first = model.begin()->first;
        for (const auto& entry : model) {
            if (entry.second < model[first]) first = entry.first;
        }
        ASSERT_EQ(deadlines.first(), first) << "step " << step;
        ASSERT_EQ(deadlines.next(), Instant{model[first]});
    }
}

}  // namespace
}  // namespace mqttwin
