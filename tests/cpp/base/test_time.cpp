#include <gtest/gtest.h>

#include "mqttwin/base/time.hpp"

namespace mqttwin {
namespace {

TEST(Time, UnitsAreWholeNanoseconds) {
    EXPECT_EQ(microseconds(1).ns, 1'000);
    EXPECT_EQ(milliseconds(1), microseconds(1000));
    EXPECT_EQ(seconds(1), milliseconds(1000));
    EXPECT_EQ(minutes(1), seconds(60));
    EXPECT_EQ(hours(24), minutes(1440));
    EXPECT_DOUBLE_EQ(milliseconds(1500).seconds(), 1.5);
}

TEST(Time, InstantsAndDurationsAddUp) {
    const Instant start{seconds(10).ns};
    EXPECT_EQ(start + seconds(5) - start, seconds(5));
    EXPECT_EQ(start - seconds(10), Instant{});
    EXPECT_EQ(3 * seconds(2) - seconds(1) * 4, seconds(2));
    EXPECT_EQ(seconds(7) / 2, milliseconds(3500));
    Duration d = seconds(1);
    d += seconds(2);
    d -= milliseconds(500);
    EXPECT_EQ(d, milliseconds(2500));
}

TEST(Time, NeverIsLaterThanEverything) {
    EXPECT_LT(Instant{} + hours(24 * 365 * 200), Instant::never());
    EXPECT_EQ(min(Instant::never(), Instant{5}), Instant{5});
    EXPECT_EQ(max(Instant{3}, Instant{5}), Instant{5});
    EXPECT_EQ(min(seconds(1), seconds(2)), seconds(1));
    EXPECT_EQ(max(seconds(1), seconds(2)), seconds(2));
}

}  // namespace
}  // namespace mqttwin
