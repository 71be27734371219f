#include "mqttwin/base/random.hpp"

#include <cmath>

#include "mqttwin/base/math.hpp"

namespace mqttwin {

double exponential_from(std::uint64_t word) { return -portable::log(positive_unit_from(word)); }

double normal_from(std::uint64_t word) {
    // A point strictly inside (0, 1), symmetric around one half.
    const double p = (static_cast<double>(word >> 12) + 0.5) * 0x1.0p-52;
    const double q = p - 0.5;
    if (q >= -0.425 && q <= 0.425) {
        const double r = 0.180625 - q * q;
        double num = 2.5090809287301226727e3;
        num = num * r + 3.3430575583588128105e4;
        num = num * r + 6.7265770927008700853e4;
        num = num * r + 4.5921953931549871457e4;
        num = num * r + 1.3731693765509461125e4;
        num = num * r + 1.9715909503065514427e3;
        num = num * r + 1.3314166789178437745e2;
        num = num * r + 3.3871328727963666080e0;
        double den = 5.2264952788528545610e3;
        den = den * r + 2.8729085735721942674e4;
        den = den * r + 3.9307895800092710610e4;
        den = den * r + 2.1213794301586595867e4;
        den = den * r + 5.3941960214247511077e3;
        den = den * r + 6.8718700749205790830e2;
        den = den * r + 4.2313330701600911252e1;
        den = den * r + 1.0;
        return q * num / den;
    }
    double r = std::sqrt(-portable::log(q < 0 ? p : 1.0 - p));  // sqrt is exact in IEEE 754
    double num = 0;
    double den = 0;
    if (r <= 5.0) {
        r -= 1.6;
        num = 7.74545014278341407640e-4;
        num = num * r + 2.27238449892691845833e-2;
        num = num * r + 2.41780725177450611770e-1;
        num = num * r + 1.27045825245236838258e0;
        num = num * r + 3.64784832476320460504e0;
        num = num * r + 5.76949722146069140550e0;
        num = num * r + 4.63033784615654529590e0;
        num = num * r + 1.42343711074968357734e0;
        den = 1.05075007164441684324e-9;
        den = den * r + 5.47593808499534494600e-4;
        den = den * r + 1.51986665636164571966e-2;
        den = den * r + 1.48103976427480074590e-1;
        den = den * r + 6.89767334985100004550e-1;
        den = den * r + 1.67638483018380384940e0;
        den = den * r + 2.05319162663775882187e0;
        den = den * r + 1.0;
    } else {
        r -= 5.0;
        num = 2.01033439929228813265e-7;
        num = num * r + 2.71155556874348757815e-5;
        num = num * r + 1.24266094738807843860e-3;
        num = num * r + 2.65321895265761230930e-2;
        num = num * r + 2.96560571828504891230e-1;
        num = num * r + 1.78482653991729133580e0;
        num = num * r + 5.46378491116411436990e0;
        num = num * r + 6.65790464350110377720e0;
        den = 2.04426310338993978564e-15;
        den = den * r + 1.42151175831644588870e-7;
        den = den * r + 1.84631831751005468180e-5;
        den = den * r + 7.86869131145613259100e-4;
        den = den * r + 1.48753612908506148525e-2;
        den = den * r + 1.36929880922735805310e-1;
        den = den * r + 5.99832206555887937690e-1;
        den = den * r + 1.0;
    }
    const double x = num / den;
    return q < 0 ? -x : x;
}

std::uint64_t Stream::below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
}

}  // namespace mqttwin
