#include "routing.hpp"

#include <algorithm>

#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/wire/encode.hpp"

#include "delivery.hpp"
#include "publishing.hpp"
#include "sharing.hpp"

namespace mqttwin::broker {
namespace {

using wire::QoS;

// All subscriptions that match [MQTT-3.3.2-3], [MQTT-4.5.0-1], those of shared ones apart unless
// their member is chosen already. Whether some may be of one session.
bool gather(State& s, std::uint32_t publisher, std::string_view topic) {
    s.matches.clear();
    s.shared_matches.clear();
    if (publisher == kNone) {
        s.subscriptions.match(topic);
    } else {
        s.subscriptions.match(topic, s.sessions[publisher].hint);
    }
    if (choose_at_once(s, s.subscriptions.sole_group())) return false;
    const auto add = [&](std::uint32_t session, const SubscriptionData& data) {
        // [MQTT-3.8.3-3]: not back to where it came from.
        if (data.no_local && session == publisher) return;
        // Made in place: a copy would wait for the small stores of its original.
        if (data.group == Groups::kNoGroup) {
            Match& match = s.matches.emplace_back();
            match.session = session;
            match.data = data;
        } else {
            SharedMatch& match = s.shared_matches.emplace_back();
            match.session = session;
            match.data = data;
        }
    };
    return s.subscriptions.for_each_matched(add) > 1;
}

// Links the subscriptions of a session behind its first one: a session gets one copy, and no
// others with an identifier each [MQTT-3.3.4-5].
// `match_of_session` need not be cleared between messages: an entry counts only if the match that
// it names is one of that session.
std::uint32_t link_overlaps(State& s) {
    const auto count = static_cast<std::uint32_t>(s.matches.size());
    if (s.match_of_session.size() < s.sessions.capacity()) {
        s.match_of_session.resize(s.sessions.capacity());
    }
    std::uint32_t sessions = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        Match& match = s.matches[i];
        std::uint32_t& known = s.match_of_session[match.session];
        if (known < i && s.matches[known].session == match.session && s.matches[known].first) {
            match.first = false;
            match.next = s.matches[known].next;
            s.matches[known].next = i;
        } else {
            known = i;
            ++sessions;
        }
    }
    return sessions;
}

void serve(State& s, Instant now, Fanout& fanout, QoS qos, bool retain, const Match& match) {
    QoS granted = match.data.qos;
    bool as_published = match.data.retain_as_published;
    s.identifiers.clear();
    for (const Match* m = &match;; m = &s.matches[m->next]) {
        granted = std::max(granted, m->data.qos);  // [MQTT-3.3.4-2] 3.1.1 [MQTT-3.3.5-1]
        as_published = as_published || m->data.retain_as_published;
        if (m->data.identifier != 0) {  // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
            wire::append_subscription_identifier(s.identifiers, m->data.identifier);
        }
        if (m->next == kNone) break;
    }
    Copy copy;
    copy.qos = std::min(qos, granted);     // [MQTT-3.8.4-8] [MQTT-4.8.2-3] 3.1.1 [MQTT-3.8.4-6]
    copy.retain = retain && as_published;  // [MQTT-3.3.1-12] [MQTT-3.3.1-13] 3.1.1 [MQTT-3.3.1-9]
    copy.group = match.data.group;
    copy.identifiers = s.identifiers;
    s.observer->on_expected(now, s.sessions[match.session].tag, fanout.stamp(), copy.qos);
    deliver(s, now, match.session, fanout, copy);
}

void update_retained(State& s, Instant now, Fanout& fanout, const wire::Publish& publish) {
    const std::string_view topic = publish.topic;
    std::uint32_t old = kNone;
    if (publish.payload.empty() && s.options.retain_clears_with_empty) {
        // [MQTT-3.3.1-6] [MQTT-3.3.1-7] 3.1.1 [MQTT-3.3.1-10] [MQTT-3.3.1-11]
        old = s.retained.erase(topic);
    } else if (topic.starts_with(kSystemTopics) || may_be_retained(s, publish)) {
        const std::uint32_t message = fanout.message(s, now);
        s.messages.retain(message);
        // [MQTT-3.3.1-5] 3.1.1 [MQTT-3.3.1-5] [MQTT-3.3.1-7]
        old = s.retained.set(topic, message);
    } else {
        old = s.retained.erase(topic);  // 3.3.1.3: rather none than one that holds no more
    }
    if (old != kNone) s.messages.release(*s.pool, old);
}

}  // namespace

bool may_be_retained(const State& s, const wire::Publish& publish) {
    if (publish.payload.empty() && s.options.retain_clears_with_empty) return true;
    if (stored_bytes(s) + cost_of(publish, publish.topic) > s.options.max_stored_bytes) {
        return false;
    }
    return s.retained.size() < s.options.max_retained || s.retained.find(publish.topic) != kNone;
}

std::uint32_t route(State& s, Instant now, std::uint32_t publisher, wire::Publish& publish,
                    const Stamp& stamp, BlobId packet) {
    keep_end_to_end(publish);
    const bool may_overlap = gather(s, publisher, publish.topic);
    auto matched = static_cast<std::uint32_t>(s.matches.size());
    if (may_overlap) matched = link_overlaps(s);
    if (!s.shared_matches.empty()) {
        const std::uint32_t from = publisher == kNone
                                       ? static_cast<std::uint32_t>(mix64(stamp.origin))
                                       : s.sessions[publisher].order;
        choose_members(s, from, publish.topic);
        matched += static_cast<std::uint32_t>(s.shared_matches.size());
        for (const SharedMatch& chosen : s.shared_matches) {
            Match& match = s.matches.emplace_back();
            match.session = chosen.session;
            match.data = chosen.data;
        }
    }
    const std::uint32_t tag = publisher == kNone ? stamp.origin : s.sessions[publisher].tag;
    s.observer->on_publish(now, tag, stamp, publish, matched);

    const QoS qos = publish.qos;
    const bool retain = publish.retain;
    Stamp onward = stamp;
    onward.sequence = 0;  // the publisher's own number; each session has its own
    Fanout fanout(publish, onward);
    if (packet != BlobId::none) fanout.hand_on(packet);
    // [MQTT-3.3.1-8]: otherwise what is retained stays.
    if (retain) update_retained(s, now, fanout, publish);
    constexpr std::size_t kLookAhead = 8;  // sessions are far apart in memory
    const std::size_t count = s.matches.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (i + kLookAhead < count) {
            mqttwin::prefetch(&s.sessions[s.matches[i + kLookAhead].session]);
        }
        if (s.matches[i].first) serve(s, now, fanout, qos, retain, s.matches[i]);
    }
    fanout.finish(s);
    return matched;
}

void replay_retained(State& s, Instant now, std::uint32_t session, std::string_view filter,
                     const SubscriptionData& data) {
    s.handles.clear();  // 3.1.1 [MQTT-3.3.1-6]: of each topic the last
    s.retained.for_each_match(
        filter, [&](std::string_view, std::uint32_t message) { s.handles.push_back(message); });
    s.identifiers.clear();
    if (data.identifier != 0) {
        wire::append_subscription_identifier(s.identifiers, data.identifier);
    }
    for (const std::uint32_t message : s.handles) {
        wire::Publish publish = s.messages.view(*s.pool, now, message);
        if (s.messages.expired(now, message)) {  // [MQTT-3.3.2-5]
            s.retained.erase(publish.topic);
            s.messages.release(*s.pool, message);
            continue;
        }
        Stamp stamp = s.messages[message].stamp;
        stamp.origin = Stamp::kReplay;
        Fanout fanout(s, publish, message, stamp);
        Copy copy;
        copy.qos = std::min(s.messages[message].qos, data.qos);
        copy.retain = true;  // 3.3.1.3; 3.1.1 [MQTT-3.3.1-8]
        copy.identifiers = s.identifiers;
        deliver(s, now, session, fanout, copy);
        fanout.finish(s);
    }
}

}  // namespace mqttwin::broker
