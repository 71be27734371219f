// Who is subscribed to what: topic filters of all sessions, and which of them match a topic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/session/slab.hpp"
#include "mqttwin/wire/packets.hpp"
#include "mqttwin/wire/types.hpp"

#include "level_table.hpp"

namespace mqttwin::broker {

/// What a session asked for with a filter. Plain data.
struct SubscriptionData {
    std::uint32_t identifier = 0;  // Subscription Identifier of MQTT 5.0; 0 is "none"
    std::uint32_t group = 0;       // of a shared subscription, below 2^24; 0 is "not shared"
    wire::QoS qos = wire::QoS::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    wire::RetainHandling retain_handling = wire::RetainHandling::send;

    friend bool operator==(const SubscriptionData&, const SubscriptionData&) = default;
};

/// The subscriptions of all sessions. A subscription is known by (filter, session, group).
///
/// Filters are valid, without `$share/…/`, and no deeper than the caller's bound. Each session
/// keeps a list head (a plain u32, `kNone` while it has no subscription) and passes it in.
///
/// A filter is a path in a LevelTable; its node holds the subscriber, or a list where there are
/// several. The nodes that match a topic are found level by level, all branches of a level at
/// once, so that what the next level needs is loaded together.
class SubscriptionIndex {
   public:
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;
    enum class Outcome : std::uint8_t { added, replaced };

    /// `key` keys the hashes of the text that peers choose.
    explicit SubscriptionIndex(std::uint64_t key) : nodes_(key) {}

    /// A subscription that exists keeps its place in the order, with the new data [MQTT-3.8.4-3].
    Outcome subscribe(std::string_view filter, std::uint32_t session, const SubscriptionData& data,
                      std::uint32_t& head);
    /// Whether it existed.
    bool unsubscribe(std::string_view filter, std::uint32_t session, std::uint32_t& head,
                     std::uint32_t group = 0);
    /// Ends all subscriptions of a session and sets its head to kNone; returns how many.
    std::uint32_t remove_session(std::uint32_t& head);

    /// Calls visitor(session, const SubscriptionData&) for each subscription whose filter matches;
    /// a session with several overlapping filters is visited several times. The order follows from
    /// the filters and, within a filter, from the order of subscription; neither from hashes nor
    /// from what else is subscribed. The visitor must neither change this index nor match again.
    template <typename Visitor>
    void for_each_match(std::string_view topic, Visitor&& visitor);

    /// Starts loading what for_each_match(topic) will look at first.
    void prefetch(std::string_view topic) const;

    /// Number of subscriptions of the session with this list head.
    [[nodiscard]] std::uint32_t count(std::uint32_t head) const {
        return head == kNone ? 0 : records_[head].previous;
    }
    /// Calls visitor(std::string_view filter, const SubscriptionData&) for each subscription of a
    /// session, the latest first. The text lives until the visitor returns.
    template <typename Visitor>
    void for_each_of_session(std::uint32_t head, Visitor&& visitor) const;

    [[nodiscard]] std::size_t size() const { return records_.live(); }  // subscriptions
    /// Bytes held, subscriptions and tables.
    void archive(Archive& a) { a(nodes_, lists_, records_); }
    [[nodiscard]] std::size_t footprint() const;

   private:
    /// A subscription as a match reads it.
    struct Entry {
        std::uint32_t session = kNone;  // kNone: none, or one that has ended
        std::uint32_t identifier = 0;
        std::uint32_t options = 0;  // group << 8 | options byte as in SUBSCRIBE
        std::uint32_t record = kNone;
    };
    /// The subscribers of a filter: one in the node, more in a list.
    struct Subscribers {
        Entry only;
        std::uint32_t list = kNone;
        [[nodiscard]] bool empty() const { return only.session == kNone && list == kNone; }
    };
    /// Two subscribers or more, in the order in which they came. Those that have ended leave holes,
    /// which are closed when they are half of it: ending one of many costs nothing much.
    struct List {
        std::vector<Entry> entries;
        std::uint32_t live = 0;
        void archive(Archive& a) { a(entries, live); }
    };
    /// A subscription as its session's list sees it.
    struct Record {
        std::uint32_t node = 0;
        std::uint32_t position = 0;  // in the node's list
        std::uint32_t next = kNone;
        std::uint32_t previous = kNone;  // of the first: how many there are
    };
    using Nodes = LevelTable<Subscribers>;
    using Node = Nodes::Node;

    struct LevelOfTopic {
        std::string_view text;
        std::uint64_t hash = 0;
    };
    /// A child that may be there, according to its parent.
    struct Candidate {
        std::uint64_t key = 0;
        std::uint32_t parent = 0;
        LevelKind kind = LevelKind::literal;
    };

    static std::uint32_t pack(const SubscriptionData& data);
    static SubscriptionData unpack(const Entry& entry);
    template <typename Visitor>
    static void visit(const Entry& entry, Visitor& visitor) {
        visitor(entry.session, unpack(entry));
    }

    /// The entry of (node, session, group), or null.
    Entry* find_entry(Node& node, std::uint32_t session, std::uint32_t group, std::uint32_t head);
    void add_entry(Node& node, const Entry& entry);
    void remove_entry(std::uint32_t record);
    void link(std::uint32_t record, std::uint32_t& head);
    void unlink(std::uint32_t record, std::uint32_t& head);
    void compact(List& list);
    [[nodiscard]] const Entry& entry_of(const Record& record) const;

    bool split(std::string_view topic);
    void find_matches(std::string_view topic);
    void propose(const Node& parent, LevelKind kind, std::size_t depth);
    void accept(const Node& node);

    Nodes nodes_;
    Slab<List> lists_;
    Slab<Record> records_;
    // Workspace of for_each_match, empty outside it and kept for its capacity.
    std::vector<LevelOfTopic> levels_;
    std::vector<Candidate> candidates_;
    std::vector<const Node*> frontier_;
    std::vector<const Node*> matched_;
};

inline std::uint32_t SubscriptionIndex::pack(const SubscriptionData& data) {
    return data.group << 8U | static_cast<std::uint32_t>(data.retain_handling) << 4U |
           static_cast<std::uint32_t>(data.retain_as_published) << 3U |
           static_cast<std::uint32_t>(data.no_local) << 2U | static_cast<std::uint32_t>(data.qos);
}

inline SubscriptionData SubscriptionIndex::unpack(const Entry& entry) {
    SubscriptionData data;
    data.identifier = entry.identifier;
    data.group = entry.options >> 8U;
    data.qos = static_cast<wire::QoS>(entry.options & 3U);
    data.no_local = (entry.options & 4U) != 0;
    data.retain_as_published = (entry.options & 8U) != 0;
    data.retain_handling = static_cast<wire::RetainHandling>(entry.options >> 4U & 3U);
    return data;
}

template <typename Visitor>
void SubscriptionIndex::for_each_match(std::string_view topic, Visitor&& visitor) {
    find_matches(topic);
    for (const Node* node : matched_) {
        if (node->payload.list == kNone) {
            visit(node->payload.only, visitor);
            continue;
        }
        for (const Entry& entry : lists_[node->payload.list].entries) {
            if (entry.session != kNone) visit(entry, visitor);
        }
    }
    matched_.clear();
}

template <typename Visitor>
void SubscriptionIndex::for_each_of_session(std::uint32_t head, Visitor&& visitor) const {
    std::string filter;
    for (std::uint32_t record = head; record != kNone; record = records_[record].next) {
        filter.clear();
        nodes_.append_path(records_[record].node, filter);
        visitor(std::string_view(filter), unpack(entry_of(records_[record])));
    }
}

}  // namespace mqttwin::broker
