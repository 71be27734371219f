// The fifteen control packets, one struct each for every protocol version.
//
// Decoded packets are views: strings, payloads and lists point into the frame that was decoded
// and live no longer than it. Fields that a version lacks hold their defaults.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/fault.hpp"
#include "mqttwin/wire/properties.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::wire {

struct Will {
    std::string_view topic;
    ByteView payload;
    QoS qos = QoS::at_most_once;
    bool retain = false;
    Properties properties;
};

struct Connect {
    Version version = Version::v5;
    bool clean_start = true;       // "clean session" in 3.1.1
    std::uint16_t keep_alive = 0;  // seconds; 0 is off
    std::string_view client_id;
    bool has_will = false;
    Will will;
    bool has_user_name = false;
    std::string_view user_name;
    bool has_password = false;
    ByteView password;
    Properties properties;
};

struct Connack {
    bool session_present = false;
    std::uint8_t reason = 0;  // 5.0 reason code; for 3.1.1 the return code 0 to 5 as it stands
    Properties properties;
};

struct Publish {
    std::string_view topic;
    ByteView payload;
    QoS qos = QoS::at_most_once;
    bool retain = false;
    bool dup = false;
    PacketId packet_id = 0;  // 0 for QoS 0
    Properties properties;
};

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
struct Ack {
    PacketType type = PacketType::puback;
    PacketId packet_id = 0;
    std::uint8_t reason = 0;
    Properties properties;
};

enum class RetainHandling : std::uint8_t { send = 0, send_if_new = 1, do_not_send = 2 };

struct SubscriptionOptions {
    QoS qos = QoS::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    RetainHandling retain_handling = RetainHandling::send;
};

struct SubscriptionRequest {
    std::string_view filter;
    SubscriptionOptions options;
};

/// The list of a decoded SUBSCRIBE, still encoded: walk it with `SubscriptionRequests`.
struct Subscribe {
    PacketId packet_id = 0;
    std::uint32_t count = 0;
    ByteView encoded;  // entries: filter, options byte
    Version version = Version::v5;
    Properties properties;  // subscription_identifier: walk subscription_identifiers (0 or 1)
};

struct Unsubscribe {
    PacketId packet_id = 0;
    std::uint32_t count = 0;
    ByteView encoded;  // entries: filter
    Properties properties;
};

/// SUBACK and UNSUBACK: a reason code for each entry of the request (none in a 3.1.1 UNSUBACK).
struct ListAck {
    PacketType type = PacketType::suback;
    PacketId packet_id = 0;
    ByteView reasons;
    Properties properties;
};

struct Disconnect {
    std::uint8_t reason = 0;
    Properties properties;
};

struct Auth {
    std::uint8_t reason = 0;
    Properties properties;
};

/// Walks the entries of a decoded SUBSCRIBE; a filter that is empty marks the end.
class SubscriptionRequests {
   public:
    explicit SubscriptionRequests(const Subscribe& packet) : rest_(packet.encoded) {}
    SubscriptionRequest next();

   private:
    ByteView rest_;
};

/// Walks the entries of a decoded UNSUBSCRIBE; empty at the end.
class FilterList {
   public:
    explicit FilterList(const Unsubscribe& packet) : rest_(packet.encoded) {}
    std::string_view next();

   private:
    ByteView rest_;
};

}  // namespace mqttwin::wire
