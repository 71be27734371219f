// Kinds of events in the queue that belong to the network.
#pragma once

#include <cstdint>

#include "mqttwin/net/script.hpp"

namespace mqttwin::net {

/// Kinds of events in the queue that belong to the network: 0 to 15 are reserved for it.
enum class FlowEvent : std::uint8_t {
    arrival_up = 1,    // the head of the client's lane arrives at the server
    arrival_down = 2,  // the head of the server's lane arrives at the client
    timer_client = 3,  // a deadline of the client's TCP
    timer_server = 4,
    think_client = 5,  // the client has computed what its handshake above TCP says next
    think_server = 6,
    lookup = 7,  // a question to the name server, its answer, or the end of patience
    nudge = 8,   // something outside of the exchange is to be looked at: a fault, reading on,
                 // patience with a handshake
    last = 15,
};

constexpr FlowEvent arrival_event(Side sender) {
    return sender == Side::client ? FlowEvent::arrival_up : FlowEvent::arrival_down;
}
constexpr FlowEvent timer_event(Side end) {
    return end == Side::client ? FlowEvent::timer_client : FlowEvent::timer_server;
}

}  // namespace mqttwin::net
