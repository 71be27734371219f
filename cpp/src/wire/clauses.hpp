// Statements of the two standards that several branches refer to.
#pragma once

#include <string_view>

#include "mqttwin/wire/types.hpp"

namespace mqttwin::wire {

/// One rule under its two numbers. A rule that 5.0 alone has repeats that number.
struct Clause {
    std::string_view v5;
    std::string_view v311;

    [[nodiscard]] std::string_view in(Version version) const {
        return version == Version::v5 ? v5 : v311;
    }
};

namespace clause {

/// "A protocol violation closes the connection": for what the standards forbid without a number of
/// its own, such as a packet that ends too early.
inline constexpr Clause kViolation{"MQTT-4.13.1-1", "MQTT-4.8.0-1"};
inline constexpr Clause kUtf8{"MQTT-1.5.4-1", "MQTT-1.5.3-1"};
inline constexpr Clause kNull{"MQTT-1.5.4-2", "MQTT-1.5.3-2"};
inline constexpr Clause kFlags{"MQTT-2.1.3-1", "MQTT-2.2.2-2"};
inline constexpr Clause kWildcardInName{"MQTT-3.3.2-2", "MQTT-3.3.2-2"};
inline constexpr Clause kPacketId{"MQTT-2.2.1-3", "MQTT-2.3.1-1"};
inline constexpr Clause kShortestForm{"MQTT-1.5.5-1", "MQTT-4.8.0-1"};
inline constexpr Clause kTopicLength{"MQTT-4.7.3-1", "MQTT-4.7.3-1"};

}  // namespace clause

}  // namespace mqttwin::wire
