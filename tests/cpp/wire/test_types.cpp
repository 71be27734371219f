#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/wire/types.hpp"

namespace mqttwin::wire {
namespace {

struct Row {
    unsigned code;
    std::string_view packets;
};

// MQTT 5.0, table 2-6, typed a second time.
const Row kTable[] = {
    {0x00, "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH"},
    {0x01, "SUBACK"},
    {0x02, "SUBACK"},
    {0x04, "DISCONNECT"},
    {0x10, "PUBACK PUBREC"},
    {0x11, "UNSUBACK"},
    {0x18, "AUTH"},
    {0x19, "AUTH"},
    {0x80, "CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT"},
    {0x81, "CONNACK DISCONNECT"},
    {0x82, "CONNACK DISCONNECT"},
    {0x83, "CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT"},
    {0x84, "CONNACK"},
    {0x85, "CONNACK"},
    {0x86, "CONNACK"},
    {0x87, "CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT"},
    {0x88, "CONNACK"},
    {0x89, "CONNACK DISCONNECT"},
    {0x8A, "CONNACK"},
    {0x8B, "DISCONNECT"},
    {0x8C, "CONNACK DISCONNECT"},
    {0x8D, "DISCONNECT"},
    {0x8E, "DISCONNECT"},
    {0x8F, "SUBACK UNSUBACK DISCONNECT"},
    {0x90, "CONNACK PUBACK PUBREC DISCONNECT"},
    {0x91, "PUBACK PUBREC SUBACK UNSUBACK"},
    {0x92, "PUBREL PUBCOMP"},
    {0x93, "DISCONNECT"},
    {0x94, "DISCONNECT"},
    {0x95, "CONNACK DISCONNECT"},
    {0x96, "DISCONNECT"},
    {0x97, "CONNACK PUBACK PUBREC SUBACK DISCONNECT"},
    {0x98, "DISCONNECT"},
    {0x99, "CONNACK PUBACK PUBREC DISCONNECT"},
    {0x9A, "CONNACK DISCONNECT"},
    {0x9B, "CONNACK DISCONNECT"},
    {0x9C, "CONNACK DISCONNECT"},
    {0x9D, "CONNACK DISCONNECT"},
    {0x9E, "SUBACK DISCONNECT"},
    {0x9F, "CONNACK DISCONNECT"},
    {0xA0, "DISCONNECT"},
    {0xA1, "SUBACK DISCONNECT"},
    {0xA2, "SUBACK DISCONNECT"},
};

TEST(ReasonCodes, StandWhereTheTableSays) {
    for (unsigned code = 0; code < 256; ++code) {
        const auto* row = std::ranges::find(kTable, code, &Row::code);
        for (unsigned type = 1; type < 16; ++type) {
            const auto packet = static_cast<PacketType>(type);
            const std::string padded =
                row == std::end(kTable) ? "" : " " + std::string(row->packets) + " ";
            const bool expected =
                padded.find(" " + std::string(packet_name(packet)) + " ") != std::string::npos;
            EXPECT_EQ(reason_allowed(packet, static_cast<std::uint8_t>(code)), expected)
                << code << " in " << packet_name(packet);
        }
        EXPECT_EQ(reason_name(static_cast<std::uint8_t>(code)) == "unknown reason code",
                  row == std::end(kTable))
            << code;
    }
}

TEST(ReasonCodes, HaveTheNamesOfTheStandard) {
    EXPECT_EQ(reason_name(reason::success), "Success");
    EXPECT_EQ(reason_name(reason::malformed_packet), "Malformed Packet");
    EXPECT_EQ(reason_name(reason::session_taken_over), "Session taken over");
    EXPECT_EQ(reason_name(reason::wildcard_subscriptions_not_supported),
              "Wildcard Subscriptions not supported");
    EXPECT_EQ(reason_name(0x03), "unknown reason code");
    EXPECT_EQ(reason_name(0xFF), "unknown reason code");
}

TEST(ReasonCodes, BecomeReturnCodesOf311) {
    EXPECT_EQ(connack_return_code_v311(reason::success), 0);
    EXPECT_EQ(connack_return_code_v311(reason::unsupported_protocol_version), 1);
    EXPECT_EQ(connack_return_code_v311(reason::client_identifier_not_valid), 2);
    EXPECT_EQ(connack_return_code_v311(reason::server_unavailable), 3);
    EXPECT_EQ(connack_return_code_v311(reason::server_busy), 3);
    EXPECT_EQ(connack_return_code_v311(reason::bad_user_name_or_password), 4);
    EXPECT_EQ(connack_return_code_v311(reason::not_authorized), 5);
    EXPECT_EQ(connack_return_code_v311(reason::banned), 5);
    for (unsigned code = 0x80; code < 0x100; ++code) {
        const auto mapped = connack_return_code_v311(static_cast<std::uint8_t>(code));
        EXPECT_GE(mapped, 1);
        EXPECT_LE(mapped, 5);
    }
}

TEST(PacketNames, AreThoseOfTheStandard) {
    EXPECT_EQ(packet_name(PacketType::connect), "CONNECT");
    EXPECT_EQ(packet_name(PacketType::pingresp), "PINGRESP");
    EXPECT_EQ(packet_name(PacketType::auth), "AUTH");
}

}  // namespace
}  // namespace mqttwin::wire
