#include "sharing.hpp"

#include <algorithm>
#include <cassert>

#include "mqttwin/wire/encode.hpp"

#include "delivery.hpp"

namespace mqttwin::broker {
namespace {

// How much is under way to a session, and waits for it.
std::uint64_t load_of(const State& s, const Session& session) {
    if (session.traffic == kNone) return 0;
    const Traffic& traffic = s.traffic[session.traffic];
    return std::uint64_t{traffic.window.count()} + traffic.queue.count();
}

constexpr unsigned kStrategyBits = 62;
constexpr std::uint64_t kMost = (std::uint64_t{1} << kStrategyBits) - 1;

std::uint64_t by_strategy(const State& s, const SharedMatch& match, std::uint32_t publisher,
                          std::uint32_t topic) {
    const Session& session = s.sessions[match.session];
    switch (s.options.shared_strategy) {
        case SharedStrategy::round_robin:
        case SharedStrategy::random:
            break;
        case SharedStrategy::sticky:
            return s.groups.latest(match.data.group) == match.session ? 1 : 0;
        // The highest of as many numbers as there are members: who comes or goes changes nothing
        // for messages that are not its own.
        case SharedStrategy::hash_publisher:
            return mix64(std::uint64_t{publisher} << 32U | session.order) & kMost;
        case SharedStrategy::hash_topic:
            return mix64(std::uint64_t{topic} << 32U | session.order) & kMost;
        case SharedStrategy::least_in_flight:
            return kMost - load_of(s, session);
    }
    return 0;
}

bool by_turns(const State& s) {
    return s.options.shared_strategy == SharedStrategy::round_robin ||
           s.options.shared_strategy == SharedStrategy::random;
}

// How much a member is to be preferred to others: those who read before those who do not keep up,
// these before those who are not there; then by the strategy. Among equals, it is somebody's turn.
inline std::uint64_t preference(const State& s, const SharedMatch& match, std::uint32_t publisher,
                                std::uint32_t topic) {
    const Session& session = s.sessions[match.session];
    const std::uint64_t rank = !session.connected() ? 0U : session.congested ? 1U : 2U;
    return rank << kStrategyBits | (by_turns(s) ? 0 : by_strategy(s, match, publisher, topic));
}

GroupTally& tally_of(State& s, std::uint32_t group) {
    if (s.tally_of_group.size() <= group) s.tally_of_group.resize(group + 1);
    std::uint32_t& known = s.tally_of_group[group];
    if (known >= s.group_tallies.size() || s.group_tallies[known].group != group) {
        known = static_cast<std::uint32_t>(s.group_tallies.size());
        GroupTally tally;
        tally.group = group;
        s.group_tallies.push_back(tally);
    }
    return s.group_tallies[known];
}

void count_in(GroupTally& tally, std::uint64_t preference) {
    if (tally.eligible == 0 || preference > tally.best) {
        tally.best = preference;
        tally.eligible = 0;
    }
    if (preference == tally.best) ++tally.eligible;
}

// Which of the equals it is.
std::uint32_t whose_turn(State& s, const GroupTally& tally) {
    const std::uint32_t turn = s.groups.next_turn(tally.group);
    if (s.options.shared_strategy != SharedStrategy::random) return turn % tally.eligible;
    const StreamKey key{mix64(s.key.value + 3)};
    return static_cast<std::uint32_t>(
        Stream(key, s.groups.hash(tally.group), turn).below(tally.eligible));
}

// The same as below where all candidates are of one group, as they mostly are.
void choose_member(State& s, std::uint32_t publisher, std::uint32_t topic) {
    GroupTally tally;
    tally.group = s.shared_matches.front().data.group;
    for (SharedMatch& candidate : s.shared_matches) {
        candidate.preference = preference(s, candidate, publisher, topic);
        count_in(tally, candidate.preference);
    }
    auto chosen = s.shared_matches.begin();
    for (std::uint32_t before = whose_turn(s, tally);; ++chosen) {
        if (chosen->preference == tally.best && before-- == 0) break;
    }
    s.groups.set_latest(tally.group, chosen->session);
    s.shared_matches.front() = *chosen;
    s.shared_matches.resize(1);
}

// One that was moved: to another member, or dropped where there is none.
void hand_over(State& s, Instant now, std::uint32_t from, const Moved& moved) {
    const Session& leaver = s.sessions[from];
    const auto drop = [&](DropReason reason) {
        report_drop(s, now, leaver, moved.stamp, moved.qos, reason);
    };
    if (s.messages.expired(now, moved.message)) return drop(DropReason::message_expired);
    wire::Publish packet = s.messages.view(*s.pool, now, moved.message);
    s.shared_matches.clear();
    s.subscriptions.for_each_match(packet.topic,
                                   [&](std::uint32_t session, const SubscriptionData& data) {
                                       if (data.group != moved.group) return;
                                       s.shared_matches.push_back({session, data});
                                   });
    if (s.shared_matches.empty()) return drop(DropReason::session_ended);
    choose_members(s, static_cast<std::uint32_t>(mix64(moved.stamp.origin)), packet.topic);
    const SharedMatch heir = s.shared_matches[0];
    s.observer->on_rerouted(now, leaver.tag, s.sessions[heir.session].tag, moved.stamp, moved.qos);

    const Message& message = s.messages[moved.message];
    Copy copy;
    copy.qos = std::min(message.qos, heir.data.qos);  // [MQTT-4.8.2-3]
    copy.retain = message.retain && heir.data.retain_as_published;
    copy.group = moved.group;
    s.identifiers.clear();
    if (heir.data.identifier != 0) {
        wire::append_subscription_identifier(s.identifiers, heir.data.identifier);
    }
    copy.identifiers = s.identifiers;
    Stamp stamp = moved.stamp;
    stamp.sequence = 0;  // the heir has its own
    Fanout fanout(s, packet, moved.message, stamp);
    deliver(s, now, heir.session, fanout, copy);
    fanout.finish(s);
}

}  // namespace

bool choose_at_once(State& s, std::span<const SubscriptionIndex::Entry> group) {
    if (group.empty() || s.unready > 0 || !by_turns(s)) return false;
    assert(std::all_of(group.begin(), group.end(), [&s](const SubscriptionIndex::Entry& entry) {
        return s.sessions[entry.session].connected() && !s.sessions[entry.session].congested;
    }));
    GroupTally tally;
    tally.group = group.front().data.group;
    tally.eligible = static_cast<std::uint32_t>(group.size());
    const SubscriptionIndex::Entry& chosen = group[whose_turn(s, tally)];
    s.groups.set_latest(tally.group, chosen.session);
    Match& match = s.matches.emplace_back();
    match.session = chosen.session;
    match.data = chosen.data;
    return true;
}

void choose_members(State& s, std::uint32_t publisher, std::string_view topic) {
    const std::uint32_t topic_hash =
        s.options.shared_strategy == SharedStrategy::hash_topic ? s.hash_of(topic) : 0;
    const std::uint32_t first = s.shared_matches.front().data.group;
    if (std::all_of(s.shared_matches.begin(), s.shared_matches.end(),
                    [first](const SharedMatch& m) { return m.data.group == first; })) {
        choose_member(s, publisher, topic_hash);
        return;
    }
    s.group_tallies.clear();
    for (SharedMatch& candidate : s.shared_matches) {
        candidate.preference = preference(s, candidate, publisher, topic_hash);
        count_in(tally_of(s, candidate.data.group), candidate.preference);
    }
    for (GroupTally& tally : s.group_tallies) tally.before = whose_turn(s, tally);
    std::size_t kept = 0;
    for (const SharedMatch& candidate : s.shared_matches) {
        const std::uint32_t group = candidate.data.group;
        GroupTally& tally = s.group_tallies[s.tally_of_group[group]];
        if (candidate.preference != tally.best || tally.before-- != 0) continue;
        s.groups.set_latest(group, candidate.session);
        s.shared_matches[kept++] = candidate;
    }
    s.shared_matches.resize(kept);
}

void redistribute(State& s, Instant now, std::uint32_t session, std::uint32_t group) {
    if (!s.options.redistribute_shared) return;
    const bool ends = group == Groups::kNoGroup;
    // [MQTT-3.10.4-3]: what a client that unsubscribes has begun to get it gets.
    std::vector<Moved> moved;
    take_shared(s, session, group, ends, moved);
    for (const Moved& one : moved) {
        hand_over(s, now, session, one);
        s.messages.release(*s.pool, one.message);
        s.groups.release(*s.pool, one.group);
    }
}

}  // namespace mqttwin::broker
