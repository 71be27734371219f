#include "publishing.hpp"

#include <algorithm>
#include <cstring>

#include "mqttwin/session/qos_table.hpp"
#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/topic.hpp"

#include "connections.hpp"
#include "delivery.hpp"
#include "routing.hpp"
#include "sessions.hpp"

namespace mqttwin::broker {
namespace {

using wire::PacketType;
using wire::QoS;

// The place of an alias in the connection's table, which is made at first use.
std::span<std::uint8_t> alias_place(State& s, Connection& c, std::uint16_t alias) {
    BlobId& table = extras_of(s, c).aliases;
    if (table == BlobId::none) {
        table = s.pool->reserve(s.options.topic_alias_maximum * sizeof(BlobId));
        const auto bytes = s.pool->writable(table);
        std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});  // BlobId::none
    }
    return s.pool->writable(table).subspan((alias - 1U) * sizeof(BlobId), sizeof(BlobId));
}

// Sets the topic that an alias stands for, or learns it: any alias from 1 to the server's maximum
// [MQTT-3.3.2-12].
Fault resolve_alias(State& s, Connection& c, wire::Publish& publish) {
    const std::uint16_t alias = publish.properties.topic_alias;
    if (alias == 0) {
        return {wire::reason::topic_alias_invalid, "MQTT-3.3.2-8", "topic alias 0", 0};
    }
    if (alias > s.options.topic_alias_maximum) {
        return {wire::reason::topic_alias_invalid, "MQTT-3.3.2-9",
                "topic alias over the server's maximum", 0};
    }
    const auto place = alias_place(s, c, alias);
    BlobId known = BlobId::none;
    std::memcpy(&known, place.data(), sizeof known);
    if (publish.topic.empty()) {
        if (known == BlobId::none) {
            return {wire::reason::protocol_error, "MQTT-4.13.1-1", "unknown topic alias", 0};
        }
        publish.topic = as_text(s.pool->bytes(known));
        return {};
    }
    s.pool->release(known);
    known = s.pool->make(as_bytes(publish.topic));
    std::memcpy(place.data(), &known, sizeof known);
    return {};
}

// What this broker does not take from anybody.
Fault check_support(State& s, Connection& c, wire::Publish& publish) {
    if (publish.qos > s.options.maximum_qos) {
        return {wire::reason::qos_not_supported, "MQTT-3.2.2-11", "QoS over the server's maximum",
                0};
    }
    if (publish.retain && !s.options.retain_available) {
        return {wire::reason::retain_not_supported, "MQTT-3.2.2-14", "retain is not available", 0};
    }
    if (publish.properties.has(wire::Property::topic_alias)) {
        if (const Fault fault = resolve_alias(s, c, publish)) return fault;
    }
    if (too_deep(s, publish.topic)) {
        return {wire::reason::topic_name_invalid, "MQTT-4.13.2-1", "topic name has too many levels",
                0};
    }
    return {};
}

// The blob that holds this packet, if it is what the broker would make of it: in MQTT 5.0's form
// and without properties. At QoS 0 for others, so without flags; else to keep it.
BlobId as_received(const State& s, const Connection& from, const wire::Frame& frame,
                   const wire::Publish& publish) {
    if (s.handled == BlobId::none || !publish.properties.empty() ||
        from.version != wire::Version::v5 || (publish.qos == QoS::at_most_once && publish.retain)) {
        return BlobId::none;
    }
    // Not a part of what it holds, nor the part that was missing of a cut packet.
    const ByteView whole = s.pool->bytes(s.handled);
    if (frame.size() != whole.size() || frame.body.data() != whole.data() + frame.header_length) {
        return BlobId::none;
    }
    return s.handled;
}

// What becomes of a message, as a reason code of PUBACK [MQTT-3.4.2-1] and PUBREC [MQTT-3.5.2-1].
struct Acceptance {
    std::uint8_t reason = 0;
    std::string_view explanation = {};
};

// Hands a message on, or does not want it. Who cannot be told of that gets a success (3.1.1
// [MQTT-3.3.5-2]).
Acceptance accept(State& s, Instant now, Slot slot, wire::Publish& publish, const Stamp& stamp,
                  BlobId packet) {
    const Connection& from = s.connections[slot];
    if (publish.topic.starts_with(kSystemTopics)) {
        return {wire::reason::not_authorized, "$SYS topics are the server's"};
    }
    if (!payload_format_holds(s, publish.properties, publish.payload)) {
        return {wire::reason::payload_format_invalid, "not the UTF-8 that it says it is"};
    }
    // At QoS 0 it goes to whoever is there, and is not retained (3.1.1 [MQTT-3.3.1-7]).
    const bool awaits_answer = publish.qos != QoS::at_most_once;
    if (awaits_answer && publish.retain && !may_be_retained(s, publish)) {
        return {wire::reason::quota_exceeded, "no room for another retained message"};
    }
    const std::uint32_t matched = route(s, now, from.owner, publish, stamp, packet);
    if (matched > 0) return {wire::reason::success};
    return {wire::reason::no_matching_subscribers};
}

// [MQTT-3.3.4-7]: more messages of QoS > 0 on the way than the server allows. Ours are
// acknowledged at once, so those that count are the ones that await PUBREL.
bool exceeds_quota(const State& s, const Session& from) {
    if (from.version != wire::Version::v5 || from.traffic == kNone) return false;
    const Traffic& traffic = s.traffic[from.traffic];
    return traffic.received.count() - traffic.received_before >= s.options.receive_maximum;
}

}  // namespace

bool too_deep(const State& s, std::string_view topic) {
    if (topic.size() < s.options.max_topic_levels) return false;
    const auto slashes = std::count(topic.begin(), topic.end(), '/');
    return static_cast<std::size_t>(slashes) + 1 > s.options.max_topic_levels;
}

bool payload_format_holds(const State& s, const wire::Properties& properties, ByteView payload) {
    if (!s.options.check_payload_format) return true;
    const bool text = properties.has(wire::Property::payload_format_indicator) &&
                      properties.payload_format_indicator == 1;
    return !text || wire::valid_utf8(as_text(payload));
}

void handle_publish(State& s, Instant now, Slot slot, const wire::Frame& frame,
                    const Stamp& stamp) {
    Connection& c = s.connections[slot];
    wire::Publish& publish = s.incoming;
    if (const Fault fault = wire::decode(frame, c.version, wire::Sender::client, publish)) {
        return fail(s, now, slot, fault);
    }
    if (const Fault fault = check_support(s, c, publish)) return fail(s, now, slot, fault);
    ++s.tally.publishes_received;
    s.tally.publish_bytes_received += publish.payload.size();

    if (publish.qos == QoS::at_most_once) {  // [MQTT-3.3.4-1]: the QoS decides on the answer
        accept(s, now, slot, publish, stamp, as_received(s, c, frame, publish));
        return;
    }
    const wire::PacketId id = publish.packet_id;
    const std::uint32_t session = c.owner;
    const QoS qos = publish.qos;
    if (qos == QoS::exactly_once && s.sessions[session].traffic != kNone &&
        s.traffic[s.sessions[session].traffic].received.contains(*s.pool, id)) {
        // [MQTT-4.3.3-10]: a duplicate until PUBREL, whatever its DUP flag says; not handed on
        // again.
        send_ack(s, slot, PacketType::pubrec, id, wire::reason::success);
        return;
    }
    if (exceeds_quota(s, s.sessions[session])) {
        return fail(s, now, slot,
                    {wire::reason::receive_maximum_exceeded, "MQTT-3.3.4-7",
                     "more messages on the way than the server's receive maximum", 0});
    }
    const Acceptance accepted =
        accept(s, now, slot, publish, stamp, as_received(s, c, frame, publish));
    if (accepted.reason == wire::reason::quota_exceeded && c.version != wire::Version::v5) {
        // 3.1.1 [MQTT-4.8.0-2]: there may be room another time, and no code that says so.
        return fail(s, now, slot, {accepted.reason, "MQTT-4.8.0-2", accepted.explanation, 0});
    }
    // [MQTT-4.3.2-4]; nothing is remembered: the same identifier is another message from here on
    // [MQTT-4.3.2-5], 3.1.1 [MQTT-4.3.2-2].
    if (qos == QoS::at_least_once) {
        send_ack(s, slot, PacketType::puback, id, accepted.reason, accepted.explanation);
        return;
    }
    // [MQTT-4.3.3-8], [MQTT-4.3.3-9]: remembered unless refused to somebody who understands that.
    if (accepted.reason < 0x80 || s.connections[slot].version != wire::Version::v5) {
        traffic_of(s, session).received.insert(*s.pool, id);
    }
    send_ack(s, slot, PacketType::pubrec, id, accepted.reason, accepted.explanation);
}

void handle_pubrel(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    const Connection& c = s.connections[slot];
    wire::Ack ack;
    if (const Fault fault = wire::decode(frame, c.version, ack)) return fail(s, now, slot, fault);
    const std::uint32_t index = c.owner;
    const Session& session = s.sessions[index];
    const bool known = session.traffic != kNone &&
                       s.traffic[session.traffic].received.erase(*s.pool, ack.packet_id);
    const ReceiveState state = known ? ReceiveState::awaiting_pubrel : ReceiveState::none;
    const ReceiveTransition& transition = receive_transition(state, ReceiveInput::pubrel);
    if (known) {
        Traffic& traffic = s.traffic[session.traffic];
        if (traffic.received_before > 0) --traffic.received_before;
        settle_traffic(s, index);
    }
    // [MQTT-4.3.3-11], [MQTT-3.7.2-1], whether or not the message has expired [MQTT-4.3.3-13]; with
    // it the identifier is free [MQTT-4.3.3-12]. 3.1.1 [MQTT-4.3.3-2]
    send_ack(s, slot, PacketType::pubcomp, ack.packet_id,
             transition.action == ReceiveAction::complete
                 ? wire::reason::success
                 : wire::reason::packet_identifier_not_found);
}

}  // namespace mqttwin::broker
