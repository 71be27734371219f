// What goes out comes back: every packet, every version, every field.
#include <gtest/gtest.h>

#include "wire_support.hpp"

namespace mqttwin::wire {
namespace {

constexpr Version kVersions[] = {Version::v3, Version::v311, Version::v5};
constexpr Sender kSenders[] = {Sender::client, Sender::server};

template <class T>
void expect_back(Version version, Sender sender, const T& packet, BlobPool& pool, BlobId blob,
                 T AnyPacket::* member) {
    ASSERT_NE(blob, BlobId::none);
    const Packet sent = packet_of(pool.bytes(blob));
    ASSERT_EQ(sent.bytes().size(), pool.bytes(blob).size());
    AnyPacket back;
    const Fault fault = decode_any(sent.frame(), version, sender, back);
    ASSERT_FALSE(fault) << describe(fault) << " in " << hex_of(sent.bytes());
    EXPECT_TRUE(same(packet, back.*member)) << hex_of(sent.bytes());
    pool.release(blob);
    EXPECT_EQ(pool.live(), 0U);
}

TEST(Samples, DecodeAndComeBackAsTheyWere) {
    BlobPool pool;
    for (const Sample& sample : samples()) {
        SCOPED_TRACE(sample.name);
        const Packet packet(sample.first, sample.body);
        AnyPacket decoded;
        const Fault fault = decode_any(packet.frame(), sample.version, sample.sender, decoded);
        ASSERT_FALSE(fault) << describe(fault);
        const BlobId blob = encode_any(pool, sample.version, decoded);
        ASSERT_NE(blob, BlobId::none);
        const Packet again = packet_of(pool.bytes(blob));
        AnyPacket second;
        ASSERT_FALSE(decode_any(again.frame(), sample.version, sample.sender, second));
        EXPECT_TRUE(same(decoded, second));
        // These have no shorter or differently ordered form: the very same bytes.
        if (sample.version != Version::v5) {
            EXPECT_EQ(hex_of(again.bytes()), hex_of(packet.bytes()));
        }
        EXPECT_EQ(again.bytes().size(), packet.bytes().size());
        pool.release(blob);
    }
    EXPECT_EQ(pool.live(), 0U);
}

TEST(Samples, DecodeIntoAUsedPacketAsIntoAFreshOne) {
    AnyPacket used;
    for (const Sample& sample : samples()) {
        for (const Sample& other : samples()) {
            if ((sample.first >> 4) != (other.first >> 4)) continue;
            const Packet before(other.first, other.body);
            ASSERT_FALSE(decode_any(before.frame(), other.version, other.sender, used));
            const Packet packet(sample.first, sample.body);
            AnyPacket fresh;
            ASSERT_FALSE(decode_any(packet.frame(), sample.version, sample.sender, used));
            ASSERT_FALSE(decode_any(packet.frame(), sample.version, sample.sender, fresh));
            EXPECT_TRUE(same(used, fresh)) << sample.name << " after " << other.name;
        }
    }
}

TEST(Connect, ComesBackInEveryVersion) {
    BlobPool pool;
    const Bytes will_payload = {0, 1, 255};
    const Bytes password = {0xC0, 0x80};  // binary: no UTF-8 asked for
    for (const Version version : kVersions) {
        for (unsigned bits = 0; bits < 64; ++bits) {
            Connect packet;
            packet.version = version;
            packet.clean_start = bits & 1;
            packet.keep_alive = static_cast<std::uint16_t>(bits * 1000);
            packet.client_id = bits & 2 ? "caf\xC3\xA9" : "";
            if (bits & 4) {
                packet.has_will = true;
                packet.will.topic = "w";
                packet.will.payload = will_payload;
                packet.will.qos = static_cast<QoS>(bits % 3);
                packet.will.retain = bits & 8;
            }
            packet.has_user_name = bits & 16;
            if (packet.has_user_name) packet.user_name = "me";
            packet.has_password = (bits & 32) && (packet.has_user_name || version == Version::v5);
            if (packet.has_password) packet.password = password;
            expect_back(version, Sender::client, packet, pool, encode(pool, packet),
                        &AnyPacket::connect);
        }
    }
}

TEST(Connect, HidesTheWillFieldsOfNoWill) {
    BlobPool pool;
    Connect packet;
    packet.will.topic = "unused";
    packet.will.qos = QoS::exactly_once;
    packet.will.retain = true;
    const BlobId blob = encode(pool, packet);
    EXPECT_EQ(hex_of(pool.bytes(blob)), hex_of(bytes_of("10 0D 0004'MQTT' 05 02 0000 00 0000")));
}

TEST(Connack, ComesBackInEveryVersion) {
    BlobPool pool;
    for (const Version version : kVersions) {
        for (unsigned reason = 0; reason < 256; ++reason) {
            const bool known =
                version == Version::v5
                    ? reason_allowed(PacketType::connack, static_cast<std::uint8_t>(reason))
                    : reason <= 5;
            if (!known) continue;
            Connack packet;
            packet.reason = static_cast<std::uint8_t>(reason);
            packet.session_present = reason == 0 && version != Version::v3;
            expect_back(version, Sender::server, packet, pool, encode(pool, version, packet),
                        &AnyPacket::connack);
        }
    }
}

TEST(Connack, HasNoSessionPresentIn31) {
    BlobPool pool;
    Connack packet;
    packet.session_present = true;
    EXPECT_EQ(hex_of(pool.bytes(encode(pool, Version::v3, packet))), "20 02 00 00");
    EXPECT_EQ(hex_of(pool.bytes(encode(pool, Version::v311, packet))), "20 02 01 00");
}

TEST(PublishPacket, ComesBackInEveryVersion) {
    BlobPool pool;
    for (const Version version : kVersions) {
        for (const std::size_t size :
             {0, 1, 90, 120, 121, 122, 127, 128, 16'370, 16'400, 300'000}) {
            for (unsigned qos = 0; qos < 3; ++qos) {
                Publish packet;
                const Bytes payload(size, 0xA5);
                packet.topic = "sensors/plant/7";
                packet.payload = payload;
                packet.qos = static_cast<QoS>(qos);
                packet.retain = size % 2 == 0;
                packet.dup = qos > 0 && size > 100;
                packet.packet_id = qos > 0 ? 65'535 : 0;
                const BlobId blob = encode(pool, version, packet);
                EXPECT_EQ(pool.bytes(blob).size(), encoded_size(version, packet));
                expect_back(version, Sender::client, packet, pool, blob, &AnyPacket::publish);
            }
        }
    }
}

TEST(PublishPacket, HeaderAndPayloadMakeThePacket) {
    BlobPool pool;
    std::vector<std::uint8_t> user;
    append_user_property(user, "k", "v");
    const Bytes payload(500, 7);
    for (const Version version : kVersions) {
        Publish packet;
        packet.topic = "a/b";
        packet.payload = payload;
        packet.qos = QoS::at_least_once;
        packet.packet_id = 77;
        packet.properties.user_properties = user;
        packet.properties.user_property_count = 1;
        const BlobId header = encode_publish_header(pool, version, packet);
        const BlobId whole = encode(pool, version, packet);
        const ByteView view = pool.bytes(header);
        EXPECT_EQ(hex_of(pool.bytes(whole)), hex_of(Bytes(view.begin(), view.end()) + payload));
        EXPECT_EQ(encode_publish_header(pool, version, packet,
                                        static_cast<std::uint32_t>(pool.bytes(whole).size() - 1)),
                  BlobId::none);
    }
}

// [MQTT-3.3.1-1]
TEST(PublishPacket, ADuplicateDiffersInOneBit) {
    BlobPool pool;
    Publish packet;
    packet.topic = "a";
    packet.qos = QoS::exactly_once;
    packet.packet_id = 9;
    const BlobId blob = encode(pool, Version::v311, packet);
    const BlobId dup = with_dup(pool, blob);
    EXPECT_EQ(hex_of(pool.bytes(blob)), "34 05 00 01 61 00 09");
    EXPECT_EQ(hex_of(pool.bytes(dup)), "3C 05 00 01 61 00 09");
    EXPECT_EQ(pool.references(dup), 1U);
    EXPECT_EQ(hex_of(pool.bytes(with_dup(pool, dup))), hex_of(pool.bytes(dup)));
}

TEST(Acks, ComeBackInEveryVersion) {
    BlobPool pool;
    for (const Version version : kVersions) {
        for (const PacketType type :
             {PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp}) {
            for (unsigned reason = 0; reason < 256; ++reason) {
                Ack packet;
                packet.type = type;
                packet.packet_id = 0xFFFE;
                packet.reason = static_cast<std::uint8_t>(reason);
                if (!reason_allowed(type, packet.reason)) continue;
                if (version != Version::v5 && reason > 0) continue;
                const BlobId blob = encode(pool, version, packet);
                // The shortest form: no reason when it is success, no empty property section.
                EXPECT_EQ(pool.bytes(blob).size(), reason == 0 ? 4U : 5U);
                expect_back(version, Sender::server, packet, pool, blob, &AnyPacket::ack);
            }
        }
    }
}

TEST(Acks, AreBareBefore5) {
    BlobPool pool;
    Ack packet;
    packet.packet_id = 1;
    packet.reason = reason::not_authorized;
    packet.properties.reason_string = "no";
    packet.properties.mark(Property::reason_string);
    EXPECT_EQ(hex_of(pool.bytes(encode(pool, Version::v311, packet))), "40 02 00 01");
}

TEST(SubscribePacket, ComesBackInEveryVersion) {
    BlobPool pool;
    for (const Version version : kVersions) {
        std::vector<SubscriptionRequest> requests;
        for (unsigned qos = 0; qos < 3; ++qos) {
            for (unsigned bits = 0; bits < (version == Version::v5 ? 12U : 1U); ++bits) {
                SubscriptionRequest request;
                request.filter = qos == 0 ? "a/+/#" : "caf\xC3\xA9";
                request.options.qos = static_cast<QoS>(qos);
                request.options.no_local = bits & 1;
                request.options.retain_as_published = bits & 2;
                request.options.retain_handling = static_cast<RetainHandling>(bits / 4);
                requests.push_back(request);
            }
        }
        const BlobId blob = encode_subscribe(pool, version, 513, requests);
        const Packet sent = packet_of(pool.bytes(blob));
        Subscribe back;
        const Fault fault = decode(sent.frame(), version, back);
        ASSERT_FALSE(fault) << describe(fault);
        EXPECT_EQ(back.packet_id, 513);
        EXPECT_EQ(back.version, version);
        ASSERT_EQ(back.count, requests.size());
        const auto list = requests_of(back);
        ASSERT_EQ(list.size(), requests.size());
        for (std::size_t i = 0; i < list.size(); ++i) EXPECT_TRUE(same(list[i], requests[i]));
    }
}

TEST(SubscribePacket, OptionsOf5StayOutOf311) {
    BlobPool pool;
    SubscriptionRequest request;
    request.filter = "a";
    request.options = {QoS::at_least_once, true, true, RetainHandling::do_not_send};
    const BlobId blob = encode_subscribe(pool, Version::v311, 1, {&request, 1});
    EXPECT_EQ(hex_of(pool.bytes(blob)), "82 06 00 01 00 01 61 01");
}

TEST(UnsubscribePacket, ComesBackInEveryVersion) {
    BlobPool pool;
    const std::vector<std::string_view> filters = {"a", "b/#", "+/c", "$share/g/d"};
    for (const Version version : kVersions) {
        const BlobId blob = encode_unsubscribe(pool, version, 2, filters);
        const Packet sent = packet_of(pool.bytes(blob));
        Unsubscribe back;
        ASSERT_FALSE(decode(sent.frame(), version, back));
        EXPECT_EQ(back.packet_id, 2);
        EXPECT_EQ(back.count, 4U);
        EXPECT_EQ(filters_of(back), filters);
    }
}

TEST(ListAcks, ComeBackInEveryVersion) {
    BlobPool pool;
    for (const Version version : kVersions) {
        for (const PacketType type : {PacketType::suback, PacketType::unsuback}) {
            Bytes reasons;
            for (unsigned reason = 0; reason < 256; ++reason) {
                const bool known =
                    version == Version::v5
                        ? reason_allowed(type, static_cast<std::uint8_t>(reason))
                        : type == PacketType::suback && (reason <= 2 || reason == 0x80);
                if (known) reasons.push_back(static_cast<std::uint8_t>(reason));
            }
            ListAck packet;
            packet.type = type;
            packet.packet_id = 3;
            packet.reasons = reasons;
            expect_back(version, Sender::server, packet, pool, encode(pool, version, packet),
                        &AnyPacket::list_ack);
        }
    }
}

TEST(ListAcks, SayLessBefore5) {
    BlobPool pool;
    const Bytes reasons = {0x00, 0x02, 0x87, 0x8F, 0x80};
    ListAck packet;
    packet.packet_id = 1;
    packet.reasons = reasons;
    EXPECT_EQ(hex_of(pool.bytes(encode(pool, Version::v311, packet))),
              "90 07 00 01 00 02 80 80 80");
    packet.type = PacketType::unsuback;
    EXPECT_EQ(hex_of(pool.bytes(encode(pool, Version::v311, packet))), "B0 02 00 01");
}

TEST(DisconnectPacket, ComesBackFromWhoMaySendIt) {
    BlobPool pool;
    for (const Version version : kVersions) {
        for (const Sender sender : kSenders) {
            for (unsigned reason = 0; reason < 256; ++reason) {
                Disconnect packet;
                packet.reason = static_cast<std::uint8_t>(reason);
                const BlobId blob = encode(pool, version, packet);
                const Packet sent = packet_of(pool.bytes(blob));
                Disconnect back;
                const Fault fault = decode(sent.frame(), version, sender, back);
                if (!fault) {
                    EXPECT_EQ(back.reason, version == Version::v5 ? reason : 0);
                }
                EXPECT_EQ(sent.bytes().size(), version == Version::v5 && reason > 0 ? 3U : 2U);
                pool.release(blob);
            }
        }
    }
}

TEST(AuthPacket, ComesBack) {
    BlobPool pool;
    Auth packet;
    EXPECT_EQ(hex_of(pool.bytes(encode(pool, Version::v5, packet))), "F0 00");
    packet.reason = reason::continue_authentication;
    packet.properties.authentication_method = "SCRAM-SHA-256";
    packet.properties.mark(Property::authentication_method);
    BlobPool other;
    expect_back(Version::v5, Sender::client, packet, other, encode(other, Version::v5, packet),
                &AnyPacket::auth);
}

TEST(PingPackets, AreTwoBytes) {
    BlobPool pool;
    EXPECT_EQ(hex_of(pool.bytes(encode_pingreq(pool))), "C0 00");
    EXPECT_EQ(hex_of(pool.bytes(encode_pingresp(pool))), "D0 00");
}

}  // namespace
}  // namespace mqttwin::wire
