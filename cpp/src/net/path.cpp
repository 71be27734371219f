#include "mqttwin/net/path.hpp"

#include "mqttwin/base/math.hpp"

namespace mqttwin::net {

Fate fate_of(double unit, double loss, std::uint32_t packets, Duration first_timeout,
             unsigned retries) {
    Fate fate;
    if (loss <= 0.0) return fate;
    // P(the unluckiest of m packets is lost more than k times) = 1 - (1 - p^(k+1))^m.
    Duration timeout = first_timeout;
    double more = loss;  // p^(k+1)
    for (;;) {
        const double exceed =
            packets == 1
                ? more
                : 1.0 - portable::exp(static_cast<double>(packets) * portable::log(1.0 - more));
        if (unit >= exceed) return fate;
        fate.delay += timeout;
        timeout = min(timeout * 2, kMaximumRto);
        if (fate.losses++ == retries) {
            fate.given_up = true;
            return fate;
        }
        more *= loss;
    }
}

}  // namespace mqttwin::net
