// What engines, networks and observers call a connection, and what travels beside a message.
#pragma once

#include <cstdint>

#include "mqttwin/base/time.hpp"

namespace mqttwin {

/// A connection of a broker, or a client of a client engine: a dense index chosen by the world.
using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = 0xFFFF'FFFFU;

/// What travels beside a message, not in its bytes: who published it and when. The engines carry
/// it along and do not look at it; observers measure with it. In a live world it is the arrival.
struct Stamp {
    /// No one in the simulation (a real client, a $SYS topic).
    static constexpr std::uint32_t kNobody = 0xFFFF'FFFFU;
    /// A retained message sent because of a new subscription: counted apart.
    static constexpr std::uint32_t kReplay = 0xFFFF'FFFEU;

    Instant published{-1};
    std::uint32_t origin = kNobody;  // tag of the publishing entity
    /// Set by the broker on every PUBLISH of QoS > 0 to a session: 1, 2, 3 ... in the order in
    /// which the session first sends them; a redelivery repeats its number. 0 for QoS 0.
    std::uint32_t sequence = 0;
};

}  // namespace mqttwin
