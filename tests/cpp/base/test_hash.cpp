#include <bit>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/hash.hpp"

namespace mqttwin {
namespace {

TEST(Mix, IsTheFinaliserOfSplitMix64) {
    // First outputs of SplitMix64 seeded with 0: mix of multiples of the golden gamma.
    constexpr std::uint64_t kGamma = 0x9E3779B97F4A7C15ULL;
    EXPECT_EQ(mix64(kGamma), 0xE220A8397B1DCDAFULL);
    EXPECT_EQ(mix64(2 * kGamma), 0x6E789E6AA1B965F4ULL);
    EXPECT_EQ(mix64(3 * kGamma), 0x06C45D188009454FULL);
}

TEST(Hash, NeverChangesBetweenReleases) {
    EXPECT_EQ(hash_text(""), 0xA7BB595DEAB9D239ULL);
    EXPECT_EQ(hash_text("a"), 0x018E60F9F047234CULL);
    EXPECT_EQ(hash_text("sensors/1"), 0xADEB206CA35DA687ULL);
    EXPECT_EQ(hash_text("a topic of more than sixteen bytes", 7), 0x8A646F2BFA067479ULL);
}

TEST(Hash, LoadsPartOfAWord) {
    for (std::size_t size = 0; size < 8; ++size) {
        const std::string text = std::string("\xF1\0b\xFFzy\x80", 7).substr(0, size);
        std::uint64_t word = 0;
        std::memcpy(&word, text.data(), size);
        EXPECT_EQ(load_part(as_bytes(text).data(), size), word) << size;
    }
}

TEST(Hash, TellsEveryLengthApart) {
    std::set<std::uint64_t> seen;
    for (std::size_t n = 0; n <= 100; ++n) {
        seen.insert(hash_text(std::string(n, 'x')));
        seen.insert(hash_text(std::string(n, '\0'), 1));
    }
    EXPECT_EQ(seen.size(), 2 * 101U);
}

TEST(Hash, EveryBitOfTextAndKeyChangesHalfTheResult) {
    for (const std::size_t size : {1, 5, 8, 11, 16, 17, 31, 32, 40}) {
        std::vector<std::uint8_t> bytes(size, 0x5A);
        const std::uint64_t before = hash_bytes(bytes, 99);
        int flipped = 0;
        for (std::size_t bit = 0; bit < 8 * size; ++bit) {
            bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
            const std::uint64_t after = hash_bytes(bytes, 99);
            EXPECT_NE(after, before);
            flipped += std::popcount(before ^ after);
            bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        }
        EXPECT_NEAR(flipped / (8.0 * static_cast<double>(size)), 32, 7) << size;
        EXPECT_NE(hash_bytes(bytes, 98), before);
    }
}

// The constants are public: a block made of them must not wipe out what came before it.
TEST(Hash, NoBlockForgetsThePast) {
    std::vector<std::uint8_t> bytes(32, 0);
    const std::uint64_t constants[] = {0xA0761D6478BD642FULL, 0xE7037ED1A0B428DBULL};
    std::memcpy(bytes.data() + 16, constants, 16);
    const std::uint64_t before = hash_bytes(bytes, 1);
    bytes[3] = 1;
    EXPECT_NE(hash_bytes(bytes, 1), before);
    EXPECT_NE(hash_bytes(bytes, 2), hash_bytes(bytes, 1));
}

}  // namespace
}  // namespace mqttwin
