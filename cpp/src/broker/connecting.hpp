// CONNECT: who may come in, which session it gets, what it is told.
#pragma once

#include <cstdint>
#include <string_view>

#include "state.hpp"

namespace mqttwin::broker {

/// The first packet of a connection.
void handle_connect(State& s, Instant now, Slot slot, const wire::Frame& frame);

/// What an authentication leaves to say in CONNACK [MQTT-4.12.0-5].
struct Admission {
    std::string_view method;
    ByteView data;
};
/// Lets a client in whose CONNECT was found good; refuses it if there is no room for its session.
void admit(State& s, Instant now, Slot slot, const wire::Connect& packet,
           const Admission& admission);

/// CONNACK with an error, then the connection is closed [MQTT-3.1.4-2], [MQTT-3.2.2-7]. Its CONNECT
/// has come and was not answered yet.
void refuse(State& s, Instant now, Slot slot, std::uint8_t code, CloseCause cause,
            std::string_view explanation, std::string_view reference = {});

}  // namespace mqttwin::broker
