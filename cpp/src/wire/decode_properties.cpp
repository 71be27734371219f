#include <bit>

#include "property_table.hpp"

namespace mqttwin::wire {

namespace {

constexpr Clause kRule = clause::kViolation;
constexpr auto kUser = static_cast<std::uint8_t>(Property::user_property);

// One property's value into its field. The whole set is one switch: it is the table of fields.
class PropertyReader {
   public:
    PropertyReader(Reader& reader, Properties& out) : reader_(reader), out_(out) {}

    bool read(Property id) {
        switch (id) {
            case Property::payload_format_indicator:
                return flag(out_.payload_format_indicator);
            case Property::request_problem_information:
                return flag(out_.request_problem_information);
            case Property::request_response_information:
                return flag(out_.request_response_information);
            case Property::maximum_qos:
                return flag(out_.maximum_qos);  // 2 is said by leaving the property out
            case Property::retain_available:
                return flag(out_.retain_available);
            case Property::wildcard_subscription_available:
                return flag(out_.wildcard_subscription_available);
            case Property::subscription_identifier_available:
                return flag(out_.subscription_identifier_available);
            case Property::shared_subscription_available:
                return flag(out_.shared_subscription_available);

            case Property::server_keep_alive:
                return reader_.two(out_.server_keep_alive);
            case Property::receive_maximum:
                return reader_.two(out_.receive_maximum) &&
                       positive(out_.receive_maximum, "Receive Maximum 0");
            case Property::topic_alias_maximum:
                return reader_.two(out_.topic_alias_maximum);
            case Property::topic_alias:
                return topic_alias();

            case Property::message_expiry_interval:
                return reader_.four(out_.message_expiry_interval);
            case Property::session_expiry_interval:
                return reader_.four(out_.session_expiry_interval);
            case Property::will_delay_interval:
                return reader_.four(out_.will_delay_interval);
            case Property::maximum_packet_size:
                return reader_.four(out_.maximum_packet_size) &&
                       positive(out_.maximum_packet_size, "Maximum Packet Size 0");

            case Property::content_type:  // [MQTT-3.3.2-19]
                return reader_.text(out_.content_type, "malformed UTF-8 in Content Type");
            case Property::response_topic:
                return response_topic();
            case Property::correlation_data:
                return reader_.binary(out_.correlation_data);
            case Property::assigned_client_identifier:
                return reader_.text(out_.assigned_client_identifier,
                                    "malformed UTF-8 in Assigned Client Identifier");
            case Property::authentication_method:
                return reader_.text(out_.authentication_method,
                                    "malformed UTF-8 in Authentication Method");
            case Property::authentication_data:
                return reader_.binary(out_.authentication_data);
            case Property::response_information:
                return reader_.text(out_.response_information,
                                    "malformed UTF-8 in Response Information");
            case Property::server_reference:
                return reader_.text(out_.server_reference, "malformed UTF-8 in Server Reference");
            case Property::reason_string:
                return reader_.text(out_.reason_string, "malformed UTF-8 in Reason String");

            case Property::subscription_identifier:
                return subscription_identifier();
            case Property::user_property:
                break;  // read in the loop below
        }
        return false;
    }

    bool user_property() {  // [MQTT-1.5.7-1]: both strings
        std::string_view text;
        if (!reader_.text(text, "malformed UTF-8 in the name of a User Property")) return false;
        if (!reader_.text(text, "malformed UTF-8 in the value of a User Property")) return false;
        ++out_.user_property_count;
        return true;
    }

   private:
    bool flag(std::uint8_t& field) {
        if (!reader_.byte(field)) return false;
        if (field <= 1) return true;
        return reader_.fail_at(reader_.position() - 1, reason::protocol_error, kRule,
                               "property value other than 0 and 1");
    }

    bool positive(std::uint32_t value, std::string_view what) {
        return value > 0 || reader_.fail(reason::protocol_error, kRule, what);
    }

    bool topic_alias() {  // [MQTT-3.3.2-8]
        if (!reader_.two(out_.topic_alias)) return false;
        return out_.topic_alias > 0 ||
               reader_.fail_at(reader_.position() - 2, reason::topic_alias_invalid,
                               {"MQTT-3.3.2-8", "MQTT-3.3.2-8"}, "Topic Alias 0");
    }

    bool response_topic() {  // [MQTT-3.3.2-13]
        if (!reader_.text(out_.response_topic, "malformed UTF-8 in Response Topic")) return false;
        const auto* start = reader_.position() - out_.response_topic.size();
        if (out_.response_topic.empty()) {  // [MQTT-4.7.3-1]
            return reader_.fail_at(start, reason::protocol_error, clause::kTopicLength,
                                   "empty Response Topic");
        }
        if (plain_name(out_.response_topic)) return true;
        const std::size_t wildcard = out_.response_topic.find_first_of("+#");
        return wildcard == std::string_view::npos ||  // [MQTT-3.3.2-14]
               reader_.fail_at(start + wildcard, reason::protocol_error,
                               {"MQTT-3.3.2-14", "MQTT-3.3.2-14"}, "wildcard in Response Topic");
    }

    bool subscription_identifier() {
        const auto* start = reader_.position();
        std::uint32_t value = 0;
        if (!reader_.variable(value)) return false;
        ++out_.subscription_identifier_count;
        return value > 0 ||
               reader_.fail_at(start, reason::protocol_error, kRule, "Subscription Identifier 0");
    }

    Reader& reader_;
    Properties& out_;
};

bool refuse_identifier(Reader& reader, std::uint8_t id) {
    return reader.fail_at(reader.position() - 1, reason::malformed_packet, kRule,
                          property_rule(id) ? "property that this packet must not carry"
                                            : "unknown property identifier");
}

// Once each, but for user properties and a PUBLISH's subscription identifiers.
bool mark_once(Reader& reader, Property id, PropertyPlaces place, Properties& out) {
    if (id == Property::subscription_identifier) {
        if (place == place_of(PacketType::publish) || out.subscription_identifier_count == 0) {
            return true;
        }
    } else if (!out.has(id)) {
        out.mark(id);
        return true;
    }
    return reader.fail_at(reader.position() - 1, reason::protocol_error, kRule,
                          "property given twice");
}

// Where a string of plain ASCII ends that starts at `p`; nullptr when it is anything else, or cut.
const std::uint8_t* behind_plain_text(const std::uint8_t* p, const std::uint8_t* end) {
    if (end - p < 2) return nullptr;
    const std::size_t size = big_endian_at(p);
    p += 2;
    if (static_cast<std::size_t>(end - p) < size || !plain_text(as_text({p, size}))) return nullptr;
    return p + size;
}

// Passes over the user properties that follow while nothing is uncommon about them, and counts
// them. They come in thousands where somebody means harm; whatever stops this is read with care.
std::uint32_t skip_plain_user_properties(Reader& section) {
    const std::uint8_t* const end = section.position() + section.left();
    const std::uint8_t* at = section.position();
    std::uint32_t count = 0;
    while (at < end && *at == kUser) {
        const std::uint8_t* const value = behind_plain_text(at + 1, end);
        const std::uint8_t* const next = value ? behind_plain_text(value, end) : nullptr;
        if (next == nullptr) break;
        at = next;
        ++count;
    }
    section.skip_to(at);
    return count;
}

}  // namespace

bool read_some_properties(Reader& reader, PropertyPlaces place, Properties& out) {
    std::uint32_t length = 0;
    if (!reader.variable(length)) return false;  // [MQTT-2.2.2-1]: there, even if it is 0
    if (reader.left() < length) return reader.ends_early();
    Reader section = reader.section(length);
    const ByteView whole = section.rest();
    const std::uint64_t allowed = properties_allowed(place);
    PropertyReader values(section, out);
    const std::uint8_t* first_user = nullptr;
    const std::uint8_t* behind_user = nullptr;
    bool together = true;
    while (!section.at_end()) {
        std::uint8_t id = 0;
        if (!section.byte(id)) return false;
        // Section 2.2.2.2: an identifier that is not valid for its packet type.
        if (id >= 64 || ((allowed >> id) & 1U) == 0) return refuse_identifier(section, id);
        if (id == kUser) {
            const std::uint8_t* const start = section.position() - 1;
            if (!values.user_property()) return false;
            out.user_property_count += skip_plain_user_properties(section);
            if (first_user == nullptr) first_user = start;
            together = together && (behind_user == nullptr || behind_user == start);
            behind_user = section.position();
        } else {
            if (!mark_once(section, Property{id}, place, out)) return false;
            if (!values.read(Property{id})) return false;
        }
    }
    // Repeatable ones stay where they are.
    if (first_user != nullptr) {
        out.user_properties = {first_user, behind_user};
        out.user_properties_alone = together;
    }
    if (out.subscription_identifier_count > 0) out.subscription_identifiers = whole;
    return true;
}

}  // namespace mqttwin::wire
