// Who may say what when, for QoS 1 and 2: the two machines of MQTT section 4.3 as tables.
//
// Both roles drive their state through these, and the documentation draws its diagrams from them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "mqttwin/wire/packets.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin {

// --- The sender of a message (and of SUBSCRIBE and UNSUBSCRIBE, whose identifiers come from the
// --- same set) ---------------------------------------------------------------------------------

/// What a packet identifier in use is waiting for.
enum class SendState : std::uint8_t {
    none,  // not in use
    awaiting_puback,
    awaiting_pubrec,
    awaiting_pubcomp,  // PUBREL was sent
    awaiting_suback,
    awaiting_unsuback,
};
inline constexpr unsigned kSendStates = 6;

/// SUBSCRIBE or UNSUBSCRIBE.
constexpr bool is_list(SendState state) {
    return state == SendState::awaiting_suback || state == SendState::awaiting_unsuback;
}

/// What the peer answered; an error is a reason code of 0x80 or more.
enum class SendInput : std::uint8_t {
    puback,
    puback_error,
    pubrec,
    pubrec_error,
    pubcomp,
    suback,
    unsuback,
};
inline constexpr unsigned kSendInputs = 7;

enum class SendAction : std::uint8_t {
    complete,         // done: the identifier is free
    refuse,           // done, but not accepted: the identifier is free
    release,          // answer PUBREL
    release_unknown,  // answer PUBREL with "packet identifier not found"; nothing changes
    ignore,           // nothing changes
    fault,            // the peer broke the protocol: protocol_error
};

struct SendTransition {
    SendState from = SendState::none;
    SendInput input = SendInput::puback;
    SendAction action = SendAction::fault;
    SendState to = SendState::none;
    std::string_view clause;
};

/// Whatever is not listed is a fault. A message is unacknowledged until the row that takes it away
/// [MQTT-4.3.3-3]; in 3.1.1 all this is [MQTT-4.3.2-1] and [MQTT-4.3.3-1] of 3.1.1.
inline constexpr std::array<SendTransition, 16> kSendTable = {{
    {SendState::awaiting_puback, SendInput::puback, SendAction::complete, SendState::none,
     "MQTT-4.3.2-3"},
    {SendState::awaiting_puback, SendInput::puback_error, SendAction::refuse, SendState::none,
     "MQTT-4.4.0-2"},
    {SendState::awaiting_pubrec, SendInput::pubrec, SendAction::release,
     SendState::awaiting_pubcomp, "MQTT-4.3.3-4"},
    {SendState::awaiting_pubrec, SendInput::pubrec_error, SendAction::refuse, SendState::none,
     "MQTT-4.4.0-2"},
    // A receiver that saw the PUBLISH twice says PUBREC twice.
    {SendState::awaiting_pubcomp, SendInput::pubrec, SendAction::release,
     SendState::awaiting_pubcomp, "MQTT-4.3.3-4"},
    {SendState::awaiting_pubcomp, SendInput::pubrec_error, SendAction::refuse, SendState::none,
     "MQTT-4.4.0-2"},
    // "Packet identifier not found" in a PUBCOMP ends the exchange all the same.
    {SendState::awaiting_pubcomp, SendInput::pubcomp, SendAction::complete, SendState::none,
     "MQTT-4.3.3-5"},
    {SendState::awaiting_suback, SendInput::suback, SendAction::complete, SendState::none,
     "MQTT-3.8.4-1"},
    {SendState::awaiting_unsuback, SendInput::unsuback, SendAction::complete, SendState::none,
     "MQTT-3.10.4-4"},
    // Nothing is known of the identifier: the other half of a redelivery, or a state that we lost.
    {SendState::none, SendInput::puback, SendAction::ignore, SendState::none, {}},
    {SendState::none, SendInput::puback_error, SendAction::ignore, SendState::none, {}},
    {SendState::none, SendInput::pubrec, SendAction::release_unknown, SendState::none, {}},
    {SendState::none, SendInput::pubrec_error, SendAction::ignore, SendState::none, {}},
    {SendState::none, SendInput::pubcomp, SendAction::ignore, SendState::none, {}},
    // A list's identifier never outlives its connection, so nobody repeats an answer to it.
    {SendState::none, SendInput::suback, SendAction::fault, SendState::none, {}},
    {SendState::none, SendInput::unsuback, SendAction::fault, SendState::none, {}},
}};

/// The row for a state and an input; a row with `fault` where the table has none.
const SendTransition& send_transition(SendState from, SendInput input);
/// Precondition: PUBACK, PUBREC or PUBCOMP.
SendInput send_input(const wire::Ack& packet);

/// What a message of this quality waits for first; none for QoS 0.
constexpr SendState first_state(wire::QoS qos) {
    if (qos == wire::QoS::at_least_once) return SendState::awaiting_puback;
    if (qos == wire::QoS::exactly_once) return SendState::awaiting_pubrec;
    return SendState::none;
}

// --- The receiver of a QoS 2 message: "method A" of the specification, which hands the message on
// --- when its PUBLISH first arrives and then remembers the identifier alone ----------------------

enum class ReceiveState : std::uint8_t { none, awaiting_pubrel };
enum class ReceiveInput : std::uint8_t { publish, pubrel };
enum class ReceiveAction : std::uint8_t {
    deliver,           // hand the message on, answer PUBREC
    duplicate,         // answer PUBREC
    complete,          // answer PUBCOMP
    complete_unknown,  // answer PUBCOMP with "packet identifier not found"
};

struct ReceiveTransition {
    ReceiveState from = ReceiveState::none;
    ReceiveInput input = ReceiveInput::publish;
    ReceiveAction action = ReceiveAction::deliver;
    ReceiveState to = ReceiveState::none;
    std::string_view clause;
};

/// 3.1.1 [MQTT-4.3.3-2]
inline constexpr std::array<ReceiveTransition, 4> kReceiveTable = {{
    {ReceiveState::none, ReceiveInput::publish, ReceiveAction::deliver,
     ReceiveState::awaiting_pubrel, "MQTT-4.3.3-8"},
    {ReceiveState::awaiting_pubrel, ReceiveInput::publish, ReceiveAction::duplicate,
     ReceiveState::awaiting_pubrel, "MQTT-4.3.3-10"},
    {ReceiveState::awaiting_pubrel, ReceiveInput::pubrel, ReceiveAction::complete,
     ReceiveState::none, "MQTT-4.3.3-11"},
    {ReceiveState::none, ReceiveInput::pubrel, ReceiveAction::complete_unknown, ReceiveState::none,
     "MQTT-4.3.3-11"},
}};

constexpr const ReceiveTransition& receive_transition(ReceiveState from, ReceiveInput input) {
    if (input == ReceiveInput::publish) return kReceiveTable[from == ReceiveState::none ? 0 : 1];
    return kReceiveTable[from == ReceiveState::none ? 3 : 2];
}

}  // namespace mqttwin
