// Any of the fifteen packets, decoded, compared and encoded again: for tests and fuzz targets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

namespace mqttwin::wire {

struct AnyPacket {
    PacketType type = PacketType::pingreq;
    Connect connect;
    Connack connack;
    Publish publish;
    Ack ack;
    Subscribe subscribe;
    ListAck list_ack;
    Unsubscribe unsubscribe;
    Disconnect disconnect;
    Auth auth;
};

inline Fault decode_any(const Frame& frame, Version version, Sender sender, AnyPacket& out) {
    out.type = frame.type();
    switch (frame.type()) {
        case PacketType::connect:
            return decode(frame, out.connect);
        case PacketType::connack:
            return decode(frame, version, out.connack);
        case PacketType::publish:
            return decode(frame, version, sender, out.publish);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            return decode(frame, version, out.ack);
        case PacketType::subscribe:
            return decode(frame, version, out.subscribe);
        case PacketType::suback:
        case PacketType::unsuback:
            return decode(frame, version, out.list_ack);
        case PacketType::unsubscribe:
            return decode(frame, version, out.unsubscribe);
        case PacketType::disconnect:
            return decode(frame, version, sender, out.disconnect);
        case PacketType::auth:
            return decode(frame, version, out.auth);
        default:
            return decode_empty(frame);
    }
}

inline std::vector<SubscriptionRequest> requests_of(const Subscribe& packet) {
    std::vector<SubscriptionRequest> list;
    SubscriptionRequests walk(packet);
    for (auto request = walk.next(); !request.filter.empty(); request = walk.next()) {
        list.push_back(request);
    }
    return list;
}

inline std::vector<std::string_view> filters_of(const Unsubscribe& packet) {
    std::vector<std::string_view> list;
    FilterList walk(packet);
    for (auto filter = walk.next(); !filter.empty(); filter = walk.next()) list.push_back(filter);
    return list;
}

inline BlobId encode_any(BlobPool& pool, Version version, const AnyPacket& packet) {
    switch (packet.type) {
        case PacketType::connect:
            return encode(pool, packet.connect);
        case PacketType::connack:
            return encode(pool, version, packet.connack);
        case PacketType::publish:
            return encode(pool, version, packet.publish);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            return encode(pool, version, packet.ack);
        case PacketType::subscribe:
            return encode_subscribe(pool, version, packet.subscribe.packet_id,
                                    requests_of(packet.subscribe), packet.subscribe.properties);
        case PacketType::suback:
        case PacketType::unsuback:
            return encode(pool, version, packet.list_ack);
        case PacketType::unsubscribe:
            return encode_unsubscribe(pool, version, packet.unsubscribe.packet_id,
                                      filters_of(packet.unsubscribe),
                                      packet.unsubscribe.properties);
        case PacketType::disconnect:
            return encode(pool, version, packet.disconnect);
        case PacketType::auth:
            return encode(pool, version, packet.auth);
        case PacketType::pingreq:
            return encode_pingreq(pool);
        default:
            return encode_pingresp(pool);
    }
}

// --- equality of what packets say, not of where they say it
// ---------------------------------------

inline bool same_bytes(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

inline bool same_user_properties(const Properties& a, const Properties& b) {
    if (a.user_property_count != b.user_property_count) return false;
    UserProperties left(a.user_properties);
    UserProperties right(b.user_properties);
    for (std::uint32_t i = 0; i < a.user_property_count; ++i) {
        const auto x = left.next();
        const auto y = right.next();
        if (!x || !y || x.pair.name != y.pair.name || x.pair.value != y.pair.value) return false;
    }
    return !left.next() && !right.next();
}

inline bool same_subscription_identifiers(const Properties& a, const Properties& b) {
    if (a.subscription_identifier_count != b.subscription_identifier_count) return false;
    SubscriptionIdentifiers left(a.subscription_identifiers);
    SubscriptionIdentifiers right(b.subscription_identifiers);
    for (std::uint32_t i = 0; i < a.subscription_identifier_count; ++i) {
        const std::uint32_t identifier = left.next();
        if (identifier == 0 || identifier != right.next()) return false;
    }
    return left.next() == 0 && right.next() == 0;
}

// Every field, also of properties that are absent: these hold their defaults.
inline bool same(const Properties& a, const Properties& b) {
    return a.present == b.present && a.payload_format_indicator == b.payload_format_indicator &&
           a.request_problem_information == b.request_problem_information &&
           a.request_response_information == b.request_response_information &&
           a.maximum_qos == b.maximum_qos && a.retain_available == b.retain_available &&
           a.wildcard_subscription_available == b.wildcard_subscription_available &&
           a.subscription_identifier_available == b.subscription_identifier_available &&
           a.shared_subscription_available == b.shared_subscription_available &&
           a.server_keep_alive == b.server_keep_alive && a.receive_maximum == b.receive_maximum &&
           a.topic_alias_maximum == b.topic_alias_maximum && a.topic_alias == b.topic_alias &&
           a.message_expiry_interval == b.message_expiry_interval &&
           a.session_expiry_interval == b.session_expiry_interval &&
           a.will_delay_interval == b.will_delay_interval &&
           a.maximum_packet_size == b.maximum_packet_size && a.content_type == b.content_type &&
           a.response_topic == b.response_topic &&
           same_bytes(a.correlation_data, b.correlation_data) &&
           a.assigned_client_identifier == b.assigned_client_identifier &&
           a.authentication_method == b.authentication_method &&
           same_bytes(a.authentication_data, b.authentication_data) &&
           a.response_information == b.response_information &&
           a.server_reference == b.server_reference && a.reason_string == b.reason_string &&
           same_user_properties(a, b) && same_subscription_identifiers(a, b);
}

inline bool same(const Will& a, const Will& b) {
    return a.topic == b.topic && same_bytes(a.payload, b.payload) && a.qos == b.qos &&
           a.retain == b.retain && same(a.properties, b.properties);
}

inline bool same(const Connect& a, const Connect& b) {
    return a.version == b.version && a.clean_start == b.clean_start &&
           a.keep_alive == b.keep_alive && a.client_id == b.client_id && a.has_will == b.has_will &&
           same(a.will, b.will) && a.has_user_name == b.has_user_name &&
           a.user_name == b.user_name && a.has_password == b.has_password &&
           same_bytes(a.password, b.password) && same(a.properties, b.properties);
}

inline bool same(const Connack& a, const Connack& b) {
    return a.session_present == b.session_present && a.reason == b.reason &&
           same(a.properties, b.properties);
}

inline bool same(const Publish& a, const Publish& b) {
    return a.topic == b.topic && same_bytes(a.payload, b.payload) && a.qos == b.qos &&
           a.retain == b.retain && a.dup == b.dup && a.packet_id == b.packet_id &&
           same(a.properties, b.properties);
}

inline bool same(const Ack& a, const Ack& b) {
    return a.type == b.type && a.packet_id == b.packet_id && a.reason == b.reason &&
           same(a.properties, b.properties);
}

inline bool same(const SubscriptionRequest& a, const SubscriptionRequest& b) {
    return a.filter == b.filter && a.options.qos == b.options.qos &&
           a.options.no_local == b.options.no_local &&
           a.options.retain_as_published == b.options.retain_as_published &&
           a.options.retain_handling == b.options.retain_handling;
}

inline bool same(const Subscribe& a, const Subscribe& b) {
    const auto left = requests_of(a);
    const auto right = requests_of(b);
    return a.packet_id == b.packet_id && a.version == b.version && a.count == b.count &&
           left.size() == a.count &&
           std::ranges::equal(left, right,
                              [](const auto& x, const auto& y) { return same(x, y); }) &&
           same(a.properties, b.properties);
}

inline bool same(const Unsubscribe& a, const Unsubscribe& b) {
    const auto left = filters_of(a);
    return a.packet_id == b.packet_id && a.count == b.count && left.size() == a.count &&
           left == filters_of(b) && same(a.properties, b.properties);
}

inline bool same(const ListAck& a, const ListAck& b) {
    return a.type == b.type && a.packet_id == b.packet_id && same_bytes(a.reasons, b.reasons) &&
           same(a.properties, b.properties);
}

inline bool same(const Disconnect& a, const Disconnect& b) {
    return a.reason == b.reason && same(a.properties, b.properties);
}

inline bool same(const Auth& a, const Auth& b) {
    return a.reason == b.reason && same(a.properties, b.properties);
}

inline bool same(const AnyPacket& a, const AnyPacket& b) {
    if (a.type != b.type) return false;
    switch (a.type) {
        case PacketType::connect:
            return same(a.connect, b.connect);
        case PacketType::connack:
            return same(a.connack, b.connack);
        case PacketType::publish:
            return same(a.publish, b.publish);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            return same(a.ack, b.ack);
        case PacketType::subscribe:
            return same(a.subscribe, b.subscribe);
        case PacketType::suback:
        case PacketType::unsuback:
            return same(a.list_ack, b.list_ack);
        case PacketType::unsubscribe:
            return same(a.unsubscribe, b.unsubscribe);
        case PacketType::disconnect:
            return same(a.disconnect, b.disconnect);
        case PacketType::auth:
            return same(a.auth, b.auth);
        default:
            return true;
    }
}

}  // namespace mqttwin::wire
