// Byte for byte: the examples that the standards print.
#include <gtest/gtest.h>

#include "wire_support.hpp"

namespace mqttwin::wire {
namespace {

template <class... Rest>
std::string sent(Rest&&... packet) {
    BlobPool pool;
    return hex_of(pool.bytes(encode(pool, std::forward<Rest>(packet)...)));
}

std::string pretty(std::string_view hex) { return hex_of(bytes_of(hex)); }

// MQTT 5.0, table 1-1 (3.1.1: table 2.4): where another byte begins.
TEST(Golden, VariableByteIntegers) {
    const std::pair<std::uint32_t, std::string_view> table[] = {
        {1, "01"},
        {127, "7F"},
        {128, "8001"},
        {16'383, "FF7F"},
        {16'384, "808001"},
        {2'097'151, "FFFF7F"},
        {2'097'152, "80808001"},
        {268'435'455, "FFFFFF7F"},
    };
    for (const auto& [value, hex] : table) {
        std::vector<std::uint8_t> out;
        append_subscription_identifier(out, value);
        EXPECT_EQ(hex_of(out), pretty("0B" + std::string(hex)));
        EXPECT_EQ(SubscriptionIdentifiers(out).next(), value);
    }
    BlobPool pool;
    const Bytes payload(3'000'000, 0);
    for (const auto& [value, hex] : table) {
        if (value < 3 || value > payload.size()) continue;
        Publish packet;
        packet.topic = "t";
        packet.payload = ByteView(payload).first(value - 3);
        const BlobId blob = encode_publish_header(pool, Version::v311, packet);
        EXPECT_EQ(hex_of(pool.bytes(blob)), pretty("30" + std::string(hex) + "0001't'"));
    }
}

// Figure 1.2 (5.0): "A" and U+2A6D4.
TEST(Golden, StringOfTwoCharacters) {
    const Bytes field = bytes_of("0005 41 F0AA9B94");
    const Packet packet(0x30, field);
    Publish out;
    ASSERT_FALSE(decode(packet.frame(), Version::v311, Sender::client, out));
    EXPECT_EQ(out.topic, "A\xF0\xAA\x9B\x94");
    EXPECT_EQ(sent(Version::v311, out), pretty("30 07 0005 41 F0AA9B94"));
}

Connect figure_connect(Version version) {
    Connect packet;
    packet.version = version;
    packet.has_user_name = true;
    packet.has_password = true;
    packet.has_will = true;
    packet.will.qos = QoS::at_least_once;
    packet.clean_start = true;
    packet.keep_alive = 10;
    return packet;
}

// 3.1.1 figure 3.6, 5.0 figure 3-6: user name, password, will at QoS 1, clean, keep alive 10 s.
TEST(Golden, ConnectVariableHeader) {
    Connect packet = figure_connect(Version::v311);
    EXPECT_EQ(sent(packet).substr(0, 6 + 10 * 3 - 1), pretty("10 14 0004'MQTT' 04 CE 000A"));
    packet = figure_connect(Version::v5);
    packet.properties.session_expiry_interval = 10;
    packet.properties.mark(Property::session_expiry_interval);
    EXPECT_EQ(sent(packet).substr(0, 6 + 16 * 3 - 1),
              pretty("10 1B 0004'MQTT' 05 CE 000A 05 11 0000000A"));
    packet = figure_connect(Version::v3);
    EXPECT_EQ(sent(packet).substr(0, 6 + 12 * 3 - 1), pretty("10 16 0006'MQIsdp' 03 CE 000A"));
}

// 3.1.1 figure 3.11, 5.0 figure 3-9: topic a/b, identifier 10.
TEST(Golden, PublishVariableHeader) {
    Publish packet;
    packet.topic = "a/b";
    packet.packet_id = 10;
    packet.qos = QoS::at_least_once;
    EXPECT_EQ(sent(Version::v311, packet), pretty("32 07 0003'a/b' 000A"));
    EXPECT_EQ(sent(Version::v5, packet), pretty("32 08 0003'a/b' 000A 00"));
    packet.retain = true;
    packet.dup = true;
    packet.qos = QoS::exactly_once;
    EXPECT_EQ(sent(Version::v311, packet), pretty("3D 07 0003'a/b' 000A"));
}

TEST(Golden, Acknowledgements) {
    const std::pair<PacketType, std::string_view> table[] = {{PacketType::puback, "40 02 000A"},
                                                             {PacketType::pubrec, "50 02 000A"},
                                                             {PacketType::pubrel, "62 02 000A"},
                                                             {PacketType::pubcomp, "70 02 000A"}};
    for (const auto& [type, hex] : table) {
        Ack packet;
        packet.type = type;
        packet.packet_id = 10;
        EXPECT_EQ(sent(Version::v311, packet), pretty(hex));
        EXPECT_EQ(sent(Version::v5, packet), pretty(hex));
    }
    Ack packet;
    packet.packet_id = 10;
    packet.reason = reason::no_matching_subscribers;
    EXPECT_EQ(sent(Version::v5, packet), pretty("40 03 000A 10"));
    packet.properties.reason_string = "x";
    packet.properties.mark(Property::reason_string);
    EXPECT_EQ(sent(Version::v5, packet), pretty("40 08 000A 10 04 1F 0001'x'"));
}

// 3.1.1 figures 3.21 and 3.23, 5.0 figures 3-19 and 3-22.
TEST(Golden, SubscribeAndItsAnswer) {
    BlobPool pool;
    const SubscriptionRequest requests[] = {{"a/b", {QoS::at_least_once, false, false, {}}},
                                            {"c/d", {QoS::exactly_once, false, false, {}}}};
    EXPECT_EQ(hex_of(pool.bytes(encode_subscribe(pool, Version::v311, 10, requests))),
              pretty("82 0E 000A 0003'a/b' 01 0003'c/d' 02"));
    EXPECT_EQ(hex_of(pool.bytes(encode_subscribe(pool, Version::v5, 10, requests))),
              pretty("82 0F 000A 00 0003'a/b' 01 0003'c/d' 02"));
    const Bytes reasons = {0, 2, 0x80};
    ListAck answer;
    answer.packet_id = 10;
    answer.reasons = reasons;
    EXPECT_EQ(sent(Version::v311, answer), pretty("90 05 000A 00 02 80"));
    EXPECT_EQ(sent(Version::v5, answer), pretty("90 06 000A 00 00 02 80"));
}

// 3.1.1 figure 3.28, 5.0 figure 3-26.
TEST(Golden, UnsubscribeAndItsAnswer) {
    BlobPool pool;
    const std::string_view filters[] = {"a/b", "c/d"};
    EXPECT_EQ(hex_of(pool.bytes(encode_unsubscribe(pool, Version::v311, 10, filters))),
              pretty("A2 0C 000A 0003'a/b' 0003'c/d'"));
    EXPECT_EQ(hex_of(pool.bytes(encode_unsubscribe(pool, Version::v5, 10, filters))),
              pretty("A2 0D 000A 00 0003'a/b' 0003'c/d'"));
    const Bytes reasons = {0, 0x11};
    ListAck answer;
    answer.type = PacketType::unsuback;
    answer.packet_id = 10;
    answer.reasons = reasons;
    EXPECT_EQ(sent(Version::v311, answer), pretty("B0 02 000A"));
    EXPECT_EQ(sent(Version::v5, answer), pretty("B0 05 000A 00 00 11"));
}

TEST(Golden, Farewells) {
    Disconnect packet;
    EXPECT_EQ(sent(Version::v311, packet), pretty("E0 00"));
    EXPECT_EQ(sent(Version::v5, packet), pretty("E0 00"));
    packet.reason = reason::session_taken_over;
    EXPECT_EQ(sent(Version::v5, packet), pretty("E0 01 8E"));
    EXPECT_EQ(sent(Version::v311, packet), pretty("E0 00"));
    packet.properties.session_expiry_interval = 1;
    packet.properties.mark(Property::session_expiry_interval);
    packet.reason = reason::normal_disconnection;
    EXPECT_EQ(sent(Version::v5, packet), pretty("E0 07 00 05 11 00000001"));
}

TEST(Golden, Connack) {
    Connack packet;
    EXPECT_EQ(sent(Version::v311, packet), pretty("20 02 00 00"));
    EXPECT_EQ(sent(Version::v5, packet), pretty("20 03 00 00 00"));
    packet.session_present = true;
    EXPECT_EQ(sent(Version::v5, packet), pretty("20 03 01 00 00"));
}

}  // namespace
}  // namespace mqttwin::wire
