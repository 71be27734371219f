#include <algorithm>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/trace/coarse_histograms.hpp"

namespace mqttwin::trace {
namespace {

constexpr double kTolerance = 0.0625 + 1e-9;

// Latencies over some octaves, other ones for each device.
std::int64_t value_of(std::uint64_t device, std::uint64_t i) {
    const std::uint64_t random = mix64(device * 1'000'003 + i);
    return static_cast<std::int64_t>((random % 1000 + 1) << (device % 7 + random / 1000 % 6 + 10));
}

TEST(CoarseHistograms, QuantilesAreRightToSixPercentForEachDevice) {
    constexpr std::size_t devices = 50;
    constexpr std::size_t values = 400;
    CoarseHistograms histograms(devices);
    // In turn, so that each grows while the others are there.
    for (std::size_t i = 0; i < values; ++i) {
        for (std::size_t d = 0; d < devices; ++d) histograms.record(d, value_of(d, i));
    }
    for (std::size_t d = 0; d < devices; ++d) {
        std::vector<std::int64_t> exact;
        for (std::size_t i = 0; i < values; ++i) exact.push_back(value_of(d, i));
        std::sort(exact.begin(), exact.end());
        EXPECT_EQ(histograms.count(d), values);
        for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
            const auto rank = static_cast<std::size_t>(std::max(1.0, q * values)) - 1;
            const auto wanted = static_cast<double>(exact[rank]);
            EXPECT_NEAR(static_cast<double>(histograms.quantile(d, q)), wanted, kTolerance * wanted)
                << "device " << d << ", q " << q;
        }
    }
}

TEST(CoarseHistograms, EveryValueHasABucketThatIsNotFarAway) {
    for (std::int64_t base = 1; base > 0 && base < std::int64_t{1} << 62; base *= 2) {
        for (const std::int64_t value : {base - 1, base, base + 1, base + base / 2, 2 * base - 1}) {
            CoarseHistograms one(1);
            one.record(0, value);
            EXPECT_NEAR(static_cast<double>(one.quantile(0, 0.5)), static_cast<double>(value),
                        kTolerance * static_cast<double>(value))
                << value;
        }
    }
    CoarseHistograms edges(1);
    edges.record(0, -5);
    edges.record(0, INT64_MAX);
    EXPECT_EQ(edges.count(0), 2U);
    EXPECT_EQ(edges.quantile(0, 0), 0);
    EXPECT_GT(edges.quantile(0, 1), INT64_MAX / 8 * 7);
}

TEST(CoarseHistograms, EmptyOnesTakeAFewBytes) {
    CoarseHistograms histograms(1000);
    EXPECT_EQ(histograms.quantile(7, 0.5), -1);
    EXPECT_EQ(histograms.count(7), 0U);
    EXPECT_EQ(histograms.footprint(), 8000U);
    for (int i = 0; i < 1000; ++i) histograms.record(static_cast<std::size_t>(i), 1'000'000);
    EXPECT_LE(histograms.footprint(), 8000U + 2 * 1000U * 32U);
}

}  // namespace
}  // namespace mqttwin::trace
