#include "subscribing.hpp"

#include <algorithm>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"
#include "mqttwin/wire/topic.hpp"

#include "connections.hpp"
#include "routing.hpp"
#include "sessions.hpp"
#include "sharing.hpp"

namespace mqttwin::broker {
namespace {

namespace reason = wire::reason;
using Outcome = SubscriptionIndex::Outcome;

// What is told about one entry of a SUBSCRIBE, and whether retained messages are due for it.
struct Decision {
    std::uint8_t reason = reason::unspecified_error;
    bool replay = false;
    std::string_view explanation = {};
};

constexpr std::string_view kBadFilter = "not a valid topic filter, or one with too many levels";
constexpr std::string_view kUnavailable = "a kind of subscription that is not available";
constexpr std::string_view kNoRoom = "too many shared subscriptions";

// The reason code that names what is not served (3.1.1 [MQTT-3.8.3-2]), or 0.
std::uint8_t unavailable(const State& s, const wire::SharedFilter& parts) {
    if (parts.shared && !s.options.shared_subscriptions_available) {
        return reason::shared_subscriptions_not_supported;
    }
    if (!s.options.wildcard_subscriptions_available &&
        parts.filter.find_first_of("+#") != std::string_view::npos) {
        return reason::wildcard_subscriptions_not_supported;
    }
    return 0;
}

// 3.2.2.3.11 to 3.2.2.3.13: who was told in CONNACK that something is not available and asks for it
// all the same breaks the protocol. Before 5.0 the entry is refused.
Fault check_available(const State& s, const Connection& c, const wire::Subscribe& packet) {
    if (c.version != wire::Version::v5) return {};
    if (packet.properties.subscription_identifier_count > 0 &&
        !s.options.subscription_identifiers_available) {
        return {reason::subscription_identifiers_not_supported, "MQTT-4.13.1-1",
                "subscription identifiers are not available", 0};
    }
    if (s.options.shared_subscriptions_available && s.options.wildcard_subscriptions_available) {
        return {};
    }
    wire::SubscriptionRequests requests(packet);
    for (std::uint32_t i = 0; i < packet.count; ++i) {
        const std::string_view filter = requests.next().filter;
        if (wire::check_filter(filter)) continue;
        if (const std::uint8_t code = unavailable(s, wire::split_shared(filter))) {
            return {code, "MQTT-4.13.1-1", kUnavailable, 0};
        }
    }
    return {};
}

bool acceptable(const State& s, std::string_view filter) {
    if (wire::check_filter(filter)) return false;
    const auto slashes = std::count(filter.begin(), filter.end(), '/');
    return static_cast<std::size_t>(slashes) + 1 <= s.options.max_topic_levels;
}

// The group of a shared subscription, or kNoGroup where there is no room for another one; its
// members are counted by the caller.
std::uint32_t group_of(State& s, std::string_view text) {
    const std::uint32_t hash = s.hash_of(text);
    const std::uint32_t group = s.groups.find(*s.pool, text, hash);
    if (group != Groups::kNoGroup || s.groups.size() == Groups::kMost) return group;
    return s.groups.make(*s.pool, text, hash);
}

Decision subscribe(State& s, Session& session, std::uint32_t index,
                   const wire::SubscriptionRequest& request, SubscriptionData& data) {
    if (!acceptable(s, request.filter)) return {reason::topic_filter_invalid, false, kBadFilter};
    const wire::SharedFilter parts = wire::split_shared(request.filter);
    if (const std::uint8_t code = unavailable(s, parts)) return {code, false, kUnavailable};
    // [MQTT-3.8.4-7], [MQTT-3.2.2-10], 3.1.1 [MQTT-3.8.4-5]: granted, if less than was asked for.
    data.qos = std::min(request.options.qos, s.options.maximum_qos);
    data.no_local = request.options.no_local;
    data.retain_as_published = request.options.retain_as_published;
    data.retain_handling = request.options.retain_handling;
    data.group = Groups::kNoGroup;
    if (parts.shared) {
        const std::uint32_t group = group_of(s, request.filter);
        if (group == Groups::kNoGroup) return {reason::quota_exceeded, false, kNoRoom};
        data.group = group & Groups::kMost;
        s.groups.join(group);
        session.in_groups = true;
        note_readiness(s, session);
    }
    // [MQTT-3.8.4-3], 3.1.1 [MQTT-3.8.4-3]: an identical filter replaces the subscription.
    const Outcome outcome =
        s.subscriptions.subscribe(parts.filter, index, data, session.subscriptions);
    const bool over = outcome == Outcome::added && s.subscriptions.count(session.subscriptions) >
                                                       s.options.max_subscriptions_per_session;
    if (over) {
        s.subscriptions.unsubscribe(parts.filter, index, session.subscriptions, data.group);
    }
    if (parts.shared && (over || outcome == Outcome::replaced)) {
        s.groups.leave(*s.pool, data.group);
    }
    if (over) return {reason::quota_exceeded, false, "too many subscriptions of one session"};

    Decision decision;
    decision.reason = static_cast<std::uint8_t>(data.qos);
    switch (data.retain_handling) {
        case wire::RetainHandling::send:  // [MQTT-3.3.1-9], [MQTT-3.8.4-4]
            decision.replay = true;
            break;
        case wire::RetainHandling::send_if_new:  // [MQTT-3.3.1-10]
            decision.replay = outcome == Outcome::added;
            break;
        case wire::RetainHandling::do_not_send:  // [MQTT-3.3.1-11]
            break;
    }
    if (parts.shared) decision.replay = false;  // 3.8.3.1: none to a shared subscription
    return decision;
}

std::uint8_t unsubscribe(State& s, Instant now, std::uint32_t index, std::string_view text) {
    Session& session = s.sessions[index];
    if (!acceptable(s, text)) return reason::topic_filter_invalid;
    const wire::SharedFilter parts = wire::split_shared(text);
    std::uint32_t group = Groups::kNoGroup;
    if (parts.shared) {
        group = s.groups.find(*s.pool, text, s.hash_of(text));
        if (group == Groups::kNoGroup) return reason::no_subscription_existed;
    }
    // [MQTT-3.10.4-1], [MQTT-3.10.4-2]: what is under way already still arrives.
    if (!s.subscriptions.unsubscribe(parts.filter, index, session.subscriptions, group)) {
        return reason::no_subscription_existed;
    }
    if (parts.shared) {
        const bool others = s.groups.members(group) > 1;
        if (others) redistribute(s, now, index, group);
        s.groups.leave(*s.pool, group);
    }
    return reason::success;
}

// [MQTT-3.8.4-1], [MQTT-3.8.4-2], [MQTT-3.8.4-6], [MQTT-3.10.4-4], [MQTT-3.10.4-5],
// [MQTT-3.10.4-6]: one answer with the request's identifier [MQTT-2.2.1-6] (3.1.1: [MQTT-2.3.1-7])
// and a code for each entry, in order; also where there was nothing to end (3.1.1:
// [MQTT-3.10.4-4], [MQTT-3.10.4-5]). False when it cannot be sent.
bool answer(State& s, Instant now, Slot slot, wire::PacketType type, wire::PacketId id,
            std::string_view explanation) {
    const Connection& c = s.connections[slot];
    const Session& session = s.sessions[c.owner];
    wire::ListAck packet;
    packet.type = type;
    packet.packet_id = id;
    packet.reasons = s.reasons;
    if (!explanation.empty() && !session.quiet) {  // [MQTT-3.1.2-29]
        packet.properties.reason_string = explanation;
        packet.properties.mark(wire::Property::reason_string);
    }
    const std::uint32_t limit = packet_limit(s, session);
    const BlobId bytes = wire::encode(*s.pool, c.version, packet, limit);
    if (bytes == BlobId::none) {
        fail(s, now, slot,
             {reason::packet_too_large, "MQTT-3.1.2-24",
              "the answer is over the client's maximum packet size", 0});
        return false;
    }
    send(s, slot, bytes);
    return true;
}

}  // namespace

void handle_subscribe(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    const Connection& c = s.connections[slot];
    wire::Subscribe packet;
    if (const Fault fault = wire::decode(frame, c.version, packet)) {
        return fail(s, now, slot, fault);
    }
    if (const Fault fault = check_available(s, c, packet)) return fail(s, now, slot, fault);
    const std::uint32_t index = c.owner;
    SubscriptionData data;
    if (packet.properties.subscription_identifier_count > 0) {
        data.identifier =
            wire::SubscriptionIdentifiers(packet.properties.subscription_identifiers).next();
    }
    s.reasons.clear();
    s.to_replay.clear();
    std::string_view explanation;  // of the first refusal: there is one for the whole packet
    wire::SubscriptionRequests requests(packet);
    // [MQTT-3.8.4-5], 3.1.1 [MQTT-3.8.4-4]: one by one.
    for (std::uint32_t i = 0; i < packet.count; ++i) {
        const Decision decision = subscribe(s, s.sessions[index], index, requests.next(), data);
        s.reasons.push_back(decision.reason);  // [MQTT-3.9.3-1], [MQTT-3.9.3-2]
        if (explanation.empty()) explanation = decision.explanation;
        s.to_replay.push_back({decision.replay, data});
    }
    if (!answer(s, now, slot, wire::PacketType::suback, packet.packet_id, explanation)) return;

    wire::SubscriptionRequests again(packet);
    for (std::uint32_t i = 0; i < packet.count; ++i) {
        const std::string_view filter = again.next().filter;
        if (!s.to_replay[i].wanted) continue;
        replay_retained(s, now, index, filter, s.to_replay[i].data);
    }
}

void handle_unsubscribe(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    const Connection& c = s.connections[slot];
    wire::Unsubscribe packet;
    if (const Fault fault = wire::decode(frame, c.version, packet)) {
        return fail(s, now, slot, fault);
    }
    s.reasons.clear();
    std::string_view explanation;
    wire::FilterList filters(packet);
    for (std::uint32_t i = 0; i < packet.count; ++i) {
        const std::uint8_t code = unsubscribe(s, now, c.owner, filters.next());
        s.reasons.push_back(code);  // [MQTT-3.11.3-1], [MQTT-3.11.3-2]
        if (code == reason::topic_filter_invalid) explanation = kBadFilter;
    }
    answer(s, now, slot, wire::PacketType::unsuback, packet.packet_id, explanation);
}

}  // namespace mqttwin::broker
