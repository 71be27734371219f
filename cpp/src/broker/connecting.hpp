// CONNECT: who may come in, which session it gets, what it is told.
#pragma once

#include "state.hpp"

namespace mqttwin::broker {

/// The first packet of a connection.
void handle_connect(State& s, Instant now, Slot slot, const wire::Frame& frame);

}  // namespace mqttwin::broker
