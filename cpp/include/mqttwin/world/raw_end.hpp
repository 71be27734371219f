// An end of a virtual connection whose owner speaks bytes: scripted peers, protocol tests.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/net/network.hpp"

namespace mqttwin::world {

enum class RawState : std::uint8_t {
    idle,       // never opened
    opening,    // the connection request is under way
    open,       //
    closed,     // in good order, by either side
    reset,      // by either side
    timed_out,  // TCP gave up
    refused,    // nobody listens there
};

/// What is kept for one such end.
struct RawEnd {
    /// Bytes that have arrived and that the owner has not taken; beyond this the end resets the
    /// connection, as a process that runs out of memory would.
    static constexpr std::size_t kMaximumUnread = std::size_t{256} << 20;

    net::FlowId flow = net::kNoFlow;
    net::End end = net::End::client;
    RawState state = RawState::idle;
    std::vector<std::uint8_t> received;
};

}  // namespace mqttwin::world
