// What the tests say in bytes, and read from them.
#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

using wire::PacketType;
using wire::Property;

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string code(std::uint8_t reason) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    return {kDigits[reason >> 4U], kDigits[reason & 15U]};
}

std::string quality(QoS qos) { return "q" + number(static_cast<unsigned>(qos)); }

std::string described_authentication(const wire::Properties& p) {
    std::string line;
    if (p.has(Property::authentication_method)) {
        line += " method=" + std::string(p.authentication_method);
    }
    if (p.has(Property::authentication_data)) {
        line += " data=" + std::string(as_text(p.authentication_data));
    }
    return line;
}

std::string describe_auth(const wire::Frame& frame, Version version) {
    wire::Auth packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    return "AUTH " + code(packet.reason) + described_authentication(packet.properties);
}

std::string describe_connack(const wire::Frame& frame, Version version) {
    wire::Connack packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = "CONNACK";
    const wire::Properties& p = packet.properties;
    if (packet.reason != 0) {
        line += " " + code(packet.reason);
        if (p.has(Property::server_reference)) line += " to=" + std::string(p.server_reference);
        return line;
    }
    line += packet.session_present ? " resumed" : " fresh";
    if (p.has(Property::session_expiry_interval))
        line += " expiry=" + number(p.session_expiry_interval);
    if (p.has(Property::receive_maximum)) line += " receive=" + number(p.receive_maximum);
    if (p.has(Property::maximum_qos)) line += " qos=" + number(p.maximum_qos);
    if (p.has(Property::retain_available)) line += " retain=" + number(p.retain_available);
    if (p.has(Property::maximum_packet_size)) line += " size=" + number(p.maximum_packet_size);
    if (p.has(Property::topic_alias_maximum)) line += " aliases=" + number(p.topic_alias_maximum);
    if (p.has(Property::server_keep_alive)) line += " keep=" + number(p.server_keep_alive);
    if (p.has(Property::assigned_client_identifier)) {
        line += " id=" + std::string(p.assigned_client_identifier);
    }
    if (p.wildcard_subscription_available == 0) line += " wildcards=0";
    if (p.subscription_identifier_available == 0) line += " identifiers=0";
    if (p.shared_subscription_available == 0) line += " shared=0";
    if (p.has(Property::response_information)) {
        line += " response=" + std::string(p.response_information);
    }
    return line + described_authentication(p);
}

std::string describe_publish(const wire::Frame& frame, Version version) {
    wire::Publish packet;
    EXPECT_FALSE(wire::decode(frame, version, wire::Sender::server, packet));
    std::string line = "PUBLISH " + quality(packet.qos);
    if (packet.qos != QoS::at_most_once) line += " id=" + number(packet.packet_id);
    if (packet.dup) line += " dup";
    if (packet.retain) line += " retain";
    line += " " + std::string(packet.topic) + "=" + std::string(as_text(packet.payload));
    const wire::Properties& p = packet.properties;
    if (p.has(Property::payload_format_indicator))
        line += " format=" + number(p.payload_format_indicator);
    if (p.has(Property::message_expiry_interval))
        line += " expiry=" + number(p.message_expiry_interval);
    if (p.has(Property::content_type)) line += " type=" + std::string(p.content_type);
    if (p.has(Property::response_topic)) line += " response=" + std::string(p.response_topic);
    if (p.has(Property::correlation_data))
        line += " correlation=" + std::string(as_text(p.correlation_data));
    if (p.has(Property::topic_alias)) line += " alias=" + number(p.topic_alias);
    wire::SubscriptionIdentifiers identifiers(p.subscription_identifiers);
    for (std::uint32_t id = identifiers.next(); id != 0; id = identifiers.next()) {
        line += " sub=" + number(id);
    }
    wire::UserProperties users(p.user_properties);
    for (auto item = users.next(); item.found; item = users.next()) {
        line += " " + std::string(item.pair.name) + ":" + std::string(item.pair.value);
    }
    return line;
}

std::string describe_ack(const wire::Frame& frame, Version version) {
    wire::Ack packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = std::string(wire::packet_name(packet.type)) + " " + number(packet.packet_id);
    if (packet.reason != 0) line += " " + code(packet.reason);
    return line;
}

std::string describe_list_ack(const wire::Frame& frame, Version version) {
    wire::ListAck packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = std::string(wire::packet_name(packet.type)) + " " + number(packet.packet_id);
    for (const std::uint8_t reason : packet.reasons) line += " " + code(reason);
    return line;
}

std::string describe_disconnect(const wire::Frame& frame, Version version) {
    wire::Disconnect packet;
    EXPECT_FALSE(wire::decode(frame, version, wire::Sender::server, packet));
    std::string line = "DISCONNECT " + code(packet.reason);
    const wire::Properties& p = packet.properties;
    if (p.has(Property::server_reference)) line += " to=" + std::string(p.server_reference);
    return line;
}

Bytes taken(BlobPool& pool, BlobId blob) {
    const ByteView view = pool.bytes(blob);
    Bytes bytes(view.begin(), view.end());
    pool.release(blob);
    return bytes;
}

}  // namespace

// --- What clients say ----------------------------------------------------------------------------

Hello& Hello::expires(std::uint32_t seconds) {
    packet.properties.session_expiry_interval = seconds;
    packet.properties.mark(Property::session_expiry_interval);
    return *this;
}

Hello& Hello::receive_maximum(std::uint16_t n) {
    packet.properties.receive_maximum = n;
    packet.properties.mark(Property::receive_maximum);
    return *this;
}

Hello& Hello::topic_aliases(std::uint16_t n) {
    packet.properties.topic_alias_maximum = n;
    packet.properties.mark(Property::topic_alias_maximum);
    return *this;
}

Hello& Hello::user(std::string_view name, std::string_view password) {
    packet.has_user_name = packet.has_password = true;
    packet.user_name = name;
    packet.password = as_bytes(password);
    return *this;
}

Hello& Hello::method(std::string_view method, std::string_view data) {
    packet.properties.authentication_method = method;
    packet.properties.mark(Property::authentication_method);
    if (!data.empty()) {
        packet.properties.authentication_data = as_bytes(data);
        packet.properties.mark(Property::authentication_data);
    }
    return *this;
}

Hello& Hello::without_problem_information() {
    packet.properties.request_problem_information = 0;
    packet.properties.mark(Property::request_problem_information);
    return *this;
}

Hello& Hello::maximum_packet_size(std::uint32_t bytes) {
    packet.properties.maximum_packet_size = bytes;
    packet.properties.mark(Property::maximum_packet_size);
    return *this;
}

Hello& Hello::will(std::string_view topic, std::string_view payload, QoS qos, bool retain,
                   std::uint32_t delay) {
    packet.has_will = true;
    packet.will.topic = topic;
    packet.will.payload = as_bytes(payload);
    packet.will.qos = qos;
    packet.will.retain = retain;
    if (delay > 0) {
        packet.will.properties.will_delay_interval = delay;
        packet.will.properties.mark(Property::will_delay_interval);
    }
    return *this;
}

Bytes connect(const Hello& hello) {
    BlobPool pool;
    return taken(pool, wire::encode(pool, hello.packet));
}

Bytes subscribe(Version version, wire::PacketId id, std::initializer_list<Ask> asks,
                std::uint32_t identifier) {
    BlobPool pool;
    std::vector<wire::SubscriptionRequest> requests;
    for (const Ask& ask : asks) {
        wire::SubscriptionRequest request;
        request.filter = ask.filter;
        request.options.qos = ask.qos;
        request.options.no_local = ask.no_local;
        request.options.retain_as_published = ask.retain_as_published;
        request.options.retain_handling = ask.retain_handling;
        requests.push_back(request);
    }
    wire::Properties properties;
    Bytes encoded;
    if (identifier != 0) {
        wire::append_subscription_identifier(encoded, identifier);
        properties.subscription_identifiers = encoded;
        properties.subscription_identifier_count = 1;
    }
    return taken(pool, wire::encode_subscribe(pool, version, id, requests, properties));
}

Bytes unsubscribe(Version version, wire::PacketId id,
                  std::initializer_list<std::string_view> filters) {
    BlobPool pool;
    const std::vector<std::string_view> list(filters);
    return taken(pool, wire::encode_unsubscribe(pool, version, id, list));
}

Bytes publish(Version version, std::string_view topic, std::string_view payload, QoS qos,
              const Extra& extra) {
    BlobPool pool;
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = as_bytes(payload);
    packet.qos = qos;
    packet.packet_id = extra.id;
    packet.retain = extra.retain;
    packet.dup = extra.dup;
    wire::Properties& p = packet.properties;
    if (extra.expiry > 0) {
        p.message_expiry_interval = extra.expiry;
        p.mark(Property::message_expiry_interval);
    }
    if (extra.alias > 0) {
        p.topic_alias = extra.alias;
        p.mark(Property::topic_alias);
    }
    if (extra.format >= 0) {
        p.payload_format_indicator = static_cast<std::uint8_t>(extra.format);
        p.mark(Property::payload_format_indicator);
    }
    if (!extra.content_type.empty()) {
        p.content_type = extra.content_type;
        p.mark(Property::content_type);
    }
    if (!extra.response_topic.empty()) {
        p.response_topic = extra.response_topic;
        p.mark(Property::response_topic);
    }
    if (!extra.correlation.empty()) {
        p.correlation_data = as_bytes(extra.correlation);
        p.mark(Property::correlation_data);
    }
    Bytes users;
    if (!extra.user_name.empty()) {
        wire::append_user_property(users, extra.user_name, extra.user_value);
        p.user_properties = users;
        p.user_property_count = 1;
    }
    return taken(pool, wire::encode(pool, version, packet));
}

Bytes ack(Version version, PacketType type, wire::PacketId id, std::uint8_t reason) {
    BlobPool pool;
    wire::Ack packet;
    packet.type = type;
    packet.packet_id = id;
    packet.reason = reason;
    return taken(pool, wire::encode(pool, version, packet));
}

Bytes pingreq() {
    BlobPool pool;
    return taken(pool, wire::encode_pingreq(pool));
}

Bytes disconnect(Version version, std::uint8_t reason, std::int64_t expiry) {
    BlobPool pool;
    wire::Disconnect packet;
    packet.reason = reason;
    if (expiry >= 0) {
        packet.properties.session_expiry_interval = static_cast<std::uint32_t>(expiry);
        packet.properties.mark(Property::session_expiry_interval);
    }
    return taken(pool, wire::encode(pool, version, packet));
}

Bytes auth(std::uint8_t reason, std::string_view method, std::string_view data) {
    BlobPool pool;
    wire::Auth packet;
    packet.reason = reason;
    if (!method.empty()) {
        packet.properties.authentication_method = method;
        packet.properties.mark(Property::authentication_method);
    }
    if (!data.empty()) {
        packet.properties.authentication_data = as_bytes(data);
        packet.properties.mark(Property::authentication_data);
    }
    return taken(pool, wire::encode(pool, Version::v5, packet));
}

std::string describe(Version version, ByteView packet) {
    BlobPool pool;
    wire::FramerState state;
    wire::FrameReader reader(pool, state, packet, wire::kMaximumPacketSize);
    wire::Frame frame;
    if (!reader.next(frame) || frame.size() != packet.size()) {
        reader.abandon();
        return "not one whole packet";
    }
    switch (frame.type()) {
        case PacketType::connack:
            return describe_connack(frame, version);
        case PacketType::publish:
            return describe_publish(frame, version);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            return describe_ack(frame, version);
        case PacketType::suback:
        case PacketType::unsuback:
            return describe_list_ack(frame, version);
        case PacketType::disconnect:
            return describe_disconnect(frame, version);
        case PacketType::auth:
            return describe_auth(frame, version);
        default:
            EXPECT_FALSE(wire::decode_empty(frame));
            return std::string(wire::packet_name(frame.type()));
    }
}

std::string reason_string(Version version, ByteView packet) {
    if (version != Version::v5) return {};
    BlobPool pool;
    wire::FramerState state;
    wire::FrameReader reader(pool, state, packet, wire::kMaximumPacketSize);
    wire::Frame frame;
    if (!reader.next(frame)) return {};
    const auto read = [&](auto decoded) {
        EXPECT_FALSE(wire::decode(frame, version, decoded));
        return std::string(decoded.properties.reason_string);
    };
    switch (frame.type()) {
        case PacketType::connack:
            return read(wire::Connack{});
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            return read(wire::Ack{});
        case PacketType::suback:
        case PacketType::unsuback:
            return read(wire::ListAck{});
        case PacketType::auth:
            return read(wire::Auth{});
        case PacketType::disconnect: {
            wire::Disconnect decoded;
            EXPECT_FALSE(wire::decode(frame, version, wire::Sender::server, decoded));
            return std::string(decoded.properties.reason_string);
        }
        default:
            return {};
    }
}

}  // namespace mqttwin::broker
