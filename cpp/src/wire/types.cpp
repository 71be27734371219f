#include "mqttwin/wire/types.hpp"

#include <array>

namespace mqttwin::wire {

namespace {

constexpr std::uint16_t in(PacketType type) {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(type));
}
template <class... Types>
constexpr std::uint16_t in(PacketType first, Types... rest) {
    return static_cast<std::uint16_t>(in(first) | in(rest...));
}

struct ReasonRow {
    std::uint8_t code;
    std::uint16_t places;
    std::string_view name;
};

using enum PacketType;

// MQTT 5.0, table 2-6. The places of 0x00 are those of its three names together.
constexpr std::array kReasons = {
    ReasonRow{0x00,
              in(connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth),
              "Success"},
    ReasonRow{0x01, in(suback), "Granted QoS 1"},
    ReasonRow{0x02, in(suback), "Granted QoS 2"},
    ReasonRow{0x04, in(disconnect), "Disconnect with Will Message"},
    ReasonRow{0x10, in(puback, pubrec), "No matching subscribers"},
    ReasonRow{0x11, in(unsuback), "No subscription existed"},
    ReasonRow{0x18, in(auth), "Continue authentication"},
    ReasonRow{0x19, in(auth), "Re-authenticate"},
    ReasonRow{0x80, in(connack, puback, pubrec, suback, unsuback, disconnect), "Unspecified error"},
    ReasonRow{0x81, in(connack, disconnect), "Malformed Packet"},
    ReasonRow{0x82, in(connack, disconnect), "Protocol Error"},
    ReasonRow{0x83, in(connack, puback, pubrec, suback, unsuback, disconnect),
              "Implementation specific error"},
    ReasonRow{0x84, in(connack), "Unsupported Protocol Version"},
    ReasonRow{0x85, in(connack), "Client Identifier not valid"},
    ReasonRow{0x86, in(connack), "Bad User Name or Password"},
    ReasonRow{0x87, in(connack, puback, pubrec, suback, unsuback, disconnect), "Not authorized"},
    ReasonRow{0x88, in(connack), "Server unavailable"},
    ReasonRow{0x89, in(connack, disconnect), "Server busy"},
    ReasonRow{0x8A, in(connack), "Banned"},
    ReasonRow{0x8B, in(disconnect), "Server shutting down"},
    ReasonRow{0x8C, in(connack, disconnect), "Bad authentication method"},
    ReasonRow{0x8D, in(disconnect), "Keep Alive timeout"},
    ReasonRow{0x8E, in(disconnect), "Session taken over"},
    ReasonRow{0x8F, in(suback, unsuback, disconnect), "Topic Filter invalid"},
    ReasonRow{0x90, in(connack, puback, pubrec, disconnect), "Topic Name invalid"},
    ReasonRow{0x91, in(puback, pubrec, suback, unsuback), "Packet Identifier in use"},
    ReasonRow{0x92, in(pubrel, pubcomp), "Packet Identifier not found"},
    ReasonRow{0x93, in(disconnect), "Receive Maximum exceeded"},
    ReasonRow{0x94, in(disconnect), "Topic Alias invalid"},
    ReasonRow{0x95, in(connack, disconnect), "Packet too large"},
    ReasonRow{0x96, in(disconnect), "Message rate too high"},
    ReasonRow{0x97, in(connack, puback, pubrec, suback, disconnect), "Quota exceeded"},
    ReasonRow{0x98, in(disconnect), "Administrative action"},
    ReasonRow{0x99, in(connack, puback, pubrec, disconnect), "Payload format invalid"},
    ReasonRow{0x9A, in(connack, disconnect), "Retain not supported"},
    ReasonRow{0x9B, in(connack, disconnect), "QoS not supported"},
    ReasonRow{0x9C, in(connack, disconnect), "Use another server"},
    ReasonRow{0x9D, in(connack, disconnect), "Server moved"},
    ReasonRow{0x9E, in(suback, disconnect), "Shared Subscriptions not supported"},
    ReasonRow{0x9F, in(connack, disconnect), "Connection rate exceeded"},
    ReasonRow{0xA0, in(disconnect), "Maximum connect time"},
    ReasonRow{0xA1, in(suback, disconnect), "Subscription Identifiers not supported"},
    ReasonRow{0xA2, in(suback, disconnect), "Wildcard Subscriptions not supported"},
};

constexpr std::uint8_t kNoRow = 0xFF;

// Row of each code, so that a lookup is one load.
constexpr std::array<std::uint8_t, 256> kReasonRow = [] {
    std::array<std::uint8_t, 256> rows{};
    rows.fill(kNoRow);
    for (std::size_t i = 0; i < kReasons.size(); ++i) {
        rows[kReasons[i].code] = static_cast<std::uint8_t>(i);
    }
    return rows;
}();

constexpr std::array<std::string_view, 16> kPacketNames = {
    "reserved", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
    "PUBREL",   "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
    "PINGREQ",  "PINGRESP", "DISCONNECT", "AUTH"};

}  // namespace

std::string_view reason_name(std::uint8_t reason_code) {
    const std::uint8_t row = kReasonRow[reason_code];
    return row == kNoRow ? std::string_view("unknown reason code") : kReasons[row].name;
}

bool reason_allowed(PacketType type, std::uint8_t reason_code) {
    const std::uint8_t row = kReasonRow[reason_code];
    return row != kNoRow && (kReasons[row].places & in(type)) != 0;
}

std::uint8_t connack_return_code_v311(std::uint8_t reason_code) {
    switch (reason_code) {
        case reason::success:
            return 0;
        case reason::unsupported_protocol_version:
            return 1;
        case reason::client_identifier_not_valid:
            return 2;
        case reason::bad_user_name_or_password:
            return 4;
        case reason::not_authorized:
        case reason::banned:
        case reason::bad_authentication_method:
            return 5;
        default:
            return 3;  // "server unavailable": the only one that blames nothing on the client
    }
}

std::string_view packet_name(PacketType type) {
    return kPacketNames[static_cast<std::size_t>(type) & 0x0F];
}

}  // namespace mqttwin::wire
