#include <limits>

#include <gtest/gtest.h>

#include "mqttwin/fleet/arrival.hpp"

#include "fleet_test.hpp"

namespace mqttwin::fleet {
namespace {

using Instants = std::vector<Instant>;

Arrival arrival(const ArrivalSpec& spec, std::uint32_t count = 10) {
    return Arrival(spec, fleet_of(count), "publish/t/arrival");
}

Instants play(const Arrival& process, Device device, std::size_t most, Instant start = Instant{0}) {
    Instants instants;
    Instant t = process.first(device, start);
    while (t < Instant::never() && instants.size() < most) {
        instants.push_back(t);
        t = process.next(device, t, static_cast<std::uint32_t>(instants.size()));
    }
    return instants;
}

Instants at(std::initializer_list<double> seconds) {
    Instants instants;
    for (const double s : seconds) instants.push_back({DurationColumn::from_seconds(s).ns});
    return instants;
}

std::string refused(const ArrivalSpec& spec) {
    return refusal([&] { arrival(spec); });
}

Periodic every(Duration period, Duration jitter = {}) {
    Periodic process;
    process.every = period;
    process.phase = DurationColumn(Duration{0});
    process.jitter = jitter;
    return process;
}

ReplayedInstants recording(std::initializer_list<double> seconds, Duration offset = {}) {
    std::vector<Duration> instants;
    for (const double s : seconds) instants.push_back(DurationColumn::from_seconds(s));
    ReplayedInstants process;
    process.instants = std::make_shared<const std::vector<Duration>>(instants);
    process.offset = offset;
    return process;
}

TEST(Periodic, InStepFromTheStart) {
    EXPECT_EQ(play(arrival({every(seconds(10))}), 3, 3), at({0, 10, 20}));
    EXPECT_EQ(play(arrival({every(seconds(10))}), 3, 3, Instant{500}),
              (Instants{{500}, {10'000'000'500}, {20'000'000'500}}));
}

TEST(Periodic, PhaseIsUniformOverThePeriodUnlessItIsGiven) {
    Periodic process;
    process.every = seconds(10);
    constexpr std::uint32_t kMany = 100'000;
    const Arrival drawn = arrival({process}, kMany);
    std::vector<double> phases;
    for (Device d = 0; d < kMany; ++d) {
        const Instant first = drawn.first(d, Instant{0});
        phases.push_back(first.seconds());
        ASSERT_TRUE(first >= Instant{0} && first < Instant{0} + seconds(10));
        ASSERT_EQ(drawn.next(d, first, 1), first + seconds(10));
    }
    const Moments m = moments_of(phases);
    EXPECT_NEAR(m.mean, 5, kErrors * std::sqrt(100.0 / 12 / kMany));
    EXPECT_NEAR(m.variance, 100.0 / 12, kErrors * 100.0 / 12 * std::sqrt(0.8 / kMany));

    process.phase = DurationColumn::in_seconds(Column::values({1, 2, 3}));
    EXPECT_EQ(arrival({process}, 3).first(2, Instant{0}), Instant{0} + seconds(3));
}

// Instant n stays within [start + n * every, start + n * every + jitter) for ever.
TEST(Periodic, JitterDelaysAndDoesNotDrift) {
    const Duration period = seconds(60);
    const Duration jitter = seconds(20);
    const Instants instants = play(arrival({every(period, jitter)}), 3, 100'000);
    std::vector<double> late;
    for (std::size_t n = 0; n < instants.size(); ++n) {
        const Duration d = instants[n] - (Instant{0} + period * static_cast<std::int64_t>(n));
        ASSERT_TRUE(d >= Duration{0} && d < jitter) << n;
        late.push_back(d.seconds());
    }
    const Moments m = moments_of(late);
    const auto count = static_cast<double>(late.size());
    EXPECT_NEAR(m.mean, 10, kErrors * std::sqrt(400.0 / 12 / count));
    EXPECT_NEAR(m.variance, 400.0 / 12, kErrors * 400.0 / 12 * std::sqrt(0.8 / count));
    std::vector<double> shifted(late.begin() + 1, late.end());
    late.pop_back();
    EXPECT_NEAR(correlation(late, shifted), 0, kErrors / std::sqrt(count));
}

TEST(Periodic, JitterAsLongAsThePeriodKeepsTheOrder) {
    const Instants instants = play(arrival({every(seconds(1), seconds(1))}), 0, 20'000);
    EXPECT_TRUE(std::is_sorted(instants.begin(), instants.end()));
    // A drawn period may be shorter than the jitter: that is cut to it.
    Periodic process = every(seconds(1), milliseconds(900));
    process.every = DurationColumn::in_seconds(Column::uniform(0.1, 2.0));
    const Arrival drawn = arrival({process}, 100);
    for (Device d = 0; d < 100; ++d) {
        const Instants some = play(drawn, d, 200);
        ASSERT_TRUE(std::is_sorted(some.begin(), some.end())) << d;
    }
}

TEST(Periodic, EveryDeviceMayHaveItsOwnPeriod) {
    Periodic process = every(seconds(1));
    process.every = DurationColumn::in_seconds(Column::values({1, 2, 5}));
    EXPECT_EQ(play(arrival({process}, 3), 2, 3), at({0, 5, 10}));
}

TEST(Periodic, RefusesBadNumbers) {
    EXPECT_EQ(refused({every(seconds(-5))}),
              "every in seconds: -5 is not allowed (must be > 0 and <= 3155760000)");
    EXPECT_NE(refused({every(seconds(0))}), "");
    EXPECT_EQ(refused({every(seconds(5), seconds(6))}),
              "jitter in seconds: 6 is not allowed (must be <= every, 5)");
    EXPECT_NE(refused({every(seconds(5), seconds(-1))}), "");
    Periodic process = every(seconds(1), seconds(2));
    process.every = DurationColumn::in_seconds(Column::values({5, 5, 1}));
    EXPECT_EQ(refusal([&] { arrival({process}, 3); }),
              "jitter in seconds: 2 (device 2) is not allowed (must be <= every, 1)");
    process = every(seconds(1));
    process.phase = DurationColumn(seconds(-1));
    EXPECT_NE(refused({process}), "");
}

TEST(Arrival, IsHeardWithinItsWindowOnly) {
    ArrivalSpec spec{every(seconds(10))};
    spec.from = Instant{0} + seconds(100);
    spec.until = Instant{0} + seconds(130);
    EXPECT_EQ(play(arrival(spec), 0, 100), at({100, 110, 120}));
    EXPECT_EQ(play(arrival(spec), 0, 100, Instant{0} + seconds(115)), at({115, 125}));
    EXPECT_EQ(play(arrival(spec), 0, 100, Instant{0} + seconds(200)), at({}));
    spec.until = spec.from;
    EXPECT_EQ(refused(spec), "until: must be later than from");
    spec.from = Instant{-1};
    EXPECT_NE(refused(spec), "");
}

TEST(Arrival, EndsInsteadOfOverflowing) {
    const Instant late{Instant::never().ns - 5};
    EXPECT_EQ(arrival({every(seconds(10))}).next(0, late, 1), Instant::never());
    ReplayedInstants process = recording({0, 1});
    process.loop = true;
    process.span = hours(24 * 365);
    EXPECT_EQ(play(arrival({process}), 0, 1000).size(), 2U * 292);  // the years that fit
}

TEST(Poisson, GapsAreExponential) {
    Poisson process;
    process.mean = seconds(4);
    const Instants instants = play(arrival({process}), 1, 100'000);
    std::vector<double> gaps = {instants[0].seconds()};
    for (std::size_t n = 1; n < instants.size(); ++n) {
        gaps.push_back((instants[n] - instants[n - 1]).seconds());
    }
    const Moments m = moments_of(gaps);
    const auto count = static_cast<double>(gaps.size());
    EXPECT_NEAR(m.mean, 4, kErrors * 4 / std::sqrt(count));
    EXPECT_NEAR(m.variance, 16, kErrors * 16 * std::sqrt(8 / count));
    std::vector<double> shifted(gaps.begin() + 1, gaps.end());
    gaps.pop_back();
    EXPECT_NEAR(correlation(gaps, shifted), 0, kErrors / std::sqrt(count));
}

TEST(Poisson, ARateIsTheReciprocalOfAMean) {
    Poisson by_mean;
    by_mean.mean = milliseconds(250);
    Poisson by_rate;
    by_rate.rate = Column(4.0);
    EXPECT_EQ(play(arrival({by_rate}), 1, 100), play(arrival({by_mean}), 1, 100));
    by_rate.rate = Column::values({1, 0});
    EXPECT_EQ(refusal([&] { arrival({by_rate}, 2); }),
              "rate per second: 0 (device 1) is not allowed (must be > 0 and <= 1e+09)");
    by_rate.rate = Column(1e-300);
    EXPECT_EQ(arrival({by_rate}).first(0, Instant{0}), Instant::never());
    by_mean.mean = seconds(0);
    EXPECT_NE(refused({by_mean}), "");
}

TEST(ReplayedInstants, PlaysTheRecordingOnce) {
    EXPECT_EQ(play(arrival({recording({0, 1.5, 1.5, 4})}), 0, 100), at({0, 1.5, 1.5, 4}));
    EXPECT_EQ(play(arrival({recording({2})}), 0, 100, Instant{0} + seconds(10)), at({12}));
}

TEST(ReplayedInstants, StartsAtTheDevicesOffset) {
    ReplayedInstants process = recording({0, 1.5, 4, 9});
    process.offset = DurationColumn::in_seconds(Column::values({0, 1, 1.5, 10}));
    const Arrival replay = arrival({process}, 4);
    EXPECT_EQ(play(replay, 0, 100), at({0, 1.5, 4, 9}));
    EXPECT_EQ(play(replay, 1, 100), at({0.5, 3, 8}));
    EXPECT_EQ(play(replay, 2, 100), at({0, 2.5, 7.5}));
    EXPECT_EQ(play(replay, 3, 100), at({}));
}

TEST(ReplayedInstants, BeginsAgain) {
    ReplayedInstants process = recording({0, 1, 4});
    process.loop = true;
    process.span = seconds(5);
    process.offset = DurationColumn::in_seconds(Column::values({0, 0.5, 4.5, 11}));
    const Arrival replay = arrival({process}, 4);
    EXPECT_EQ(play(replay, 0, 7), at({0, 1, 4, 5, 6, 9, 10}));
    EXPECT_EQ(play(replay, 1, 4), at({0.5, 3.5, 4.5, 5.5}));
    EXPECT_EQ(play(replay, 2, 4), at({0.5, 1.5, 4.5, 5.5}));
    EXPECT_EQ(play(replay, 3, 4), at({0, 3, 4, 5}));
}

TEST(ReplayedInstants, RefusesARecordingThatIsNone) {
    EXPECT_EQ(refused({recording({})}), "instants: there must be at least one");
    EXPECT_EQ(refused({ReplayedInstants{}}), "instants: there must be at least one");
    EXPECT_EQ(refused({recording({0, 2, 1})}),
              "instants: number 2 (counted from 0), 1 s, is before the one in front of it");
    EXPECT_EQ(refused({recording({-1, 2})}), "instants: the first one is before the start");
    ReplayedInstants process = recording({0, 2});
    process.loop = true;
    process.span = seconds(2);
    EXPECT_EQ(refused({process}),
              "span in seconds: 2 is not allowed (must be > 2 and <= 3155760000)");
    EXPECT_NE(refused({recording({0, 1}, seconds(-1))}), "");
}

TEST(Once, HappensOnce) {
    Once process;
    process.at = DurationColumn::in_seconds(Column::values({1, 2}));
    EXPECT_EQ(play(arrival({process}, 2), 1, 100), at({2}));
    EXPECT_NE(refused({Once{seconds(-1)}}), "");
}

TEST(Arrival, AddingDevicesLeavesOthersAlone) {
    Periodic periodic;
    periodic.every = DurationColumn::in_seconds(Column::lognormal(60, 0.2));
    periodic.jitter = seconds(10);
    Poisson poisson;
    for (const ArrivalSpec& spec : {ArrivalSpec{periodic}, ArrivalSpec{poisson}}) {
        EXPECT_EQ(play(arrival(spec, 5), 4, 50), play(arrival(spec, 5000), 4, 50));
    }
}

}  // namespace
}  // namespace mqttwin::fleet
