// Packets for receivers that take no large ones.
#include <gtest/gtest.h>

#include "wire_support.hpp"

namespace mqttwin::wire {
namespace {

class Limits : public testing::Test {
   protected:
    Limits() {
        append_user_property(user_, "key", "value");
        append_user_property(user_, "key", "other value");
    }

    Properties talkative() {
        Properties p;
        p.reason_string = "because of this";
        p.mark(Property::reason_string);
        p.user_properties = user_;
        p.user_property_count = 2;
        return p;
    }

    std::uint32_t size(BlobId blob) { return static_cast<std::uint32_t>(pool_.bytes(blob).size()); }

    // Every limit from enough to too little: user properties go first, then the reason string,
    // never the packet's substance.
    template <class T>
    void expect_steps(const T& full, T AnyPacket::* member, Sender sender) {
        T no_user = full;
        no_user.properties.user_property_count = 0;
        no_user.properties.user_properties = {};
        T bare = no_user;
        bare.properties.reason_string = {};
        bare.properties.present &= ~(std::uint64_t{1} << 0x1F);
        const std::uint32_t sizes[] = {size(encode(pool_, Version::v5, full)),
                                       size(encode(pool_, Version::v5, no_user)),
                                       size(encode(pool_, Version::v5, bare))};
        ASSERT_GT(sizes[0], sizes[1]);
        ASSERT_GT(sizes[1], sizes[2]);
        for (std::uint32_t limit = sizes[0] + 3; limit > 0; --limit) {
            const BlobId blob = encode(pool_, Version::v5, full, limit);
            if (limit < sizes[2]) {
                EXPECT_EQ(blob, BlobId::none) << limit;
                continue;
            }
            ASSERT_NE(blob, BlobId::none) << limit;
            EXPECT_LE(size(blob), limit);
            const T& expected = limit >= sizes[0] ? full : limit >= sizes[1] ? no_user : bare;
            const Packet packet = packet_of(pool_.bytes(blob));
            AnyPacket back;
            ASSERT_FALSE(decode_any(packet.frame(), Version::v5, sender, back));
            EXPECT_TRUE(same(back.*member, expected)) << limit;
        }
    }

    BlobPool pool_;
    std::vector<std::uint8_t> user_;
};

// [MQTT-3.2.2-19], [MQTT-3.2.2-20]
TEST_F(Limits, OfConnack) {
    Connack packet;
    packet.properties = talkative();
    packet.properties.assigned_client_identifier = "me";
    packet.properties.mark(Property::assigned_client_identifier);
    expect_steps(packet, &AnyPacket::connack, Sender::server);
}

// [MQTT-3.4.2-2], [MQTT-3.4.2-3], [MQTT-3.5.2-2], [MQTT-3.5.2-3], [MQTT-3.6.2-2], [MQTT-3.6.2-3],
// [MQTT-3.7.2-2], [MQTT-3.7.2-3]
TEST_F(Limits, OfAcknowledgements) {
    for (const PacketType type :
         {PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp}) {
        const bool release = type == PacketType::pubrel || type == PacketType::pubcomp;
        for (const std::uint8_t code :
             {reason::success,
              release ? reason::packet_identifier_not_found : reason::quota_exceeded}) {
            Ack packet;
            packet.type = type;
            packet.packet_id = 5;
            packet.reason = code;
            packet.properties = talkative();
            expect_steps(packet, &AnyPacket::ack, Sender::server);
        }
    }
}

// [MQTT-3.9.2-1], [MQTT-3.9.2-2], [MQTT-3.11.2-1], [MQTT-3.11.2-2]
TEST_F(Limits, OfListAcknowledgements) {
    const Bytes reasons = {0x00, 0x87, 0x00};
    for (const PacketType type : {PacketType::suback, PacketType::unsuback}) {
        ListAck packet;
        packet.type = type;
        packet.packet_id = 5;
        packet.reasons = reasons;
        packet.properties = talkative();
        expect_steps(packet, &AnyPacket::list_ack, Sender::server);
    }
}

// [MQTT-3.14.2-3], [MQTT-3.14.2-4]
TEST_F(Limits, OfDisconnect) {
    Disconnect packet;
    packet.properties = talkative();
    expect_steps(packet, &AnyPacket::disconnect, Sender::server);
    packet.reason = reason::server_moved;
    packet.properties.server_reference = "there";
    packet.properties.mark(Property::server_reference);
    expect_steps(packet, &AnyPacket::disconnect, Sender::server);
}

// [MQTT-3.15.2-2], [MQTT-3.15.2-3]
TEST_F(Limits, OfAuth) {
    Auth packet;
    packet.reason = reason::continue_authentication;
    packet.properties = talkative();
    packet.properties.authentication_method = "m";
    packet.properties.mark(Property::authentication_method);
    expect_steps(packet, &AnyPacket::auth, Sender::server);
}

// [MQTT-3.3.2-17], [MQTT-3.1.2-25]: a message is sent as it is, or not at all.
TEST_F(Limits, OfPublish) {
    Publish packet;
    packet.topic = "t";
    packet.properties.user_properties = user_;
    packet.properties.user_property_count = 2;
    const auto whole = static_cast<std::uint32_t>(encoded_size(Version::v5, packet));
    EXPECT_EQ(size(encode(pool_, Version::v5, packet, whole)), whole);
    EXPECT_EQ(encode(pool_, Version::v5, packet, whole - 1), BlobId::none);
    EXPECT_EQ(encode_publish_header(pool_, Version::v5, packet, whole - 1), BlobId::none);
}

TEST_F(Limits, OfConnect) {
    Connect packet;
    packet.client_id = "me";
    const std::uint32_t whole = size(encode(pool_, packet));
    EXPECT_EQ(size(encode(pool_, packet, whole)), whole);
    EXPECT_EQ(encode(pool_, packet, whole - 1), BlobId::none);
}

TEST_F(Limits, OfMqttItself) {
    // No byte of these is read or written: what cannot be expressed is refused before.
    Publish packet;
    packet.topic = "t";
    const std::uint8_t one = 0;
    packet.payload = {&one, 268'435'455 - 3 + 1};
    EXPECT_EQ(encode(pool_, Version::v311, packet), BlobId::none);
    EXPECT_EQ(encode_publish_header(pool_, Version::v311, packet), BlobId::none);
    packet.payload = {&one, 268'435'455 - 3};
    EXPECT_EQ(encoded_size(Version::v311, packet), kMaximumPacketSize);
    EXPECT_EQ(hex_of(pool_.bytes(encode_publish_header(pool_, Version::v311, packet))),
              "30 FF FF FF 7F 00 01 74");
}

TEST_F(Limits, NeverLeakABlob) {
    const std::size_t before = pool_.live();
    Connack packet;
    packet.properties = talkative();
    for (std::uint32_t limit = 0; limit < 5; ++limit) {
        EXPECT_EQ(encode(pool_, Version::v5, packet, limit), BlobId::none);
    }
    EXPECT_EQ(pool_.live(), before);
}

}  // namespace
}  // namespace mqttwin::wire
