#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "mqttwin/fleet/column.hpp"

#include "fleet_test.hpp"

namespace mqttwin::fleet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint32_t kMany = 100'000;

std::vector<double> drawn(const Column& column, const Population& population,
                          std::string_view purpose = "p", Range range = Range::any()) {
    const Column bound = column.bound(population, purpose, "p", range);
    std::vector<double> values(population.count());
    for (Device d = 0; d < population.count(); ++d) values[d] = bound.at(d);
    return values;
}

TEST(Column, ScalarAndValues) {
    EXPECT_EQ(Column(2.5).at(7), 2.5);
    EXPECT_TRUE(Column(2.5).is_scalar());
    const auto values = drawn(Column::values({1, 2, 3}), fleet_of(3));
    EXPECT_EQ(values, (std::vector<double>{1, 2, 3}));
    EXPECT_EQ(refusal([] { drawn(Column::values({1, 2}), fleet_of(3)); }),
              "p: 2 values for 3 devices (must be one each)");
}

// Means within kErrors * sd/sqrt(n); variances within kErrors * variance * sqrt((kurtosis - 1)/n).
TEST(Column, UniformHasItsMoments) {
    const auto values = drawn(Column::uniform(2, 6), fleet_of(kMany));
    const Moments m = moments_of(values);
    const double variance = 16.0 / 12;
    EXPECT_NEAR(m.mean, 4, kErrors * std::sqrt(variance / kMany));
    EXPECT_NEAR(m.variance, variance, kErrors * variance * std::sqrt(0.8 / kMany));
    for (const double v : values) EXPECT_TRUE(v >= 2 && v < 6);
}

TEST(Column, NormalHasItsMoments) {
    const Moments m = moments_of(drawn(Column::normal(10, 3), fleet_of(kMany)));
    EXPECT_NEAR(m.mean, 10, kErrors * 3 / std::sqrt(kMany));
    EXPECT_NEAR(m.variance, 9, kErrors * 9 * std::sqrt(2.0 / kMany));
    EXPECT_NEAR(m.skewness, 0, kErrors * std::sqrt(6.0 / kMany));
}

TEST(Column, LognormalHasItsMedianAndSpread) {
    auto values = drawn(Column::lognormal(5, 0.5), fleet_of(kMany));
    for (double& v : values) v = std::log(v / 5);
    const Moments m = moments_of(values);
    EXPECT_NEAR(m.mean, 0, kErrors * 0.5 / std::sqrt(kMany));
    EXPECT_NEAR(m.variance, 0.25, kErrors * 0.25 * std::sqrt(2.0 / kMany));
}

TEST(Column, ExponentialHasItsMoments) {
    const Moments m = moments_of(drawn(Column::exponential(4), fleet_of(kMany)));
    EXPECT_NEAR(m.mean, 4, kErrors * 4 / std::sqrt(kMany));
    EXPECT_NEAR(m.variance, 16, kErrors * 16 * std::sqrt(8.0 / kMany));
}

TEST(Column, ChoiceFollowsItsWeights) {
    const auto values = drawn(Column::choice({1, 2, 3}, {1, 0, 3}), fleet_of(kMany));
    const auto ones = static_cast<double>(std::count(values.begin(), values.end(), 1.0));
    const auto threes = static_cast<double>(std::count(values.begin(), values.end(), 3.0));
    EXPECT_EQ(ones + threes, kMany);
    EXPECT_NEAR(ones / kMany, 0.25, kErrors * std::sqrt(0.25 * 0.75 / kMany));
    const auto even = drawn(Column::choice({1, 2}), fleet_of(kMany));
    EXPECT_NEAR(moments_of(even).mean, 1.5, kErrors * 0.5 / std::sqrt(kMany));
}

// Half-normal: mean sqrt(2/pi), variance 1 - 2/pi.
TEST(Column, TruncatesAnUnboundedDistributionToItsRange) {
    const auto values = drawn(Column::normal(0, 1), fleet_of(kMany), "p", Range::not_negative());
    const Moments m = moments_of(values);
    for (const double v : values) EXPECT_GE(v, 0);
    EXPECT_NEAR(m.mean, std::sqrt(2 / 3.14159265358979),
                kErrors * std::sqrt((1 - 2 / 3.14159265358979) / kMany));
    // A range that is hardly ever hit ends at the centre instead of never.
    const auto narrow =
        drawn(Column::normal(0.5, 1e9), fleet_of(100), "p", Range::between(0.4, 0.6));
    for (const double v : narrow) EXPECT_TRUE(v >= 0.4 && v <= 0.6);
}

TEST(Column, DrawsDependOnNobodyElse) {
    const auto few = drawn(Column::normal(0, 1), fleet_of(10));
    const auto many = drawn(Column::normal(0, 1), fleet_of(1000));
    for (std::size_t d = 0; d < few.size(); ++d) EXPECT_EQ(few[d], many[d]);
}

TEST(Column, PurposesSeedsAndFleetsAreIndependent) {
    const auto x = drawn(Column::normal(0, 1), fleet_of(kMany));
    const double allowed = kErrors / std::sqrt(kMany);
    EXPECT_NEAR(correlation(x, drawn(Column::normal(0, 1), fleet_of(kMany), "q")), 0, allowed);
    EXPECT_NEAR(correlation(x, drawn(Column::normal(0, 1), fleet_of(kMany, 43))), 0, allowed);
    EXPECT_NEAR(correlation(x, drawn(Column::normal(0, 1), fleet_of(kMany, 42, "m"))), 0, allowed);
}

TEST(Column, RefusesWhatIsNoNumberOrOutOfRange) {
    const auto refused = [](const Column& column, Range range = Range::any()) {
        return refusal([&] { column.check("every", range); });
    };
    EXPECT_EQ(refused(-5, Range::positive()), "every: -5 is not allowed (must be > 0)");
    EXPECT_EQ(refused(0, Range::positive()), "every: 0 is not allowed (must be > 0)");
    EXPECT_EQ(refused(0, Range::not_negative()), "");
    EXPECT_EQ(refused(kNan), "every: nan is not allowed (must be a finite number)");
    EXPECT_EQ(refused(kInfinity), "every: inf is not allowed (must be a finite number)");
    EXPECT_EQ(refused(1.5, Range::between(0, 1)),
              "every: 1.5 is not allowed (must be >= 0 and <= 1)");
    EXPECT_EQ(refused(Column::values({1, kNan})),
              "every: nan (device 1) is not allowed (must be a finite number)");
    EXPECT_EQ(refused(Column::normal(1, -1)),
              "every, sd of normal: -1 is not allowed (must be >= 0)");
    EXPECT_EQ(refused(Column::normal(1, kNan)),
              "every, sd of normal: nan is not allowed (must be >= 0)");
    EXPECT_EQ(refused(Column::normal(-1, 1), Range::positive()),
              "every, mean of normal: -1 is not allowed (must be > 0)");
    EXPECT_EQ(refused(Column::uniform(-1, 1), Range::positive()),
              "every, low of uniform: -1 is not allowed (must be >= 0)");
    EXPECT_EQ(refused(Column::uniform(0, 1), Range::positive()), "");
    EXPECT_EQ(refused(Column::uniform(2, 1)),
              "every: uniform from 2 to 1 is not allowed (low must be <= high)");
    EXPECT_NE(refused(Column::uniform(-1.7e308, 1.7e308)), "");
    EXPECT_NE(refused(Column::lognormal(0, 1)), "");
    EXPECT_NE(refused(Column::lognormal(1, -1)), "");
    EXPECT_NE(refused(Column::exponential(0)), "");
    EXPECT_NE(refused(Column::choice({})), "");
    EXPECT_NE(refused(Column::choice({kNan})), "");
    EXPECT_EQ(refusal([] { Column::choice({1, 2}, {1}); }),
              "choice: 1 weights for 2 values (must be one each)");
    EXPECT_NE(refusal([] { Column::choice({1, 2}, {1, -1}); }), "");
    EXPECT_NE(refusal([] { Column::choice({1, 2}, {0, 0}); }), "");
    EXPECT_NE(refusal([] { Column::choice({1, 2}, {1, kInfinity}); }), "");
}

TEST(DurationColumn, IsExactForScalarsAndRoundsSeconds) {
    EXPECT_EQ(DurationColumn(minutes(15)).at(3), minutes(15));
    EXPECT_EQ(DurationColumn::from_seconds(0.1).ns, 100'000'000);
    EXPECT_EQ(DurationColumn::from_seconds(1e-9 * 2.5).ns, 3);
    EXPECT_EQ(DurationColumn::from_seconds(-1e-9 * 2.5).ns, -3);
    EXPECT_EQ(DurationColumn::from_seconds(4503599.627370497).ns, 4503599627370497);
    EXPECT_EQ(DurationColumn::from_seconds(9007199.254740993).ns, 9007199254740993 - 1);
    const auto scalar =
        DurationColumn::in_seconds(0.25).bound(fleet_of(2), "p", "p", Range::positive());
    EXPECT_TRUE(scalar.is_scalar());
    EXPECT_EQ(scalar.at(1), milliseconds(250));
    const auto values = DurationColumn::in_seconds(Column::values({1, 2}))
                            .bound(fleet_of(2), "p", "p", Range::positive());
    EXPECT_EQ(values.at(1), seconds(2));
}

TEST(DurationColumn, RefusesWhatIsTooShortOrTooLong) {
    const auto refused = [](const DurationColumn& column) {
        return refusal([&] { column.check("every", Range::positive()); });
    };
    EXPECT_EQ(refused(Duration{-1'500'000'000}),
              "every in seconds: -1.5 is not allowed (must be > 0 and <= 3155760000)");
    EXPECT_NE(refused(hours(24 * 365 * 101)), "");
    EXPECT_NE(refused(DurationColumn::in_seconds(1e300)), "");
    EXPECT_NE(refused(DurationColumn::in_seconds(kNan)), "");
    EXPECT_EQ(refused(hours(24 * 365)), "");
}

}  // namespace
}  // namespace mqttwin::fleet
