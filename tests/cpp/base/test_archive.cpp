#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/slab.hpp"

namespace mqttwin {
namespace {

using testing::HasSubstr;

using Bytes = std::vector<std::uint8_t>;

template <typename... T>
Bytes written(T&... values) {
    Bytes bytes;
    Archive a([&](ByteView piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
    a(values...);
    a.flush();
    return bytes;
}

template <typename... T>
void read(const Bytes& bytes, T&... values) {
    Archive a{ByteView(bytes)};
    a(values...);
    a.end();
}

enum class Colour : std::uint8_t { red, green };

struct Point {
    std::int32_t x = 0;
    double y = 0;
    friend bool operator==(const Point&, const Point&) = default;
};

struct Everything {
    std::string text = std::string("a\0b", 3);
    std::vector<Point> points{{1, 2.5}, {-7, 1e300}};
    std::vector<std::string> names{"", "x"};
    std::vector<bool> bits{true, false, true, true, false, false, false, false, true};
    std::deque<std::int64_t> numbers{INT64_MIN, -1, 0, INT64_MAX};
    std::map<std::string, std::uint64_t> sizes{{"a", UINT64_MAX}, {"b", 0}};
    std::unordered_map<std::uint32_t, std::string> words{{3, "three"}, {1, "one"}, {2, "two"}};
    std::optional<std::string> there = "yes";
    std::optional<std::string> absent;
    std::variant<std::string, std::int64_t, Point> one_of = Point{3, 4};
    std::shared_ptr<const std::vector<double>> shared =
        std::make_shared<const std::vector<double>>(std::vector<double>{1.5, -0.0});
    std::shared_ptr<const std::vector<double>> nothing;
    std::array<std::string, 2> pair{"l", "r"};
    Colour colour = Colour::green;
    std::int8_t small = -128;
    bool flag = true;
    float single = 0.1F;

    void archive(Archive& a) {
        a(text, points, names, bits, numbers, sizes, words, there, absent, one_of, shared, nothing);
        a(pair, colour, small, flag, single);
    }
};

TEST(Archive, WhatIsReadIsWhatWasWritten) {
    Everything before;
    const Bytes bytes = written(before);

    Everything after;
    after.text.clear();
    after.points.clear();
    after.names = {"other"};
    after.bits.clear();
    after.numbers.clear();
    after.sizes = {{"z", 1}};
    after.words = {{9, "nine"}};
    after.there.reset();
    after.absent = "no";
    after.one_of = "text";
    after.shared.reset();
    after.nothing = std::make_shared<const std::vector<double>>();
    after.pair = {};
    after.colour = Colour::red;
    after.small = 0;
    after.flag = false;
    after.single = 0;
    read(bytes, after);

    EXPECT_EQ(after.text, before.text);
    EXPECT_EQ(after.points, before.points);
    EXPECT_EQ(after.names, before.names);
    EXPECT_EQ(after.bits, before.bits);
    EXPECT_EQ(after.numbers, before.numbers);
    EXPECT_EQ(after.sizes, before.sizes);
    EXPECT_EQ(after.words, before.words);
    EXPECT_EQ(after.there, before.there);
    EXPECT_FALSE(after.absent);
    EXPECT_EQ(after.one_of, before.one_of);
    EXPECT_EQ(*after.shared, *before.shared);
    EXPECT_EQ(after.nothing, nullptr);
    EXPECT_EQ(after.pair, before.pair);
    EXPECT_EQ(after.colour, Colour::green);
    EXPECT_EQ(after.small, -128);
    EXPECT_TRUE(after.flag);
    EXPECT_EQ(after.single, 0.1F);
    EXPECT_EQ(written(after), bytes) << "a stream is a function of what it holds";
}

TEST(Archive, BlocksBeyondAPieceAreWhole) {
    std::vector<std::uint32_t> before((std::size_t{1} << 23) + 3);
    for (std::size_t i = 0; i < before.size(); ++i) before[i] = static_cast<std::uint32_t>(i * 7);
    std::vector<std::uint32_t> after;
    read(written(before), after);
    EXPECT_EQ(after, before);
}

TEST(Archive, EveryTornStreamIsRefused) {
    Everything before;
    const Bytes bytes = written(before);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        Everything after;
        EXPECT_THROW(
            read(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)), after),
            ArchiveError)
            << size;
    }
}

TEST(Archive, AnyByteMayBeWrong) {
    Everything before;
    const Bytes bytes = written(before);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (const unsigned change : {0x01U, 0x80U, 0xFFU}) {
            Bytes wrong = bytes;
            wrong[at] = static_cast<std::uint8_t>(wrong[at] ^ change);
            Everything after;
            try {
                read(wrong, after);
            } catch (const ArchiveError&) {  // or another value: nothing else
            }
        }
    }
}

TEST(Archive, SaysWhereItLostItsThread) {
    Bytes bytes;
    {
        Archive a([&](ByteView piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
        a.section("first");
        std::uint64_t n = 5;
        a(n);
        a.flush();
    }
    Archive a{ByteView(bytes)};
    a.section("first");
    std::string text;
    try {
        a(text);
        FAIL();
    } catch (const ArchiveError& error) {
        EXPECT_THAT(error.what(), HasSubstr("in \"first\""));
        EXPECT_THAT(error.what(), HasSubstr("expected a text at byte"));
    }
    Archive b{ByteView(bytes)};
    EXPECT_THROW(b.section("second"), ArchiveError);
}

TEST(Archive, WhatFollowsTheEndIsRefused) {
    std::uint64_t one = 1;
    Bytes bytes = written(one, one);
    std::uint64_t value = 0;
    EXPECT_THROW(read(bytes, value), ArchiveError);
}

TEST(Archive, ACountThatTheStreamCannotHoldAllocatesNothing) {
    std::uint64_t many = std::uint64_t{1} << 40;
    std::vector<Point> points;
    EXPECT_THROW(read(written(many), points), ArchiveError);
    std::vector<bool> bits;
    EXPECT_THROW(read(written(many), bits), ArchiveError);
    std::map<std::string, std::string> map;
    EXPECT_THROW(read(written(many), map), ArchiveError);
}

TEST(Archive, APoolKeepsItsHandles) {
    BlobPool pool;
    std::vector<BlobId> kept;
    for (std::uint32_t size : {0U, 1U, 40U, 300U, 5'000U, 70'000U, 400'000U}) {
        const Bytes content(size, static_cast<std::uint8_t>(size));
        const BlobId gone = pool.make(content);
        kept.push_back(pool.make(content));
        pool.release(gone);
    }
    pool.retain(kept[2], 4);
    const Bytes bytes = written(pool);

    BlobPool other;
    (void)other.make(Bytes(9, 9));
    read(bytes, other);
    EXPECT_EQ(other.live(), pool.live());
    EXPECT_EQ(other.footprint(), pool.footprint());
    for (const BlobId id : kept) {
        EXPECT_TRUE(std::ranges::equal(other.bytes(id), pool.bytes(id)));
        EXPECT_EQ(other.references(id), pool.references(id));
    }
    // What is made next is where it would have been.
    for (std::uint32_t size : {40U, 300U, 400'000U}) {
        EXPECT_EQ(other.make(Bytes(size, 1)), pool.make(Bytes(size, 1)));
    }
}

TEST(Archive, SlabsKeepTheirIndices) {
    Slab<Point> slab;
    ChunkedSlab<Point> chunked;
    for (int i = 0; i < 300; ++i) {
        slab[slab.take()] = {i, 0.5};
        chunked[chunked.take()] = {i, 0.5};
    }
    slab.give_back(17);
    chunked.give_back(170);
    Slab<Point> slab2;
    ChunkedSlab<Point> chunked2;
    Bytes bytes = written(slab, chunked);
    read(bytes, slab2, chunked2);
    EXPECT_EQ(slab2.live(), 299U);
    EXPECT_EQ(chunked2.live(), 299U);
    EXPECT_EQ(slab2[299], slab[299]);
    EXPECT_EQ(chunked2[299], chunked[299]);
    EXPECT_EQ(slab2.take(), 17U);
    EXPECT_EQ(chunked2.take(), 170U);
    EXPECT_EQ(chunked2.take(), 300U);
}

}  // namespace
}  // namespace mqttwin
