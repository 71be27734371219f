// MQTT 5.0 properties: one table says which exists, of which type, in which packets, how often.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::wire {

/// Property identifiers (MQTT 5.0, table 2-4).
enum class Property : std::uint8_t {
    payload_format_indicator = 0x01,
    message_expiry_interval = 0x02,
    content_type = 0x03,
    response_topic = 0x08,
    correlation_data = 0x09,
    subscription_identifier = 0x0B,
    session_expiry_interval = 0x11,
    assigned_client_identifier = 0x12,
    server_keep_alive = 0x13,
    authentication_method = 0x15,
    authentication_data = 0x16,
    request_problem_information = 0x17,
    will_delay_interval = 0x18,
    request_response_information = 0x19,
    response_information = 0x1A,
    server_reference = 0x1C,
    reason_string = 0x1F,
    receive_maximum = 0x21,
    topic_alias_maximum = 0x22,
    topic_alias = 0x23,
    maximum_qos = 0x24,
    retain_available = 0x25,
    user_property = 0x26,
    maximum_packet_size = 0x27,
    wildcard_subscription_available = 0x28,
    subscription_identifier_available = 0x29,
    shared_subscription_available = 0x2A,
};

enum class PropertyType : std::uint8_t {
    byte,
    two_byte,
    four_byte,
    variable,
    text,
    binary,
    text_pair
};

/// Bit of a place where a property may stand: bit n for packet type n, bit 0 for will properties.
using PropertyPlaces = std::uint16_t;
inline constexpr PropertyPlaces kWillPlace = 1;
constexpr PropertyPlaces place_of(PacketType type) {
    return static_cast<PropertyPlaces>(1U << static_cast<unsigned>(type));
}

struct PropertyRule {
    Property id;
    PropertyType type;
    PropertyPlaces places;
    std::string_view name;
};
/// The rule of a property, or nullptr for an identifier that MQTT 5.0 does not define.
const PropertyRule* property_rule(std::uint8_t id);

struct UserProperty {
    std::string_view name;
    std::string_view value;
};

/// The properties of one packet. Views point into the bytes they were decoded from.
///
/// Properties that may repeat (user properties, and subscription identifiers in PUBLISH) stay in
/// encoded form, whatever their number: they cost no memory, and are walked with UserProperties /
/// SubscriptionIdentifiers below. To send some, put their encoded form (see `append_user_property`)
/// into `user_properties` / `subscription_identifiers`.
struct Properties {
    std::uint64_t present = 0;  // bit n: property n (single ones only)

    std::uint8_t payload_format_indicator = 0;
    std::uint8_t request_problem_information = 1;
    std::uint8_t request_response_information = 0;
    std::uint8_t maximum_qos = 2;
    std::uint8_t retain_available = 1;
    std::uint8_t wildcard_subscription_available = 1;
    std::uint8_t subscription_identifier_available = 1;
    std::uint8_t shared_subscription_available = 1;
    std::uint16_t server_keep_alive = 0;
    std::uint16_t receive_maximum = 65535;
    std::uint16_t topic_alias_maximum = 0;
    std::uint16_t topic_alias = 0;
    std::uint32_t message_expiry_interval = 0;
    std::uint32_t session_expiry_interval = 0;
    std::uint32_t will_delay_interval = 0;
    std::uint32_t maximum_packet_size = 0;
    std::string_view content_type;
    std::string_view response_topic;
    ByteView correlation_data;
    std::string_view assigned_client_identifier;
    std::string_view authentication_method;
    ByteView authentication_data;
    std::string_view response_information;
    std::string_view server_reference;
    std::string_view reason_string;
    /// A run of encoded properties that contains every user property, in order. A decoded packet
    /// gives a part of its property section here (other properties in it are skipped when walked).
    ByteView user_properties;
    std::uint32_t user_property_count = 0;
    /// The run holds user properties and nothing else: encoding copies it without a walk. Decoding
    /// says so when they stood together; whoever appends user properties only may say it too.
    bool user_properties_alone = false;
    /// The same for subscription identifiers.
    ByteView subscription_identifiers;
    std::uint32_t subscription_identifier_count = 0;

    [[nodiscard]] bool has(Property p) const { return (present >> static_cast<unsigned>(p)) & 1U; }
    void mark(Property p) { present |= std::uint64_t{1} << static_cast<unsigned>(p); }
    [[nodiscard]] bool empty() const {
        return (present | user_property_count | subscription_identifier_count) == 0;
    }
};

/// Walks the user properties in a validated run of encoded properties:
/// `for (UserProperties walk(p.user_properties); auto pair = walk.next();) ...`
class UserProperties {
   public:
    explicit UserProperties(ByteView encoded) : rest_(encoded) {}
    /// The next pair; `found` is false at the end.
    struct Item {
        bool found = false;
        UserProperty pair;
        explicit operator bool() const { return found; }
    };
    Item next();

   private:
    ByteView rest_;
};

/// Walks the subscription identifiers in a validated run of encoded properties; 0 at the end.
class SubscriptionIdentifiers {
   public:
    explicit SubscriptionIdentifiers(ByteView encoded) : rest_(encoded) {}
    std::uint32_t next();

   private:
    ByteView rest_;
};

}  // namespace mqttwin::wire
