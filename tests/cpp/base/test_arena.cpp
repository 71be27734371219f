// Memory in chunks: pieces that overlap nowhere, and slabs whose copies share nothing.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/arena.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/slab.hpp"

namespace mqttwin {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

TEST(Arena, PiecesAreAlignedAndApart) {
    Arena arena;
    std::vector<std::pair<std::byte*, std::size_t>> pieces;
    // Beyond what are blocks of their own, over the end of several shared ones, and too large.
    for (std::size_t i = 0; i < 600; ++i) pieces.emplace_back(nullptr, 20'000 + 13 * i);
    pieces.emplace_back(nullptr, 9 * kMiB);
    pieces.emplace_back(nullptr, 1);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        pieces[i].first = arena.take(pieces[i].second);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pieces[i].first) % 64, 0U);
        std::memset(pieces[i].first, static_cast<int>(i % 251), pieces[i].second);
    }
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto [piece, size] = pieces[i];
        EXPECT_TRUE(std::all_of(piece, piece + size,
                                [i](std::byte b) { return b == static_cast<std::byte>(i % 251); }));
    }
}

TEST(Arena, OneThatWasMovedGivesPiecesOfItsOwn) {
    Arena first;
    for (int i = 0; i < 100; ++i) first.take(64'000);
    std::byte* const before = first.take(64);
    Arena second(std::move(first));
    first = Arena();
    std::byte* const one = first.take(64);
    std::byte* const other = second.take(64);
    EXPECT_NE(one, other);
    EXPECT_EQ(other, before + 64);
}

TEST(Arena, WhatNoPieceHasBeenGivenOfIsSpare) {
    const std::size_t before = Arena::spare();
    {
        Arena arena;
        arena.take(1'000);  // a block of its own
        EXPECT_EQ(Arena::spare(), before);
        arena.take(kMiB);  // from here on blocks hold many
        const std::size_t spare = Arena::spare();
        EXPECT_GT(spare, before);
        arena.take(64);
        EXPECT_EQ(Arena::spare(), spare - 64);
        Arena other(std::move(arena));
        EXPECT_EQ(Arena::spare(), spare - 64);
        other.take(3 * kMiB);  // does not fit any more
        EXPECT_EQ(Arena::spare(), before + kMiB);
    }
    EXPECT_EQ(Arena::spare(), before);
}

struct Point {
    std::uint64_t x = 7;
    std::uint64_t filling[15] = {};
};

TEST(ChunkedSlab, RecordsStayWhereTheyAreAndCopiesShareNothing) {
    constexpr std::uint32_t kMany = 80'000;  // 10 MiB: small pieces, then large blocks
    ChunkedSlab<Point> slab;
    const Point* const first = &slab[slab.take()];
    for (std::uint32_t i = 1; i < kMany; ++i) slab[slab.take()].x = i;
    EXPECT_EQ(&slab[0], first);
    EXPECT_EQ(slab[0].x, 7U);

    ChunkedSlab<Point> copy(slab);
    for (std::uint32_t i = 1; i < kMany; ++i) ASSERT_EQ(copy[i].x, i);
    copy[5].x = 500;
    EXPECT_EQ(slab[5].x, 5U);
    EXPECT_EQ(copy.take(), kMany);
    EXPECT_EQ(slab.live(), kMany);

    slab = copy;
    EXPECT_EQ(slab[5].x, 500U);
    EXPECT_EQ(slab.live(), kMany + 1);
    EXPECT_GE(slab.footprint(), kMany * sizeof(Point));
}

TEST(BlobPool, ACopyHasItsOwnBlocksSmallAndLarge) {
    BlobPool pool;
    std::vector<BlobId> blobs;
    for (std::size_t i = 0; i < 40'000; ++i) {  // 5 MiB of one class
        blobs.push_back(pool.make(std::vector<std::uint8_t>(100, static_cast<std::uint8_t>(i))));
    }
    const BlobId large = pool.make(std::vector<std::uint8_t>(kMiB, 9));
    BlobPool copy(pool);
    pool.writable(blobs[3])[0] = 77;
    pool.writable(large)[0] = 77;
    EXPECT_EQ(copy.bytes(blobs[3])[0], 3);
    EXPECT_EQ(copy.bytes(large)[0], 9);
    for (std::size_t i = 0; i < blobs.size(); i += 97) {
        ASSERT_EQ(copy.bytes(blobs[i])[50], static_cast<std::uint8_t>(i));
    }
    copy = std::move(pool);
    EXPECT_EQ(copy.bytes(large)[0], 77);
    copy.release(large);
    EXPECT_EQ(copy.live(), blobs.size());
}

}  // namespace
}  // namespace mqttwin
