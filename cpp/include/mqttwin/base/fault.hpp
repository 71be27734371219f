// What is wrong with bytes or behaviour of a peer: a value, never an exception.
#pragma once

#include <cstdint>
#include <string_view>

namespace mqttwin {

/// A protocol fault: MQTT 5.0 reason code, the normative clause that was broken, and what was seen.
///
/// `reason` 0 means "no fault". `clause` and `what` point at literals. `offset` is the byte at
/// which the fault was noticed, counted from the start of the frame (fixed header included).
struct Fault {
    std::uint8_t reason = 0;
    std::string_view clause;  // such as "MQTT-1.5.4-1"
    std::string_view what;    // such as "malformed UTF-8 in topic name"
    std::uint32_t offset = 0;

    [[nodiscard]] explicit operator bool() const { return reason != 0; }
};

}  // namespace mqttwin
