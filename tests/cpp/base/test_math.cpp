#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "mqttwin/base/math.hpp"
#include "mqttwin/base/random.hpp"

namespace mqttwin {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kBound = 1e-14;

void expect_close(double ours, double libm, double at) {
    EXPECT_NEAR(ours, libm, kBound * std::abs(libm)) << "at " << at;
}

TEST(PortableLog, AgreesWithLibm) {
    Stream stream(StreamKey::of(1, "test", "log"), 0);
    for (int i = 0; i < 50'000; ++i) {
        const double x =
            std::ldexp(1.0 + stream.unit(), static_cast<int>(stream.below(2040)) - 1020);
        expect_close(portable::log(x), std::log(x), x);
    }
}

TEST(PortableLog, IsExactWhereItMatters) {
    EXPECT_EQ(portable::log(1.0), 0.0);
    for (double h = 0.5; h > 1e-16; h /= 2) {  // next to its zero
        expect_close(portable::log(1.0 + h), std::log(1.0 + h), 1.0 + h);
        expect_close(portable::log(1.0 - h / 2), std::log(1.0 - h / 2), 1.0 - h / 2);
    }
    for (const double x : {std::numeric_limits<double>::denorm_min(), 1e-310, 0x1.0p-1022,
                           0x1.0p-53, std::numeric_limits<double>::max()}) {
        expect_close(portable::log(x), std::log(x), x);
    }
}

TEST(PortableExp, AgreesWithLibm) {
    Stream stream(StreamKey::of(2, "test", "exp"), 0);
    for (int i = 0; i < 50'000; ++i) {
        const double x = 1400 * stream.unit() - 700;
        expect_close(portable::exp(x), std::exp(x), x);
        const double small = 2 * stream.unit() - 1;
        expect_close(portable::exp(small), std::exp(small), small);
    }
}

TEST(PortableExp, ReachesItsEnds) {
    EXPECT_EQ(portable::exp(0.0), 1.0);
    EXPECT_EQ(portable::exp(-746.0), 0.0);
    EXPECT_EQ(portable::exp(-1e300), 0.0);
    EXPECT_TRUE(std::isinf(portable::exp(709.79)));
    EXPECT_TRUE(std::isinf(portable::exp(1e300)));
    expect_close(portable::exp(709.77), std::exp(709.77), 709.77);
    EXPECT_NEAR(portable::exp(-740.0), std::exp(-740.0), 5e-324);  // subnormal: absolute
}

TEST(PortableSine, AgreesWithLibm) {
    Stream stream(StreamKey::of(3, "test", "sin"), 0);
    for (int i = 0; i < 50'000; ++i) {
        const double turns = stream.unit() - 0.5;
        EXPECT_NEAR(portable::sin_turns(turns), std::sin(2 * kPi * turns), kBound) << turns;
        EXPECT_NEAR(portable::cos_turns(turns), std::cos(2 * kPi * turns), kBound) << turns;
    }
}

TEST(PortableSine, IsExactAtQuarters) {
    for (int whole = -3; whole <= 3; ++whole) {
        EXPECT_EQ(portable::sin_turns(whole), 0.0);
        EXPECT_EQ(portable::sin_turns(whole + 0.25), 1.0);
        EXPECT_EQ(portable::sin_turns(whole + 0.5), 0.0);
        EXPECT_EQ(portable::sin_turns(whole + 0.75), -1.0);
        EXPECT_EQ(portable::cos_turns(whole), 1.0);
        EXPECT_EQ(portable::cos_turns(whole + 0.25), 0.0);
        EXPECT_EQ(portable::cos_turns(whole + 0.5), -1.0);
        EXPECT_EQ(portable::cos_turns(whole + 0.75), 0.0);
    }
}

TEST(PortableSine, IsRelativelyExactNextToZero) {
    for (double turns = 0.1; turns > 1e-300; turns /= 3) {
        expect_close(portable::sin_turns(turns), std::sin(2 * kPi * turns), turns);
        expect_close(portable::sin_turns(-turns), std::sin(-2 * kPi * turns), turns);
    }
}

TEST(PortableSine, RepeatsEveryTurn) {
    for (double turns = -0.875; turns < 1; turns += 0.0625) {  // multiples that stay exact
        EXPECT_EQ(portable::sin_turns(turns + 1'000'000), portable::sin_turns(turns + 1)) << turns;
        EXPECT_EQ(portable::sin_turns(-turns), -portable::sin_turns(turns)) << turns;
    }
}

TEST(PortablePow, AgreesWithLibm) {
    Stream stream(StreamKey::of(4, "test", "pow"), 0);
    for (int i = 0; i < 20'000; ++i) {
        const double x = 0.01 + 10 * stream.unit();
        const double y = 6 * stream.unit() - 3;
        expect_close(portable::pow(x, y), std::pow(x, y), x);
    }
    EXPECT_EQ(portable::pow(7.0, 0.0), 1.0);
}

}  // namespace
}  // namespace mqttwin
