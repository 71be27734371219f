#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/trace/stream_bytes.hpp"

namespace mqttwin::trace {
namespace {

class StreamBytesTest : public testing::Test {
   protected:
    void write(std::uint32_t seq, std::string_view head, std::string_view body = {}) {
        const BlobId h = head.empty() ? BlobId::none : pool_.make(as_bytes(head));
        const BlobId b = body.empty() ? BlobId::none : pool_.make(as_bytes(body));
        stream_.add(pool_, seq, h, b);
        pool_.release(h);
        pool_.release(b);
    }
    std::string read(std::uint32_t begin, std::uint32_t end) {
        std::vector<ByteView> views;
        absent_ = stream_.append_bytes(pool_, begin, end, views);
        std::string text;
        for (const ByteView view : views) text += as_text(view);
        EXPECT_EQ(text.size(), end - begin);
        return text;
    }

    BlobPool pool_;
    StreamBytes stream_;
    std::uint32_t absent_ = 0;
};

TEST_F(StreamBytesTest, ARangeMayCrossWritesAndTheirParts) {
    write(1, "abc", "defg");
    write(8, "hi");
    write(10, "", "jkl");
    EXPECT_EQ(read(1, 13), "abcdefghijkl");
    EXPECT_EQ(read(2, 4), "bc");
    EXPECT_EQ(read(3, 5), "cd");
    EXPECT_EQ(read(5, 7), "ef");
    EXPECT_EQ(read(6, 11), "fghij");
    EXPECT_EQ(read(8, 8), "");
    EXPECT_EQ(absent_, 0U);
}

TEST_F(StreamBytesTest, WhatIsAcknowledgedIsReleasedByWholeWrites) {
    write(1, "abc");
    write(4, "def");
    EXPECT_EQ(pool_.live(), 2U);
    stream_.release_up_to(pool_, 3);
    EXPECT_EQ(pool_.live(), 2U);
    EXPECT_EQ(read(3, 5), "cd");
    stream_.release_up_to(pool_, 4);
    EXPECT_EQ(pool_.live(), 1U);
    EXPECT_EQ(read(4, 7), "def");
    stream_.release_up_to(pool_, 2);  // an old acknowledgement
    EXPECT_EQ(stream_.size(), 1U);
    stream_.clear(pool_);
    EXPECT_EQ(pool_.live(), 0U);
    stream_.clear(pool_);
}

TEST_F(StreamBytesTest, WhatIsNotKeptIsZerosAndCounted) {
    EXPECT_EQ(read(1, 5'001), std::string(5'000, '\0'));
    EXPECT_EQ(absent_, 5'000U);
    write(100, "abc");
    EXPECT_EQ(read(98, 102), std::string("\0\0ab", 4));
    EXPECT_EQ(absent_, 2U);
    EXPECT_EQ(read(90, 95), std::string(5, '\0'));
    EXPECT_EQ(absent_, 5U);
    EXPECT_EQ(read(102, 105), std::string("c\0\0", 3));
    EXPECT_EQ(absent_, 2U);
}

TEST_F(StreamBytesTest, AWriteOfNothingIsNone) {
    stream_.add(pool_, 1, BlobId::none);
    EXPECT_EQ(stream_.size(), 0U);
    write(1, "a");
    EXPECT_EQ(read(1, 2), "a");
}

TEST_F(StreamBytesTest, AnyRangeOfAnyWritesAcrossTheWrap) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Stream random(StreamKey::of(seed, "stream bytes", "test"), 0);
        const std::uint32_t begin = 0U - 500U;
        std::string all;
        std::uint32_t acked = 0;
        for (int i = 0; i < 300; ++i) {
            std::string head;
            std::string body;
            const std::uint64_t h = random.below(8);
            const std::uint64_t b = random.below(20);
            for (std::uint64_t k = 0; k < h; ++k) head += static_cast<char>(random.below(255) + 1);
            for (std::uint64_t k = 0; k < b; ++k) body += static_cast<char>(random.below(255) + 1);
            write(begin + static_cast<std::uint32_t>(all.size()), head, body);
            all += head + body;
            const std::uint64_t left = all.size() - acked;
            const auto from = acked + static_cast<std::uint32_t>(random.below(left + 1));
            const auto to = from + static_cast<std::uint32_t>(random.below(all.size() - from + 1));
            EXPECT_EQ(read(begin + from, begin + to), all.substr(from, to - from));
            EXPECT_EQ(absent_, 0U);
            if (random.chance(0.3)) {
                acked += static_cast<std::uint32_t>(random.below(left + 1));
                stream_.release_up_to(pool_, begin + acked);
            }
        }
        stream_.clear(pool_);
        EXPECT_EQ(pool_.live(), 0U);
    }
}

}  // namespace
}  // namespace mqttwin::trace
