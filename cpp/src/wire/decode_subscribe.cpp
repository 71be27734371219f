// SUBSCRIBE and UNSUBSCRIBE: checked entry by entry, left in the frame.
#include "mqttwin/wire/decode.hpp"

#include "property_table.hpp"
#include "reader.hpp"

namespace mqttwin::wire {

namespace {

constexpr std::uint8_t kQosBits = 0x03;
constexpr std::uint8_t kNoLocal = 0x04;
constexpr std::uint8_t kRetainAsPublished = 0x08;
constexpr std::uint8_t kRetainHandling = 0x30;
constexpr std::uint8_t kReservedV5 = 0xC0;
constexpr std::uint8_t kReservedV311 = 0xFC;
constexpr std::string_view kSharePrefix = "$share/";

bool read_filter(Reader& reader, std::string_view& filter) {
    // [MQTT-3.8.3-1], [MQTT-3.10.3-1], 3.1.1 [MQTT-3.10.3-1]
    if (!reader.text(filter, "malformed UTF-8 in topic filter")) return false;
    // [MQTT-4.7.3-1]; what else may be wrong with a filter is answered entry by entry.
    return !filter.empty() || reader.fail_at(reader.position(), reason::protocol_error,
                                             clause::kTopicLength, "empty topic filter");
}

bool check_options(Reader& reader, std::uint8_t options, std::string_view filter) {
    const auto* where = reader.position() - 1;
    const bool v5 = reader.version() == Version::v5;
    if (options & (v5 ? kReservedV5 : kReservedV311)) {  // [MQTT-3.8.3-5]
        return reader.fail_at(where, reason::malformed_packet, {"MQTT-3.8.3-5", "MQTT-3.8.3-4"},
                              "reserved bits of subscription options");
    }
    if ((options & kQosBits) == 3) {  // 3.8.3.1; 3.1.1 [MQTT-3.8.3-4]
        return reader.fail_at(where, v5 ? reason::protocol_error : reason::malformed_packet,
                              {"MQTT-4.13.1-1", "MQTT-3.8.3-4"}, "subscription with QoS 3");
    }
    if ((options & kRetainHandling) == kRetainHandling) {  // 3.8.3.1
        return reader.fail_at(where, reason::protocol_error, clause::kViolation,
                              "retain handling 3");
    }
    if ((options & kNoLocal) && filter.starts_with(kSharePrefix)) {  // [MQTT-3.8.3-4]
        return reader.fail_at(where, reason::protocol_error, {"MQTT-3.8.3-4", "MQTT-4.8.0-1"},
                              "no local on a shared subscription");
    }
    return true;
}

bool read_request(Reader& reader, const Frame& frame, PacketId& packet_id, Properties& properties) {
    if (!read_flags(reader, frame)) return false;  // [MQTT-3.8.1-1], [MQTT-3.10.1-1]
    if (!reader.packet_id(packet_id)) return false;
    return reader.version() != Version::v5 ||
           read_properties(reader, place_of(frame.type()), properties);
}

bool read_subscribe(Reader& reader, const Frame& frame, Subscribe& out) {
    if (!read_request(reader, frame, out.packet_id, out.properties)) return false;
    out.version = reader.version();
    out.encoded = reader.rest();
    out.count = 0;
    if (reader.at_end()) {  // [MQTT-3.8.3-2]
        return reader.fail(reason::protocol_error, {"MQTT-3.8.3-2", "MQTT-3.8.3-3"},
                           "SUBSCRIBE without a topic filter");
    }
    while (!reader.at_end()) {
        std::string_view filter;
        std::uint8_t options = 0;
        if (!read_filter(reader, filter)) return false;
        if (!reader.byte(options)) return false;
        if (!check_options(reader, options, filter)) return false;
        ++out.count;
    }
    return true;
}

bool read_unsubscribe(Reader& reader, const Frame& frame, Unsubscribe& out) {
    if (!read_request(reader, frame, out.packet_id, out.properties)) return false;
    out.encoded = reader.rest();
    out.count = 0;
    if (reader.at_end()) {  // [MQTT-3.10.3-2]
        return reader.fail(reason::protocol_error, {"MQTT-3.10.3-2", "MQTT-3.10.3-2"},
                           "UNSUBSCRIBE without a topic filter");
    }
    while (!reader.at_end()) {
        std::string_view filter;
        if (!read_filter(reader, filter)) return false;
        ++out.count;
    }
    return true;
}

// The next string of a list that was checked when it was decoded.
std::string_view take_text(ByteView& rest) {
    const std::size_t length = (std::size_t{rest[0]} << 8) | rest[1];
    const std::string_view text = as_text(rest.subspan(2, length));
    rest = rest.subspan(2 + length);
    return text;
}

}  // namespace

Fault decode(const Frame& frame, Version version, Subscribe& out) {
    clear(out.properties);
    Fault fault;
    Reader reader(frame, version, fault);
    read_subscribe(reader, frame, out);
    return fault;
}

Fault decode(const Frame& frame, Version version, Unsubscribe& out) {
    clear(out.properties);
    Fault fault;
    Reader reader(frame, version, fault);
    read_unsubscribe(reader, frame, out);
    return fault;
}

SubscriptionRequest SubscriptionRequests::next() {
    if (rest_.empty()) return {};
    SubscriptionRequest request;
    request.filter = take_text(rest_);
    const std::uint8_t options = rest_[0];
    rest_ = rest_.subspan(1);
    request.options.qos = static_cast<QoS>(options & kQosBits);
    request.options.no_local = (options & kNoLocal) != 0;
    request.options.retain_as_published = (options & kRetainAsPublished) != 0;
    request.options.retain_handling = static_cast<RetainHandling>((options & kRetainHandling) >> 4);
    return request;
}

std::string_view FilterList::next() {
    return rest_.empty() ? std::string_view{} : take_text(rest_);
}

}  // namespace mqttwin::wire
