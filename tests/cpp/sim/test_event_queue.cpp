// The event queue against std::multiset: whatever is pushed comes out in order.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/sim/event_queue.hpp"

namespace mqttwin::sim {
namespace {

using Reference = std::multiset<Event>;
constexpr std::int64_t kSecond = 1'000'000'000;

static_assert(sizeof(Event) == 16);
static_assert(EventKey{7, 70'000, 3, 9}.pack() == 0x0007'0001'1170'0309ULL);
static_assert(EventKey::unpack(EventKey{65'535, 4'294'967'295, 255, 255}.pack()) ==
              EventKey{65'535, 4'294'967'295, 255, 255});
static_assert(EventKey{1, 0, 0, 0}.pack() > EventKey{0, 4'294'967'295, 255, 255}.pack());

/// Both queues, and every pop compared.
struct Pair {
    EventQueue queue;
    Reference reference;
    std::int64_t now = 0;
    std::size_t popped = 0;

    void push(const Event& event) {
        queue.push(event);
        reference.insert(event);
    }
    void pop() {
        ASSERT_EQ(queue.top(), *reference.begin());
        const auto upcoming = queue.upcoming(8);
        ASSERT_FALSE(upcoming.empty());
        ASSERT_TRUE(std::equal(upcoming.begin(), upcoming.end(), reference.begin()));
        // More and less is foreseen as it goes on.
        const std::size_t foreseen = 1 + ++popped / 100 % EventQueue::kMostForeseen;
        queue.foresee(foreseen);
        const Event event = queue.pop();
        ASSERT_EQ(event, *reference.begin());
        reference.erase(reference.begin());
        ASSERT_EQ(queue.upcoming(foreseen).size(), std::min(foreseen, reference.size()));
        now = event.at;
        ASSERT_EQ(queue.size(), reference.size());
    }
    void pop_all() {
        while (!reference.empty() && !::testing::Test::HasFatalFailure()) pop();
        ASSERT_TRUE(queue.empty());
        ASSERT_TRUE(queue.upcoming(3).empty());
    }
    void check_contents() const {
        Reference found;
        queue.for_each([&](const Event& event) { found.insert(event); });
        ASSERT_EQ(found, reference);
    }
};

/// How far ahead the next event is; many shapes, some of them unkind.
using Ahead = std::function<std::int64_t(Stream&)>;

std::vector<Ahead> shapes() {
    return {
        [](Stream& s) { return static_cast<std::int64_t>(s.below(1'000'000)); },
        [](Stream& s) { return static_cast<std::int64_t>(s.exponential() * 1e9); },
        [](Stream&) { return std::int64_t{0}; },
        [](Stream& s) { return static_cast<std::int64_t>(s.below(3)); },
        [](Stream&) { return 15 * 60 * kSecond; },
        // A few microseconds mostly, minutes now and then, ten years once in a while.
        [](Stream& s) {
            const std::uint64_t which = s.below(100);
            const std::int64_t unit = which == 0   ? 315'360'000 * kSecond
                                      : which < 20 ? 900 * kSecond
                                                   : 100'000;
            return unit + static_cast<std::int64_t>(s.below(1000));
        },
        // Any magnitude.
        [](Stream& s) { return std::int64_t{1} << s.below(60); },
        // Multiples of a second: ties.
        [](Stream& s) { return kSecond * static_cast<std::int64_t>(s.below(5)); },
    };
}

TEST(EventQueue, HoldsEveryShape) {
    const StreamKey key = StreamKey::of(1, "test", "event queue");
    std::uint64_t seed = 0;
    for (const Ahead& ahead : shapes()) {
        for (const std::size_t pending : {1U, 2U, 63U, 200U, 1'000U, 20'000U}) {
            SCOPED_TRACE(::testing::Message() << "shape " << seed / 6 << ", " << pending);
            Stream stream(key, seed++);
            Pair pair;
            const auto push = [&] {
                const bool late = pair.now > std::int64_t{1} << 61U;  // not beyond the last instant
                pair.push({pair.now + (late ? 1 : ahead(stream)), stream.below(1000)});
            };
            while (pair.reference.size() < pending) push();
            for (std::size_t i = 0; i < 3 * pending + 2'000; ++i) {
                pair.pop();
                push();
                if (HasFatalFailure()) return;
            }
            pair.check_contents();
            pair.pop_all();
            if (HasFatalFailure()) return;
        }
    }
}

TEST(EventQueue, GrowsAndShrinksInBursts) {
    const StreamKey key = StreamKey::of(2, "test", "bursts");
    const std::vector<Ahead> all = shapes();
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        SCOPED_TRACE(seed);
        Stream stream(key, seed);
        Pair pair;
        for (int burst = 0; burst < 40; ++burst) {
            const Ahead& ahead = all[stream.below(all.size())];
            const std::uint64_t shift = stream.below(12);
            for (std::uint64_t n = stream.below(std::uint64_t{2} << shift); n > 0; --n) {
                if (pair.now > std::int64_t{1} << 61U) break;
                pair.push({pair.now + ahead(stream), stream.below(8) == 0 ? 5 : stream.next()});
            }
            const std::uint64_t pops = stream.below(std::uint64_t{2} << stream.below(12));
            for (std::uint64_t n = 0; n < pops && !pair.reference.empty(); ++n) {
                pair.pop();
                if (HasFatalFailure()) return;
            }
        }
        pair.check_contents();
        // A copy goes its own way.
        Pair copy = pair;
        copy.pop_all();
        pair.check_contents();
        pair.pop_all();
        if (HasFatalFailure()) return;
    }
}

// Pushes that aim at the sorted part, from above and from below and at its middle.
TEST(EventQueue, InsertsIntoWhatIsSorted) {
    const StreamKey key = StreamKey::of(3, "test", "sorted part");
    for (int aim = 0; aim < 4; ++aim) {
        SCOPED_TRACE(aim);
        Stream stream(key, static_cast<std::uint64_t>(aim));
        Pair pair;
        for (int i = 0; i < 5'000; ++i) {
            pair.push({static_cast<std::int64_t>(stream.below(900 * kSecond)), stream.next()});
        }
        for (int i = 0; i < 20'000; ++i) {
            const auto upcoming = pair.queue.upcoming(1'000'000);
            const Event& front = upcoming.front();
            const Event& back = upcoming.back();
            const std::int64_t middle = front.at + (back.at - front.at) / 2;
            pair.push({aim == 0   ? front.at
                       : aim == 1 ? back.at
                       : aim == 2
                           ? middle
                           : front.at + static_cast<std::int64_t>(stream.below(
                                            static_cast<std::uint64_t>(back.at - front.at + 1))),
                       stream.next()});
            if (i % 16 == 0) pair.pop();
            if (HasFatalFailure()) return;
        }
        pair.pop_all();
        if (HasFatalFailure()) return;
    }
}

TEST(EventQueue, AscendingAndDescending) {
    Pair pair;
    for (std::int64_t i = 0; i < 30'000; ++i) pair.push({1'000'000 - i, 0});
    for (std::int64_t i = 0; i < 30'000; ++i) pair.push({1'000'000 + i, 0});
    pair.pop_all();
}

TEST(EventQueue, ExtremesOfTheOrder) {
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
    constexpr std::uint64_t kKey = std::numeric_limits<std::uint64_t>::max();
    Pair pair;
    pair.push({kMax, kKey});
    pair.pop_all();
    pair.queue.clear();
    for (std::uint64_t i = 0; i < 1000; ++i) {
        for (const std::int64_t at : {kMin, std::int64_t{-1}, std::int64_t{0}, kMax - 1, kMax}) {
            pair.push({at, i});
            pair.push({at, kKey - i});
            pair.push({at, kKey});
        }
    }
    for (int i = 0; i < 12'000; ++i) pair.pop();
    for (int i = 0; i < 1000; ++i) pair.push({kMax, kKey});
    pair.pop_all();
}

// A million at one instant, and their successors pushed at the same instant while it lasts.
TEST(EventQueue, MillionAtOneInstant) {
    constexpr std::uint64_t kEvents = 1'000'000;
    EventQueue queue;
    for (std::uint64_t i = 0; i < kEvents; ++i) {
        queue.push(
            {kSecond, EventKey{1, static_cast<std::uint32_t>(i * 7919 % kEvents), 2, 0}.pack()});
    }
    std::uint64_t popped = 0;
    for (Event last{0, 0}; !queue.empty(); ++popped) {
        const Event event = queue.pop();
        ASSERT_TRUE(last <= event);
        last = event;
        EventKey key = EventKey::unpack(event.key);
        if (key.kind == 2) {
            key.kind = 3;
            queue.push({kSecond, key.pack()});
        }
    }
    EXPECT_EQ(popped, 2 * kEvents);
}

TEST(EventQueue, MillionEqualEvents) {
    EventQueue queue;
    std::uint64_t pushed = 0;
    for (; pushed < 1'000'000; ++pushed) queue.push({5, 5});
    for (std::uint64_t i = 0; i < 100'000; ++i, pushed += 3) {
        ASSERT_EQ(queue.pop(), (Event{5, 5}));
        queue.push({5, 5});
        queue.push({5, 6 + i % 50});
        queue.push({6, i});
    }
    std::uint64_t popped = 100'000;
    for (Event last{0, 0}; !queue.empty(); ++popped) {
        ASSERT_TRUE(last <= queue.top());
        last = queue.pop();
    }
    EXPECT_EQ(popped, pushed);
}

TEST(EventQueue, RekeyReordersTies) {
    const StreamKey key = StreamKey::of(4, "test", "rekey");
    Stream stream(key, 0);
    for (const int events : {1, 50, 5'000}) {
        Pair pair;
        for (int i = 0; i < events; ++i) {
            pair.push({static_cast<std::int64_t>(stream.below(20)),
                       EventKey{static_cast<std::uint16_t>(stream.below(4)),
                                static_cast<std::uint32_t>(stream.below(100)), 0, 0}
                           .pack()});
        }
        for (int i = 0; i < events / 3; ++i) pair.pop();
        // A population comes before the third, the others change places.
        const auto moved = [](std::uint64_t packed) {
            EventKey event = EventKey::unpack(packed);
            event.population = static_cast<std::uint16_t>(4 - event.population);
            return event.pack();
        };
        Reference reference;
        for (const Event& event : pair.reference) reference.insert({event.at, moved(event.key)});
        pair.reference = reference;
        pair.queue.rekey(moved);
        pair.check_contents();
        pair.push({25, 0});
        pair.pop_all();
        if (HasFatalFailure()) return;
    }
    EventQueue empty;
    empty.rekey([](std::uint64_t packed) { return packed; });
    EXPECT_TRUE(empty.empty());
}

TEST(EventQueue, ClearForgets) {
    EventQueue queue;
    for (int i = 0; i < 10'000; ++i) queue.push({1000 + i, 0});
    for (int i = 0; i < 100; ++i) queue.pop();
    queue.clear();
    EXPECT_TRUE(queue.empty());
    queue.push({1, 2});  // earlier than what was popped: as new
    EXPECT_EQ(queue.pop(), (Event{1, 2}));
}

TEST(EventQueue, MemoryIsThatOfItsEvents) {
    constexpr std::size_t kEvents = 1'000'000;
    const StreamKey key = StreamKey::of(5, "test", "memory");
    Stream stream(key, 0);
    EventQueue queue;
    for (std::size_t i = 0; i < kEvents; ++i) {
        queue.push({static_cast<std::int64_t>(stream.exponential() * 9e11), i});
    }
    for (std::size_t i = 0; i < kEvents; ++i) {
        const Event event = queue.pop();
        queue.push({event.at + static_cast<std::int64_t>(stream.exponential() * 9e11), i});
    }
    EXPECT_LT(queue.footprint(), kEvents * 20);
}

}  // namespace
}  // namespace mqttwin::sim
