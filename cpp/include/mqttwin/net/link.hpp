// What a link between a device and a broker is made of.
#pragma once

#include <cstdint>

#include "mqttwin/base/time.hpp"

namespace mqttwin::net {

enum class JitterKind : std::uint8_t { none, uniform, normal, exponential };

/// One direction of a link.
struct Direction {
    Duration latency = milliseconds(1);  // propagation, one way
    /// uniform: half width; normal: standard deviation; exponential: mean. Added to the latency
    /// of each packet (never below zero in all); packets of a connection stay in order.
    Duration jitter{0};
    JitterKind jitter_kind = JitterKind::none;
    double loss = 0.0;              // probability for each packet, in [0, 1)
    double bandwidth = 0.0;         // bit/s on the IP level; 0 is unlimited
    std::uint32_t queue_bytes = 0;  // what may wait for the bandwidth; 0 is unbounded
};

struct LinkSpec {
    Direction up;              // device to broker
    Direction down;            // broker to device
    std::uint32_t mtu = 1500;  // bytes of an IP packet
};

}  // namespace mqttwin::net
