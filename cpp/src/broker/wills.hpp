// Will messages: kept from CONNECT on, published when the connection ends badly.
#pragma once

#include <cstdint>

#include "state.hpp"

namespace mqttwin::broker {

/// Keeps the will of a CONNECT with the session [MQTT-3.1.2-7]. Precondition: it has none.
void keep_will(State& s, Instant now, std::uint32_t session, const wire::Will& will);

/// The will is no longer wanted [MQTT-3.14.4-3].
void discard_will(State& s, Session& session);

/// Publishes the session's will and takes it away [MQTT-3.1.2-8] [MQTT-3.1.2-10] 3.1.1
/// [MQTT-3.1.2-8].
void publish_will(State& s, Instant now, std::uint32_t session);
/// The same for a will that left its session; `publisher` is the session if it still exists.
void publish_will(State& s, Instant now, std::uint32_t will, std::uint32_t tag,
                  std::uint32_t publisher);

}  // namespace mqttwin::broker
