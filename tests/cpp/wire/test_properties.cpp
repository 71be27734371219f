// Every property in every place: table 2-4 of MQTT 5.0, typed here a second time.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "wire_support.hpp"

namespace mqttwin::wire {
namespace {

struct Row {
    std::uint8_t id;
    std::string_view value;   // an encoded value
    std::string_view places;  // "CONNECT CONNACK ... WILL"
};

const Row kTable[] = {
    {1, "01", "PUBLISH WILL"},
    {2, "00000005", "PUBLISH WILL"},
    {3, "0002'ab'", "PUBLISH WILL"},
    {8, "0002'ab'", "PUBLISH WILL"},
    {9, "0002 FF00", "PUBLISH WILL"},
    {11, "8101", "PUBLISH SUBSCRIBE"},
    {17, "00000005", "CONNECT CONNACK DISCONNECT"},
    {18, "0002'ab'", "CONNACK"},
    {19, "0005", "CONNACK"},
    {21, "0002'ab'", "CONNECT CONNACK AUTH"},
    {22, "0002 FF00", "CONNECT CONNACK AUTH"},
    {23, "01", "CONNECT"},
    {24, "00000005", "WILL"},
    {25, "01", "CONNECT"},
    {26, "0002'ab'", "CONNACK"},
    {28, "0002'ab'", "CONNACK DISCONNECT"},
    {31, "0002'ab'", "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH"},
    {33, "0005", "CONNECT CONNACK"},
    {34, "0005", "CONNECT CONNACK"},
    {35, "0005", "PUBLISH"},
    {36, "01", "CONNACK"},
    {37, "01", "CONNACK"},
    {38, "0002'ab' 0000",
     "CONNECT CONNACK PUBLISH WILL PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE "
     "SUBACK UNSUBSCRIBE UNSUBACK DISCONNECT AUTH"},
    {39, "00000005", "CONNECT CONNACK"},
    {40, "01", "CONNACK"},
    {41, "01", "CONNACK"},
    {42, "01", "CONNACK"},
};

struct Place {
    std::string_view name;
    PropertyPlaces place;
    Sender sender;
    std::uint8_t first;
    Bytes before;  // the property section
    Bytes after;
};

std::vector<Place> places() {
    std::vector<Place> out;
    const auto add = [&](std::string_view name, std::uint8_t first, std::string_view before,
                         std::string_view after, Sender sender) {
        out.push_back({name,
                       name == "WILL" ? kWillPlace : place_of(static_cast<PacketType>(first >> 4)),
                       sender, first, bytes_of(before), bytes_of(after)});
    };
    add("CONNECT", 0x10, "0004'MQTT' 05 02 0000", "0001'c'", Sender::client);
    add("WILL", 0x10, "0004'MQTT' 05 06 0000 00 0001'c'", "0001't' 0000", Sender::client);
    add("CONNACK", 0x20, "00 00", "", Sender::server);
    add("PUBLISH", 0x30, "0001't'", "", Sender::server);
    add("PUBACK", 0x40, "0001 00", "", Sender::server);
    add("PUBREC", 0x50, "0001 00", "", Sender::server);
    add("PUBREL", 0x62, "0001 00", "", Sender::server);
    add("PUBCOMP", 0x70, "0001 00", "", Sender::server);
    add("SUBSCRIBE", 0x82, "0001", "0001'f' 00", Sender::client);
    add("SUBACK", 0x90, "0001", "00", Sender::server);
    add("UNSUBSCRIBE", 0xA2, "0001", "0001'f'", Sender::client);
    add("UNSUBACK", 0xB0, "0001", "00", Sender::server);
    add("DISCONNECT", 0xE0, "00", "", Sender::client);
    add("AUTH", 0xF0, "18", "", Sender::client);
    return out;
}

bool allowed(const Row& row, std::string_view place) {
    const std::string padded = " " + std::string(row.places) + " ";
    return padded.find(" " + std::string(place) + " ") != std::string::npos;
}

// What a packet must have besides: the method, wherever authentication data is or AUTH is sent.
Bytes company(const Place& place, std::uint8_t id) {
    const bool auth = place.name == "AUTH" || (place.name == "CONNECT" && id == 22);
    return auth && id != 21 ? bytes_of("15 0001'm'") : Bytes{};
}

Fault decode_with(const Place& place, const Bytes& properties) {
    return decode_hex(place.first, place.before + section(properties) + place.after, Version::v5,
                      place.sender);
}

TEST(PropertyTable, IsTheOneOfTheStandard) {
    for (unsigned id = 0; id < 256; ++id) {
        const auto* row = std::ranges::find(kTable, id, &Row::id);
        const PropertyRule* rule = property_rule(static_cast<std::uint8_t>(id));
        ASSERT_EQ(rule != nullptr, row != std::end(kTable)) << id;
        if (rule == nullptr) continue;
        EXPECT_EQ(static_cast<unsigned>(rule->id), id);
        for (const Place& place : places()) {
            EXPECT_EQ((rule->places & place.place) != 0, allowed(*row, place.name))
                << rule->name << " in " << place.name;
        }
        EXPECT_FALSE(rule->name.empty());
    }
}

TEST(Properties, AreReadWhereTheyMayStandAndRefusedElsewhere) {
    for (const Place& place : places()) {
        for (unsigned id = 0; id < 128; ++id) {
            const auto* row = std::ranges::find(kTable, id, &Row::id);
            const std::string_view value = row != std::end(kTable) ? row->value : "01";
            const auto one = static_cast<std::uint8_t>(id);
            const Fault fault =
                decode_with(place, company(place, one) + Bytes{one} + bytes_of(value));
            if (row != std::end(kTable) && allowed(*row, place.name)) {
                EXPECT_FALSE(fault) << id << " in " << place.name << ": " << describe(fault);
            } else {
                EXPECT_EQ(fault.reason, reason::malformed_packet) << id << " in " << place.name;
                const std::size_t at = 2 + place.before.size() + 1 + company(place, one).size();
                EXPECT_EQ(fault.offset, at) << id << " in " << place.name;
            }
        }
    }
}

TEST(Properties, AreRefusedTwiceUnlessTheyMayRepeat) {
    for (const Place& place : places()) {
        for (const Row& row : kTable) {
            if (!allowed(row, place.name)) continue;
            const Bytes once = Bytes{row.id} + bytes_of(row.value);
            const Fault fault = decode_with(place, company(place, row.id) + once + once);
            if (row.id == 38 || (row.id == 11 && place.name == "PUBLISH")) {
                EXPECT_FALSE(fault) << describe(fault);
            } else {
                EXPECT_EQ(fault.reason, reason::protocol_error)
                    << property_rule(row.id)->name << " in " << place.name;
            }
        }
    }
}

TEST(Properties, ComeBackAlone) {
    BlobPool pool;
    for (const Place& place : places()) {
        for (const Row& row : kTable) {
            if (!allowed(row, place.name)) continue;
            const Bytes properties = company(place, row.id) + Bytes{row.id} + bytes_of(row.value);
            const Packet packet(place.first, place.before + section(properties) + place.after);
            AnyPacket decoded;
            ASSERT_FALSE(decode_any(packet.frame(), Version::v5, place.sender, decoded));
            const BlobId blob = encode_any(pool, Version::v5, decoded);
            EXPECT_EQ(hex_of(pool.bytes(blob)), hex_of(packet.bytes()))
                << property_rule(row.id)->name << " in " << place.name;
            pool.release(blob);
        }
    }
}

TEST(Properties, StayOutOfPacketsThatMayNotCarryThem) {
    // What belongs to a will or a server's packet is marked, but PUBLISH and CONNECT do not say it.
    BlobPool pool;
    std::vector<std::uint8_t> identifiers;
    append_subscription_identifier(identifiers, 5);
    Publish publish;
    publish.topic = "t";
    publish.properties.mark(Property::will_delay_interval);
    publish.properties.mark(Property::server_keep_alive);
    publish.properties.mark(Property::topic_alias);
    publish.properties.topic_alias = 1;
    EXPECT_EQ(hex_of(pool.bytes(encode(pool, Version::v5, publish))), "30 07 00 01 74 03 23 00 01");
    Connect connect;
    connect.properties.subscription_identifiers = identifiers;
    connect.properties.subscription_identifier_count = 1;
    EXPECT_EQ(pool.bytes(encode(pool, connect)).size(), 15U);
}

struct BadValue {
    std::string_view name;
    std::string_view place;
    std::string_view properties;
    std::uint8_t reason;
    std::uint32_t offset;  // within the property section
};

TEST(Properties, AreRefusedWithBadValues) {
    const std::uint8_t malformed = reason::malformed_packet;
    const std::uint8_t protocol = reason::protocol_error;
    const BadValue bad[] = {
        {"payload format 2", "PUBLISH", "01 02", protocol, 1},
        {"payload format 2 of a will", "WILL", "01 02", protocol, 1},
        {"request problem information 2", "CONNECT", "17 02", protocol, 1},
        {"request response information 2", "CONNECT", "19 02", protocol, 1},
        {"maximum QoS 2", "CONNACK", "24 02", protocol, 1},
        {"retain available 2", "CONNACK", "25 02", protocol, 1},
        {"wildcard available 255", "CONNACK", "28 FF", protocol, 1},
        {"identifiers available 2", "CONNACK", "29 02", protocol, 1},
        {"shared available 2", "CONNACK", "2A 02", protocol, 1},
        {"receive maximum 0", "CONNECT", "21 0000", protocol, 3},
        {"receive maximum 0 of a server", "CONNACK", "21 0000", protocol, 3},
        {"maximum packet size 0", "CONNECT", "27 00000000", protocol, 5},
        {"topic alias 0", "PUBLISH", "23 0000", reason::topic_alias_invalid, 1},
        {"subscription identifier 0", "SUBSCRIBE", "0B 00", protocol, 1},
        {"subscription identifier too long", "SUBSCRIBE", "0B 8080808001", malformed, 1},
        {"subscription identifier not shortest", "SUBSCRIBE", "0B 8100", malformed, 1},
        {"subscription identifier cut", "SUBSCRIBE", "0B 80", malformed, 2},
        {"string with a surrogate", "PUBLISH", "03 0003 EDA080", malformed, 3},
        {"string with U+0000", "PUBLISH", "03 0003 610061", malformed, 4},
        {"string beyond the section", "PUBLISH", "03 0004 616263", malformed, 3},
        {"binary beyond the section", "PUBLISH", "09 0002 61", malformed, 3},
        {"two bytes cut", "CONNECT", "21 00", malformed, 1},
        {"four bytes cut", "CONNECT", "11 000000", malformed, 1},
        {"byte missing", "PUBLISH", "01", malformed, 1},
        {"user property without value", "PUBLISH", "26 0001 61", malformed, 4},
        {"user property, bad name", "PUBLISH", "26 0001 FF 0000", malformed, 3},
        {"user property, bad value", "PUBLISH", "26 0001 61 0001 80", malformed, 6},
        {"second user property, bad value", "PUBLISH", "26 00000000 26 0001 61 0001 80", malformed,
         11},
        {"identifier of two bytes", "PUBLISH", "8301 0000", malformed, 0},
        {"response topic with +", "PUBLISH", "08 0003'a/+'", protocol, 5},
        {"response topic with #", "WILL", "08 0001'#'", protocol, 3},
        {"empty response topic", "PUBLISH", "08 0000", protocol, 3},
        {"authentication data alone", "CONNECT", "16 0001 00", protocol, 4},
        {"AUTH without a method", "AUTH", "1F 0001 61", protocol, 4},
        {"AUTH without properties", "AUTH", "", protocol, 0},
    };
    const auto all = places();
    for (const BadValue& value : bad) {
        SCOPED_TRACE(value.name);
        const Place& place = *std::ranges::find(all, value.place, &Place::name);
        const Fault fault = decode_with(place, bytes_of(value.properties));
        EXPECT_EQ(fault.reason, value.reason) << describe(fault);
        EXPECT_EQ(fault.offset, 2 + place.before.size() + 1 + value.offset) << describe(fault);
        EXPECT_FALSE(fault.what.empty());
        EXPECT_TRUE(fault.clause.starts_with("MQTT-")) << fault.clause;
    }
}

TEST(Properties, SectionLengthMustFitThePacket) {
    const auto decode_length = [](std::string_view length) {
        return decode_hex(0x30, bytes_of("0001't'") + bytes_of(length), Version::v5,
                          Sender::client);
    };
    EXPECT_FALSE(decode_length("00"));
    EXPECT_FALSE(decode_length("05 02 00000001"));
    EXPECT_EQ(decode_length("").what, "packet ends within a field");
    EXPECT_EQ(decode_length("06 02 00000001").offset, 6U);
    EXPECT_EQ(decode_length("04 02 00000001").what, "packet ends within a field");
    EXPECT_EQ(decode_length("8000").clause, "MQTT-1.5.5-1");
    EXPECT_EQ(decode_length("FFFFFFFF7F").clause, "MQTT-4.13.1-1");
    EXPECT_EQ(decode_length("FFFFFF7F").reason, reason::malformed_packet);
}

// [MQTT-3.3.2-18]
TEST(UserProperties, KeepTheirOrderAndDuplicates) {
    const Packet packet(
        0x30, bytes_of("0001't'") + section(bytes_of("26 0001'a' 0001'1' 02 00000009") +
                                            bytes_of("26 0001'b' 0000 26 0001'a' 0001'2'")));
    Publish out;
    ASSERT_FALSE(decode(packet.frame(), Version::v5, Sender::client, out));
    EXPECT_EQ(out.properties.user_property_count, 3U);
    EXPECT_FALSE(out.properties.user_properties_alone);
    std::string seen;
    for (UserProperties walk(out.properties.user_properties); const auto item = walk.next();) {
        seen += std::string(item.pair.name) + "=" + std::string(item.pair.value) + ";";
    }
    EXPECT_EQ(seen, "a=1;b=;a=2;");
    // On they go together, behind the others.
    BlobPool pool;
    EXPECT_EQ(hex_of(pool.bytes(encode(pool, Version::v5, out))),
              hex_of(Packet(0x30, bytes_of("0001't'") +
                                      section(bytes_of("02 00000009 26 0001'a' 0001'1'") +
                                              bytes_of("26 0001'b' 0000 26 0001'a' 0001'2'")))
                         .bytes()));
}

TEST(UserProperties, StandingTogetherNeedNotBeWalked) {
    const Bytes user = bytes_of("26 0001'a' 0001'1' 26 0002 C3A9 0000 26 0000 0000");
    for (const std::string_view before : {"", "02 00000009"}) {
        for (const std::string_view after : {"", "01 01"}) {
            const Packet packet(
                0x30, bytes_of("0001't'") + section(bytes_of(before) + user + bytes_of(after)));
            Publish out;
            ASSERT_FALSE(decode(packet.frame(), Version::v5, Sender::client, out));
            EXPECT_TRUE(out.properties.user_properties_alone);
            EXPECT_EQ(hex_of(out.properties.user_properties), hex_of(user));
            EXPECT_EQ(out.properties.user_property_count, 3U);
        }
    }
}

TEST(SubscriptionIdentifierList, IsWalkedInOrder) {
    const Packet packet(
        0x30, bytes_of("0001't'") + section(bytes_of("0B 01 26 00000000 0B FFFFFF7F 0B 01")));
    Publish out;
    ASSERT_FALSE(decode(packet.frame(), Version::v5, Sender::server, out));
    EXPECT_EQ(out.properties.subscription_identifier_count, 3U);
    SubscriptionIdentifiers walk(out.properties.subscription_identifiers);
    EXPECT_EQ(walk.next(), 1U);
    EXPECT_EQ(walk.next(), 268'435'455U);
    EXPECT_EQ(walk.next(), 1U);
    EXPECT_EQ(walk.next(), 0U);
    EXPECT_EQ(walk.next(), 0U);
}

TEST(AbsentProperties, HoldTheDefaultsOfTheStandard) {
    const Properties p;
    EXPECT_TRUE(p.empty());
    EXPECT_EQ(p.receive_maximum, 65535);
    EXPECT_EQ(p.maximum_qos, 2);
    EXPECT_EQ(p.request_problem_information, 1);
    EXPECT_EQ(p.request_response_information, 0);
    EXPECT_EQ(p.retain_available, 1);
    EXPECT_EQ(p.wildcard_subscription_available, 1);
    EXPECT_EQ(p.topic_alias_maximum, 0);
    EXPECT_EQ(p.session_expiry_interval, 0U);
}

}  // namespace
}  // namespace mqttwin::wire
