// Which way bytes travel, as records, digests and counters name it.
#pragma once

#include <cstdint>

namespace mqttwin::trace {

enum class Direction : std::uint8_t {
    up = 0,    // from the client to the broker
    down = 1,  // from the broker to the client
};

/// The tag of no entity of the simulation: a real client, a topic of the broker's own.
inline constexpr std::uint32_t kNoTag = 0xFFFF'FFFFU;

}  // namespace mqttwin::trace
