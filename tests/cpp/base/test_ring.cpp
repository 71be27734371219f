#include <cstdint>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/base/ring.hpp"

namespace mqttwin {
namespace {

TEST(Ring, IsADeque) {
    Stream random(StreamKey::of(1, "ring", "operations"), 0);
    Ring<std::uint32_t> ring;
    std::deque<std::uint32_t> expected;
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        // Grows for a while, then shrinks.
        if (random.chance(i % 4'000 < 2'000 ? 0.7 : 0.3)) {
            const std::size_t held = ring.footprint();
            const bool grows = ring.full();
            ring.push_back(i);
            ASSERT_EQ(ring.footprint() > held, grows) << i;
            expected.push_back(i);
        } else if (!expected.empty()) {
            ASSERT_EQ(ring.front(), expected.front()) << i;
            ring.pop_front();
            expected.pop_front();
        }
        ASSERT_EQ(ring.size(), expected.size());
        if (const std::size_t size = ring.size(); size > 0) {
            const std::size_t any = random.below(size);
            ASSERT_EQ(ring[any], expected[any]) << i;
        }
        ASSERT_EQ(ring.empty(), expected.empty());
    }
}

TEST(Ring, IsWrittenInItsOrder) {
    Ring<std::uint32_t> ring;
    for (std::uint32_t i = 0; i < 40; ++i) {
        ring.push_back(i);
        if (i % 2 == 1) ring.pop_front();  // its first is somewhere in the middle of the block
    }
    std::vector<std::uint8_t> bytes;
    {
        Archive writing(
            [&](ByteView piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
        ring.archive(writing);
        writing.flush();
    }
    Ring<std::uint32_t> read;
    read.push_back(7);
    Archive reading{ByteView(bytes)};
    read.archive(reading);
    ASSERT_EQ(read.size(), 20U);
    for (std::uint32_t i = 20; i < 40; ++i) {
        EXPECT_EQ(read.front(), i);
        read.pop_front();
    }
}

}  // namespace
}  // namespace mqttwin
