#include "mqttwin/wire/properties.hpp"

#include <array>
#include <bit>

#include "property_table.hpp"

namespace mqttwin::wire {

namespace {

using enum PacketType;
using Type = PropertyType;

constexpr PropertyPlaces at(PacketType type) { return place_of(type); }
template <class... Types>
constexpr PropertyPlaces at(PacketType first, Types... rest) {
    return static_cast<PropertyPlaces>(at(first) | at(rest...));
}
constexpr PropertyPlaces with_will(PropertyPlaces places) {
    return static_cast<PropertyPlaces>(places | kWillPlace);
}

constexpr PropertyPlaces kAcks = at(connack, puback, pubrec, pubrel, pubcomp, suback, unsuback);

}  // namespace

constexpr std::array<PropertyRule, 27> kPropertyRules = {{
    {Property::payload_format_indicator, Type::byte, with_will(at(publish)),
     "Payload Format Indicator"},
    {Property::message_expiry_interval, Type::four_byte, with_will(at(publish)),
     "Message Expiry Interval"},
    {Property::content_type, Type::text, with_will(at(publish)), "Content Type"},
    {Property::response_topic, Type::text, with_will(at(publish)), "Response Topic"},
    {Property::correlation_data, Type::binary, with_will(at(publish)), "Correlation Data"},
    {Property::subscription_identifier, Type::variable, at(publish, subscribe),
     "Subscription Identifier"},
    {Property::session_expiry_interval, Type::four_byte, at(connect, connack, disconnect),
     "Session Expiry Interval"},
    {Property::assigned_client_identifier, Type::text, at(connack), "Assigned Client Identifier"},
    {Property::server_keep_alive, Type::two_byte, at(connack), "Server Keep Alive"},
    {Property::authentication_method, Type::text, at(connect, connack, auth),
     "Authentication Method"},
    {Property::authentication_data, Type::binary, at(connect, connack, auth),
     "Authentication Data"},
    {Property::request_problem_information, Type::byte, at(connect), "Request Problem Information"},
    {Property::will_delay_interval, Type::four_byte, kWillPlace, "Will Delay Interval"},
    {Property::request_response_information, Type::byte, at(connect),
     "Request Response Information"},
    {Property::response_information, Type::text, at(connack), "Response Information"},
    {Property::server_reference, Type::text, at(connack, disconnect), "Server Reference"},
    {Property::reason_string, Type::text, static_cast<PropertyPlaces>(kAcks | at(disconnect, auth)),
     "Reason String"},
    {Property::receive_maximum, Type::two_byte, at(connect, connack), "Receive Maximum"},
    {Property::topic_alias_maximum, Type::two_byte, at(connect, connack), "Topic Alias Maximum"},
    {Property::topic_alias, Type::two_byte, at(publish), "Topic Alias"},
    {Property::maximum_qos, Type::byte, at(connack), "Maximum QoS"},
    {Property::retain_available, Type::byte, at(connack), "Retain Available"},
    {Property::user_property, Type::text_pair,
     with_will(static_cast<PropertyPlaces>(
         kAcks | at(connect, publish, subscribe, unsubscribe, disconnect, auth))),
     "User Property"},
    {Property::maximum_packet_size, Type::four_byte, at(connect, connack), "Maximum Packet Size"},
    {Property::wildcard_subscription_available, Type::byte, at(connack),
     "Wildcard Subscription Available"},
    {Property::subscription_identifier_available, Type::byte, at(connack),
     "Subscription Identifier Available"},
    {Property::shared_subscription_available, Type::byte, at(connack),
     "Shared Subscription Available"},
}};

namespace {

constexpr std::size_t kIdentifiers = 0x2B;  // identifiers above are not defined
constexpr std::uint8_t kNoRow = 0xFF;

constexpr std::array<std::uint8_t, kIdentifiers> kRow = [] {
    std::array<std::uint8_t, kIdentifiers> rows{};
    rows.fill(kNoRow);
    for (std::size_t i = 0; i < kPropertyRules.size(); ++i) {
        rows[static_cast<std::size_t>(kPropertyRules[i].id)] = static_cast<std::uint8_t>(i);
    }
    return rows;
}();

constexpr std::array<std::uint64_t, 16> kAllowed = [] {
    std::array<std::uint64_t, 16> allowed{};
    for (const PropertyRule& rule : kPropertyRules) {
        for (std::size_t place = 0; place < 16; ++place) {
            if ((rule.places >> place) & 1U) {
                allowed[place] |= std::uint64_t{1} << static_cast<unsigned>(rule.id);
            }
        }
    }
    return allowed;
}();

// Bytes that the value of a property takes, in a run that was validated.
std::size_t value_size(PropertyType type, const std::uint8_t* p) {
    const auto text_size = [](const std::uint8_t* q) { return 2 + big_endian_at(q); };
    switch (type) {
        case PropertyType::byte:
            return 1;
        case PropertyType::two_byte:
            return 2;
        case PropertyType::four_byte:
            return 4;
        case PropertyType::variable: {
            std::size_t n = 1;
            while (*p++ & 0x80U) ++n;
            return n;
        }
        case PropertyType::text:
        case PropertyType::binary:
            return text_size(p);
        case PropertyType::text_pair: {
            const std::size_t name = text_size(p);
            return name + text_size(p + name);
        }
    }
    return 0;
}

// Moves `rest` behind the next property `wanted`, and gives its value's bytes; empty at the end.
ByteView skip_to(ByteView& rest, Property wanted) {
    while (!rest.empty()) {
        const std::uint8_t id = rest[0];
        const std::size_t size = value_size(kPropertyRules[kRow[id]].type, rest.data() + 1);
        const ByteView value = rest.subspan(1, size);
        rest = rest.subspan(1 + size);
        if (id == static_cast<std::uint8_t>(wanted)) return value;
    }
    return {};
}

std::string_view text_at(ByteView bytes) {
    return as_text(bytes.subspan(2, big_endian_at(bytes.data())));
}

}  // namespace

const PropertyRule* property_rule(std::uint8_t id) {
    if (id >= kIdentifiers || kRow[id] == kNoRow) return nullptr;
    return &kPropertyRules[kRow[id]];
}

std::size_t property_size(const std::uint8_t* p) {
    return 1 + value_size(kPropertyRules[kRow[*p]].type, p + 1);
}

std::uint64_t properties_allowed(PropertyPlaces place) {
    return kAllowed[static_cast<std::size_t>(std::countr_zero(place))];
}

UserProperties::Item UserProperties::next() {
    const ByteView value = skip_to(rest_, Property::user_property);
    if (value.empty()) return {};
    const std::string_view name = text_at(value);
    return {true, {name, text_at(value.subspan(2 + name.size()))}};
}

std::uint32_t SubscriptionIdentifiers::next() {
    const ByteView value = skip_to(rest_, Property::subscription_identifier);
    std::uint32_t identifier = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
        identifier |= std::uint32_t{value[i] & 0x7FU} << (7 * i);
    }
    return identifier;
}

}  // namespace mqttwin::wire
