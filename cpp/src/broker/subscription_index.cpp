#include "subscription_index.hpp"

#include <algorithm>
#include <cassert>

namespace mqttwin::broker {

namespace {

// Scanning an entry of a list costs about a thirtieth of following a session's list by one.
constexpr std::size_t kScannedPerFollowed = 32;

constexpr auto kNothing = [](auto&) {};

}  // namespace

// --- changing -----------------------------------------------------------------------------------

SubscriptionIndex::Outcome SubscriptionIndex::subscribe(std::string_view filter,
                                                        std::uint32_t session,
                                                        const SubscriptionData& data,
                                                        std::uint32_t& head) {
    assert(session != kNone && data.group < (1U << 24U));
    Node& node = nodes_.add_path(filter, true, kNothing);
    if (Entry* entry = find_entry(node, session, data.group, head)) {
        entry->identifier = data.identifier;
        entry->options = pack(data);
        return Outcome::replaced;
    }
    const std::uint32_t record = records_.take();
    records_[record].node = node.id();
    link(record, head);
    add_entry(node, {session, data.identifier, pack(data), record});
    return Outcome::added;
}

bool SubscriptionIndex::unsubscribe(std::string_view filter, std::uint32_t session,
                                    std::uint32_t& head, std::uint32_t group) {
    const Node* found = nodes_.find_path(filter, true);
    if (found == nullptr) return false;
    const Entry* entry = find_entry(nodes_.at(found->id()), session, group, head);
    if (entry == nullptr) return false;
    const std::uint32_t record = entry->record;
    remove_entry(record);
    unlink(record, head);
    records_.give_back(record);
    return true;
}

std::uint32_t SubscriptionIndex::remove_session(std::uint32_t& head) {
    const std::uint32_t removed = count(head);
    for (std::uint32_t record = head; record != kNone;) {
        const std::uint32_t next = records_[record].next;
        remove_entry(record);
        records_.give_back(record);
        record = next;
    }
    head = kNone;
    return removed;
}

SubscriptionIndex::Entry* SubscriptionIndex::find_entry(Node& node, std::uint32_t session,
                                                        std::uint32_t group, std::uint32_t head) {
    const auto is_it = [&](const Entry& entry) {
        return entry.session == session && entry.options >> 8U == group;
    };
    if (node.payload.list == kNone) return is_it(node.payload.only) ? &node.payload.only : nullptr;

    // Through the filter's subscribers or through the session's subscriptions, whatever is shorter.
    std::vector<Entry>& entries = lists_[node.payload.list].entries;
    if (entries.size() <= kScannedPerFollowed * count(head)) {
        const auto found = std::find_if(entries.begin(), entries.end(), is_it);
        return found == entries.end() ? nullptr : &*found;
    }
    for (std::uint32_t i = head; i != kNone; i = records_[i].next) {
        const Record& record = records_[i];
        if (record.node == node.id() && is_it(entries[record.position])) {
            return &entries[record.position];
        }
    }
    return nullptr;
}

void SubscriptionIndex::add_entry(Node& node, const Entry& entry) {
    Subscribers& subscribers = node.payload;
    if (subscribers.empty()) {
        subscribers.only = entry;
        return;
    }
    if (subscribers.list == kNone) {
        subscribers.list = lists_.take();
        List& list = lists_[subscribers.list];
        list.entries.push_back(subscribers.only);
        list.live = 1;
        records_[subscribers.only.record].position = 0;
        subscribers.only = {};
    }
    List& list = lists_[subscribers.list];
    records_[entry.record].position = static_cast<std::uint32_t>(list.entries.size());
    list.entries.push_back(entry);
    ++list.live;
}

void SubscriptionIndex::remove_entry(std::uint32_t record) {
    const std::uint32_t node = records_[record].node;
    Subscribers& subscribers = nodes_.at(node).payload;
    if (subscribers.list == kNone) {
        subscribers.only = {};
        nodes_.prune(node, kNothing);
        return;
    }
    List& list = lists_[subscribers.list];
    list.entries[records_[record].position] = {};
    --list.live;
    if (list.live > 1) {
        if (list.live * std::size_t{2} < list.entries.size()) compact(list);
        return;
    }
    subscribers.only = *std::find_if(list.entries.begin(), list.entries.end(),
                                     [](const Entry& entry) { return entry.session != kNone; });
    list = {};
    lists_.give_back(subscribers.list);
    subscribers.list = kNone;
}

void SubscriptionIndex::compact(List& list) {
    std::vector<Entry> kept;
    kept.reserve(list.live);
    for (const Entry& entry : list.entries) {
        if (entry.session == kNone) continue;
        records_[entry.record].position = static_cast<std::uint32_t>(kept.size());
        kept.push_back(entry);
    }
    list.entries = std::move(kept);
}

// A session's list: the newest first, doubly linked, the number in the first.

void SubscriptionIndex::link(std::uint32_t record, std::uint32_t& head) {
    Record& first = records_[record];
    first.next = head;
    first.previous = count(head) + 1;
    if (head != kNone) records_[head].previous = record;
    head = record;
}

void SubscriptionIndex::unlink(std::uint32_t record, std::uint32_t& head) {
    const std::uint32_t left = count(head) - 1;
    const std::uint32_t next = records_[record].next;
    if (record == head) {
        head = next;
    } else {
        const std::uint32_t previous = records_[record].previous;
        records_[previous].next = next;
        if (next != kNone) records_[next].previous = previous;
    }
    if (head != kNone) records_[head].previous = left;
}

const SubscriptionIndex::Entry& SubscriptionIndex::entry_of(const Record& record) const {
    const Subscribers& subscribers = nodes_.at(record.node).payload;
    if (subscribers.list == kNone) return subscribers.only;
    return lists_[subscribers.list].entries[record.position];
}

std::size_t SubscriptionIndex::footprint() const {
    std::size_t bytes = nodes_.footprint();
    for (std::uint32_t i = 0; i < lists_.capacity(); ++i) {
        bytes += lists_[i].entries.capacity() * sizeof(Entry);
    }
    bytes += lists_.capacity() * sizeof(List) + records_.capacity() * sizeof(Record);
    return bytes;
}

// --- matching -----------------------------------------------------------------------------------

/// The levels of a topic, as far as filters go; whether that is all of them.
bool SubscriptionIndex::split(std::string_view topic) {
    levels_.clear();
    for (std::size_t begin = 0; begin <= topic.size();) {
        if (levels_.size() == nodes_.deepest()) return false;
        const std::size_t end = std::min(topic.find('/', begin), topic.size());
        const std::string_view level = topic.substr(begin, end - begin);
        levels_.push_back({level, nodes_.level_hash(level, LevelKind::literal)});
        begin = end + 1;
    }
    return true;
}

void SubscriptionIndex::prefetch(std::string_view topic) const {
    std::uint64_t key = nodes_.root().key();
    std::size_t begin = 0;
    for (std::uint32_t depth = 0; depth < nodes_.deepest() && begin <= topic.size(); ++depth) {
        const std::size_t end = std::min(topic.find('/', begin), topic.size());
        const std::string_view level = topic.substr(begin, end - begin);
        key = Nodes::child_key(key, nodes_.level_hash(level, LevelKind::literal));
        nodes_.prefetch(key);
        begin = end + 1;
    }
}

/// A child to be looked for; its own child on the topic's path is likely to come next.
void SubscriptionIndex::propose(const Node& parent, LevelKind kind, std::size_t depth) {
    const std::uint64_t key =
        Nodes::child_key(parent.key(), kind == LevelKind::literal ? levels_[depth].hash
                                                                  : nodes_.level_hash({}, kind));
    nodes_.prefetch(key);
    if (kind != LevelKind::hash && depth + 1 < levels_.size()) {
        nodes_.prefetch(Nodes::child_key(key, levels_[depth + 1].hash));
    }
    candidates_.push_back({key, parent.id(), kind});
}

void SubscriptionIndex::accept(const Node& node) {
    if (node.payload.empty()) return;
    if (node.payload.list != kNone) __builtin_prefetch(&lists_[node.payload.list]);
    matched_.push_back(&node);
}

// Levels are compared byte by byte [MQTT-4.7.3-4].
void SubscriptionIndex::find_matches(std::string_view topic) {
    matched_.clear();
    const bool all_levels = split(topic);

    // Where the topic's own path would be is known before any of it is read.
    std::uint64_t own_key = nodes_.root().key();
    for (const LevelOfTopic& level : levels_) {
        own_key = Nodes::child_key(own_key, level.hash);
        nodes_.prefetch(own_key);
    }

    // [MQTT-4.7.2-1], 3.1.1 [MQTT-4.7.2-1]: wildcards at the root do not match topics that begin
    // with "$".
    const bool wildcards_at_root = !topic.starts_with('$');

    frontier_.assign(1, &nodes_.root());
    for (std::size_t depth = 0; !frontier_.empty(); ++depth) {
        const bool at_end = depth == levels_.size();
        const bool wildcards = depth > 0 || wildcards_at_root;
        candidates_.clear();
        for (const Node* node : frontier_) {
            if (node->has_hash() && wildcards) propose(*node, LevelKind::hash, depth);
            if (at_end) {
                if (all_levels) accept(*node);
                continue;
            }
            if (node->may_have_literal(levels_[depth].hash)) {
                propose(*node, LevelKind::literal, depth);
            }
            if (node->has_plus() && wildcards) propose(*node, LevelKind::plus, depth);
        }
        frontier_.clear();
        for (const Candidate& candidate : candidates_) {
            const std::string_view text =
                candidate.kind == LevelKind::literal ? levels_[depth].text : std::string_view();
            const Node* node = nodes_.find(candidate.key, candidate.parent, candidate.kind, text);
            if (node == nullptr) continue;
            if (candidate.kind == LevelKind::hash) {
                accept(*node);
            } else {
                frontier_.push_back(node);
            }
        }
    }
    levels_.clear();
    candidates_.clear();
}

}  // namespace mqttwin::broker
