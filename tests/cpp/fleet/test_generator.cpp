// Generators that need no past, one by one.
#include <limits>

#include <gtest/gtest.h>

#include "mqttwin/fleet/generator.hpp"

#include "fleet_test.hpp"

namespace mqttwin::fleet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint32_t kMany = 100'000;

Generator generator(const GeneratorSpec& spec, std::uint32_t count = 4) {
    return Generator(spec, fleet_of(count), "publish/t/payload/x", "x");
}

Value value_of(const GeneratorSpec& spec, Device device = 0, std::uint32_t n = 0,
               Instant now = Instant{0}) {
    Generator g = generator(spec);
    Value value;
    for (std::uint32_t i = 0; i <= n; ++i) value = g.next({device, i, now, seconds(1)});
    value.text = {};  // ends with the generator
    return value;
}

std::string text_of(const GeneratorSpec& spec, Device device = 0, Instant now = Instant{0}) {
    Generator g = generator(spec);
    const Value value = g.next({device, 0, now, Duration{0}});
    EXPECT_EQ(value.kind, Value::Kind::text);
    EXPECT_EQ(g.kind(), Value::Kind::text);
    EXPECT_LE(value.text.size(), g.maximum_text());
    return std::string(value.text);
}

std::vector<double> messages_of(const GeneratorSpec& spec, std::uint32_t count, Device device = 0) {
    Generator g = generator(spec);
    std::vector<double> values;
    for (std::uint32_t n = 0; n < count; ++n) {
        values.push_back(g.next({device, n, Instant{0}, seconds(1)}).real);
    }
    return values;
}

std::string refused(const GeneratorSpec& spec) {
    const std::string early = refusal([&] { check(spec, "x"); });
    EXPECT_EQ(refusal([&] { generator(spec); }), early);
    return early;
}

gen::Replay recording(std::vector<double> values) {
    gen::Replay replay;
    replay.values = std::make_shared<const std::vector<double>>(std::move(values));
    return replay;
}

TEST(Constant, IsWhatItWasGiven) {
    EXPECT_EQ(value_of({gen::Constant{Column(2.5)}}).real, 2.5);
    EXPECT_EQ(value_of({gen::Constant{Column::values({1, 2, 3, 4})}}, 2).real, 3);
    EXPECT_EQ(value_of({gen::Constant{std::int64_t{1} << 60}}).integer, std::int64_t{1} << 60);
    EXPECT_EQ(value_of({gen::Constant{true}}).integer, 1);
    EXPECT_EQ(value_of({gen::Constant{true}}).kind, Value::Kind::boolean);
    EXPECT_EQ(text_of({gen::Constant{std::string("ok")}}), "ok");
    EXPECT_EQ(refused({gen::Constant{Column(kNan)}}),
              "x.value: nan is not allowed (must be >= -1e+300 and <= 1e+300)");
    EXPECT_EQ(refused({gen::Constant{std::string("a\xFF")}}),
              "x.value: must be UTF-8 without U+0000");
}

TEST(Counter, CountsAndWraps) {
    EXPECT_EQ(value_of({gen::Counter{}}, 0, 5).integer, 5);
    EXPECT_EQ(value_of({gen::Counter{100, -3}}, 0, 5).integer, 85);
    EXPECT_EQ(value_of({gen::Counter{65'534, 1, 65'536}}, 0, 5).integer, 3);
    EXPECT_EQ(value_of({gen::Counter{0, -1, 256}}, 0, 1).integer, 255);
    Generator g = generator({gen::Counter{9'007'199'254'740'992, 1'073'741'824}});
    EXPECT_EQ(g.next({0, UINT32_MAX, Instant{0}, {}}).integer,
              9'007'199'254'740'992 + 1'073'741'824 * std::int64_t{UINT32_MAX});
    EXPECT_NE(refused({gen::Counter{0, 1e10}}), "");
    EXPECT_NE(refused({gen::Counter{0, 1, std::uint64_t{1} << 60}}), "");
}

TEST(Normal, HasItsMoments) {
    const Moments m = moments_of(messages_of({gen::Normal{10, 3}}, kMany));
    EXPECT_NEAR(m.mean, 10, kErrors * 3 / std::sqrt(kMany));
    EXPECT_NEAR(m.variance, 9, kErrors * 9 * std::sqrt(2.0 / kMany));
    EXPECT_NEAR(m.skewness, 0, kErrors * std::sqrt(6.0 / kMany));
    EXPECT_EQ(refused({gen::Normal{0, -1}}),
              "x.sd: -1 is not allowed (must be >= 0 and <= 1e+300)");
    EXPECT_NE(refused({gen::Normal{kNan, 1}}), "");
}

TEST(Normal, MessagesAndDevicesAreIndependent) {
    auto x = messages_of({gen::Normal{}}, kMany, 0);
    const auto y = messages_of({gen::Normal{}}, kMany, 1);
    EXPECT_NEAR(correlation(x, y), 0, kErrors / std::sqrt(kMany));
    std::vector<double> shifted(x.begin() + 1, x.end());
    x.pop_back();
    EXPECT_NEAR(correlation(x, shifted), 0, kErrors / std::sqrt(kMany));
}

TEST(Uniform, HasItsMoments) {
    const Moments m = moments_of(messages_of({gen::Uniform{-1, 1}}, kMany));
    EXPECT_NEAR(m.mean, 0, kErrors * std::sqrt(1.0 / 3 / kMany));
    EXPECT_NEAR(m.variance, 1.0 / 3, kErrors / 3 * std::sqrt(0.8 / kMany));
    EXPECT_EQ(refused({gen::Uniform{1, -1}}), "x.low: 1 is not allowed (must be <= high, -1)");
    EXPECT_NE(refusal([] { generator({gen::Uniform{Column::values({0, 0, 2, 0}), 1}}); }), "");
}

TEST(Diurnal, FollowsTheHourOfTheWorldsEpoch) {
    const GeneratorSpec spec{gen::Diurnal{20, 5, 14, 0}};
    EXPECT_NEAR(value_of(spec, 0, 0, Instant{0} + hours(14)).real, 25, 1e-12);
    EXPECT_NEAR(value_of(spec, 0, 0, Instant{0} + hours(2)).real, 15, 1e-12);
    EXPECT_NEAR(value_of(spec, 0, 0, Instant{0} + hours(20)).real, 20, 1e-12);
    EXPECT_EQ(value_of(spec, 0, 0, Instant{0} + hours(14 + 240)).real,
              value_of(spec, 0, 0, Instant{0} + hours(14)).real);
    for (int hour = 0; hour < 24; ++hour) {
        const double expected = 20 + 5 * std::cos(2 * 3.14159265358979323846 * (hour - 14) / 24.0);
        EXPECT_NEAR(value_of(spec, 0, 0, Instant{0} + hours(hour)).real, expected, 1e-12);
    }
    const Moments m = moments_of(messages_of({gen::Diurnal{0, 0, 0, 2}}, kMany));
    EXPECT_NEAR(m.variance, 4, kErrors * 4 * std::sqrt(2.0 / kMany));
    EXPECT_EQ(refused({gen::Diurnal{0, 1, 25, 0}}),
              "x.peak_hour: 25 is not allowed (must be >= 0 and <= 24)");
}

TEST(Replay, ByMessageFromEachDevicesOffset) {
    gen::Replay replay = recording({10, 11, 12, 13, 14});
    replay.offset = Column::values({0, 3, 4, 9});
    EXPECT_EQ(messages_of({replay}, 7, 1), (std::vector<double>{13, 14, 10, 11, 12, 13, 14}));
    EXPECT_EQ(messages_of({replay}, 2, 3), (std::vector<double>{14, 10}));
    replay.stride = 2;
    EXPECT_EQ(messages_of({replay}, 4, 0), (std::vector<double>{10, 12, 14, 11}));
    replay.loop = false;
    EXPECT_EQ(messages_of({replay}, 4, 1), (std::vector<double>{13, 14, 14, 14}));
    EXPECT_EQ(messages_of({replay}, 2, 3), (std::vector<double>{14, 14}));
}

TEST(Replay, ByWorldTime) {
    gen::Replay replay = recording({10, 11, 12});
    replay.step = hours(1);
    replay.offset = Column::values({0, 1, 0, 0});
    EXPECT_EQ(value_of({replay}, 0, 7, Instant{0} + minutes(59)).real, 10);
    EXPECT_EQ(value_of({replay}, 0, 7, Instant{0} + minutes(60)).real, 11);
    EXPECT_EQ(value_of({replay}, 1, 0, Instant{0} + minutes(120)).real, 10);
    replay.step = Duration{1};
    replay.stride = UINT32_MAX;
    EXPECT_EQ(value_of({replay}, 0, 0, Instant{3'000'000'000'000'000'000}).real, 10);
    replay.loop = false;
    EXPECT_EQ(value_of({replay}, 0, 0, Instant{3'000'000'000'000'000'000}).real, 12);
}

TEST(Replay, IntegersStayIntegersAndMissingStaysMissing) {
    gen::Replay replay = recording({1, kNan, -3});
    replay.integers = true;
    EXPECT_EQ(value_of({replay}, 0, 0).integer, 1);
    EXPECT_EQ(value_of({replay}, 0, 0).kind, Value::Kind::integer);
    EXPECT_EQ(value_of({replay}, 0, 1).kind, Value::Kind::missing);
    EXPECT_EQ(value_of({replay}, 0, 2).integer, -3);
    replay.integers = false;
    EXPECT_EQ(value_of({replay}, 0, 1).kind, Value::Kind::missing);
}

TEST(Replay, RefusesWhatIsNoRecording) {
    EXPECT_EQ(refused({recording({})}), "x.values: there must be at least one");
    EXPECT_EQ(refused({gen::Replay{}}), "x.values: there must be at least one");
    EXPECT_EQ(refused({recording({1, std::numeric_limits<double>::infinity()})}),
              "x.values: value inf at 1 is not allowed (must be finite, or NaN for a missing one)");
    gen::Replay replay = recording({1, 1.5});
    replay.integers = true;
    EXPECT_EQ(refused({replay}), "x.values: value 1.5 at 1 is not a whole number");
    replay = recording({1});
    replay.stride = 0;
    EXPECT_NE(refused({replay}), "");
    replay.stride = 1;
    replay.step = seconds(-1);
    EXPECT_NE(refused({replay}), "");
    replay.step = {};
    replay.offset = -1;
    EXPECT_NE(refused({replay}), "");
}

TEST(Choice, OfNumbersAndOfTexts) {
    gen::Choice choice;
    choice.numbers = {1, 5};
    choice.weights = {3, 1};
    EXPECT_NEAR(moments_of(messages_of({choice}, kMany)).mean, 2,
                kErrors * std::sqrt(3.0 / kMany));  // variance 16 * 3/4 * 1/4
    choice.integers = true;
    EXPECT_EQ(value_of({choice}).kind, Value::Kind::integer);
    gen::Choice texts;
    texts.texts = {"on", "off"};
    const std::string text = text_of({texts});
    EXPECT_TRUE(text == "on" || text == "off");
    EXPECT_NE(refused({gen::Choice{}}), "");
    texts.weights = {1};
    EXPECT_EQ(refused({texts}), "x.weights: 1 weights for 2 values (must be one each)");
    texts.numbers = {1};
    EXPECT_NE(refused({texts}), "");
}

TEST(Timestamp, InEveryUnit) {
    using Unit = gen::Timestamp::Unit;
    const Instant now = Instant{0} + hours(24 * 59 + 13) + milliseconds(45'678) + Duration{912'345};
    const std::int64_t epoch = 1'735'689'600;
    const std::int64_t later = 24 * 59 * 3600 + 13 * 3600 + 45;
    EXPECT_EQ(value_of({gen::Timestamp{Unit::seconds}}, 0, 0, now).integer, epoch + later);
    EXPECT_EQ(value_of({gen::Timestamp{Unit::milliseconds, false}}, 0, 0, now).integer,
              later * 1000 + 678);
    EXPECT_EQ(value_of({gen::Timestamp{Unit::microseconds, false}}, 0, 0, now).integer,
              later * 1'000'000 + 678'912);
    EXPECT_EQ(value_of({gen::Timestamp{Unit::nanoseconds, false}}, 0, 0, now).integer,
              later * 1'000'000'000 + 678'912'345);
    EXPECT_EQ(text_of({gen::Timestamp{Unit::iso8601}}, 0, now), "2025-03-01T13:00:45.678Z");
    EXPECT_EQ(text_of({gen::Timestamp{Unit::iso8601, false}}, 0, now), "1970-03-01T13:00:45.678Z");
}

// Leap days and the turn of years, from `date -u -d @N`.
TEST(Timestamp, KnowsTheCalendar) {
    const GeneratorSpec spec{gen::Timestamp{gen::Timestamp::Unit::iso8601, false}};
    const auto date = [&](std::int64_t unix_seconds) {
        return text_of(spec, 0, Instant{0} + seconds(unix_seconds));
    };
    EXPECT_EQ(date(951'782'400), "2000-02-29T00:00:00.000Z");
    EXPECT_EQ(date(1'709'251'199), "2024-02-29T23:59:59.000Z");
    EXPECT_EQ(date(1'709'251'200), "2024-03-01T00:00:00.000Z");
    EXPECT_EQ(date(1'735'689'599), "2024-12-31T23:59:59.000Z");
    EXPECT_EQ(date(4'107'542'400), "2100-03-01T00:00:00.000Z");
}

TEST(DeviceIndexAndText, SpeakOfTheDevice) {
    EXPECT_EQ(value_of({gen::DeviceIndex{}}, 3).integer, 3);
    EXPECT_EQ(text_of({gen::Text{"unit {id}"}}, 3), "unit meter-3");
    EXPECT_EQ(text_of({gen::Text{"unit"}}, 3), "unit");
    EXPECT_NE(refusal([] { generator({gen::Text{"{no}"}}); }).find("x.text"), std::string::npos);
}

TEST(Boolean, IsTrueAsOftenAsItSays) {
    Generator g = generator({gen::Boolean{0.3}});
    std::int64_t yes = 0;
    for (std::uint32_t n = 0; n < kMany; ++n) yes += g.next({0, n, Instant{0}, {}}).integer;
    EXPECT_NEAR(static_cast<double>(yes) / kMany, 0.3, kErrors * std::sqrt(0.21 / kMany));
    EXPECT_EQ(value_of({gen::Boolean{0.0}}).integer, 0);
    EXPECT_EQ(value_of({gen::Boolean{1.0}}).integer, 1);
    EXPECT_EQ(refused({gen::Boolean{1.5}}),
              "x.probability: 1.5 is not allowed (must be >= 0 and <= 1)");
}

TEST(Digits, RoundToTheNearestDecimalThatReadsBackTheSame) {
    const auto rounded = [](double x, int digits) {
        return value_of({gen::Constant{Column(x)}, digits});
    };
    EXPECT_EQ(rounded(21.387, 2).real, 21.39);
    EXPECT_EQ(rounded(21.387, 2).integer, 2139);
    EXPECT_EQ(rounded(-21.385000001, 2).real, -21.39);
    EXPECT_EQ(rounded(0.5, 0).real, 1);
    EXPECT_EQ(rounded(-0.5, 0).real, -1);
    EXPECT_FALSE(std::signbit(rounded(-0.001, 2).real));
    EXPECT_EQ(rounded(1e200, 2).real, 1e200);
    EXPECT_EQ(rounded(1e200, 2).digits, -1);
    EXPECT_EQ(rounded(0.1234567894, 9).real, 0.123456789);
    for (const double x : messages_of({gen::Normal{0, 100}, 3}, 1000)) {
        char text[32];
        std::snprintf(text, sizeof text, "%.3f", x);
        EXPECT_EQ(x, std::strtod(text, nullptr));
    }
    EXPECT_EQ(refused({gen::Normal{}, 10}),
              "x.digits: 10 is not allowed (must be 0 to 9, or -1 for all)");
    EXPECT_NE(refused({gen::Normal{}, -2}), "");
}

}  // namespace
}  // namespace mqttwin::fleet
