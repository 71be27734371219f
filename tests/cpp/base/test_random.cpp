#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"

namespace mqttwin {
namespace {

using Words = std::array<std::uint64_t, 2>;

// Random123, tests/kat_vectors, philox2x64 with 10 rounds.
TEST(Philox, GivesThePublishedKnownAnswers) {
    EXPECT_EQ(philox2x64({0, 0}, 0), (Words{0xca00a0459843d731, 0x66c24222c9a845b5}));
    constexpr std::uint64_t ones = 0xffffffffffffffff;
    EXPECT_EQ(philox2x64({ones, ones}, ones), (Words{0x65b021d60cd8310f, 0x4d02f3222f86df20}));
    EXPECT_EQ(philox2x64({0x243f6a8885a308d3, 0x13198a2e03707344}, 0xa4093822299f31d0),
              (Words{0x0a5e742c2997341c, 0xb0f883d38000de5d}));
}

TEST(Streams, DrawsAreAFunctionOfKeyIndexAndNumber) {
    const StreamKey key = StreamKey::of(1, "meter", "phase");
    // Index and number fill different words of the counter: neither leaks into the other.
    EXPECT_NE(draw64(key, 1, 0), draw64(key, 0, 1));
    EXPECT_NE(draw64(key, std::uint64_t{1} << 32, 0), draw64(key, 1, 0));
    EXPECT_NE(draw64(key, 0, std::uint64_t{1} << 32), draw64(key, 0, 1));
    Stream stream(key, 7);
    for (std::uint64_t n = 0; n < 10; ++n) EXPECT_EQ(stream.next(), draw64(key, 7, n));
    EXPECT_EQ(stream.position(), 10U);
    Stream resumed(key, 7, 10);
    EXPECT_EQ(stream.next(), resumed.next());
}

TEST(Streams, EveryPartOfTheNameMatters) {
    const std::set<std::uint64_t> keys = {
        StreamKey::of(1, "meter", "phase").value,  StreamKey::of(2, "meter", "phase").value,
        StreamKey::of(1, "meters", "phase").value, StreamKey::of(1, "meter", "phases").value,
        StreamKey::of(1, "phase", "meter").value,  StreamKey::of(1, "meterphase", "").value,
        StreamKey::of(1, "", "meterphase").value};
    EXPECT_EQ(keys.size(), 7U);
}

TEST(Streams, KeysNeverChangeBetweenReleases) {
    // These define what a seed means. If one changes, every digest does.
    EXPECT_EQ(StreamKey::of(0, "", "").value, 0x1D44200EBA108149ULL);
    EXPECT_EQ(StreamKey::of(42, "meter", "uplink loss").value, 0x42F3186FEAC15C38ULL);
}

TEST(Units, StayInsideTheirIntervals) {
    EXPECT_EQ(unit_from(0), 0.0);
    EXPECT_LT(unit_from(~std::uint64_t{0}), 1.0);
    EXPECT_GT(positive_unit_from(0), 0.0);
    EXPECT_EQ(positive_unit_from(~std::uint64_t{0}), 1.0);
    EXPECT_EQ(exponential_from(~std::uint64_t{0}), 0.0);
    EXPECT_NEAR(exponential_from(0), 53 * std::log(2.0), 1e-12);
}

TEST(Units, BelowStaysBelowAndIsUniform) {
    Stream stream(StreamKey::of(3, "test", "below"), 0);
    EXPECT_EQ(stream.below(0), 0U);
    EXPECT_EQ(stream.below(1), 0U);
    constexpr int kBins = 10;
    constexpr int kDraws = 100'000;
    std::array<int, kBins> counts{};
    for (int i = 0; i < kDraws; ++i) ++counts.at(stream.below(kBins));
    double chi2 = 0;
    for (const int n : counts) chi2 += std::pow(n - kDraws / kBins, 2) / (kDraws / kBins);
    EXPECT_LT(chi2, 27.9);  // 9 degrees of freedom, 0.1 %
    const std::uint64_t huge = ~std::uint64_t{0};
    EXPECT_LT(stream.below(huge), huge);
}

TEST(Units, ChanceHitsAsOftenAsItSays) {
    Stream stream(StreamKey::of(4, "test", "chance"), 0);
    int hits = 0;
    for (int i = 0; i < 100'000; ++i) hits += stream.chance(0.2) ? 1 : 0;
    EXPECT_NEAR(hits, 20'000, 4 * std::sqrt(100'000 * 0.2 * 0.8));
    EXPECT_FALSE(stream.chance(0.0));
    EXPECT_TRUE(stream.chance(1.0));
}

struct Quantile {
    std::uint64_t word;
    double value;  // statistics.NormalDist().inv_cdf of CPython 3.11
};
constexpr Quantile kQuantiles[] = {
    {0x0000000000000000ULL, -8.2095361516013856},
    {0x0000000000001000ULL, -8.0765710041301233},
    {0x123456789ABCDEF0ULL, -1.4675657313132975},
    {0x0000000000FFF000ULL, -7.0477172487528916},
    {0x00000FFFFFFFFFFFULL, -4.7630010342912961},
    {0x1333333333333333ULL, -1.4395314709384552},
    {0x1333333333334000ULL, -1.4395314709384537},
    {0x3333333333333333ULL, -0.84162123357291407},
    {0x4000000000000000ULL, -0.67448975019608137},
    {0x7FFFFFFFFFFFF000ULL, -2.7829164246717676e-16},
    {0x8000000000000000ULL, 2.7829164246717676e-16},
    {0xA5A5A5A5A5A5A5A5ULL, 0.37739194382855396},
    {0xECCCCCCCCCCCCCCCULL, 1.4395314709384552},
    {0xECCCCCCCCCCCD000ULL, 1.4395314709384568},
    {0xFFF0000000000000ULL, 3.4871041041145525},
    {0xFFFFFFFFFF000000ULL, 7.0477172487528916},
    {0xFFFFFFFFFFFFFFFFULL, 8.2095361516013856},
};

TEST(Normal, AgreesWithThePublishedAlgorithm) {
    for (const Quantile& q : kQuantiles) {
        EXPECT_NEAR(normal_from(q.word), q.value, std::abs(q.value) * 4e-15) << std::hex << q.word;
    }
}

TEST(Normal, InvertsTheDistributionFunction) {
    for (int i = 1; i < 4000; ++i) {
        const double p = i / 4000.0;
        const auto word = static_cast<std::uint64_t>(p * 0x1.0p52) << 12;
        const double exact_p = (static_cast<double>(word >> 12) + 0.5) * 0x1.0p-52;
        const double back = 0.5 * std::erfc(-normal_from(word) / std::sqrt(2.0));
        EXPECT_NEAR(back, exact_p, 1e-14 * exact_p + 1e-15) << p;
    }
}

TEST(Normal, IsSymmetric) {
    Stream stream(StreamKey::of(5, "test", "symmetry"), 0);
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t word = stream.next();
        EXPECT_EQ(normal_from(word), -normal_from(~word));
    }
}

struct Moments {
    double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
};

template <class Draw>
Moments moments_of(Draw draw) {
    constexpr int n = 400'000;
    std::vector<double> values(n);
    Moments m;
    for (double& v : values) {
        v = draw();
        m.mean += v / n;
    }
    for (const double v : values) m.variance += (v - m.mean) * (v - m.mean) / n;
    for (const double v : values) {
        const double z = (v - m.mean) / std::sqrt(m.variance);
        m.skewness += z * z * z / n;
        m.kurtosis += z * z * z * z / n;
    }
    return m;
}

// Bounds are about five standard errors of n = 400,000.
TEST(Normal, HasTheMomentsOfANormal) {
    Stream stream(StreamKey::of(6, "test", "normal"), 0);
    const Moments m = moments_of([&] { return stream.normal(); });
    EXPECT_NEAR(m.mean, 0, 0.008);
    EXPECT_NEAR(m.variance, 1, 0.012);
    EXPECT_NEAR(m.skewness, 0, 0.02);
    EXPECT_NEAR(m.kurtosis, 3, 0.04);
}

TEST(Exponential, HasTheMomentsOfAnExponential) {
    Stream stream(StreamKey::of(7, "test", "exponential"), 0);
    const Moments m = moments_of([&] { return stream.exponential(); });
    EXPECT_NEAR(m.mean, 1, 0.008);
    EXPECT_NEAR(m.variance, 1, 0.023);
    EXPECT_NEAR(m.skewness, 2, 0.15);
}

TEST(Uniform, HasTheMomentsOfAUniform) {
    Stream stream(StreamKey::of(8, "test", "unit"), 0);
    const Moments m = moments_of([&] { return stream.unit(); });
    EXPECT_NEAR(m.mean, 0.5, 0.0023);
    EXPECT_NEAR(m.variance, 1.0 / 12, 0.0006);
    EXPECT_NEAR(m.kurtosis, 1.8, 0.01);
}

TEST(Scaled, CutsToNanosecondsAndNeverOverflows) {
    EXPECT_EQ(scaled(seconds(10), 0.25), milliseconds(2500));
    EXPECT_EQ(scaled(nanoseconds(3), 0.5), nanoseconds(1));
    EXPECT_EQ(scaled(seconds(-1), 2.0), seconds(-2));
    EXPECT_EQ(scaled(hours(1), 1e30).ns, std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(scaled(hours(1), -1e30).ns, std::numeric_limits<std::int64_t>::min());
}

}  // namespace
}  // namespace mqttwin
