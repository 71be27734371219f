#include "wire_support.hpp"

namespace mqttwin::wire {

namespace {

const Bytes kUser = bytes_of("26 0001'k' 0003'v 1' 26 0000 0000 26 0001'k' 0002 C3A9");
const Bytes kReason = bytes_of("1F 0004'why?'");

Bytes message_properties() {
    return bytes_of("01 01 02 0000000A 03 000A'text/plain' 08 0003'r/t' 09 0003 00FF80 23 0007 ") +
           kUser;
}

void add_v5(std::vector<Sample>& out) {
    const auto both = [&](std::string name, std::uint8_t first, const Bytes& body) {
        out.push_back({name + " from a client", Version::v5, Sender::client, first, body});
        out.push_back({name + " from a server", Version::v5, Sender::server, first, body});
    };
    const Bytes connect_properties =
        bytes_of("11 000000FF 21 0014 27 00001000 22 000A 19 01 17 00 15 0005'SCRAM' 16 0002 0001");
    const Bytes will_properties =
        bytes_of("18 00000005 01 00 02 00000001 03 0001'x' 08 0001'r' 09 0000");
    out.push_back({"CONNECT", Version::v5, Sender::client, 0x10,
                   bytes_of("0004'MQTT' 05 EE 003C") + section(connect_properties + kUser) +
                       text_field("client-1") + section(will_properties + kUser) +
                       text_field("will/topic") + text_field("gone") + text_field("user") +
                       text_field("secret")});
    out.push_back({"minimal CONNECT", Version::v5, Sender::client, 0x10,
                   bytes_of("0004'MQTT' 05 02 0000 00 0000")});
    const Bytes connack_properties =
        bytes_of("11 00000001 21 0001 24 01 25 00 27 00000400 12 0002'id' 22 0003") +
        bytes_of("28 00 29 00 2A 00 13 0064 1A 0004'info' 1C 0005'other' 15 0001'm' 16 0001'd'");
    out.push_back({"CONNACK", Version::v5, Sender::server, 0x20,
                   bytes_of("01 00") + section(connack_properties + kReason + kUser)});
    out.push_back({"refusing CONNACK", Version::v5, Sender::server, 0x20,
                   bytes_of("00 87") + section(kReason)});
    out.push_back(
        {"PUBLISH from a client", Version::v5, Sender::client, 0x3D,
         bytes_of("0003'a/b' 000A") + section(message_properties()) + bytes_of("'payload'")});
    out.push_back({"PUBLISH from a server", Version::v5, Sender::server, 0x32,
                   bytes_of("0003'a/b' 000A") +
                       section(message_properties() + bytes_of("0B 05 0B 8001 0B FFFFFF7F")) +
                       bytes_of("'payload'")});
    out.push_back({"PUBLISH by alias", Version::v5, Sender::client, 0x30,
                   bytes_of("0000 03 23 0001 'payload'")});
    both("empty PUBLISH", 0x31, bytes_of("0001'a' 00"));
    for (const std::uint8_t first : bytes_of("40 50 62 70")) {
        const std::string name(packet_name(static_cast<PacketType>(first >> 4)));
        both("short " + name, first, bytes_of("FFFF"));
        const bool release = first == 0x62 || first == 0x70;
        both(name + " with a reason", first,
             bytes_of("0001") + Bytes{release ? std::uint8_t{0x92} : std::uint8_t{0x87}});
        both(name, first, bytes_of("0001 00") + section(kReason + kUser));
    }
    out.push_back({"SUBSCRIBE", Version::v5, Sender::client, 0x82,
                   bytes_of("000A") + section(bytes_of("0B FF7F") + kUser) + text_field("a/+") +
                       bytes_of("2D") + text_field("$share/g/#") + bytes_of("1A") +
                       text_field("#") + bytes_of("00")});
    out.push_back({"SUBACK", Version::v5, Sender::server, 0x90,
                   bytes_of("000A") + section(kReason + kUser) + bytes_of("00 01 02 80 97")});
    out.push_back({"UNSUBSCRIBE", Version::v5, Sender::client, 0xA2,
                   bytes_of("000B") + section(kUser) + text_field("a/b") + text_field("c/#")});
    out.push_back({"UNSUBACK", Version::v5, Sender::server, 0xB0,
                   bytes_of("000B") + section(kReason + kUser) + bytes_of("00 11 87")});
    out.push_back({"DISCONNECT from a client", Version::v5, Sender::client, 0xE0,
                   bytes_of("04") + section(bytes_of("11 00000000") + kReason + kUser)});
    out.push_back({"DISCONNECT from a server", Version::v5, Sender::server, 0xE0,
                   bytes_of("9C") + section(kReason + kUser + bytes_of("1C 0001's'"))});
    both("short DISCONNECT", 0xE0, {});
    both("AUTH", 0xF0,
         bytes_of("18") + section(bytes_of("15 0005'SCRAM' 16 0003 FF0001") + kReason + kUser));
    both("short AUTH", 0xF0, {});
}

void add_before_v5(std::vector<Sample>& out, Version version) {
    const std::string suffix = version == Version::v3 ? " of 3.1" : " of 3.1.1";
    const auto add = [&](std::string_view name, Sender sender, std::uint8_t first,
                         const Bytes& body) {
        out.push_back({std::string(name) + suffix, version, sender, first, body});
    };
    const Bytes protocol =
        version == Version::v3 ? bytes_of("0006'MQIsdp' 03") : bytes_of("0004'MQTT' 04");
    add("CONNECT", Sender::client, 0x10,
        protocol + bytes_of("F6 000A") + text_field("client-1") + text_field("will/topic") +
            text_field("gone") + text_field("user") + text_field("secret"));
    add("minimal CONNECT", Sender::client, 0x10, protocol + bytes_of("02 0000 0000"));
    add("CONNACK", Sender::server, 0x20, bytes_of("00 05"));
    if (version == Version::v311) add("resuming CONNACK", Sender::server, 0x20, bytes_of("01 00"));
    add("PUBLISH", Sender::client, 0x3C, bytes_of("0003'a/b' 000A 'payload'"));
    add("QoS 0 PUBLISH", Sender::server, 0x31, bytes_of("0003'a/b' 'payload'"));
    for (const std::uint8_t first : bytes_of("40 50 62 70")) {
        add(packet_name(static_cast<PacketType>(first >> 4)), Sender::client, first,
            bytes_of("0001"));
    }
    add("SUBSCRIBE", Sender::client, 0x82, bytes_of("000A 0003'a/b' 01 0003'c/d' 02"));
    add("SUBACK", Sender::server, 0x90, bytes_of("000A 00 02 80"));
    add("UNSUBSCRIBE", Sender::client, 0xA2, bytes_of("000A 0003'a/b' 0003'c/d'"));
    add("UNSUBACK", Sender::server, 0xB0, bytes_of("000A"));
    add("DISCONNECT", Sender::client, 0xE0, {});
}

}  // namespace

std::vector<Sample> samples() {
    std::vector<Sample> out;
    add_v5(out);
    add_before_v5(out, Version::v311);
    add_before_v5(out, Version::v3);
    for (const Version version : {Version::v3, Version::v311, Version::v5}) {
        out.push_back({"PINGREQ", version, Sender::client, 0xC0, {}});
        out.push_back({"PINGRESP", version, Sender::server, 0xD0, {}});
    }
    return out;
}

}  // namespace mqttwin::wire
