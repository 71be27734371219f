#include <bit>

#include "mqttwin/wire/encode.hpp"

#include "property_table.hpp"
#include "writer.hpp"

namespace mqttwin::wire {

namespace {

constexpr std::uint64_t bit_of(Property id) {
    return std::uint64_t{1} << static_cast<unsigned>(id);
}

std::uint32_t prefixed(std::size_t size) { return static_cast<std::uint32_t>(2 + size); }

// Size of a string or binary property's value; 0 for the others, whose type says it.
std::uint32_t long_value_size(const Properties& p, Property id) {
    switch (id) {
        case Property::content_type:
            return prefixed(p.content_type.size());
        case Property::response_topic:
            return prefixed(p.response_topic.size());
        case Property::correlation_data:
            return prefixed(p.correlation_data.size());
        case Property::assigned_client_identifier:
            return prefixed(p.assigned_client_identifier.size());
        case Property::authentication_method:
            return prefixed(p.authentication_method.size());
        case Property::authentication_data:
            return prefixed(p.authentication_data.size());
        case Property::response_information:
            return prefixed(p.response_information.size());
        case Property::server_reference:
            return prefixed(p.server_reference.size());
        case Property::reason_string:
            return prefixed(p.reason_string.size());
        default:
            return 0;
    }
}

std::uint32_t value_size(const Properties& p, Property id) {
    switch (property_rule(static_cast<std::uint8_t>(id))->type) {
        case PropertyType::byte:
            return 1;
        case PropertyType::two_byte:
            return 2;
        case PropertyType::four_byte:
            return 4;
        default:
            return long_value_size(p, id);
    }
}

void write_value(Writer& writer, const Properties& p, Property id) {
    switch (id) {
        case Property::payload_format_indicator:
            return writer.byte(p.payload_format_indicator);
        case Property::request_problem_information:
            return writer.byte(p.request_problem_information);
        case Property::request_response_information:
            return writer.byte(p.request_response_information);
        case Property::maximum_qos:
            return writer.byte(p.maximum_qos);
        case Property::retain_available:
            return writer.byte(p.retain_available);
        case Property::wildcard_subscription_available:
            return writer.byte(p.wildcard_subscription_available);
        case Property::subscription_identifier_available:
            return writer.byte(p.subscription_identifier_available);
        case Property::shared_subscription_available:
            return writer.byte(p.shared_subscription_available);
        case Property::server_keep_alive:
            return writer.two(p.server_keep_alive);
        case Property::receive_maximum:
            return writer.two(p.receive_maximum);
        case Property::topic_alias_maximum:
            return writer.two(p.topic_alias_maximum);
        case Property::topic_alias:
            return writer.two(p.topic_alias);
        case Property::message_expiry_interval:
            return writer.four(p.message_expiry_interval);
        case Property::session_expiry_interval:
            return writer.four(p.session_expiry_interval);
        case Property::will_delay_interval:
            return writer.four(p.will_delay_interval);
        case Property::maximum_packet_size:
            return writer.four(p.maximum_packet_size);
        case Property::content_type:
            return writer.text(p.content_type);
        case Property::response_topic:
            return writer.text(p.response_topic);
        case Property::correlation_data:
            return writer.binary(p.correlation_data);
        case Property::assigned_client_identifier:
            return writer.text(p.assigned_client_identifier);
        case Property::authentication_method:
            return writer.text(p.authentication_method);
        case Property::authentication_data:
            return writer.binary(p.authentication_data);
        case Property::response_information:
            return writer.text(p.response_information);
        case Property::server_reference:
            return writer.text(p.server_reference);
        case Property::reason_string:
            return writer.text(p.reason_string);
        case Property::subscription_identifier:
        case Property::user_property:
            break;  // these repeat: below
    }
}

std::uint32_t user_properties_size(const Properties& p) {
    if (p.user_properties_alone) return static_cast<std::uint32_t>(p.user_properties.size());
    std::size_t size = 0;
    each_user_property_run(p.user_properties, [&](ByteView run) { size += run.size(); });
    return static_cast<std::uint32_t>(size);
}

std::uint32_t subscription_identifiers_size(const Properties& p) {
    std::uint32_t size = 0;
    SubscriptionIdentifiers walk(p.subscription_identifiers);
    while (const std::uint32_t identifier = walk.next()) size += 1 + variable_size(identifier);
    return size;
}

bool writes_user_properties(const Properties& p, PropertyPlaces place) {
    return p.user_property_count > 0 &&
           (properties_allowed(place) & bit_of(Property::user_property)) != 0;
}

bool writes_subscription_identifiers(const Properties& p, PropertyPlaces place) {
    return p.subscription_identifier_count > 0 &&
           (properties_allowed(place) & bit_of(Property::subscription_identifier)) != 0;
}

Property lowest(std::uint64_t bits) {
    return Property{static_cast<std::uint8_t>(std::countr_zero(bits))};
}

}  // namespace

PropertyPlan plan_properties(const Properties& properties, PropertyPlaces place) {
    PropertyPlan plan;
    if (properties.empty()) return plan;
    plan.present = properties.present & properties_allowed(place);
    for (std::uint64_t bits = plan.present; bits != 0; bits &= bits - 1) {
        plan.length += 1 + value_size(properties, lowest(bits));
    }
    plan.user_properties = writes_user_properties(properties, place);
    if (plan.user_properties) plan.length += user_properties_size(properties);
    if (writes_subscription_identifiers(properties, place)) {
        plan.length += subscription_identifiers_size(properties);
    }
    return plan;
}

bool leave_something_out(PropertyPlan& plan, const Properties& properties) {
    if (plan.user_properties && properties.user_property_count > 0) {
        plan.user_properties = false;
        plan.length -= user_properties_size(properties);
        return true;
    }
    if (plan.present & bit_of(Property::reason_string)) {
        plan.present &= ~bit_of(Property::reason_string);
        plan.length -= 1 + value_size(properties, Property::reason_string);
        return true;
    }
    return false;
}

void write_properties(Writer& writer, const PropertyPlan& plan, const Properties& properties,
                      PropertyPlaces place) {
    writer.variable(plan.length);  // [MQTT-2.2.2-1]: 0 where there are none
    if (plan.length == 0) return;
    for (std::uint64_t bits = plan.present; bits != 0; bits &= bits - 1) {
        const Property id = lowest(bits);
        writer.byte(static_cast<std::uint8_t>(id));
        write_value(writer, properties, id);
    }
    if (writes_subscription_identifiers(properties, place)) {
        SubscriptionIdentifiers walk(properties.subscription_identifiers);
        while (const std::uint32_t identifier = walk.next()) {
            writer.byte(static_cast<std::uint8_t>(Property::subscription_identifier));
            writer.variable(identifier);
        }
    }
    if (!plan.user_properties) return;
    // In their order [MQTT-3.3.2-18].
    if (properties.user_properties_alone) {
        writer.raw(properties.user_properties);
    } else {
        each_user_property_run(properties.user_properties, [&](ByteView run) { writer.raw(run); });
    }
}

void append_user_property(std::vector<std::uint8_t>& out, std::string_view name,
                          std::string_view value) {
    const std::size_t start = out.size();
    out.resize(start + 1 + 2 + name.size() + 2 + value.size());
    Writer writer{std::span<std::uint8_t>(out).subspan(start)};
    writer.byte(static_cast<std::uint8_t>(Property::user_property));
    writer.text(name);
    writer.text(value);
}

void append_subscription_identifier(std::vector<std::uint8_t>& out, std::uint32_t identifier) {
    assert(identifier > 0 && identifier <= kMaximumRemainingLength);
    const std::size_t start = out.size();
    out.resize(start + 1 + variable_size(identifier));
    Writer writer{std::span<std::uint8_t>(out).subspan(start)};
    writer.byte(static_cast<std::uint8_t>(Property::subscription_identifier));
    writer.variable(identifier);
}

}  // namespace mqttwin::wire
