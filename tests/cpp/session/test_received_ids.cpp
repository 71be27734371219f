#include <set>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/session/received_ids.hpp"

namespace mqttwin {
namespace {

TEST(ReceivedIds, CostsNothingWhileEmpty) {
    BlobPool pool;
    ReceivedIds ids;
    EXPECT_FALSE(ids.contains(pool, 7));
    EXPECT_FALSE(ids.erase(pool, 7));
    EXPECT_TRUE(ids.insert(pool, 7));
    EXPECT_TRUE(ids.contains(pool, 7));
    EXPECT_TRUE(ids.erase(pool, 7));
    EXPECT_TRUE(ids.empty());
    EXPECT_EQ(pool.live(), 0U);
}

TEST(ReceivedIds, DoesNotGrowWhenOneIdentifierComesAMillionTimes) {
    BlobPool pool;
    ReceivedIds ids;
    ids.insert(pool, 9);
    const std::size_t footprint = pool.footprint();
    for (int i = 0; i < 1'000'000; ++i) EXPECT_FALSE(ids.insert(pool, 9));
    EXPECT_EQ(ids.count(), 1U);
    EXPECT_EQ(pool.live(), 1U);
    EXPECT_EQ(pool.footprint(), footprint);
    ids.clear(pool);
    EXPECT_EQ(pool.live(), 0U);
}

TEST(ReceivedIds, HoldsEveryIdentifierThereIs) {
    BlobPool pool;
    ReceivedIds ids;
    for (std::uint32_t id = 1; id <= 65535; ++id) {
        ASSERT_TRUE(ids.insert(pool, static_cast<wire::PacketId>(id)));
    }
    EXPECT_EQ(ids.count(), 65535U);
    EXPECT_EQ(pool.live(), 1U);
    EXPECT_FALSE(ids.contains(pool, 0));
    for (std::uint32_t id = 65535; id >= 1; --id) {
        ASSERT_TRUE(ids.contains(pool, static_cast<wire::PacketId>(id)));
        ASSERT_TRUE(ids.erase(pool, static_cast<wire::PacketId>(id)));
    }
    EXPECT_EQ(pool.live(), 0U);
}

TEST(ReceivedIds, AgreesWithASetWhateverComes) {
    BlobPool pool;
    ReceivedIds ids;
    std::set<wire::PacketId> model;
    Stream stream(StreamKey::of(1, "test", "received ids"), 0);
    for (int step = 0; step < 200'000; ++step) {
        // The range breathes, so that the set passes between its two forms again and again.
        const std::uint64_t range = 1 + (static_cast<std::uint64_t>(step) % 50'000) / 4;
        const auto id = static_cast<wire::PacketId>(1 + stream.below(range));
        switch (stream.below(3)) {
            case 0:
                ASSERT_EQ(ids.erase(pool, id), model.erase(id) == 1) << "step " << step;
                break;
            case 1:
                ASSERT_EQ(ids.contains(pool, id), model.count(id) == 1) << "step " << step;
                break;
            default:
                ASSERT_EQ(ids.insert(pool, id), model.insert(id).second) << "step " << step;
        }
        ASSERT_EQ(ids.count(), model.size());
    }
    ids.clear(pool);
    EXPECT_EQ(pool.live(), 0U);
}

}  // namespace
}  // namespace mqttwin
