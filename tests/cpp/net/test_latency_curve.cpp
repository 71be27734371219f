#include <limits>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "mqttwin/net/link_table.hpp"

namespace mqttwin::net {
namespace {

constexpr Instant at_s(std::int64_t s) { return Instant{seconds(s).ns}; }

LatencyCurve day() {
    LatencyCurve curve;
    curve.points = {{seconds(10), milliseconds(40), LatencyCurve::kSameLoss},
                    {seconds(20), milliseconds(120), 0.2},
                    {seconds(40), milliseconds(20), 0.4}};
    return curve;
}

Duration latency(const LatencyCurve& curve, std::int64_t s) {
    std::size_t hint = 99;
    return curve.look(at_s(s), hint).latency;
}

TEST(LatencyCurve, APointHoldsUntilTheNext) {
    const LatencyCurve curve = day();
    EXPECT_EQ(latency(curve, 0), milliseconds(40));
    EXPECT_EQ(latency(curve, 19), milliseconds(40));
    EXPECT_EQ(latency(curve, 20), milliseconds(120));
    EXPECT_EQ(latency(curve, 39), milliseconds(120));
    EXPECT_EQ(latency(curve, 40), milliseconds(20));
    EXPECT_EQ(latency(curve, 1'000'000), milliseconds(20));
}

TEST(LatencyCurve, OrChangesEvenly) {
    LatencyCurve curve = day();
    curve.linear = true;
    EXPECT_EQ(latency(curve, 5), milliseconds(40));
    EXPECT_EQ(latency(curve, 15), milliseconds(80));
    EXPECT_EQ(latency(curve, 30), milliseconds(70));
    EXPECT_EQ(latency(curve, 50), milliseconds(20));
    std::size_t hint = 0;
    EXPECT_NEAR(curve.look(at_s(30), hint).loss, 0.3, 1e-12);
    EXPECT_EQ(curve.look(at_s(15), hint).loss, LatencyCurve::kSameLoss);
}

TEST(LatencyCurve, AndMayRepeat) {
    LatencyCurve curve = day();
    curve.repeat = seconds(60);
    EXPECT_EQ(latency(curve, 60 * 7 + 25), milliseconds(120));
    EXPECT_EQ(latency(curve, 59), milliseconds(20));
    EXPECT_EQ(latency(curve, 65), milliseconds(20));
    curve.linear = true;
    EXPECT_EQ(latency(curve, 55), milliseconds(30));  // towards the first, at 70 s
    EXPECT_EQ(latency(curve, 61), milliseconds(34));
}

TEST(LatencyCurve, AHintIsOnlyAHint) {
    LatencyCurve curve = day();
    curve.repeat = seconds(60);
    for (std::size_t start : {0U, 1U, 2U, 3U, 77U}) {
        for (int s = 0; s < 130; s += 7) {
            std::size_t hint = start;
            EXPECT_EQ(curve.look(at_s(s), hint).latency, latency(curve, s)) << start << " " << s;
        }
    }
}

TEST(LatencyCurve, ALinkFollowsItInOrder) {
    LinkSpec spec;
    spec.up.curve = day();
    LinkTable table(spec, 1, "meter", 1);
    Pipe pipe(Stream(StreamKey::of(1, "test", "pipe"), 0));
    const Instant before = at_s(20) - milliseconds(1);
    for (const Instant now : {at_s(12), before, at_s(19) + milliseconds(999)}) {
        EXPECT_EQ(table.offer(now, 0, true, 100).arrives, now + milliseconds(40));
        EXPECT_EQ(pipe.offer(now, 100, spec.up).arrives, now + milliseconds(40));
    }
    EXPECT_EQ(table.offer(at_s(5'000), 0, false, 100).arrives, at_s(5'000) + milliseconds(1));
}

TEST(LatencyCurve, LossFollowsItToo) {
    LinkSpec spec;
    spec.up.loss = 0.05;
    spec.up.curve = day();
    LinkTable table(spec, 1, "meter", 1);
    int lost[3] = {};
    for (int i = 0; i < 60'000; ++i) {
        const bool gone =
            table.offer(Instant{milliseconds(1).ns * i}, 0, true, 100).fate == Passage::Fate::lost;
        lost[i < 20'000 ? 0 : i < 40'000 ? 1 : 2] += gone ? 1 : 0;
    }
    EXPECT_NEAR(lost[0], 1'000, 150);
    EXPECT_NEAR(lost[1], 4'000, 250);
    EXPECT_NEAR(lost[2], 8'000, 300);
}

TEST(LatencyCurve, WrongPointsAreNamed) {
    const auto complaint = [](auto change) -> std::string {
        LatencyCurve curve = day();
        change(curve);
        try {
            check(curve, "");
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_EQ(complaint([](LatencyCurve&) {}), "");
    EXPECT_EQ(complaint([](LatencyCurve& c) { c.points[2].at = seconds(20); }),
              "points[2].at must be at least 0 s and later than the point before");
    EXPECT_NE(complaint([](LatencyCurve& c) { c.points[0].at = seconds(-1); }), "");
    EXPECT_EQ(complaint([](LatencyCurve& c) { c.points[1].latency = seconds(-1); }),
              "points[1].latency must be within 0 s to 1 h");
    EXPECT_EQ(complaint([](LatencyCurve& c) {
                  c.points[1].loss = std::numeric_limits<double>::quiet_NaN();
              }),
              "points[1].loss must be a probability in [0, 1]");
    EXPECT_EQ(complaint([](LatencyCurve& c) { c.repeat = seconds(40); }),
              "repeat must be 0 s (never) or later than the last point");
}

}  // namespace
}  // namespace mqttwin::net
