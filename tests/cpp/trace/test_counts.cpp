#include <array>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "mqttwin/trace/counts.hpp"

namespace mqttwin::trace {
namespace {

constexpr std::array<std::string_view, 3> kDrops = {"queue_full", "session_ended", "expired"};

TEST(Counters, EveryCounterHasANameAUnitAndAMeaning) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < kCounters; ++i) {
        const CounterInfo& entry = info(static_cast<Counter>(i));
        EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
        EXPECT_FALSE(entry.unit.empty());
        EXPECT_FALSE(entry.what.empty());
    }
    EXPECT_EQ(info(Counter::ip_bytes_up).name, "ip_bytes_up");
    EXPECT_EQ(info(Family::dropped).name, "dropped");
}

TEST(Counters, Count) {
    Counters counters;
    counters.add(Counter::delivered);
    counters.add(Counter::delivered, 4);
    counters.set(Counter::pending, 7);
    counters.add(Counter::published_qos0, 1);
    counters.add(Counter::published_qos2, 2);
    EXPECT_EQ(counters[Counter::delivered], 5U);
    EXPECT_EQ(counters[Counter::pending], 7U);
    EXPECT_EQ(counters.published(), 3U);
    counters.add(Family::dropped, 1, 3);
    counters.add(Family::dropped, 1000);
    EXPECT_EQ(counters.get(Family::dropped, 1), 3U);
    EXPECT_EQ(counters.get(Family::dropped, Counters::kReasons - 1), 1U);
    EXPECT_EQ(counters.get(Family::dropped, 1000), 0U);
    EXPECT_EQ(counters.total(Family::dropped), 4U);
    EXPECT_EQ(counters.total(Family::closes), 0U);
}

TEST(Counters, AccountForEveryMessage) {
    Counters counters;
    counters.add(Counter::expected, 100);
    counters.add(Counter::delivered, 90);
    counters.add(Family::dropped, 0, 4);
    counters.add(Family::dropped, 2, 1);
    counters.add(Counter::pending, 5);
    EXPECT_EQ(counters.unaccounted(), 0);
    counters.add(Counter::delivered);
    EXPECT_EQ(counters.unaccounted(), -1);
}

TEST(Counters, NameTheirReasons) {
    Counters counters;
    counters.name_reasons(Family::dropped, kDrops);
    counters.add(Family::dropped, 1, 8);
    counters.add(Family::dropped, 9, 2);
    counters.add(Family::closes, 4);
    std::map<std::string, std::uint64_t> seen;
    counters.for_each(
        [&seen](const std::string& name, std::uint64_t value) { seen[name] = value; });
    EXPECT_EQ(seen.at("dropped.session_ended"), 8U);
    EXPECT_EQ(seen.at("dropped.queue_full"), 0U);
    EXPECT_EQ(seen.at("dropped.9"), 2U);
    EXPECT_EQ(seen.at("closes.4"), 1U);
    EXPECT_EQ(seen.count("closes.0"), 0U);
    EXPECT_EQ(seen.at("connects"), 0U);
}

TEST(Counters, Merge) {
    Counters a;
    Counters b;
    b.name_reasons(Family::dropped, kDrops);
    a.add(Counter::late, 1);
    b.add(Counter::late, 2);
    b.add(Family::dropped, 2, 5);
    Counters sum = a;
    sum.merge(b);
    EXPECT_EQ(sum[Counter::late], 3U);
    EXPECT_EQ(sum.get(Family::dropped, 2), 5U);
    EXPECT_EQ(sum.reason_name(Family::dropped, 2), "expired");
    Counters other = b;
    other.merge(a);
    EXPECT_EQ(sum, other);
    EXPECT_NE(sum, a);
}

TEST(Counters, BecomeATable) {
    Counters counters;
    counters.name_reasons(Family::dropped, kDrops);
    counters.add(Counter::published_qos1, 12);
    const Table table = counters.table();
    EXPECT_EQ(table.rows(), static_cast<std::int64_t>(kCounters + kDrops.size()));
    EXPECT_EQ(table.text_at("name", 1), "published_qos1");
    EXPECT_EQ(table.int_at("value", 1), 12);
}

}  // namespace
}  // namespace mqttwin::trace
