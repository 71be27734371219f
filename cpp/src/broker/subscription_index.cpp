#include "subscription_index.hpp"

#include <algorithm>
#include <cassert>

#include "mqttwin/base/prefetch.hpp"

namespace mqttwin::broker {

namespace {

// Scanning an entry of a list costs about a thirtieth of following a session's list by one.
constexpr std::size_t kScannedPerFollowed = 32;

bool has_wildcards(std::string_view filter) {
    return filter.find_first_of("+#") != std::string_view::npos;
}

}  // namespace

// --- changing -----------------------------------------------------------------------------------

SubscriptionIndex::Outcome SubscriptionIndex::subscribe(std::string_view filter,
                                                        std::uint32_t session,
                                                        const SubscriptionData& data,
                                                        std::uint32_t& head) {
    assert(session != kNone);
    const FilterShapes::Place place = shapes_.make(filter);
    std::uint32_t known = find_filter(filter, place);
    if (known == kNone) {
        known = add_filter(place, filter);
    } else if (Entry* entry = find_entry(known, session, data.group, head)) {
        entry->data = data;
        return Outcome::replaced;
    }
    const std::uint32_t record = records_.take();
    records_[record].filter = known;
    link(record, head);
    add_entry(filters_[known], {session, record, data});
    return Outcome::added;
}

bool SubscriptionIndex::unsubscribe(std::string_view filter, std::uint32_t session,
                                    std::uint32_t& head, std::uint32_t group) {
    const std::uint32_t known = find_filter(filter, shapes_.find(filter));
    if (known == kNone) return false;
    const Entry* entry = find_entry(known, session, group, head);
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

std::uint32_t SubscriptionIndex::find_filter(std::string_view text,
                                             const FilterShapes::Place& place) const {
    return by_hash_.find(
        place.hash, [&](std::uint32_t filter) { return this->text(filters_[filter]) == text; });
}

std::uint32_t SubscriptionIndex::add_filter(const FilterShapes::Place& place,
                                            std::string_view text) {
    assert(text.size() <= 0xFFFF);
    beginning_.known = false;
    const std::uint32_t index = filters_.take();
    Filter& filter = filters_[index];
    filter.place = place;
    filter.text_size = static_cast<std::uint16_t>(text.size());
    if (text.size() <= Filter::kInline) {
        std::copy(text.begin(), text.end(), filter.text);
    } else {
        const std::uint32_t long_text = long_texts_.take();
        long_texts_[long_text].reserve(text.size() + kWord);
        long_texts_[long_text].append(text).append(kWord, '\0');
        std::memcpy(filter.text, &long_text, sizeof long_text);
    }
    shapes_.add_filter(place.shape);
    by_hash_.insert(place.hash, index);
    if (has_wildcards(text)) change_wildcards();
    return index;
}

void SubscriptionIndex::remove_filter(std::uint32_t index) {
    beginning_.known = false;
    Filter& filter = filters_[index];
    filter.alone = 0;
    if (has_wildcards(text(filter))) change_wildcards();
    by_hash_.erase(filter.place.hash, index);
    shapes_.remove_filter(filter.place.shape);
    if (filter.text_size > Filter::kInline) {
        long_texts_[long_text(filter)] = {};
        long_texts_.give_back(long_text(filter));
    }
    filters_.give_back(index);
}

// Filters without wildcards that come or go are no news to others: a topic has only one of them.
void SubscriptionIndex::change_wildcards() {
    if (++wildcards_ != 0) return;
    // After four billion changes an old state would look like a new one.
    for (std::uint32_t i = 0; i < filters_.capacity(); ++i) filters_[i].alone = 0;
    wildcards_ = 1;
}

SubscriptionIndex::Entry* SubscriptionIndex::find_entry(std::uint32_t index, std::uint32_t session,
                                                        std::uint32_t group, std::uint32_t head) {
    Filter& filter = filters_[index];
    const auto is_it = [&](const Entry& entry) {
        return entry.session == session && entry.data.group == group;
    };
    if (!filter.has_list()) return is_it(filter.only) ? &filter.only : nullptr;

    // Through the filter's subscribers or through the session's subscriptions, whatever is shorter.
    std::vector<Entry>& entries = lists_[filter.list()].entries;
    if (entries.size() <= kScannedPerFollowed * count(head)) {
        const auto found = std::find_if(entries.begin(), entries.end(), is_it);
        return found == entries.end() ? nullptr : &*found;
    }
    for (std::uint32_t i = head; i != kNone; i = records_[i].next) {
        const Record& record = records_[i];
        if (record.filter == index && is_it(entries[record.position])) {
            return &entries[record.position];
        }
    }
    return nullptr;
}

void SubscriptionIndex::add_entry(Filter& filter, const Entry& entry) {
    if (filter.unused()) {
        filter.only = entry;
        return;
    }
    if (!filter.has_list()) {
        const std::uint32_t list = lists_.take();
        lists_[list].add(filter.only);
        lists_[list].live = 1;
        records_[filter.only.record].position = 0;
        filter.only = Entry{};
        filter.only.session = kMany;
        filter.only.record = list;
    }
    List& list = lists_[filter.list()];
    records_[entry.record].position = static_cast<std::uint32_t>(list.entries.size());
    list.add(entry);
    ++list.live;
}

void SubscriptionIndex::remove_entry(std::uint32_t record) {
    Filter& filter = filters_[records_[record].filter];
    if (!filter.has_list()) {
        filter.only = Entry{};
        remove_filter(records_[record].filter);
        return;
    }
    const std::uint32_t number = filter.list();
    List& list = lists_[number];
    list.entries[records_[record].position] = Entry{};
    --list.live;
    if (list.live > 1) {
        if (list.live * std::size_t{2} < list.entries.size()) compact(list);
        return;
    }
    filter.only = *std::find_if(list.entries.begin(), list.entries.end(),
                                [](const Entry& entry) { return entry.session != kNone; });
    list = {};
    lists_.give_back(number);
}

void SubscriptionIndex::compact(List& list) {
    List kept;
    kept.live = list.live;
    kept.entries.reserve(list.live);
    for (const Entry& entry : list.entries) {
        if (entry.session == kNone) continue;
        records_[entry.record].position = static_cast<std::uint32_t>(kept.entries.size());
        kept.add(entry);
    }
    list = std::move(kept);
}

// Of a group, one is chosen by its number.
void SubscriptionIndex::close_holes(const Filter& filter) {
    List& list = lists_[filter.list()];
    if (list.group != 0 && list.live != list.entries.size()) compact(list);
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
    const Filter& filter = filters_[record.filter];
    if (!filter.has_list()) return filter.only;
    return lists_[filter.list()].entries[record.position];
}

std::size_t SubscriptionIndex::footprint() const {
    std::size_t bytes = shapes_.footprint() + by_hash_.footprint();
    bytes += filters_.capacity() * sizeof(Filter) + long_texts_.capacity() * sizeof(std::string);
    for (std::uint32_t i = 0; i < long_texts_.capacity(); ++i) bytes += long_texts_[i].size();
    for (std::uint32_t i = 0; i < lists_.capacity(); ++i) {
        bytes += lists_[i].entries.capacity() * sizeof(Entry);
    }
    bytes += lists_.capacity() * sizeof(List) + records_.capacity() * sizeof(Record);
    return bytes;
}

// --- matching -----------------------------------------------------------------------------------

/// Where filters that match it would be, and the topic where more than it can be read.
inline std::size_t SubscriptionIndex::find_candidates(std::string_view topic) {
    if (topic_.size() < topic.size() + kWord) topic_.resize(2 * (topic.size() + kWord));
    copy_text(topic_.data(), topic.data(), topic.size());
    candidates_.clear();
    return shapes_.find_candidates({topic_.data(), topic.size()}, levels_, candidates_);
}

void SubscriptionIndex::prefetch(std::string_view topic) {
    find_candidates(topic);
    for (const FilterShapes::Candidate& one : candidates_) by_hash_.prefetch(one.place.hash);
}

void SubscriptionIndex::Beginning::learn(std::string_view beginning, std::uint32_t its_filter) {
    text.assign(beginning.begin(), beginning.end());
    word = mask = 0;
    const std::size_t size = std::min(beginning.size(), kWord);
    std::memcpy(&word, beginning.data(), size);
    std::memset(&mask, 0xFF, size);
    filter = its_filter;
    known = true;
}

// In three steps, each of which loads for the next what lies far apart in memory.
void SubscriptionIndex::search(std::string_view topic) {
    matched_.clear();
    const std::size_t decided = find_candidates(topic);
    if (candidates_.size() == 1) {  // no two that could be loaded side by side
        find_match(candidates_.front());
    } else {
        for (const FilterShapes::Candidate& one : candidates_) by_hash_.prefetch(one.place.hash);
        std::erase_if(candidates_, [this](FilterShapes::Candidate& one) {
            one.filter = by_hash_.find(one.place.hash, [](std::uint32_t) { return true; });
            if (one.filter != kNone) mqttwin::prefetch(&filters_[one.filter]);
            return one.filter == kNone;
        });
        for (const FilterShapes::Candidate& one : candidates_) {
            if (matches(filters_[one.filter], one)) {
                add_match(one.filter);
            } else {  // another one with this hash
                find_match(one);
            }
        }
    }
    if (decided != FilterShapes::kAllOfIt && matched_.size() <= 1) {
        beginning_.learn(topic.substr(0, decided), last_filter());
    }
    if (matched_.size() != 1) return;
    Filter& only = filters_[matched_.front()];
    if (only.has_list()) close_holes(only);
    // Its own text, whole; where it is another filter of this size, with wildcards, nobody asks for
    // that text, for it is no topic.
    if (candidates_.front().literal && only.text_size == topic.size()) only.alone = wildcards_;
}

inline void SubscriptionIndex::find_match(const FilterShapes::Candidate& as) {
    const std::uint32_t filter = by_hash_.find(
        as.place.hash, [&](std::uint32_t other) { return matches(filters_[other], as); });
    if (filter != kNone) add_match(filter);
}

inline void SubscriptionIndex::add_match(std::uint32_t filter) {
    if (filters_[filter].has_list()) mqttwin::prefetch(&lists_[filters_[filter].list()]);
    matched_.push_back(filter);
}

// All at once, or level by level where there is a `+`, then without a branch on which of them are
// wildcards: where many filters match, that is a riddle to the processor. In a valid filter a
// wildcard is a level of its own.
inline bool SubscriptionIndex::matches(const Filter& filter,
                                       const FilterShapes::Candidate& as) const {
    if (filter.place.shape != as.place.shape) return false;
    const std::string_view whole = text(filter);
    if (as.literal) {
        std::size_t size = 0;
        if (as.levels > 0) size = levels_[as.levels - 1].begin + levels_[as.levels - 1].size;
        return whole.size() == size + as.rest && same_text(whole.data(), topic_.data(), size);
    }
    const char* own = whole.data();
    const char* const end = own + whole.size();
    std::uint64_t differs = 0;
    for (std::uint32_t i = 0; i < as.levels; ++i) {
        const std::size_t size = levels_[i].size;
        const std::uint64_t literal = *own == '+' ? 0 : ~std::uint64_t{0};
        differs |= (load_word(own) ^ levels_[i].text) & levels_[i].mask & literal;
        if (size > kWord && literal != 0) {
            const char* const topic = topic_.data() + levels_[i].begin;
            if (size > static_cast<std::size_t>(end - own)) return false;
            if (std::memcmp(own + kWord, topic + kWord, size - kWord) != 0) return false;
        }
        own += 1 + ((size - 1) & literal);
        if (own >= end) return own == end && differs == 0 && i + 1 == as.levels && as.rest == 0;
        differs |= static_cast<std::uint64_t>(*own++ ^ '/');
    }
    return differs == 0;
}

}  // namespace mqttwin::broker
