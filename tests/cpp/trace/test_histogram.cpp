#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/trace/histogram.hpp"

namespace mqttwin::trace {
namespace {

// A reproducible sequence; the tests of this room need no other randomness.
class Words {
   public:
    explicit Words(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() { return mix64(state_ += 0x9E3779B97F4A7C15ULL); }
    /// Spread evenly over the octaves up to 2^bits.
    std::int64_t log_uniform(unsigned bits) {
        const std::uint64_t shift = 63 - next() % bits;
        return static_cast<std::int64_t>((next() >> 1) >> (shift > 62 ? 62 : shift));
    }

   private:
    std::uint64_t state_;
};

std::int64_t nearest_rank(const std::vector<std::int64_t>& sorted, double q) {
    const double wanted = q * static_cast<double>(sorted.size());
    const auto rank = static_cast<std::size_t>(std::ceil(wanted - wanted * 1e-15));
    return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

TEST(Histogram, IsTinyAndZeroWhenEmpty) {
    const Histogram empty;
    EXPECT_TRUE(empty.empty());
    EXPECT_EQ(empty.footprint(), 0U);
    EXPECT_EQ(empty.min(), 0);
    EXPECT_EQ(empty.max(), 0);
    EXPECT_EQ(empty.mean(), 0.0);
    EXPECT_EQ(empty.quantile(0.5), 0);
    EXPECT_EQ(empty.fraction_at_most(5), 0.0);
    EXPECT_EQ(empty.fraction_above(5), 0.0);
    EXPECT_LE(sizeof(Histogram), 96U);
}

TEST(Histogram, SmallValuesAreExact) {
    Histogram h;
    for (std::int64_t v = 0; v < 256; ++v) h.record(v);
    std::int64_t expected = 0;
    h.for_each([&](std::int64_t low, std::int64_t high, std::uint64_t count) {
        EXPECT_EQ(low, expected);
        EXPECT_EQ(high, expected);
        EXPECT_EQ(count, 1U);
        ++expected;
    });
    EXPECT_EQ(expected, 256);
    EXPECT_EQ(h.quantile(0.5), 127);
    EXPECT_DOUBLE_EQ(h.fraction_at_most(63), 0.25);
    EXPECT_DOUBLE_EQ(h.fraction_above(63), 0.75);
}

TEST(Histogram, EveryValueLiesInANarrowBucket) {
    Words words(1);
    std::vector<std::int64_t> values = {0,   1,   255, 256,
                                        257, 511, 512, std::numeric_limits<std::int64_t>::max()};
    for (unsigned bit = 1; bit < 63; ++bit) {
        const std::int64_t power = std::int64_t{1} << bit;
        values.insert(values.end(), {power - 1, power, power + 1});
    }
    for (int i = 0; i < 2000; ++i) values.push_back(words.log_uniform(63));
    for (const std::int64_t value : values) {
        Histogram h;
        h.record(value);
        int buckets = 0;
        h.for_each([&](std::int64_t low, std::int64_t high, std::uint64_t count) {
            ++buckets;
            EXPECT_EQ(count, 1U);
            EXPECT_LE(low, value);
            EXPECT_GE(high, value);
            EXPECT_LE(static_cast<double>(high - low), static_cast<double>(low) / 128) << value;
        });
        EXPECT_EQ(buckets, 1);
        EXPECT_EQ(h.min(), value);
        EXPECT_EQ(h.max(), value);
        EXPECT_EQ(h.quantile(0.5), value);  // clamped to what was seen
        EXPECT_EQ(h.footprint(), 1024U);
    }
}

TEST(Histogram, BucketsTileTheRange) {
    Histogram h;
    for (unsigned bit = 0; bit < 63; ++bit) {
        const std::int64_t power = std::int64_t{1} << bit;
        for (std::int64_t k = 0; k < 256; ++k) {
            h.record(power + static_cast<std::int64_t>(static_cast<double>(power) * 0.00390625 *
                                                       static_cast<double>(k)));
        }
    }
    h.record(0);
    std::int64_t next = 0;
    h.for_each([&](std::int64_t low, std::int64_t high, std::uint64_t) {
        EXPECT_EQ(low, next);
        next = high == std::numeric_limits<std::int64_t>::max() ? -1 : high + 1;
    });
    EXPECT_EQ(next, -1);
}

TEST(Histogram, PercentilesAgreeWithSorting) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Words words(seed);
        Histogram h;
        std::vector<std::int64_t> values;
        const std::size_t n = 1 + words.next() % 20'000;
        for (std::size_t i = 0; i < n; ++i) {
            // Latencies around 40 ms with a heavy tail, and every tenth of any size.
            std::int64_t value = 40'000'000 + words.log_uniform(33);
            if (i % 10 == 0) value = words.log_uniform(45);
            values.push_back(value);
            h.record(value);
        }
        std::sort(values.begin(), values.end());
        for (const double q : {0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999}) {
            const auto exact = static_cast<double>(nearest_rank(values, q));
            const auto found = static_cast<double>(h.quantile(q));
            EXPECT_NEAR(found, exact, exact * 0.004 + 0.5) << "seed " << seed << " q " << q;
            EXPECT_EQ(h.percentile(100 * q), h.quantile(100 * q / 100));
        }
        EXPECT_EQ(h.quantile(0), values.front());
        EXPECT_EQ(h.quantile(1), values.back());
        EXPECT_EQ(h.quantile(-1), values.front());
        EXPECT_EQ(h.quantile(std::nan("")), values.front());
        EXPECT_EQ(h.quantile(2), values.back());
        EXPECT_EQ(h.count(), n);
        double sum = 0;
        for (const std::int64_t value : values) sum += static_cast<double>(value);
        EXPECT_NEAR(h.mean(), sum / static_cast<double>(n), h.mean() * 1e-9);
    }
}

TEST(Histogram, RanksAreNotPushedByRounding) {
    Histogram h;
    for (std::int64_t v = 0; v < 250; ++v) h.record(v, 4);
    // 0.996 * 1000 is 996 = 249 * 4 values, all of them <= 248.
    EXPECT_EQ(h.quantile(0.996), 248);
    EXPECT_EQ(h.percentile(99.6), 248);
    EXPECT_EQ(h.percentile(99.7), 249);
}

TEST(Histogram, FractionsAgreeWithCounting) {
    Words words(3);
    Histogram h;
    std::vector<std::int64_t> values;
    for (int i = 0; i < 50'000; ++i) {
        values.push_back(static_cast<std::int64_t>(words.next() % 1'000'000'000));
        h.record(values.back());
    }
    std::sort(values.begin(), values.end());
    for (std::int64_t x = -10; x < 1'010'000'000; x += 7'654'321) {
        const auto at_most = std::upper_bound(values.begin(), values.end(), x) - values.begin();
        const double exact = static_cast<double>(at_most) / 50'000;
        EXPECT_NEAR(h.fraction_at_most(x), exact, 0.001);
        EXPECT_NEAR(h.fraction_above(x), 1 - exact, 0.001);
    }
    EXPECT_EQ(h.fraction_at_most(h.max()), 1.0);
    EXPECT_EQ(h.fraction_at_most(h.min() - 1), 0.0);
}

TEST(Histogram, NegativeValuesCountAsZero) {
    Histogram h;
    h.record(-5);
    h.record(std::numeric_limits<std::int64_t>::min());
    h.record(Duration{7});
    EXPECT_EQ(h.count(), 3U);
    EXPECT_EQ(h.min(), 0);
    EXPECT_EQ(h.sum(), 7.0);
    EXPECT_EQ(h.quantile(0.5), 0);
}

TEST(Histogram, MergingIsExactInAnyOrder) {
    Histogram whole;
    std::vector<Histogram> parts(7);
    Words words(4);
    for (std::size_t i = 0; i < 10'000; ++i) {
        const std::int64_t value = words.log_uniform(1 + static_cast<unsigned>(i % 50));
        whole.record(value);
        parts[(i * i) % 7].record(value);
    }
    Histogram forwards;
    Histogram backwards;
    for (std::size_t i = 0; i < 7; ++i) forwards.merge(parts[i]);
    for (std::size_t i = 7; i > 0; --i) backwards.merge(parts[i - 1]);
    EXPECT_EQ(forwards, whole);
    EXPECT_EQ(backwards, whole);
    whole.merge(Histogram());
    EXPECT_EQ(forwards, whole);
    whole.merge(whole);
    EXPECT_EQ(whole.count(), 20'000U);
    EXPECT_NE(forwards, whole);
}

TEST(Histogram, RecordsManyAtOnce) {
    Histogram a;
    Histogram b;
    for (int i = 0; i < 1000; ++i) a.record(123'456'789);
    b.record(123'456'789, 1000);
    b.record(5, 0);
    EXPECT_EQ(a, b);
    // Sums beyond 64 bits do not wrap: ten years, ten thousand million times.
    Histogram large;
    large.record(315'360'000'000'000'000, 10'000'000'000ULL);
    EXPECT_DOUBLE_EQ(large.mean(), 315'360'000'000'000'000.0);
}

TEST(Histogram, SurvivesSerialisation) {
    Words words(5);
    Histogram h;
    EXPECT_EQ(Histogram::deserialise(h.serialise()), h);
    for (int i = 0; i < 3000; ++i) h.record(words.log_uniform(40));
    h.record(std::numeric_limits<std::int64_t>::max(), 1'000'000'000);
    h.record(0);
    const auto bytes = h.serialise();
    EXPECT_EQ(Histogram::deserialise(bytes), h);

    Histogram latency;
    for (int i = 0; i < 100'000; ++i) {
        latency.record(static_cast<std::int64_t>(40'000'000 + words.next() % 80'000'000));
    }
    EXPECT_LT(latency.serialise().size(), 1200U);
}

TEST(Histogram, BytesArePortable) {
    Histogram h;
    h.record(3, 2);
    h.record(300);
    // version, count 3, min 3, range 297, sum 306 (low, high), bucket 3: 2, bucket 278: 1
    const std::vector<std::uint8_t> expected = {1, 3, 3, 0xA9, 2, 0xB2, 2, 0, 3, 2, 0x92, 2, 1};
    EXPECT_EQ(h.serialise(), expected);
}

TEST(Histogram, RefusesDamagedBytes) {
    Histogram h;
    for (std::int64_t v = 1; v < 100'000'000; v = v * 3 + 1) h.record(v);
    const auto bytes = h.serialise();
    EXPECT_FALSE(Histogram::deserialise({}));
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        EXPECT_FALSE(Histogram::deserialise(ByteView(bytes).first(n))) << n;
    }
    // Flipped bits give nothing, or something that is consistent in itself; never a crash.
    for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
        auto damaged = bytes;
        damaged[i / 8] = static_cast<std::uint8_t>(damaged[i / 8] ^ (1U << (i % 8)));
        const auto read = Histogram::deserialise(damaged);
        if (read) {
            EXPECT_EQ(Histogram::deserialise(read->serialise()), *read);
        }
    }
    auto longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(Histogram::deserialise(longer));
}

}  // namespace
}  // namespace mqttwin::trace
