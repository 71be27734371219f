// SUBSCRIBE and UNSUBSCRIBE.
#pragma once

#include "state.hpp"

namespace mqttwin::broker {

void handle_subscribe(State& s, Instant now, Slot slot, const wire::Frame& frame);
void handle_unsubscribe(State& s, Instant now, Slot slot, const wire::Frame& frame);

}  // namespace mqttwin::broker
