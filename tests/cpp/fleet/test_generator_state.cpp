// Generators with a past: random walk and Ornstein–Uhlenbeck.
#include <gtest/gtest.h>

#include "mqttwin/fleet/generator.hpp"

#include "fleet_test.hpp"

namespace mqttwin::fleet {
namespace {

constexpr std::uint32_t kMany = 100'000;
constexpr char kPurpose[] = "publish/t/payload/x";

Generator generator(const GeneratorSpec& spec, std::uint32_t count) {
    return Generator(spec, fleet_of(count), kPurpose, "x");
}

/// Values of one device at message instants that lie `gaps` apart.
std::vector<double> path(const GeneratorSpec& spec, const std::vector<Duration>& gaps,
                         Device device = 0) {
    Generator g = generator(spec, device + 1);
    Instant now{0};
    std::vector<double> values = {g.next({device, 0, now, {}}).real};
    for (std::size_t i = 0; i < gaps.size(); ++i) {
        now = now + gaps[i];
        values.push_back(g.next({device, static_cast<std::uint32_t>(i + 1), now, gaps[i]}).real);
    }
    return values;
}

/// Values of `kMany` devices at message n, the messages lying `gaps` apart.
std::vector<std::vector<double>> ensemble(const GeneratorSpec& spec,
                                          const std::vector<Duration>& gaps) {
    Generator g = generator(spec, kMany);
    std::vector<std::vector<double>> values(gaps.size() + 1, std::vector<double>(kMany));
    for (std::uint32_t n = 0; n <= gaps.size(); ++n) {
        const Duration gap = n == 0 ? Duration{0} : gaps[n - 1];
        for (Device d = 0; d < kMany; ++d) values[n][d] = g.next({d, n, Instant{0}, gap}).real;
    }
    return values;
}

TEST(RandomWalk, SpreadsWithTheSquareRootOfTime) {
    const auto values = ensemble({gen::RandomWalk{5, 2, {}, {}}}, std::vector<Duration>(16));
    for (const double x : values[0]) ASSERT_EQ(x, 5);
    for (const std::size_t n : {std::size_t{1}, std::size_t{4}, std::size_t{16}}) {
        const Moments m = moments_of(values[n]);
        const double variance = 4.0 * static_cast<double>(n);
        EXPECT_NEAR(m.mean, 5, kErrors * std::sqrt(variance / kMany));
        EXPECT_NEAR(m.variance, variance, kErrors * variance * std::sqrt(2.0 / kMany));
    }
}

// Reflected between two walls, a walk ends up anywhere with equal chances. Steps are correlated:
// relaxation takes (width/pi)^2 / (step^2/2) = 20 steps, so 400,000 count for about 10,000.
TEST(RandomWalk, ReflectedBetweenWallsIsUniform) {
    const auto values =
        path({gen::RandomWalk{0, 0.1, Column(0), Column(1)}}, std::vector<Duration>(400'000));
    const Moments m = moments_of(values);
    for (const double x : values) ASSERT_TRUE(x >= 0 && x <= 1);
    EXPECT_NEAR(m.mean, 0.5, kErrors * std::sqrt(1.0 / 12 / 10'000));
    EXPECT_NEAR(m.variance, 1.0 / 12, kErrors / 12 * std::sqrt(0.8 / 10'000));
}

TEST(RandomWalk, WideStepsAndNarrowWallsStayInside) {
    for (const double x :
         path({gen::RandomWalk{0, 1e6, Column(-1), Column(1)}}, std::vector<Duration>(1000))) {
        ASSERT_TRUE(x >= -1 && x <= 1);
    }
    for (const double x :
         path({gen::RandomWalk{9, 1, Column(2), Column(2)}}, std::vector<Duration>(10))) {
        ASSERT_EQ(x, 2);
    }
    EXPECT_EQ(refusal([] { generator({gen::RandomWalk{0, 1, Column(1), Column(0)}}, 1); }),
              "x.low: 1 is not allowed (must be <= high, 0)");
    EXPECT_NE(refusal([] { generator({gen::RandomWalk{0, -1, {}, {}}}, 1); }), "");
}

TEST(OrnsteinUhlenbeck, IsStationaryFromTheFirstMessage) {
    const GeneratorSpec spec{gen::OrnsteinUhlenbeck{21, 0.4, hours(1)}};
    const auto values = ensemble(spec, {minutes(1), hours(10), minutes(15), seconds(1)});
    for (const auto& at_once : values) {
        const Moments m = moments_of(at_once);
        EXPECT_NEAR(m.mean, 21, kErrors * 0.4 / std::sqrt(kMany));
        EXPECT_NEAR(m.variance, 0.16, kErrors * 0.16 * std::sqrt(2.0 / kMany));
    }
}

// The correlation of two messages is exp(-time between them / tau) whatever lies between; the
// estimate's standard error is (1 - rho^2)/sqrt(n).
TEST(OrnsteinUhlenbeck, CorrelationFollowsTheTimeThatPassed) {
    const GeneratorSpec spec{gen::OrnsteinUhlenbeck{0, 1, hours(1)}};
    const std::vector<Duration> gaps = {minutes(3), minutes(40), seconds(5), hours(1), Duration{1}};
    const auto values = ensemble(spec, gaps);
    Duration passed{0};
    for (std::size_t n = 1; n < values.size(); ++n) {
        passed += gaps[n - 1];
        const double rho = std::exp(-passed.seconds() / 3600);
        EXPECT_NEAR(correlation(values[0], values[n]), rho,
                    kErrors * (1 - rho * rho) / std::sqrt(kMany) + 1e-12);
    }
}

// Step by step against the exact formula, evaluated with libm.
TEST(OrnsteinUhlenbeck, IsExactForIrregularGaps) {
    const double sigma = 2.5;
    const double tau = 600;
    std::vector<Duration> gaps;
    for (std::int64_t i = 0; i < 2000; ++i) {
        gaps.push_back(Duration{1 + (i * i * i * 7919) % 3'600'000'000'000});
    }
    gaps[5] = Duration{0};
    gaps[6] = Duration{1};
    gaps[7] = microseconds(100);
    gaps[8] = hours(24 * 3650);
    const auto values = path({gen::OrnsteinUhlenbeck{10, sigma, seconds(600)}}, gaps, 3);
    const StreamKey key = fleet_of(4).key(kPurpose);
    double x = sigma * normal_from(draw64(key, 3, 0));
    EXPECT_DOUBLE_EQ(values[0], 10 + x);
    for (std::size_t n = 1; n < values.size(); ++n) {
        const double gap = static_cast<double>(gaps[n - 1].ns) * 1e-9 / tau;
        const double z = normal_from(draw64(key, 3, n));
        x = std::exp(-gap) * x + sigma * std::sqrt(-std::expm1(-2 * gap)) * z;
        ASSERT_NEAR(values[n], 10 + x, 1e-11) << n;
    }
    EXPECT_EQ(values[6], values[5]) << "no time, no change";
}

// Autocorrelation along one path; neighbours count for less than independent samples: the
// standard error is about sqrt((1 + rho^2)/(1 - rho^2)/n) (Bartlett).
TEST(OrnsteinUhlenbeck, AutocorrelationOfOnePath) {
    auto x = path({gen::OrnsteinUhlenbeck{0, 1, minutes(10)}},
                  std::vector<Duration>(200'000, minutes(5)));
    for (const int lag : {1, 2, 4}) {
        const double rho = std::exp(-0.5);
        const double error = std::sqrt((1 + rho * rho) / (1 - rho * rho) / 200'000);
        const std::vector<double> early(x.begin(), x.end() - lag);
        const std::vector<double> late(x.begin() + lag, x.end());
        EXPECT_NEAR(correlation(early, late), std::exp(-0.5 * lag), kErrors * error) << lag;
    }
}

TEST(OrnsteinUhlenbeck, TakesColumnsAndRefusesBadNumbers) {
    gen::OrnsteinUhlenbeck ou;
    ou.mean = Column::values({100, 200});
    ou.sigma = 0;
    Generator g = generator({ou}, 2);
    EXPECT_EQ(g.next({1, 0, Instant{0}, {}}).real, 200);
    EXPECT_TRUE(g.needs_gap());
    EXPECT_EQ(g.state().size(), 2U);
    ou.mean = 0;
    ou.sigma = -0.1;
    EXPECT_EQ(refusal([&] { generator({ou}, 2); }),
              "x.sigma: -0.1 is not allowed (must be >= 0 and <= 1e+300)");
    ou.sigma = 1;
    ou.tau = seconds(0);
    EXPECT_EQ(refusal([&] { generator({ou}, 2); }),
              "x.tau in seconds: 0 is not allowed (must be > 0 and <= 3155760000)");
}

TEST(Generators, KeepStateOnlyWhereTheyHaveAPast) {
    EXPECT_TRUE(generator({gen::Normal{}}, 100).state().empty());
    EXPECT_TRUE(generator({gen::Counter{}}, 100).state().empty());
    EXPECT_EQ(generator({gen::RandomWalk{}}, 100).state().size(), 100U);
}

TEST(Generators, AddingDevicesLeavesOthersAlone) {
    for (const GeneratorSpec& spec :
         {GeneratorSpec{gen::RandomWalk{}}, GeneratorSpec{gen::OrnsteinUhlenbeck{}},
          GeneratorSpec{gen::Normal{Column::uniform(0, 1), Column::exponential(2)}}}) {
        Generator few = generator(spec, 3);
        Generator many = generator(spec, 3000);
        for (std::uint32_t n = 0; n < 20; ++n) {
            // The strangers act, too, in another order.
            many.next({2000, n, Instant{0}, seconds(n)});
            EXPECT_EQ(few.next({2, n, Instant{0}, seconds(n)}).real,
                      many.next({2, n, Instant{0}, seconds(n)}).real);
        }
    }
}

}  // namespace
}  // namespace mqttwin::fleet
