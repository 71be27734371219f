// From a client to the broker: PUBLISH at each QoS, PUBREL, topic aliases.
#pragma once

#include <string_view>

#include "state.hpp"

namespace mqttwin::broker {

/// 4.7.2: names that start so are the server's.
inline constexpr std::string_view kSystemTopics = "$SYS/";

/// Over Options::max_topic_levels.
[[nodiscard]] bool too_deep(const State& s, std::string_view topic);
/// Whether a payload is what its Payload Format Indicator says, as far as that is checked.
[[nodiscard]] bool payload_format_holds(const State& s, const wire::Properties& properties,
                                        ByteView payload);

void handle_publish(State& s, Instant now, Slot slot, const wire::Frame& frame, const Stamp& stamp);
void handle_pubrel(State& s, Instant now, Slot slot, const wire::Frame& frame);

}  // namespace mqttwin::broker
