#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/trace/series.hpp"

namespace mqttwin::trace {
namespace {

constexpr Instant at(std::int64_t s) { return Instant{s * 1'000'000'000}; }

TEST(TimeSeries, CountsByBucket) {
    TimeSeries series(seconds(10), 100, {"published", "delivered"});
    series.add(0, at(0));
    series.add(0, Instant{9'999'999'999});
    series.add(1, at(10), 5);
    series.add(0, at(35));
    series.add(0, at(3));  // back again
    EXPECT_EQ(series.buckets(), 4U);
    EXPECT_EQ(series.count(0, 0), 3U);
    EXPECT_EQ(series.count(1, 0), 0U);
    EXPECT_EQ(series.count(1, 1), 5U);
    EXPECT_EQ(series.count(0, 3), 1U);
    EXPECT_EQ(series.count(0, 77), 0U);
}

TEST(TimeSeries, DoublesItsWidthInsteadOfGrowing) {
    TimeSeries series(seconds(1), 8, {"a", "b"});
    std::vector<std::uint64_t> by_second(1000, 0);
    for (std::int64_t s = 0; s < 1000; ++s) {
        const auto n = mix64(static_cast<std::uint64_t>(s)) % 10;
        series.add(0, at(s), n);
        series.add(1, at(s));
        by_second[static_cast<std::size_t>(s)] = n;
        ASSERT_LE(series.buckets(), 8U);
    }
    EXPECT_EQ(series.width(), seconds(128));
    ASSERT_EQ(series.buckets(), 8U);
    for (std::size_t bucket = 0; bucket < 8; ++bucket) {
        const auto first = by_second.begin() + static_cast<std::ptrdiff_t>(bucket * 128);
        const auto last = bucket == 7 ? by_second.end() : first + 128;
        EXPECT_EQ(series.count(0, bucket), std::accumulate(first, last, std::uint64_t{0}));
    }
    EXPECT_EQ(series.count(1, 7), 1000U - 7 * 128);
}

TEST(TimeSeries, ReachesAnyInstantAtOnce) {
    TimeSeries series(Duration{1}, 2, {"n"}, {"level"});
    series.add(0, Instant{0});
    series.set(0, Instant{1}, 7);
    series.add(0, Instant{std::numeric_limits<std::int64_t>::max()});
    EXPECT_EQ(series.buckets(), 2U);
    EXPECT_EQ(series.count(0, 0), 1U);
    EXPECT_EQ(series.count(0, 1), 1U);
    EXPECT_EQ(series.gauge(0, 1).last, 7);
    series.add(0, Instant{-5});
    EXPECT_EQ(series.count(0, 0), 2U);
}

TEST(TimeSeries, KeepsLastMinAndMaxOfALevel) {
    TimeSeries series(seconds(10), 100, {}, {"connections", "queue"});
    series.change(0, at(1), 5);
    series.change(0, at(2), 3);
    series.change(0, at(3), -6);
    series.set(1, at(4), 100);
    series.change(0, at(42), 1);
    using Gauge = TimeSeries::Gauge;
    EXPECT_EQ(series.gauge(0, 0), (Gauge{2, 0, 8}));
    EXPECT_EQ(series.gauge(1, 0), (Gauge{100, 0, 100}));
    // Nothing happened: the level stays.
    EXPECT_EQ(series.gauge(0, 2), (Gauge{2, 2, 2}));
    EXPECT_EQ(series.gauge(0, 4), (Gauge{3, 2, 3}));
    EXPECT_EQ(series.gauge(1, 4), (Gauge{100, 100, 100}));
    EXPECT_EQ(series.gauge(0, 50), (Gauge{3, 3, 3}));
    EXPECT_EQ(series.level(0), 3);
    // Going back counts as now.
    series.set(0, at(7), 50);
    EXPECT_EQ(series.gauge(0, 4), (Gauge{50, 2, 50}));
    EXPECT_EQ(series.gauge(0, 0), (Gauge{2, 0, 8}));
}

TEST(TimeSeries, LevelsSurviveDoubling) {
    TimeSeries coarse(seconds(1), 4, {"n"}, {"level"});
    TimeSeries fine(seconds(64), 1000, {"n"}, {"level"});
    std::uint64_t word = 1;
    for (std::int64_t s = 0; s < 256; ++s) {
        word = mix64(word + 1);
        const auto level = static_cast<std::int64_t>(word % 1000);
        for (TimeSeries* series : {&coarse, &fine}) {
            if (s % 5 == 0) series->set(0, at(s), level);
            series->add(0, at(s), word % 7);
        }
    }
    ASSERT_EQ(coarse.width(), fine.width());
    ASSERT_EQ(coarse.buckets(), fine.buckets());
    for (std::size_t bucket = 0; bucket < coarse.buckets(); ++bucket) {
        EXPECT_EQ(coarse.count(0, bucket), fine.count(0, bucket));
        EXPECT_EQ(coarse.gauge(0, bucket), fine.gauge(0, bucket)) << bucket;
    }
}

TEST(TimeSeries, ExtendsToTheEndOfTheRun) {
    TimeSeries series(seconds(10), 100, {"n"}, {"level"});
    EXPECT_EQ(series.buckets(), 1U);
    series.set(0, at(5), 4);
    series.extend(at(60));
    EXPECT_EQ(series.buckets(), 6U);
    series.extend(Instant{60'000'000'001});
    EXPECT_EQ(series.buckets(), 7U);
    series.extend(at(0));
    EXPECT_EQ(series.buckets(), 7U);
    EXPECT_EQ(series.gauge(0, 6).last, 4);
    series.extend(at(2000));
    EXPECT_EQ(series.width(), seconds(20));
    EXPECT_EQ(series.buckets(), 100U);
}

TEST(TimeSeries, BecomesATable) {
    TimeSeries series(seconds(10), 100, {"published"}, {"connections"});
    series.add(0, at(1), 3);
    series.set(0, at(12), 9);
    series.extend(at(30));
    const Table table = series.table();
    EXPECT_EQ(table.rows(), 3);
    EXPECT_EQ(table.fields()[0].type, Type::duration_ns);
    EXPECT_EQ(table.int_at("time", 2), 20'000'000'000);
    EXPECT_EQ(table.int_at("published", 0), 3);
    EXPECT_EQ(table.int_at("connections", 1), 9);
    EXPECT_EQ(table.int_at("connections.min", 1), 0);
    EXPECT_EQ(table.int_at("connections.max", 2), 9);
    EXPECT_EQ(table.metadata().front().second, "10000000000");
}

TEST(TimeSeries, SplittingTheRunChangesNothing) {
    TimeSeries once(seconds(1), 16, {"n"}, {"level"});
    TimeSeries often(seconds(1), 16, {"n"}, {"level"});
    for (std::int64_t s = 0; s < 100; s += 3) {
        once.add(0, at(s));
        often.add(0, at(s));
        often.extend(at(s + 1));
        once.change(0, at(s), 1);
        often.change(0, at(s), 1);
    }
    once.extend(at(100));
    often.extend(at(100));
    ASSERT_EQ(once.buckets(), often.buckets());
    for (std::size_t i = 0; i < once.buckets(); ++i) {
        EXPECT_EQ(once.count(0, i), often.count(0, i));
        EXPECT_EQ(once.gauge(0, i), often.gauge(0, i));
    }
}

}  // namespace
}  // namespace mqttwin::trace
