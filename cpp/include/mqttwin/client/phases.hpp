// The life of a client's connection as a table; the documentation draws its diagram from it.
#pragma once

#include <array>
#include <cstdint>

namespace mqttwin::client {

enum class Phase : std::uint8_t {
    idle,              // no connection, and none wanted
    opening,           // the network has been asked for a connection
    awaiting_connack,  // CONNECT was sent
    online,
    backing_off,  // waiting to try again
};

enum class PhaseInput : std::uint8_t {
    connect,   // the command, once nothing is left of a former connection
    defer,     // the command, while a former connection is still being closed
    opened,    // the network has a connection
    accepted,  // CONNACK with success
    lost,      // by whatever cause, and to be tried again
    stop,      // disconnected by command, or lost and not to be tried again
    waited,    // the back-off is over
};

struct PhaseTransition {
    Phase from;
    PhaseInput input;
    Phase to;
};

/// Whatever is not listed does not happen.
inline constexpr std::array<PhaseTransition, 14> kPhaseTable = {{
    {Phase::idle, PhaseInput::connect, Phase::opening},
    {Phase::idle, PhaseInput::defer, Phase::backing_off},
    {Phase::backing_off, PhaseInput::connect, Phase::opening},
    {Phase::backing_off, PhaseInput::defer, Phase::backing_off},
    {Phase::backing_off, PhaseInput::waited, Phase::opening},
    {Phase::backing_off, PhaseInput::stop, Phase::idle},
    {Phase::opening, PhaseInput::opened, Phase::awaiting_connack},
    {Phase::opening, PhaseInput::lost, Phase::backing_off},
    {Phase::opening, PhaseInput::stop, Phase::idle},
    {Phase::awaiting_connack, PhaseInput::accepted, Phase::online},
    {Phase::awaiting_connack, PhaseInput::lost, Phase::backing_off},
    {Phase::awaiting_connack, PhaseInput::stop, Phase::idle},
    {Phase::online, PhaseInput::lost, Phase::backing_off},
    {Phase::online, PhaseInput::stop, Phase::idle},
}};

}  // namespace mqttwin::client
