// From a client to the broker: PUBLISH at each QoS, PUBREL, topic aliases.
#pragma once

#include "state.hpp"

namespace mqttwin::broker {

void handle_publish(State& s, Instant now, Slot slot, const wire::Frame& frame, const Stamp& stamp);
void handle_pubrel(State& s, Instant now, Slot slot, const wire::Frame& frame);

}  // namespace mqttwin::broker
