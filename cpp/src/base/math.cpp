#include "mqttwin/base/math.hpp"

#include <bit>
#include <cstdint>
#include <limits>

namespace mqttwin::portable {

namespace {

constexpr double kLn2High = 6.93147180369123816490e-01;  // ln 2 with 21 trailing zero bits
constexpr double kLn2Low = 1.90821492927058770002e-10;
constexpr double kTwoPi = 6.283185307179586476925;

// x * 2^k for k in a range that keeps the result finite or gradually under zero.
double scale_by_power_of_two(double x, int k) {
    while (k > 1000) {
        x *= 0x1.0p1000;
        k -= 1000;
    }
    while (k < -1000) {
        x *= 0x1.0p-1000;
        k += 1000;
    }
    const auto bits = static_cast<std::uint64_t>(k + 1023) << 52;
    return x * std::bit_cast<double>(bits);
}

// sin and cos of an angle in [-pi/4, pi/4], by their Taylor series (last term below 1e-17).
double sin_small(double a) {
    const double s = a * a;
    double sum = 1.0 / 355687428096000.0;  // 17!
    sum = sum * s - 1.0 / 1307674368000.0;
    sum = sum * s + 1.0 / 6227020800.0;
    sum = sum * s - 1.0 / 39916800.0;
    sum = sum * s + 1.0 / 362880.0;
    sum = sum * s - 1.0 / 5040.0;
    sum = sum * s + 1.0 / 120.0;
    sum = sum * s - 1.0 / 6.0;
    return a + a * (s * sum);
}

double cos_small(double a) {
    const double s = a * a;
    double sum = 1.0 / 20922789888000.0;  // 16!
    sum = sum * s - 1.0 / 87178291200.0;
    sum = sum * s + 1.0 / 479001600.0;
    sum = sum * s - 1.0 / 3628800.0;
    sum = sum * s + 1.0 / 40320.0;
    sum = sum * s - 1.0 / 720.0;
    sum = sum * s + 1.0 / 24.0;
    sum = sum * s - 0.5;
    return 1.0 + s * sum;
}

}  // namespace

double log(double x) {
    auto bits = std::bit_cast<std::uint64_t>(x);
    int exponent = 0;
    if ((bits >> 52) == 0) {  // subnormal
        bits = std::bit_cast<std::uint64_t>(x * 0x1.0p54);
        exponent = -54;
    }
    exponent += static_cast<int>(bits >> 52) - 1023;
    double m = std::bit_cast<double>((bits & 0x000F'FFFF'FFFF'FFFFULL) | 0x3FF0'0000'0000'0000ULL);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        ++exponent;
    }
    // ln m = 2 artanh(z), z = (m-1)/(m+1), |z| <= 0.1716: terms to z^23.
    const double z = (m - 1.0) / (m + 1.0);
    const double s = z * z;
    double sum = 1.0 / 23.0;
    for (int k = 21; k >= 3; k -= 2) sum = sum * s + 1.0 / static_cast<double>(k);
    const double part = 2.0 * z + 2.0 * z * (s * sum);
    const auto e = static_cast<double>(exponent);
    return e * kLn2High + (part + e * kLn2Low);
}

double exp(double x) {
    if (x > 709.78) return std::numeric_limits<double>::infinity();
    if (x < -745.0) return 0.0;
    const double turns = x * 1.4426950408889634074;
    const int k = static_cast<int>(turns < 0 ? turns - 0.5 : turns + 0.5);
    const auto kd = static_cast<double>(k);
    const double r = (x - kd * kLn2High) - kd * kLn2Low;  // |r| <= 0.347
    double sum = 1.0 / 6227020800.0;                      // 13!
    sum = sum * r + 1.0 / 479001600.0;
    sum = sum * r + 1.0 / 39916800.0;
    sum = sum * r + 1.0 / 3628800.0;
    sum = sum * r + 1.0 / 362880.0;
    sum = sum * r + 1.0 / 40320.0;
    sum = sum * r + 1.0 / 5040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    return scale_by_power_of_two(1.0 + (r + r * r * sum), k);
}

double sin_turns(double turns) {
    // Whole turns away, then the nearest quarter.
    const auto whole = static_cast<double>(static_cast<std::int64_t>(turns));
    double t = turns - whole;  // exact; in (-1, 1)
    const int quarter = static_cast<int>(t * 4.0 + (t < 0 ? -0.5 : 0.5));
    t -= static_cast<double>(quarter) * 0.25;
    const double a = t * kTwoPi;
    switch (quarter & 3) {
        case 0:
            return sin_small(a);
        case 1:
            return cos_small(a);
        case 2:
            return -sin_small(a);
        default:
            return -cos_small(a);
    }
}

double cos_turns(double turns) {
    const auto whole = static_cast<double>(static_cast<std::int64_t>(turns));
    return sin_turns((turns - whole) + 0.25);
}

double pow(double x, double y) { return exp(y * log(x)); }

}  // namespace mqttwin::portable
