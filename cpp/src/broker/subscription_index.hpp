// Who is subscribed to what: topic filters of all sessions, and which of them match a topic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/session/slab.hpp"
#include "mqttwin/wire/packets.hpp"
#include "mqttwin/wire/types.hpp"

#include "filter_shapes.hpp"
#include "text_table.hpp"

namespace mqttwin::broker {

/// What a session asked for with a filter. Plain data, eight bytes.
struct SubscriptionData {
    std::uint32_t identifier = 0;  // Subscription Identifier of MQTT 5.0; 0 is "none"
    std::uint32_t group : 24 = 0;  // of a shared subscription; 0 is "not shared"
    wire::QoS qos : 2 = wire::QoS::at_most_once;
    bool no_local : 1 = false;
    bool retain_as_published : 1 = false;
    wire::RetainHandling retain_handling : 2 = wire::RetainHandling::send;

    friend bool operator==(const SubscriptionData&, const SubscriptionData&) = default;
};
static_assert(sizeof(SubscriptionData) == 8);

/// The subscriptions of all sessions. A subscription is known by (filter, session, group).
///
/// Filters are valid, without `$share/…/`, and no deeper than the caller's bound. Each session
/// keeps a list head (a plain u32, `kNone` while it has no subscription) and passes it in.
///
/// A filter is one cache line, which holds its text and the subscriber, or a list where there are
/// several, and is found by its hash. The shapes of filters say which hashes a topic may match
/// (see FilterShapes), so all of the table that a match needs is loaded at once, and then all of
/// the filters. Exactness does not rest on hashes: shape and text of a filter decide.
///
/// Devices repeat themselves: a filter without wildcards remembers that nothing else matches its
/// topic, which holds until filters with wildcards come or go. Whoever publishes to that topic
/// again, and says what it matched last time, is at the filter without a search. And where the
/// beginning of a topic decides what it matches, as with `plant/#` alone, so does that of the next.
class SubscriptionIndex {
   public:
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;
    enum class Outcome : std::uint8_t { added, replaced };

    /// `key` keys the hashes of the text that peers choose.
    explicit SubscriptionIndex(std::uint64_t key) : shapes_(key) {}

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
    /// Returns how many filters match: by one of them, a session comes at most once for each group.
    template <typename Visitor>
    std::size_t for_each_match(std::string_view topic, Visitor&& visitor) {
        match(topic);
        return for_each_matched(visitor);
    }

    /// The same in two steps: to have a look first at what matched, which stays until the index is
    /// changed or asked again.
    void match(std::string_view topic) {
        if (beginning_.begins(topic)) {
            match_beginning();
        } else {
            search(topic);
        }
    }
    /// For somebody who keeps a number between topics, at first kNone; any number is as good, but
    /// not as soon.
    void match(std::string_view topic, std::uint32_t& hint) {
        if (is_alone(hint, topic)) {
            matched_.assign(1, hint);
            if (filters_[hint].has_list()) close_holes(filters_[hint]);
        } else {
            match(topic);
            hint = last_filter();
        }
    }
    /// Whether that takes no search: the topic is the text of this filter, and matches no other.
    [[nodiscard]] bool is_alone(std::uint32_t filter, std::string_view topic) const {
        if (filter >= filters_.capacity() || filters_[filter].alone != wildcards_) return false;
        const std::string_view own = text(filters_[filter]);
        return own.size() == topic.size() && same_text(own.data(), topic.data(), own.size());
    }
    template <typename Visitor>
    std::size_t for_each_matched(Visitor&& visitor) const;

    /// A subscription as a match reads it.
    struct Entry {
        std::uint32_t session = kNone;  // kNone: none, or one that has ended
        std::uint32_t record = kNone;
        SubscriptionData data;
    };
    /// If one filter matched, and several sessions share it as one group and nobody else has it:
    /// those, in the order of subscription. Otherwise nothing.
    [[nodiscard]] std::span<const Entry> sole_group() const {
        if (matched_.size() != 1 || !filters_[matched_.front()].has_list()) return {};
        const List& list = lists_[filters_[matched_.front()].list()];
        if (list.group == 0 || list.live != list.entries.size()) return {};
        return list.entries;
    }

    /// Starts loading what match(topic) will look at first.
    void prefetch(std::string_view topic);
    /// The first filter that the last topic has matched, as a number that may be stale any time: to
    /// load early what a topic like it will need.
    [[nodiscard]] std::uint32_t last_filter() const {
        return matched_.empty() ? kNone : matched_.front();
    }
    void prefetch_filter(std::uint32_t filter) const {
        if (filter < filters_.capacity()) mqttwin::prefetch(&filters_[filter]);
    }

    /// Number of subscriptions of the session with this list head.
    [[nodiscard]] std::uint32_t count(std::uint32_t head) const {
        return head == kNone ? 0 : records_[head].previous;
    }
    /// Calls visitor(std::string_view filter, const SubscriptionData&) for each subscription of a
    /// session, the latest first. The text is that of the index.
    template <typename Visitor>
    void for_each_of_session(std::uint32_t head, Visitor&& visitor) const {
        for (std::uint32_t record = head; record != kNone; record = records_[record].next) {
            visitor(text(filters_[records_[record].filter]), entry_of(records_[record]).data);
        }
    }

    [[nodiscard]] std::size_t size() const { return records_.live(); }  // subscriptions
    void archive(Archive& a) {
        a(shapes_, by_hash_, filters_, long_texts_, lists_, records_, wildcards_);
        if (a.reading()) beginning_.known = false;
    }
    /// Bytes held, subscriptions and tables.
    [[nodiscard]] std::size_t footprint() const;

   private:
    /// In place of the session of a filter's only subscriber: there are more, in a list.
    static constexpr std::uint32_t kMany = kNone - 1;
    /// A filter and its subscribers: one, or more in a list.
    struct alignas(64) Filter {
        static constexpr std::size_t kInline = 34;
        char text[kInline] = {};  // where it is too long, its index in `long_texts_`
        std::uint16_t text_size = 0;
        FilterShapes::Place place;
        std::uint32_t alone = 0;  // `wildcards_` when nothing else matched its text
        Entry only;
        [[nodiscard]] bool unused() const { return only.session == kNone; }
        [[nodiscard]] bool has_list() const { return only.session == kMany; }
        [[nodiscard]] std::uint32_t list() const { return only.record; }
    };
    static_assert(sizeof(Filter) == 64);
    /// Two subscribers or more, in the order in which they came. Those that have ended leave holes,
    /// which are closed when they are half of it, or when a group is matched next: ending one of
    /// many costs nothing much.
    struct List {
        std::vector<Entry> entries;
        std::uint32_t live = 0;
        std::uint32_t group = 0;  // of all entries; 0: they are of several, or of none
        void add(const Entry& entry) {
            if (entries.empty()) group = entry.data.group;
            if (entry.data.group != group) group = 0;
            entries.push_back(entry);
        }
        void archive(Archive& a) { a(entries, live, group); }
    };
    /// A subscription as its session's list sees it.
    struct Record {
        std::uint32_t filter = 0;
        std::uint32_t position = 0;  // in the filter's list
        std::uint32_t next = kNone;
        std::uint32_t previous = kNone;  // of the first: how many there are
    };

    /// Text is compared by words, so there may be anything behind it, but there is something.
    static constexpr std::size_t kWord = FilterShapes::kWord;
    static_assert(sizeof(Filter) >= Filter::kInline + kWord);
    [[nodiscard]] std::string_view text(const Filter& filter) const {
        if (filter.text_size <= Filter::kInline) return {filter.text, filter.text_size};
        return {long_texts_[long_text(filter)].data(), filter.text_size};
    }
    static std::uint32_t long_text(const Filter& filter) {
        std::uint32_t index = 0;
        std::memcpy(&index, filter.text, sizeof index);
        return index;
    }
    [[nodiscard]] std::uint32_t find_filter(std::string_view text,
                                            const FilterShapes::Place& place) const;
    /// How the last topic began whose beginning decided; until filters come or go.
    struct Beginning {
        std::uint64_t word = 0;  // its first characters,
        std::uint64_t mask = 0;  // so many of them
        std::vector<char> text;  // all of them
        std::uint32_t filter = kNone;
        bool known = false;

        [[nodiscard]] bool begins(std::string_view topic) const {
            if (!known || topic.size() < kWord || topic.size() < text.size()) return false;
            if (((load_word(topic.data()) ^ word) & mask) != 0 || topic.front() == '$')
                return false;
            return text.size() <= kWord || same_text(topic.data(), text.data(), text.size());
        }
        void learn(std::string_view beginning, std::uint32_t its_filter);
    };
    [[nodiscard]] inline bool matches(const Filter& filter,
                                      const FilterShapes::Candidate& as) const;
    std::uint32_t add_filter(const FilterShapes::Place& place, std::string_view text);
    void remove_filter(std::uint32_t filter);

    /// The entry of (filter, session, group), or null.
    Entry* find_entry(std::uint32_t filter, std::uint32_t session, std::uint32_t group,
                      std::uint32_t head);
    void add_entry(Filter& filter, const Entry& entry);
    void remove_entry(std::uint32_t record);
    void link(std::uint32_t record, std::uint32_t& head);
    void unlink(std::uint32_t record, std::uint32_t& head);
    void compact(List& list);
    void close_holes(const Filter& filter);
    [[nodiscard]] const Entry& entry_of(const Record& record) const;

    void search(std::string_view topic);
    void match_beginning() {
        matched_.clear();
        if (beginning_.filter == kNone) return;
        matched_.push_back(beginning_.filter);
        if (filters_[beginning_.filter].has_list()) close_holes(filters_[beginning_.filter]);
    }
    inline std::size_t find_candidates(std::string_view topic);
    inline void find_match(const FilterShapes::Candidate& as);
    inline void add_match(std::uint32_t filter);
    void change_wildcards();

    std::uint32_t wildcards_ = 1;  // another number each time that one with wildcards comes or goes
    FilterShapes shapes_;
    TextTable by_hash_;
    Slab<Filter> filters_;
    Slab<std::string> long_texts_;  // kWord longer
    Slab<List> lists_;
    Slab<Record> records_;
    // Workspace of `match`, kept for its capacity.
    std::vector<char> topic_;  // kWord longer, at least
    std::vector<FilterShapes::Level> levels_;
    std::vector<FilterShapes::Candidate> candidates_;
    std::vector<std::uint32_t> matched_;
    Beginning beginning_;
};

template <typename Visitor>
std::size_t SubscriptionIndex::for_each_matched(Visitor&& visitor) const {
    for (const std::uint32_t matched : matched_) {
        const Filter& filter = filters_[matched];
        if (!filter.has_list()) {
            visitor(filter.only.session, filter.only.data);
            continue;
        }
        for (const Entry& entry : lists_[filter.list()].entries) {
            if (entry.session != kNone) visitor(entry.session, entry.data);
        }
    }
    return matched_.size();
}

}  // namespace mqttwin::broker
