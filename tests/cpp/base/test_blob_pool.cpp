#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"

namespace mqttwin {
namespace {

std::string content(std::size_t size, char seed) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(seed + static_cast<char>(i));
    return text;
}

TEST(BlobPool, KeepsWhatItWasGiven) {
    BlobPool pool;
    std::vector<std::pair<BlobId, std::string>> blobs;
    // Around every boundary of a block, and beyond the largest.
    for (const std::size_t block :
         {32, 48, 64, 96, 128, 192, 256, 1024, 4096, 65536, 98304, 131072, 1 << 20}) {
        for (std::size_t size = block - 10; size <= block + 2; ++size) {
            const std::string text = content(size, static_cast<char>(blobs.size()));
            blobs.emplace_back(pool.make(as_bytes(text)), text);
        }
    }
    for (const auto& [id, text] : blobs) {
        EXPECT_EQ(as_text(pool.bytes(id)), text);
        EXPECT_EQ(pool.references(id), 1U);
    }
    EXPECT_EQ(pool.live(), blobs.size());
    for (const auto& blob : blobs) pool.release(blob.first);
    EXPECT_EQ(pool.live(), 0U);
}

TEST(BlobPool, AnEmptyBlobIsStillABlob) {
    BlobPool pool;
    const BlobId id = pool.make({});
    EXPECT_NE(id, BlobId::none);
    EXPECT_TRUE(pool.bytes(id).empty());
    EXPECT_EQ(pool.live(), 1U);
    pool.release(id);
}

TEST(BlobPool, NoneHoldsNothingAndCostsNothing) {
    BlobPool pool;
    pool.retain(BlobId::none);
    pool.release(BlobId::none);
    pool.prefetch(BlobId::none);
    EXPECT_TRUE(pool.bytes(BlobId::none).empty());
    EXPECT_EQ(pool.live(), 0U);
    EXPECT_EQ(pool.footprint(), 0U);
}

TEST(BlobPool, ABlobLivesUntilItsLastReferenceGoes) {
    BlobPool pool;
    const BlobId id = pool.make(as_bytes("payload"));
    pool.retain(id);
    pool.retain(id, 3);
    EXPECT_EQ(pool.references(id), 5U);
    for (int i = 0; i < 4; ++i) pool.release(id);
    EXPECT_EQ(as_text(pool.bytes(id)), "payload");
    EXPECT_EQ(pool.live(), 1U);
    pool.release(id);
    EXPECT_EQ(pool.live(), 0U);
}

TEST(BlobPool, MemoryIsUsedAgain) {
    BlobPool pool;
    for (int round = 0; round < 100'000; ++round) pool.release(pool.reserve(100));
    const std::size_t before = pool.footprint();
    EXPECT_LE(before, std::size_t{1} << 18);
    for (int round = 0; round < 1000; ++round) pool.release(pool.reserve(100));
    EXPECT_EQ(pool.footprint(), before);
}

TEST(BlobPool, LargeMemoryGoesBackAtOnce) {
    BlobPool pool;
    const BlobId id = pool.reserve(10'000'000);
    EXPECT_GE(pool.footprint(), 10'000'000U);
    pool.release(id);
    EXPECT_EQ(pool.footprint(), 0U);
    EXPECT_EQ(pool.reserve(10'000'000), id);
    pool.release(id);
}

TEST(BlobPool, ViewsStayValidWhileThePoolGrows) {
    BlobPool pool;
    const BlobId small = pool.make(as_bytes("small"));
    const BlobId large = pool.make(as_bytes(content(200'000, 1)));
    const ByteView view = pool.bytes(small);
    const ByteView large_view = pool.bytes(large);
    std::vector<BlobId> others;
    for (int i = 0; i < 50'000; ++i) others.push_back(pool.reserve(10));
    for (int i = 0; i < 100; ++i) others.push_back(pool.reserve(200'000));
    EXPECT_EQ(as_text(view), "small");
    EXPECT_EQ(pool.bytes(small).data(), view.data());
    EXPECT_EQ(pool.bytes(large).data(), large_view.data());
    for (const BlobId id : others) pool.release(id);
    pool.release(small);
    pool.release(large);
    EXPECT_EQ(pool.live(), 0U);
}

TEST(BlobPool, ShrinkingOnlyHidesTheEnd) {
    BlobPool pool;
    for (const std::size_t size : {std::size_t{20}, std::size_t{300'000}}) {
        const std::string text = content(size, 3);
        const BlobId id = pool.make(as_bytes(text));
        pool.shrink(id, 7);
        EXPECT_EQ(as_text(pool.bytes(id)), text.substr(0, 7));
        pool.release(id);
    }
    EXPECT_EQ(pool.live(), 0U);
}

TEST(BlobPool, ACopyHoldsTheSameHandlesAndLivesAlone) {
    BlobPool pool;
    const BlobId small = pool.make(as_bytes("small"));
    const BlobId large = pool.make(as_bytes(content(150'000, 9)));
    const BlobId gone = pool.make(as_bytes("gone"));
    const BlobId large_gone = pool.reserve(140'000);
    pool.release(gone);
    pool.release(large_gone);

    BlobPool copy(pool);
    EXPECT_EQ(copy.live(), 2U);
    EXPECT_EQ(copy.footprint(), pool.footprint());
    copy.writable(small)[0] = 'S';
    pool.release(large);
    EXPECT_EQ(as_text(pool.bytes(small)), "small");
    EXPECT_EQ(as_text(copy.bytes(small)), "Small");
    EXPECT_EQ(as_text(copy.bytes(large)), content(150'000, 9));
    // Both go on alike: the same requests give the same handles.
    EXPECT_EQ(copy.make(as_bytes("next")), pool.make(as_bytes("next")));

    BlobPool assigned;
    const BlobId lost = assigned.make(as_bytes("overwritten by the assignment"));
    assigned = copy;
    EXPECT_EQ(as_text(assigned.bytes(small)), "Small");
    EXPECT_EQ(assigned.live(), copy.live());
    static_cast<void>(lost);
    const BlobPool& same = assigned;
    assigned = same;
    EXPECT_EQ(as_text(assigned.bytes(small)), "Small");
}

TEST(BlobPool, BehavesLikeAMapUnderRandomUse) {
    BlobPool pool;
    std::map<BlobId, std::pair<std::string, std::uint32_t>> model;
    Stream stream(StreamKey::of(1, "test", "blob pool"), 0);
    for (int step = 0; step < 20'000; ++step) {
        const std::uint64_t what = stream.below(10);
        if (what < 4 || model.empty()) {
            const std::size_t size = stream.below(stream.chance(0.01) ? 300'000 : 700);
            const std::string text = content(size, static_cast<char>(step));
            const BlobId id = pool.make(as_bytes(text));
            ASSERT_TRUE(model.emplace(id, std::pair(text, 1U)).second) << "handle given twice";
            continue;
        }
        const auto it =
            std::next(model.begin(), static_cast<std::ptrdiff_t>(stream.below(model.size())));
        ASSERT_EQ(as_text(pool.bytes(it->first)), it->second.first);
        ASSERT_EQ(pool.references(it->first), it->second.second);
        if (what < 6) {
            pool.retain(it->first);
            ++it->second.second;
        } else {
            pool.release(it->first);
            if (--it->second.second == 0) model.erase(it);
        }
        ASSERT_EQ(pool.live(), model.size());
    }
}

}  // namespace
}  // namespace mqttwin
