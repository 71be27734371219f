#include "mqttwin/wire/decode.hpp"

#include "property_table.hpp"
#include "reader.hpp"

namespace mqttwin::wire {

namespace {

constexpr std::uint8_t kReserved = 0x01;
constexpr std::uint8_t kCleanStart = 0x02;
constexpr std::uint8_t kWillFlag = 0x04;
constexpr std::uint8_t kWillQos = 0x18;
constexpr std::uint8_t kWillRetain = 0x20;
constexpr std::uint8_t kPassword = 0x40;
constexpr std::uint8_t kUserName = 0x80;

// [MQTT-3.1.2-1], [MQTT-3.1.2-2]: name and level say which protocol this is.
bool read_protocol(Reader& reader, Connect& out) {
    // Whoever is refused gets an answer in the nearest version that we speak.
    out.version = Version::v311;
    reader.set_version(out.version);
    std::string_view name;
    if (!reader.raw_text(name)) return false;
    const bool mqtt = name == "MQTT";
    const bool mqisdp = name == "MQIsdp";
    const auto* name_at = reinterpret_cast<const std::uint8_t*>(name.data());
    if (!mqtt && !mqisdp) {
        return reader.fail_at(name_at, reason::unsupported_protocol_version,
                              {"MQTT-3.1.2-1", "MQTT-3.1.2-1"}, "protocol name is not MQTT");
    }
    std::uint8_t level = 0;
    if (!reader.byte(level)) return false;
    if (mqtt && level == 5) {
        out.version = Version::v5;
    } else if (mqisdp && level == 3) {
        out.version = Version::v3;
    } else if (!mqtt || level != 4) {
        if (mqtt && level > 5 && level < 0x80) out.version = Version::v5;
        reader.set_version(out.version);
        return reader.fail_at(reader.position() - 1, reason::unsupported_protocol_version,
                              {"MQTT-3.1.2-2", "MQTT-3.1.2-2"}, "unsupported protocol level");
    }
    reader.set_version(out.version);
    return true;
}

bool refuse_flags(Reader& reader, const Clause& clause, std::string_view what) {
    return reader.fail_at(reader.position() - 1, reason::malformed_packet, clause, what);
}

bool read_connect_flags(Reader& reader, std::uint8_t& flags, Connect& out) {
    if (!reader.byte(flags)) return false;
    if ((flags & kReserved) && out.version != Version::v3) {  // [MQTT-3.1.2-3]; unused in 3.1
        return refuse_flags(reader, {"MQTT-3.1.2-3", "MQTT-3.1.2-3"}, "reserved connect flag");
    }
    out.clean_start = (flags & kCleanStart) != 0;
    out.has_will = (flags & kWillFlag) != 0;
    out.will.qos = static_cast<QoS>((flags & kWillQos) >> 3);
    out.will.retain = (flags & kWillRetain) != 0;
    if (!out.has_will && (flags & kWillQos)) {  // [MQTT-3.1.2-11], 3.1.1 [MQTT-3.1.2-11]
        return refuse_flags(reader, {"MQTT-3.1.2-11", "MQTT-3.1.2-13"}, "will QoS without a will");
    }
    if (!out.has_will && out.will.retain) {  // [MQTT-3.1.2-13]
        return refuse_flags(reader, {"MQTT-3.1.2-13", "MQTT-3.1.2-15"},
                            "will retain without a will");
    }
    if (static_cast<unsigned>(out.will.qos) == 3) {  // [MQTT-3.1.2-12]
        return refuse_flags(reader, {"MQTT-3.1.2-12", "MQTT-3.1.2-14"}, "will QoS 3");
    }
    if (out.version != Version::v5 && (flags & kPassword) && !(flags & kUserName)) {
        // 3.1.1 [MQTT-3.1.2-22]; 5.0 allows it.
        return refuse_flags(reader, {"MQTT-3.1.2-22", "MQTT-3.1.2-22"},
                            "password without a user name");
    }
    return true;
}

bool read_connect_properties(Reader& reader, Connect& out) {
    if (!read_properties(reader, place_of(PacketType::connect), out.properties)) return false;
    if (out.properties.has(Property::authentication_data) &&
        !out.properties.has(Property::authentication_method)) {  // 3.1.2.11.10
        return reader.fail(reason::protocol_error, clause::kViolation,
                           "Authentication Data without Authentication Method");
    }
    return true;
}

// [MQTT-3.1.2-9]: with the will flag come the will's properties, topic and payload.
bool read_will(Reader& reader, Connect& out) {
    Will& will = out.will;
    if (out.version == Version::v5 && !read_properties(reader, kWillPlace, will.properties)) {
        return false;
    }
    if (!reader.text(will.topic, "malformed UTF-8 in will topic")) return false;  // [MQTT-3.1.3-11]
    const auto* topic_at = reader.position() - will.topic.size();
    if (will.topic.empty()) {  // [MQTT-4.7.3-1]
        return reader.fail_at(topic_at, reason::topic_name_invalid, clause::kTopicLength,
                              "empty will topic");
    }
    const std::size_t wildcard = will.topic.find_first_of("+#");
    if (wildcard != std::string_view::npos) {  // [MQTT-4.7.0-1]
        return reader.fail_at(topic_at + wildcard, reason::topic_name_invalid,
                              {"MQTT-4.7.0-1", "MQTT-4.7.1-1"}, "wildcard in will topic");
    }
    return reader.binary(will.payload);
}

// MQTT 3.1, section 3.1: the remaining length takes precedence over these two flags.
bool announced(const Reader& reader, std::uint8_t flags, std::uint8_t flag) {
    return (flags & flag) != 0 && !(reader.version() == Version::v3 && reader.at_end());
}

bool read_connect(Reader& reader, const Frame& frame, Connect& out) {
    // The protocol first: it says in which version a fault is answered.
    if (!read_protocol(reader, out)) return false;
    if (!read_flags(reader, frame)) return false;
    std::uint8_t flags = 0;
    if (!read_connect_flags(reader, flags, out)) return false;
    if (!reader.two(out.keep_alive)) return false;
    if (out.version == Version::v5 && !read_connect_properties(reader, out)) return false;

    // [MQTT-3.1.3-1], [MQTT-3.1.3-3]: the client identifier is always there, and first.
    if (!reader.text(out.client_id, "malformed UTF-8 in client identifier")) {  // [MQTT-3.1.3-4]
        return false;
    }
    if (out.has_will && !read_will(reader, out)) return false;
    // [MQTT-3.1.2-16], [MQTT-3.1.2-17], [MQTT-3.1.2-18], [MQTT-3.1.2-19]: flags and fields go
    // together.
    out.has_user_name = announced(reader, flags, kUserName);
    if (out.has_user_name &&  // [MQTT-3.1.3-12]
        !reader.text(out.user_name, "malformed UTF-8 in user name")) {
        return false;
    }
    out.has_password = announced(reader, flags, kPassword);
    if (out.has_password && !reader.binary(out.password)) return false;
    return reader.finish();
}

}  // namespace

Fault decode(const Frame& frame, Connect& out) {
    out = Connect{};
    Fault fault;
    Reader reader(frame, Version::v5, fault);
    read_connect(reader, frame, out);
    return fault;
}

}  // namespace mqttwin::wire
