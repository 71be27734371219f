#include "mqttwin/session/qos_table.hpp"

#include <cassert>
#include <cstddef>

namespace mqttwin {
namespace {

constexpr std::size_t cell(SendState from, SendInput input) {
    return static_cast<std::size_t>(from) * kSendInputs + static_cast<std::size_t>(input);
}

// The list as a square, for a look-up without a search.
constexpr auto kSquare = [] {
    std::array<SendTransition, kSendStates * kSendInputs> square{};
    for (unsigned from = 0; from < kSendStates; ++from) {
        for (unsigned input = 0; input < kSendInputs; ++input) {
            const auto state = static_cast<SendState>(from);
            const auto what = static_cast<SendInput>(input);
            square[cell(state, what)] = {state, what, SendAction::fault, state, {}};
        }
    }
    for (const SendTransition& row : kSendTable) square[cell(row.from, row.input)] = row;
    return square;
}();

}  // namespace

const SendTransition& send_transition(SendState from, SendInput input) {
    return kSquare[cell(from, input)];
}

SendInput send_input(const wire::Ack& packet) {
    const bool error = packet.reason >= 0x80;
    switch (packet.type) {
        case wire::PacketType::puback:
            return error ? SendInput::puback_error : SendInput::puback;
        case wire::PacketType::pubrec:
            return error ? SendInput::pubrec_error : SendInput::pubrec;
        default:
            assert(packet.type == wire::PacketType::pubcomp);
            return SendInput::pubcomp;
    }
}

}  // namespace mqttwin
