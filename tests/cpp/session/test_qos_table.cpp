#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "mqttwin/session/qos_table.hpp"

namespace mqttwin {
namespace {

using wire::PacketType;
using wire::QoS;

wire::Ack ack(PacketType type, std::uint8_t reason = 0) {
    wire::Ack packet;
    packet.type = type;
    packet.packet_id = 1;
    packet.reason = reason;
    return packet;
}

TEST(QosTable, HasOneRowAtMostForEachStateAndInput) {
    std::set<std::pair<SendState, SendInput>> seen;
    for (const SendTransition& row : kSendTable) {
        EXPECT_TRUE(seen.insert({row.from, row.input}).second);
    }
    std::set<std::pair<ReceiveState, ReceiveInput>> received;
    for (const ReceiveTransition& row : kReceiveTable) {
        EXPECT_TRUE(received.insert({row.from, row.input}).second);
    }
}

TEST(QosTable, LooksUpEveryRow) {
    for (const SendTransition& row : kSendTable) {
        const SendTransition& found = send_transition(row.from, row.input);
        EXPECT_EQ(found.action, row.action);
        EXPECT_EQ(found.to, row.to);
        EXPECT_EQ(found.clause, row.clause);
    }
    for (const ReceiveTransition& row : kReceiveTable) {
        const ReceiveTransition& found = receive_transition(row.from, row.input);
        EXPECT_EQ(found.action, row.action);
        EXPECT_EQ(found.to, row.to);
    }
}

TEST(QosTable, CallsWhatIsNotListedAFaultThatChangesNothing) {
    unsigned faults = 0;
    for (unsigned from = 0; from < kSendStates; ++from) {
        for (unsigned input = 0; input < kSendInputs; ++input) {
            const auto state = static_cast<SendState>(from);
            const SendTransition& row = send_transition(state, static_cast<SendInput>(input));
            EXPECT_EQ(row.from, state);
            if (row.action != SendAction::fault) continue;
            EXPECT_EQ(row.to, state);
            ++faults;
        }
    }
    EXPECT_EQ(faults, kSendStates * kSendInputs - kSendTable.size() + 2);  // two are listed
}

// [MQTT-4.3.2-3], [MQTT-4.4.0-2]
TEST(QosTable, EndsQos1WithPuback) {
    const auto state = first_state(QoS::at_least_once);
    EXPECT_EQ(send_transition(state, send_input(ack(PacketType::puback))).action,
              SendAction::complete);
    EXPECT_EQ(send_transition(state, send_input(ack(PacketType::puback, 0x97))).action,
              SendAction::refuse);
    EXPECT_EQ(send_transition(state, send_input(ack(PacketType::pubrec))).action,
              SendAction::fault);
}

// [MQTT-4.3.3-4], [MQTT-4.3.3-5], [MQTT-4.4.0-2]
TEST(QosTable, TakesQos2ThroughPubrecAndPubcomp) {
    const auto first =
        send_transition(first_state(QoS::exactly_once), send_input(ack(PacketType::pubrec)));
    EXPECT_EQ(first.action, SendAction::release);
    const auto second = send_transition(first.to, send_input(ack(PacketType::pubcomp)));
    EXPECT_EQ(second.action, SendAction::complete);
    EXPECT_EQ(second.to, SendState::none);
    EXPECT_EQ(send_transition(first.to, send_input(ack(PacketType::pubcomp, 0x92))).action,
              SendAction::complete);
    EXPECT_EQ(
        send_transition(first_state(QoS::exactly_once), send_input(ack(PacketType::pubrec, 0x80)))
            .action,
        SendAction::refuse);
    EXPECT_EQ(send_transition(first_state(QoS::exactly_once), send_input(ack(PacketType::pubcomp)))
                  .action,
              SendAction::fault);
}

TEST(QosTable, AnswersAPubrecForNothingWithPubrel) {
    EXPECT_EQ(send_transition(SendState::none, SendInput::pubrec).action,
              SendAction::release_unknown);
    EXPECT_EQ(send_transition(SendState::none, SendInput::puback).action, SendAction::ignore);
}

TEST(QosTable, HasNoStateForQos0) { EXPECT_EQ(first_state(QoS::at_most_once), SendState::none); }

}  // namespace
}  // namespace mqttwin
