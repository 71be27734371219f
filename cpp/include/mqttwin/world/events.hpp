// Which events a virtual world knows, and in which order they stand at one instant.
//
// EventKey orders by the entity first (rank of its population, index within), then by these
// numbers. A stranger never comes between two events of an entity, and never changes the order of
// two others.
#pragma once

#include <cstdint>

#include "mqttwin/net/network.hpp"

namespace mqttwin::world {

// 0 to 15 belong to the network: net::FlowEvent.
enum class EventKind : std::uint8_t {
    client_deadline = 16,  // of a fleet's client engine (index 0)
    broker_deadline = 17,  // of a broker (index 0)
    connect = 18,          // a device is switched on
    alarm = 19,            // of a device with a script
    behaviour = 32,        // `detail` is the number of the publishing behaviour
};
static_assert(static_cast<unsigned>(net::FlowEvent::last) < 16);

/// Publishing behaviours that a fleet may have: the event's detail is a byte.
inline constexpr unsigned kMaximumBehaviours = 256;
/// Fleets and brokers that a world may have together: ranks are 16 bits.
inline constexpr unsigned kMaximumPopulations = 65'536;

}  // namespace mqttwin::world
